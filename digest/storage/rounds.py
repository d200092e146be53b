"""Rounds: how each fetch of a source ended, for as long as its rhythm and its silences are worth explaining."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Row, String, Table, Text, delete, func, select

from digest.model.feeds import SourceId, SourceState
from digest.storage.base import Instant, Tx, among, metadata
from digest.storage.entries import Id
from digest.storage.sources import sources

rounds = Table(
    "rounds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source_id", String(200), ForeignKey("sources.id", ondelete="CASCADE"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("state", String(20), nullable=False),
    Column("documents", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("revised", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("fresh", Integer, nullable=False),  # works that this source had not shown before, whoever was first
    Column("problems", Integer, nullable=False),
    Column("http_status", Integer),
    Column("seconds", Float, nullable=False),
    Column("detail", Text, nullable=False),
    Column("next_at", Instant),
    Index("ix_rounds_source_id_at", "source_id", "at"),
)

_COLUMNS = tuple(column.name for column in rounds.c if column.name != "id")
#: Rounds of a source that are looked at for its rhythm.
RHYTHM = 24
#: A round that brought nothing, and nothing to tell, is worth keeping for so long.
PLAIN_DAYS = 35
_PLAIN = (SourceState.UNCHANGED.value, SourceState.QUIET.value)
_FAILED = (SourceState.BROKEN.value, SourceState.THROTTLED.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One fetch of a source, as it ended."""

    source_id: SourceId
    at: datetime
    state: SourceState
    documents: int = 0
    new: int = 0
    revised: int = 0
    unchanged: int = 0
    fresh: int = 0
    """Works that this source had not shown before; the ``new`` ones no source had."""
    problems: int = 0
    http_status: int | None = None
    seconds: float = 0.0
    """Of fetching and reading, waiting for the host's turn included."""
    detail: str = ""
    next_at: datetime | None = None
    """When it was to be looked at next; None: never again by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failing:
    """A row of rounds of a source of which none could read it."""

    since: datetime
    tries: int


def note(tx: Tx, ended: Sequence[Round]) -> None:
    """Adds rounds."""
    if ended:
        rows = [{name: getattr(one, name) for name in _COLUMNS} | {"state": one.state.value} for one in ended]
        tx.execute(rounds.insert(), rows)


def of(tx: Tx, source_id: SourceId, *, since: datetime, until: datetime) -> tuple[Round, ...]:
    """The rounds of a source in (since, until], in order of time."""
    query = (
        select(rounds)
        .where(rounds.c.source_id == source_id, rounds.c.at > since, rounds.c.at <= until)
        .order_by(rounds.c.at, rounds.c.id)
    )
    return tuple(map(round_of, tx.execute(query)))


def last(tx: Tx, source_ids: Collection[SourceId], *, until: datetime) -> Mapping[SourceId, Round]:
    """The newest round of each source up to an instant; who has none is absent."""
    named = sources.alias("named")
    newest = (
        select(rounds.c.id)
        .where(rounds.c.source_id == named.c.id, rounds.c.at <= until)
        .order_by(rounds.c.at.desc(), rounds.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(rounds).where(rounds.c.id.in_(select(newest).where(among(tx, named.c.id, source_ids))))
    return {SourceId(row.source_id): round_of(row) for row in tx.execute(query)}


def failing(tx: Tx, source_id: SourceId, *, until: datetime) -> Failing | None:
    """The failures in a row up to an instant; None where the newest round could read the source."""
    mine = (rounds.c.source_id == source_id, rounds.c.at <= until)
    worked = tx.execute(select(func.max(rounds.c.at)).where(*mine, rounds.c.state.not_in(_FAILED))).scalar()
    after = (rounds.c.at > worked,) if worked is not None else ()
    row = tx.execute(select(func.min(rounds.c.at).label("since"), func.count().label("tries")).where(*mine, *after))
    told = row.one()
    return Failing(since=told.since, tries=told.tries) if told.tries else None


def brought(tx: Tx, source_ids: Collection[SourceId], *, since: datetime, until: datetime) -> Mapping[SourceId, int]:
    """How many works each source showed for the first time in (since, until]; who showed none is absent."""
    query = (
        select(rounds.c.source_id, func.sum(rounds.c.fresh).label("fresh"))
        .where(among(tx, rounds.c.source_id, source_ids), rounds.c.at > since, rounds.c.at <= until)
        .where(rounds.c.fresh > 0)
        .group_by(rounds.c.source_id)
    )
    return {SourceId(row.source_id): int(row.fresh) for row in tx.execute(query)}


def last_news(tx: Tx, source_ids: Collection[SourceId], *, until: datetime) -> Mapping[SourceId, datetime]:
    """When each source brought what it had not shown before for the last time; who never did is absent."""
    named = sources.alias("named")
    newest = (
        select(rounds.c.at)
        .where(rounds.c.source_id == named.c.id, rounds.c.at <= until, rounds.c.fresh > 0)
        .order_by(rounds.c.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(named.c.id, newest.label("at")).where(among(tx, named.c.id, source_ids))
    return {SourceId(row.id): row.at for row in tx.execute(query) if row.at is not None}


def news_since(
    tx: Tx, source_ids: Collection[SourceId], *, since: datetime, until: datetime
) -> Mapping[SourceId, tuple[datetime, ...]]:
    """When each source brought what it had not shown before, in (since, until], the oldest first."""
    query = (
        select(rounds.c.source_id, rounds.c.at)
        .where(among(tx, rounds.c.source_id, source_ids), rounds.c.at > since, rounds.c.at <= until)
        .where(rounds.c.fresh > 0)
        .order_by(rounds.c.source_id, rounds.c.at)
    )
    found: dict[SourceId, list[datetime]] = defaultdict(list)
    for row in tx.execute(query):
        found[SourceId(row.source_id)].append(row.at)
    return {source_id: tuple(instants) for source_id, instants in found.items()}


def news(tx: Tx, source_ids: Collection[SourceId]) -> Mapping[SourceId, tuple[datetime, ...]]:
    """When each source last brought what it had not shown before, the newest first."""
    place = func.row_number().over(partition_by=rounds.c.source_id, order_by=rounds.c.at.desc())
    ranked = (
        select(rounds.c.source_id, rounds.c.at, place.label("place"))
        .where(among(tx, rounds.c.source_id, source_ids), rounds.c.fresh > 0)
        .subquery()
    )
    found: dict[SourceId, list[datetime]] = defaultdict(list)
    query = select(ranked).where(ranked.c.place <= RHYTHM).order_by(ranked.c.source_id, ranked.c.place)
    for row in tx.execute(query):
        found[SourceId(row.source_id)].append(row.at)
    return {source_id: tuple(instants) for source_id, instants in found.items()}


def prune(tx: Tx, *, now: datetime, days: int) -> int:
    """Drops rounds older than ``days``, and sooner those that say no more than that nothing was new."""
    plain = (rounds.c.state.in_(_PLAIN)) & (rounds.c.fresh == 0) & (rounds.c.at < now - timedelta(days=PLAIN_DAYS))
    gone = tx.execute(delete(rounds).where((rounds.c.at < now - timedelta(days=days)) | plain))
    return max(gone.rowcount, 0)


def round_of(row: Row[Any]) -> Round:
    return Round(
        source_id=SourceId(row.source_id),
        at=row.at,
        state=SourceState(row.state),
        documents=row.documents,
        new=row.new,
        revised=row.revised,
        unchanged=row.unchanged,
        fresh=row.fresh,
        problems=row.problems,
        http_status=row.http_status,
        seconds=row.seconds,
        detail=row.detail,
        next_at=row.next_at,
    )
