"""Sources:

what was added besides the configuration, when each is next due, how it is doing, and the validators of its documents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BindParameter,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    select,
    true,
    update,
)

from digest.model.feeds import Health, Source, SourceId, SourceState, Validators
from digest.storage import backfills
from digest.storage.base import Instant, Tx, add_missing, among, insert, metadata

sources = Table(
    "sources",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("kind", String(50), nullable=False),
    Column("url", Text, nullable=False),
    Column("category", String(100), nullable=False),
    Column("options", JSON, nullable=False, default=dict),  # name -> values
    Column("every_seconds", Integer, nullable=False),
    Column("allow_private", Boolean, nullable=False),
    Column("from_operator", Boolean, nullable=False, server_default=true()),  # else it may name no file or program
    Column("origin", String(10), nullable=False),  # config: the file has it; added: `digest sources add` stored it
    Column("title", Text, nullable=False, default=""),
    Column("state", String(20)),
    Column("detail", Text, nullable=False, default=""),
    Column("http_status", Integer),
    Column("failures", Integer, nullable=False, default=0),
    Column("next_at", Instant, index=True),
    Column("first_fetched_at", Instant),
    Column("last_fetched_at", Instant),
    Column("last_ok_at", Instant),
    Column("last_new_at", Instant),
    Column("last_keys", String(64), nullable=False, default=""),
    Column("alerted_at", Instant),
    Column("moved_to", Text, nullable=False, default=""),  # where it has permanently redirected to since moved_at
    Column("moved_at", Instant),
    Column("stopped_at", Instant),  # it is gone for good (HTTP 410): only asked if somebody names it
    Column("times", JSON, nullable=False, default=dict),  # Times, as the feed last told them
)

documents = Table(
    "documents",
    metadata,
    Column("source_id", String(200), ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("url", Text, primary_key=True),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("body_hash", String(64)),
    Column("seen_at", Instant, nullable=False),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """What a feed says of when it is worth asking, in GMT; weekdays from Monday 0."""

    ttl: timedelta | None = None
    skip_days: frozenset[int] = frozenset()
    skip_hours: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldSource:
    """A source beside what we remember of it."""

    source: Source
    origin: str
    title: str
    state: SourceState | None
    detail: str
    http_status: int | None
    failures: int
    next_at: datetime | None
    first_fetched_at: datetime | None
    last_fetched_at: datetime | None
    last_ok_at: datetime | None
    last_new_at: datetime | None
    last_keys: str
    alerted_at: datetime | None
    moved_to: str = ""
    """Where its address has led for good, by every answer since ``moved_at``."""
    moved_at: datetime | None = None
    stopped_at: datetime | None = None
    times: Times = Times()


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What we remember of a document."""

    validators: Validators
    seen_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a round of a source ended, beside the source as it was before."""

    held: HeldSource
    health: Health
    at: datetime
    http_status: int | None = None
    title: str = ""
    """As the feed says it; empty where it says none."""
    keys: str | None = None
    """Of the items that were read; None where none were."""
    brought_new: bool = False
    reached: bool = False
    """The source answered sensibly: its first fetch is then over."""
    moved_to: str = ""
    moved_at: datetime | None = None
    times: Times = Times()


def sync(tx: Tx, configured: Sequence[Source]) -> None:
    """Brings the rows of the configuration's sources up to date; a source whose address changed starts afresh."""
    held = {row.id: row for row in tx.execute(select(sources))}
    for source in configured:
        values = _values(source, "config")
        row = held.get(source.id)
        if row is None:
            add_missing(tx, sources, [values])
        elif any(getattr(row, name) != value for name, value in values.items()):
            told = (source.kind, source.url, source.category, values["options"])
            moved = (row.kind, row.url, row.category, row.options) != told
            tx.execute(
                update(sources).where(sources.c.id == source.id).values(**values, **(_afresh() if moved else {}))
            )
            if moved:
                _forget_documents(tx, source.id)
    names = {source.id for source in configured}
    for gone in (row.id for row in held.values() if row.origin == "config" and row.id not in names):
        # The row stays, for the sightings that point to it; it is no longer polled.
        tx.execute(update(sources).where(sources.c.id == gone).values(origin="gone"))


