"""The catalogue: what a service says of a person (papers, citations, h-index, places), kept for a week."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import JSON, Column, String, Table, Text, delete, null, select

from digest.model.catalogue import Asked, Facts
from digest.storage.base import Instant, Tx, among, batched, insert, metadata

_LONGEST = 200

catalogue = Table(
    "catalogue",
    metadata,
    Column("person", String(_LONGEST), primary_key=True),  # openalex:A…, orcid:…, semanticscholar:…, else name:…
    Column("service", String(30), primary_key=True),
    Column("facts", JSON),  # null: the service knows nobody of that name, or more than one
    Column("why", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("found_at", Instant),
)


def put(tx: Tx, asked: Asked) -> None:
    """Writes what came of asking; the newest answer counts."""
    values = {
        "facts": asdict(asked.facts) if asked.facts is not None else null(),
        "why": asked.why,
        "asked_at": asked.asked_at,
        "found_at": asked.found_at,
    }
    statement = insert(tx, catalogue).values(person=asked.person[:_LONGEST], service=asked.catalogue, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["person", "service"], set_=values))


def known(tx: Tx, people: Collection[str]) -> Mapping[tuple[str, str], Asked]:
    """What is kept of these people, by person and catalogue."""
    found: dict[tuple[str, str], Asked] = {}
    by_key = {person[:_LONGEST]: person for person in people}
    for some in batched(sorted(by_key), 500):
        for row in tx.execute(select(catalogue).where(among(tx, catalogue.c.person, some))):
            person = by_key[row.person]
            found[person, row.service] = Asked(
                person=person,
                catalogue=row.service,
                facts=_facts(row.facts) if row.facts is not None else None,
                why=row.why,
                asked_at=row.asked_at,
                found_at=row.found_at,
            )
    return found


def forget_others(tx: Tx, people: Collection[str]) -> int:
    """Drops what is kept of anybody else; gives how much it was."""
    kept = {person[:_LONGEST] for person in people}
    gone = sorted(set(tx.execute(select(catalogue.c.person).distinct()).scalars()) - kept)
    return sum(
        tx.execute(delete(catalogue).where(among(tx, catalogue.c.person, some))).rowcount for some in batched(gone, 500)
    )


def _facts(stored: Mapping[str, Any]) -> Facts:
    values: dict[str, Any] = {**stored, "institutions": tuple(stored["institutions"])}
    return Facts(**values)
