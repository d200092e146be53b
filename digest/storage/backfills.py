"""Back-fills: how far reading a source's past has come, so that one that was broken off goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Column, Date, ForeignKey, Integer, String, Table, Text, delete, select

from digest.model.feeds import FetchRequest, SourceId
from digest.storage.base import Instant, Tx, insert, metadata

backfills = Table(
    "backfills",
    metadata,
    Column("source_id", String(200), ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("since", Date, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("waiting", Text, nullable=False),  # the documents that are still to be read, JSON
    Column("documents", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("ended_at", Instant),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldBackfill:
    """How far one has come: documents read, entries in them, and what is still to be read, in order."""

    source_id: SourceId
    since: date
    started_at: datetime
    waiting: tuple[FetchRequest, ...]
    documents: int = 0
    entries: int = 0
    ended_at: datetime | None = None


def unfinished(tx: Tx, source_id: SourceId, since: date) -> HeldBackfill | None:
    """The one that was broken off, if there is."""
    query = select(backfills).where(
        backfills.c.source_id == source_id, backfills.c.since == since, backfills.c.ended_at.is_(None)
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    return HeldBackfill(
        source_id=SourceId(row.source_id),
        since=row.since,
        started_at=row.started_at,
        waiting=_requests(row.waiting),
        documents=row.documents,
        entries=row.entries,
    )


def keep(tx: Tx, one: HeldBackfill) -> None:
    """Writes how far it has come."""
    values = {
        "started_at": one.started_at,
        "waiting": _text(one.waiting),
        "documents": one.documents,
        "entries": one.entries,
        "ended_at": one.ended_at,
    }
    statement = insert(tx, backfills).values(source_id=one.source_id, since=one.since, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["source_id", "since"], set_=values))


def drop(tx: Tx, source_id: SourceId) -> None:
    """Forgets what was broken off: its source is another one now."""
    tx.execute(delete(backfills).where(backfills.c.source_id == source_id, backfills.c.ended_at.is_(None)))


def _text(waiting: Sequence[FetchRequest]) -> str:
    """Validators and permissions are none of the plan's business: they are given anew at each request. Arguments may
    be secrets and are not written; what needs them is planned anew.
    """
    return json.dumps([[one.url, one.accept, one.credential] for one in waiting])


def _requests(text: str) -> tuple[FetchRequest, ...]:
    return tuple(
        FetchRequest(url=url, accept=accept, credential=credential) for url, accept, credential in json.loads(text)
    )