def add(tx: Tx, source: Source) -> bool:
    """Stores a source for good, or takes up one that was removed; False when the id is taken."""
    values = _values(source, "added")
    if add_missing(tx, sources, [values]) == 1:
        return True
    back = update(sources).where(sources.c.id == source.id, sources.c.origin == "gone").values(**values, **_afresh())
    if not tx.execute(back).rowcount:
        return False
    _forget_documents(tx, source.id)
    return True


def remove(tx: Tx, source_id: str) -> bool:
    changed = tx.execute(
        update(sources).where(sources.c.id == source_id, sources.c.origin == "added").values(origin="gone")
    )
    return bool(changed.rowcount)


def all_held(tx: Tx) -> tuple[HeldSource, ...]:
    """Every source that is polled, by id."""
    rows = tx.execute(select(sources).where(sources.c.origin != "gone").order_by(sources.c.id))
    return tuple(_held(row) for row in rows)


def removed(tx: Tx) -> tuple[HeldSource, ...]:
    """Every source that is no longer polled, by id."""
    rows = tx.execute(select(sources).where(sources.c.origin == "gone").order_by(sources.c.id))
    return tuple(_held(row) for row in rows)


def claim(
    tx: Tx,
    ids: Sequence[SourceId] | None,
    *,
    now: datetime,
    busy_until: datetime,
    due_only: bool,
    most: int | None = None,
) -> tuple[HeldSource, ...]:
    """Takes sources to fetch and moves their next time forward, so that no second process fetches them as well; by id.

    With ``most``, those that have been due for longest.
    """
    query = select(sources).where(sources.c.origin != "gone").order_by(sources.c.id)
    if most is not None:
        query = query.order_by(None).order_by(sources.c.next_at.asc().nulls_first(), sources.c.id).limit(most)
    if ids is not None:
        query = query.where(sources.c.id.in_(ids))
    if due_only:
        query = query.where((sources.c.next_at.is_(None)) | (sources.c.next_at <= now), sources.c.stopped_at.is_(None))
    rows = sorted(tx.execute(query.with_for_update(skip_locked=True)), key=lambda row: row.id)
    claimed = [row.id for row in rows]
    if claimed:
        tx.execute(update(sources).where(sources.c.id.in_(claimed)).values(next_at=busy_until))
    return tuple(_held(row) for row in rows)


def renew(tx: Tx, ids: Collection[SourceId], *, held_until: datetime, until: datetime) -> None:
    """Moves those claims further that are still as they were made: neither ended nor taken by somebody else."""
    mine = among(tx, sources.c.id, ids), sources.c.next_at == held_until
    tx.execute(update(sources).where(*mine).values(next_at=until))


def validators(tx: Tx, source_id: SourceId) -> Mapping[str, Validators]:
    rows = tx.execute(select(documents).where(documents.c.source_id == source_id))
    return {
        row.url: Validators(etag=row.etag, last_modified=row.last_modified, body_hash=row.body_hash) for row in rows
    }


def known_documents(tx: Tx, source_ids: Collection[SourceId]) -> Mapping[SourceId, Mapping[str, Known]]:
    """What we remember of the documents of many sources: by source, by address."""
    found: dict[SourceId, dict[str, Known]] = defaultdict(dict)
    for row in tx.execute(select(documents).where(among(tx, documents.c.source_id, source_ids))):
        held = Validators(etag=row.etag, last_modified=row.last_modified, body_hash=row.body_hash)
        found[SourceId(row.source_id)][row.url] = Known(validators=held, seen_at=row.seen_at)
    return found


def remember(tx: Tx, source_id: SourceId, url: str, held: Validators, now: datetime) -> None:
    """Keeps a document's validators; those unseen for two weeks are dropped (dated URLs would pile up)."""
    values = {"etag": held.etag, "last_modified": held.last_modified, "body_hash": held.body_hash, "seen_at": now}
    statement = insert(tx, documents).values(source_id=source_id, url=url, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["source_id", "url"], set_=values))
    tx.execute(
        delete(documents).where(documents.c.source_id == source_id, documents.c.seen_at < now - timedelta(days=14))
    )


def record(tx: Tx, rounds: Sequence[Ended]) -> None:
    """Writes how rounds of different sources ended, each beside the source that was claimed for it."""
    by_columns: dict[tuple[str, ...], list[dict[str, object]]] = defaultdict(list)
    for one in rounds:
        values = _ended(one)
        by_columns[tuple(values)].append({f"_{name}": value for name, value in values.items()})
    for names, rows in by_columns.items():
        changed: dict[str, BindParameter[Any]] = {name: bindparam(f"_{name}") for name in names if name != "id"}
        tx.execute(update(sources).where(sources.c.id == bindparam("_id")).values(changed), rows)


