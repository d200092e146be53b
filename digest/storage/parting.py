"""Taking apart what was joined: a work that had its own row gets it back, one that never had one gets a new one.

Whoever was sent the two while they were one was sent both.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from digest.model.feeds import Alias, EntryId, WorkId
from digest.storage import editions, likeness
from digest.storage.base import Tx, add_missing
from digest.storage.entries import aliases, entries, merges, sightings, votes


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A work that was joined to another and still has its row."""

    entry_id: EntryId
    work: WorkId
    title: str
    aliases: tuple[Alias, ...]
    at: datetime
    why: str


def parts(tx: Tx, entry_id: EntryId) -> tuple[Part, ...]:
    """What was joined to a work, oldest first."""
    query = (
        select(merges, entries.c.work, entries.c.title)
        .join(entries, entries.c.id == merges.c.gone_id)
        .where(entries.c.merged_into == entry_id)
        .order_by(merges.c.at, merges.c.gone_id)
    )
    return tuple(
        Part(
            entry_id=EntryId(row.gone_id),
            work=WorkId(row.work),
            title=row.title,
            aliases=tuple(Alias(alias) for alias in row.own["aliases"]),
            at=row.at,
            why=row.why,
        )
        for row in tx.execute(query)
    )


def take_out(tx: Tx, part: EntryId, root: EntryId, *, now: datetime) -> None:
    """Gives a joined work its row back with what was its own, and what was joined to it before."""
    row = tx.execute(select(merges).where(merges.c.gone_id == part)).one()
    own: dict[str, Any] = row.own
    tx.execute(update(entries).where(entries.c.id.in_(_joined_to(tx, part))).values(merged_into=part))
    tx.execute(update(entries).where(entries.c.id == part).values(merged_into=None))
    _move_aliases(tx, own["aliases"], root, part)
    others = set(own["others_sources"])
    _move_sources(tx, {s["source_id"] for s in own["sightings"]} - others, root, part)
    for table, kept in ((sightings, own["sightings"]), (votes, own["votes"])):
        add_missing(tx, table, [_instants(one) | {"entry_id": part} for one in kept])
    # Of a chain, the middle one's values are in the middle one's row.
    if own["others_values"] and row.into_id == root:
        tx.execute(update(entries).where(entries.c.id == root).values(**_instants(own["others_values"])))
    tx.execute(delete(merges).where(merges.c.gone_id == part))
    _part(tx, part, root, since=row.at, now=now)


def take_new(
    tx: Tx,
    root: EntryId,
    *,
    names: Collection[Alias],
    sources: Collection[str],
    work: WorkId,
    url: str,
    now: datetime,
) -> EntryId:
    """Makes a row for what a source brought and was taken for another work; the source tells its text anew.

    Until then it has the title under which it was joined.
    """
    row = dict(tx.execute(select(entries).where(entries.c.id == root)).mappings().one())
    seen = tx.execute(select(sightings).where(sightings.c.entry_id == root, sightings.c.source_id.in_(sources))).all()
    since = min((one.first_seen_at for one in seen), default=row["first_seen_at"])
    empty: dict[str, Any] = {"abstract": "", "comment": "", "code_url": "", "pdf_url": "", "project_url": ""}
    unknown = dict.fromkeys(("arxiv_id", "version", "doi", "comments", "stars", "published_at", "submitted_at"))
    del row["id"]
    row |= {**empty, **unknown, "work": work, "url": url, "first_seen_at": since, "stored_at": now, "merged_into": None}
    made = EntryId(tx.execute(entries.insert().values(**row).returning(entries.c.id)).scalar_one())
    _move_aliases(tx, names, root, made)
    _move_sources(tx, sources, root, made)
    _part(tx, made, root, since=since, now=now)
    return made


def _part(tx: Tx, part: EntryId, root: EntryId, *, since: datetime, now: datetime) -> None:
    rows = [root, *tx.execute(select(entries.c.id).where(entries.c.merged_into == root)).scalars()]
    editions.count_also(tx, part, printed_ids=rows, since=since)
    likeness.set_apart(tx, root, part, at=now)


def _joined_to(tx: Tx, part: EntryId) -> list[int]:
    """Everything that was joined to a work before it was joined itself, over several steps."""
    found: list[int] = []
    waiting: list[int] = [part]
    while waiting:
        earlier = tx.execute(select(merges.c.gone_id).where(merges.c.into_id.in_(waiting))).scalars()
        waiting = [row for row in earlier if row not in found]
        found += waiting
    return found


def _move_aliases(tx: Tx, names: Collection[str], root: EntryId, part: EntryId) -> None:
    mine = aliases.c.alias.in_(list(names)) & (aliases.c.entry_id == root)
    tx.execute(update(aliases).where(mine).values(entry_id=part))


def _move_sources(tx: Tx, sources: Collection[str], root: EntryId, part: EntryId) -> None:
    for table in (sightings, votes):
        mine = (table.c.entry_id == root) & table.c.source_id.in_(list(sources))
        tx.execute(update(table).where(mine).values(entry_id=part))


def _instants(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name in _INSTANTS and value is not None else value
        for name, value in row.items()
    }


_INSTANTS = frozenset(("first_seen_at", "at", "seen_until", "published_at", "submitted_at"))