def _ended(one: Ended) -> dict[str, object]:
    """The row's new values. None is taken from what was held that another process may have changed meanwhile."""
    held = one.held
    values: dict[str, object] = {
        "id": held.source.id,
        "state": one.health.state.value,
        "detail": one.health.detail,
        "failures": one.health.failures,
        "next_at": one.health.next_at,
        "stopped_at": (held.stopped_at or one.at) if one.health.next_at is None else None,
        "http_status": one.http_status,
        "last_fetched_at": one.at,
        "moved_to": one.moved_to,
        "moved_at": one.moved_at,
        "times": _as_json(one.times),
    }
    if one.title:
        values["title"] = one.title
    if one.keys is not None:
        values["last_keys"] = one.keys
    if one.brought_new:
        values["last_new_at"] = one.at
    if one.reached:
        values |= {"last_ok_at": one.at, "alerted_at": None}
        if held.first_fetched_at is None:
            values["first_fetched_at"] = one.at
    return values


def give_back(tx: Tx, held: HeldSource, now: datetime) -> None:
    """Undoes a claim: the source is due when it was due before."""
    tx.execute(update(sources).where(sources.c.id == held.source.id).values(next_at=held.next_at or now))


def forget_first_fetch(tx: Tx) -> None:
    """After a restore each source's next fetch counts as its first, and no document as seen."""
    tx.execute(update(sources).values(first_fetched_at=None, next_at=None, last_keys=""))
    tx.execute(delete(documents))


def mark_alerted(tx: Tx, source_id: SourceId, now: datetime) -> None:
    tx.execute(update(sources).where(sources.c.id == source_id).values(alerted_at=now))


def _forget_documents(tx: Tx, source_id: SourceId) -> None:
    """Those that were read, and those of its past that were still to be read: another kind reads them otherwise."""
    tx.execute(delete(documents).where(documents.c.source_id == source_id))
    backfills.drop(tx, source_id)


def _afresh() -> dict[str, object]:
    """A source at another address is another one."""
    gone = {"next_at": None, "first_fetched_at": None, "last_keys": "", "stopped_at": None}
    return {**gone, "moved_to": "", "moved_at": None, "times": {}}


def _as_json(times: Times) -> dict[str, object]:
    """Only what the feed says, so that most rows say nothing."""
    said = {
        "ttl": times.ttl.total_seconds() if times.ttl else None,
        "skip_days": sorted(times.skip_days),
        "skip_hours": sorted(times.skip_hours),
    }
    return {name: value for name, value in said.items() if value}


def _times(said: Mapping[str, Any]) -> Times:
    return Times(
        ttl=timedelta(seconds=said["ttl"]) if "ttl" in said else None,
        skip_days=frozenset(said.get("skip_days", ())),
        skip_hours=frozenset(said.get("skip_hours", ())),
    )


def _values(source: Source, origin: str) -> dict[str, object]:
    return {
        "id": source.id,
        "kind": source.kind,
        "url": source.url,
        "category": source.category,
        "options": {name: list(values) for name, values in source.options},
        "every_seconds": int(source.every.total_seconds()),
        "allow_private": source.allow_private,
        "from_operator": source.from_operator,
        "origin": origin,
    }


def _held(row: Row[Any]) -> HeldSource:
    source = Source(
        id=SourceId(row.id),
        kind=row.kind,
        url=row.url,
        category=row.category,
        options=tuple((name, tuple(values)) for name, values in sorted(row.options.items())),
        every=timedelta(seconds=row.every_seconds),
        allow_private=row.allow_private,
        from_operator=row.from_operator,
    )
    return HeldSource(
        source=source,
        origin=row.origin,
        title=row.title,
        state=SourceState(row.state) if row.state else None,
        detail=row.detail,
        http_status=row.http_status,
        failures=row.failures,
        next_at=row.next_at,
        first_fetched_at=row.first_fetched_at,
        last_fetched_at=row.last_fetched_at,
        last_ok_at=row.last_ok_at,
        last_new_at=row.last_new_at,
        last_keys=row.last_keys,
        alerted_at=row.alerted_at,
        moved_to=row.moved_to,
        moved_at=row.moved_at,
        stopped_at=row.stopped_at,
        times=_times(row.times),
    )
