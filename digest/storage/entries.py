"""Works: one row each, with their unique aliases, where they were seen, and their votes over time.

A work that turned out to be another one keeps its row and points to the survivor (``merged_into``), so that history
that names it stays true.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from digest.model.feeds import (
    Alias,
    ChangeKind,
    Entry,
    EntryChange,
    EntryId,
    Sighting,
    SourceId,
    VoteObservation,
    WorkId,
)
from digest.storage.base import Instant, Tx, add_missing, among, batched, insert, metadata

Id = BigInteger().with_variant(Integer, "sqlite")

entries = Table(
    "entries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("work", String(300), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("title_key", Text, nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("abstract", Text, nullable=False),
    Column("authors", JSON, nullable=False),
    Column("author_ids", JSON, nullable=False, server_default="[]"),
    Column("institutions", JSON, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("published_at", Instant),
    Column("submitted_at", Instant),
    Column("first_seen_at", Instant, nullable=False, index=True),
    Column("stored_at", Instant, nullable=False),
    Column("arxiv_id", String(50)),
    Column("version", Integer),
    Column("doi", Text),
    Column("comments", Integer),
    Column("comment", Text, nullable=False),
    Column("code_url", Text, nullable=False),
    Column("stars", Integer),
    Column("pdf_url", Text, nullable=False),
    Column("project_url", Text, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("language", String(20), nullable=False),
    Column("merged_into", Id, ForeignKey("entries.id"), index=True),
    Column("categories_asked_at", Instant),
)

aliases = Table(
    "aliases",
    metadata,
    Column("alias", Text, primary_key=True),
    Column("entry_id", Id, ForeignKey("entries.id"), nullable=False, index=True),
)

sightings = Table(
    "sightings",
    metadata,
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("source_id", String(200), primary_key=True),
    Column("key", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
)

#: One row a *change* of a source's count: the same count seen again only moves ``seen_until``.
votes = Table(
    "votes",
    metadata,
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("source_id", String(200), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("seen_until", Instant, nullable=False),
    Column("upvotes", Integer, nullable=False),
)

#: What a work that was joined to another had of its own, so that it can be taken out again.
merges = Table(
    "merges",
    metadata,
    Column("gone_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("into_id", Id, ForeignKey("entries.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("why", String(200), nullable=False),
    Column("own", JSON, nullable=False),
)

_TEXT = ("work", "title", "title_key", "url", "abstract", "comment", "code_url", "pdf_url", "project_url", "language")
_PLAIN = ("published_at", "submitted_at", "arxiv_id", "version", "doi", "comments", "stars", "withdrawn")
_LISTS = ("authors", "author_ids", "institutions", "categories")


#: Any number, as long as it is the same in every process.
_INGEST_LOCK = 0x64696765


def lock(tx: Tx) -> None:
    """Lets one ingest write at a time until the transaction ends: two that meet the same works would wait for each
    other.

    SQLite has one writer anyway.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(_INGEST_LOCK)))


def _is_own(tx: Tx) -> ColumnElement[bool]:
    """Whether a work was not joined to another. Nearly all are so, which SQLite does not expect: it would go through
    all of them by this index, whatever else is asked."""
    own = entries.c.merged_into.is_(None)
    return func.likely(own, type_=Boolean) if tx.dialect.name == "sqlite" else own


def find(
    tx: Tx, by_aliases: Iterable[Alias], by_titles: Iterable[str]
) -> tuple[Mapping[Alias, Entry], Mapping[str, tuple[Entry, ...]]]:
    """What we hold under these aliases and title keys."""
    rows: list[tuple[str, int]] = []
    for some in batched(dict.fromkeys(by_aliases), 500):
        query = select(aliases.c.alias, aliases.c.entry_id).where(among(tx, aliases.c.alias, some))
        rows += [(r.alias, r.entry_id) for r in tx.execute(query)]
    titled: dict[str, list[int]] = defaultdict(list)
    for some in batched((key for key in dict.fromkeys(by_titles) if key), 500):
        query = select(entries.c.title_key, entries.c.id).where(among(tx, entries.c.title_key, some), _is_own(tx))
        for row in tx.execute(query):
            titled[row.title_key].append(row.id)
    held = {entry.id: entry for entry in load(tx, [i for _, i in rows] + [i for ids in titled.values() for i in ids])}
    return (
        {Alias(alias): held[EntryId(i)] for alias, i in rows},
        {key: tuple(held[EntryId(i)] for i in ids) for key, ids in titled.items()},
    )


def load(tx: Tx, ids: Iterable[int], *, as_of: datetime | None = None, texts_only: bool = False) -> tuple[Entry, ...]:
    """Works by row id, with their votes as seen at ``as_of`` (None: now), in the order of their ids.

    ``texts_only`` leaves out sightings and votes, which cost as much as all the rest.
    """
    wanted = sorted(set(ids))
    found: list[Entry] = []
    for some in batched(wanted, 500):
        rows = tx.execute(select(entries).where(entries.c.id.in_(some)).order_by(entries.c.id)).all()
        named: dict[int, list[Alias]] = defaultdict(list)
        for row in tx.execute(select(aliases).where(aliases.c.entry_id.in_(some)).order_by(aliases.c.alias)):
            named[row.entry_id].append(Alias(row.alias))
        seen: Mapping[int, tuple[Sighting, ...]] = {}
        counted: Mapping[int, tuple[VoteObservation, ...]] = {}
        if not texts_only:
            seen, counted = _sightings(tx, some), _votes(tx, some, as_of)
        found += [_entry(row, tuple(named[row.id]), seen.get(row.id, ()), counted.get(row.id, ())) for row in rows]
    return tuple(found)


def in_window(
    tx: Tx, *, since: datetime, until: datetime, source_ids: Sequence[SourceId], as_of: datetime | None = None
) -> tuple[Entry, ...]:
    """Works first seen in (since, until] that one of the sources carried (all sources when none is named)."""
    query = select(entries.c.id).where(entries.c.first_seen_at > since, entries.c.first_seen_at <= until, _is_own(tx))
    if source_ids:
        carried = select(sightings.c.entry_id).where(
            sightings.c.source_id.in_(source_ids), sightings.c.first_seen_at <= until
        )
        query = query.where(entries.c.id.in_(carried))
    return load(tx, tx.execute(query).scalars(), as_of=as_of if as_of is not None else until)


def by_alias(tx: Tx, alias: Alias) -> Entry | None:
    row = tx.execute(select(aliases.c.entry_id).where(aliases.c.alias == alias)).scalar()
    return load(tx, [row])[0] if row is not None else None


def by_work(tx: Tx, work: WorkId) -> Entry | None:
    row = (
        tx.execute(select(entries.c.id).where(entries.c.work == work, entries.c.merged_into.is_(None)))
        .scalars()
        .first()
    )
    return load(tx, [row])[0] if row is not None else None


def roots(tx: Tx, ids: Iterable[int]) -> Mapping[int, int]:
    """The surviving row of each id that was merged; ids that were not merged are absent."""
    moved: dict[int, int] = {}
    for some in batched(sorted(set(ids)), 500):
        query = select(entries.c.id, entries.c.merged_into).where(
            entries.c.id.in_(some), entries.c.merged_into.is_not(None)
        )
        moved.update({row.id: row.merged_into for row in tx.execute(query)})
    return moved


def rows_of(tx: Tx, entry_id: EntryId) -> tuple[int, ...]:
    """The row of a work and of everything that was merged into it: history may name any of them."""
    return (entry_id, *tx.execute(select(entries.c.id).where(entries.c.merged_into == entry_id)).scalars())


def apply(tx: Tx, changes: Sequence[EntryChange], *, now: datetime, why: str = "") -> tuple[EntryId, ...]:
    """Writes what a feed brought;

    gives the row of each change. ``why`` works were joined is kept. An alias that is taken meanwhile raises
    IntegrityError.
    """
    new = [change for change in changes if change.kind is ChangeKind.NEW]
    added = iter(_add(tx, [change.after for change in new], now))
    written = [EntryId(next(added) if change.kind is ChangeKind.NEW else change.after.id) for change in changes]
    for row_id, change in zip(written, changes, strict=True):
        if change.kind is not ChangeKind.NEW:
            before = _values(change.before) if change.before else {}
            different = {name: value for name, value in _values(change.after).items() if before.get(name) != value}
            if different:
                tx.execute(update(entries).where(entries.c.id == row_id).values(**different))
        for absorbed in change.absorbed:
            _absorb(tx, absorbed, row_id, before=change.before, at=now, why=why)
    both = list(zip(written, changes, strict=True))
    named = [(alias, row_id) for row_id, change in both for alias in change.aliases]
    if named:
        _insert(tx, aliases, dict(zip(("alias", "entry_id"), zip(*named, strict=True), strict=True)))
    _sight(tx, [(row_id, change.sighting) for row_id, change in both])
    for row_id, change in both:
        if change.observation is not None and (change.before or change.absorbed):
            observe(tx, row_id, change.observation)
    first = [
        _counted(row_id, change.observation)
        for row_id, change in both
        if change.observation is not None and not (change.before or change.absorbed)
    ]
    if first:
        tx.execute(votes.insert(), first)
    return tuple(written)


def _add(tx: Tx, new: Sequence[Entry], now: datetime) -> Sequence[int]:
    """Rows for entries that are not held yet; their numbers in the same order."""
    if not new:
        return ()
    numbers = _numbers(tx, len(new))
    told = {name: [getattr(entry, name) for entry in new] for name in (*_TEXT, *_PLAIN, *_LISTS, "first_seen_at")}
    _insert(tx, entries, {**told, "id": numbers, "stored_at": [now] * len(new)})
    return numbers


def _numbers(tx: Tx, count: int) -> Sequence[int]:
    """The numbers that the next works get, as the database would count them.

    Asked for beforehand: to be told the number of each new row costs more than the rows.
    """
    if tx.dialect.name == "postgresql":
        following = func.nextval(func.pg_get_serial_sequence(entries.name, entries.c.id.name))
        return tx.execute(select(following).select_from(func.generate_series(1, count))).scalars().all()
    # A writer of SQLite is alone: what is the highest now is so until it commits.
    first = (tx.execute(select(func.max(entries.c.id))).scalar() or 0) + 1
    return range(first, first + count)


def _sight(tx: Tx, seen: Sequence[tuple[EntryId, Sighting]]) -> None:
    """Keeps where works were seen, unless that is known."""
    if not seen:
        return
    names = ("source_id", "key", "url", "first_seen_at")
    told = {name: [getattr(one, name) for _, one in seen] for name in names}
    _insert(tx, sightings, {**told, "entry_id": [row_id for row_id, _ in seen]}, unless_there=True)


def _insert(tx: Tx, table: Table, columns: Mapping[str, Sequence[Hashable]], *, unless_there: bool = False) -> None:
    """Rows given column by column: row by row they cost as much again as the database's own work."""
    statement = insert(tx, table)
    if tx.dialect.name == "postgresql":
        arrays = (cast(list(values), ARRAY(table.c[name].type, dimensions=1)) for name, values in columns.items())
        statement = statement.from_select(list(columns), select(*map(func.unnest, arrays)))
        tx.execute(statement.on_conflict_do_nothing() if unless_there else statement)
        return
    statement = statement.values({name: bindparam(name, type_=table.c[name].type) for name in columns})
    compiled = (statement.on_conflict_do_nothing() if unless_there else statement).compile(dialect=tx.dialect)
    ready = {name: _ready(values, table.c[name].type, tx.dialect) for name, values in columns.items()}
    rows = zip(*(ready[name] for name in compiled.positiontup or ()), strict=True)
    tx.exec_driver_sql(compiled.string, list(rows))


def _ready(values: Sequence[Hashable], kind: TypeEngine[Any], dialect: Dialect) -> Sequence[object]:
    """As the driver takes them, each different one made so once."""
    convert = kind.dialect_impl(dialect).bind_processor(dialect)
    if convert is None:
        return values
    made = {value: convert(value) for value in set(values)}
    return [made[value] for value in values]


def revise(tx: Tx, entry: Entry) -> None:
    """Writes an entry's own fields as they are, aliases, sightings and votes aside."""
    tx.execute(update(entries).where(entries.c.id == entry.id).values(**_values(entry)))


def observe(tx: Tx, entry_id: EntryId, seen: VoteObservation) -> None:
    """Adds a vote count as seen at an instant."""
    mine = (votes.c.entry_id == entry_id) & (votes.c.source_id == seen.source_id)
    last = tx.execute(select(votes).where(mine, votes.c.at <= seen.at).order_by(votes.c.at.desc()).limit(1)).first()
    if last is not None and last.upvotes == seen.upvotes:
        if last.seen_until < seen.at:
            tx.execute(update(votes).where(mine, votes.c.at == last.at).values(seen_until=seen.at))
    elif last is not None and last.at == seen.at:
        tx.execute(update(votes).where(mine, votes.c.at == seen.at).values(upvotes=seen.upvotes))
    else:
        tx.execute(votes.insert().values(**_counted(entry_id, seen)))


def _counted(entry_id: EntryId, seen: VoteObservation) -> dict[str, object]:
    return {
        "entry_id": entry_id,
        "source_id": seen.source_id,
        "at": seen.at,
        "seen_until": seen.at,
        "upvotes": seen.upvotes,
    }


def without_categories(tx: Tx, *, limit: int, asked_before: datetime) -> tuple[Entry, ...]:
    """Works with an arXiv id but no category, not asked about since ``asked_before``, newest first."""
    query = (
        select(entries.c.id)
        .where(
            entries.c.arxiv_id.is_not(None),
            _is_own(tx),
            func.json_array_length(entries.c.categories) == 0,
            (entries.c.categories_asked_at.is_(None)) | (entries.c.categories_asked_at < asked_before),
        )
        .order_by(entries.c.first_seen_at.desc())
        .limit(limit)
    )
    return load(tx, tx.execute(query).scalars())


def count_without_categories(tx: Tx, *, since: datetime) -> int:
    """How many works first seen since an instant have an arXiv id and wait for their categories."""
    query = (
        select(func.count())
        .select_from(entries)
        .where(
            entries.c.arxiv_id.is_not(None),
            _is_own(tx),
            entries.c.first_seen_at >= since,
            func.json_array_length(entries.c.categories) == 0,
        )
    )
    return tx.execute(query).scalar_one()


def set_categories(tx: Tx, entry_id: EntryId, categories: Sequence[str]) -> None:
    tx.execute(update(entries).where(entries.c.id == entry_id).values(categories=list(categories)))


def mark_asked(tx: Tx, ids: Iterable[EntryId], now: datetime) -> None:
    for some in batched(ids, 500):
        tx.execute(update(entries).where(entries.c.id.in_(some)).values(categories_asked_at=now))


def recent(tx: Tx, *, before: datetime, limit: int, without: Collection[int] = ()) -> tuple[Entry, ...]:
    """The newest works first seen up to an instant, but for those of ``without``: what the statistics of ranking are
    taken from. Their texts and names only."""
    query = (
        select(entries.c.id)
        .where(entries.c.first_seen_at <= before, _is_own(tx))
        .order_by(entries.c.first_seen_at.desc(), entries.c.id.desc())
        .limit(limit + len(without))
    )
    fresh = (row_id for row_id in tx.execute(query).scalars() if row_id not in without)
    return load(tx, islice(fresh, limit), texts_only=True)


def vote_history(tx: Tx, entry_id: EntryId) -> tuple[VoteObservation, ...]:
    rows = tx.execute(select(votes).where(votes.c.entry_id == entry_id).order_by(votes.c.at, votes.c.source_id))
    return tuple(VoteObservation(source_id=SourceId(r.source_id), at=r.at, upvotes=r.upvotes) for r in rows)


def count(tx: Tx) -> int:
    return tx.execute(select(func.count()).select_from(entries).where(entries.c.merged_into.is_(None))).scalar_one()


def _absorb(tx: Tx, gone: EntryId, into: EntryId, *, before: Entry | None, at: datetime, why: str) -> None:
    """Moves everything of one work to another, leaves a pointer, and keeps what was whose (parting.py undoes it)."""
    moved = {
        table.name: [dict(row) for row in tx.execute(select(table).where(table.c.entry_id == gone)).mappings()]
        for table in (aliases, sightings, votes)
    }
    others = tx.execute(select(sightings.c.source_id).where(sightings.c.entry_id == into)).scalars().all()
    own = {
        "aliases": [row["alias"] for row in moved["aliases"]],
        "sightings": [_as_json(row) for row in moved["sightings"]],
        "votes": [_as_json(row) for row in moved["votes"]],
        "others_sources": sorted(others),
        "others_values": _as_json(_values(before)) if before else {},
    }
    tx.execute(merges.insert().values(gone_id=gone, into_id=into, at=at, why=why, own=own))
    tx.execute(update(aliases).where(aliases.c.entry_id == gone).values(entry_id=into))
    for table in (sightings, votes):
        add_missing(tx, table, [row | {"entry_id": into} for row in moved[table.name]])
        tx.execute(delete(table).where(table.c.entry_id == gone))
    tx.execute(update(entries).where((entries.c.id == gone) | (entries.c.merged_into == gone)).values(merged_into=into))


def _as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def _sightings(tx: Tx, ids: Sequence[int]) -> Mapping[int, tuple[Sighting, ...]]:
    found: dict[int, list[Sighting]] = defaultdict(list)
    query = select(sightings).where(sightings.c.entry_id.in_(ids))
    for row in tx.execute(query.order_by(sightings.c.first_seen_at, sightings.c.source_id)):
        seen = Sighting(source_id=SourceId(row.source_id), key=row.key, url=row.url, first_seen_at=row.first_seen_at)
        found[row.entry_id].append(seen)
    return {key: tuple(value) for key, value in found.items()}


def _votes(tx: Tx, ids: Sequence[int], as_of: datetime | None) -> Mapping[int, tuple[VoteObservation, ...]]:
    newest = select(votes.c.entry_id, votes.c.source_id, func.max(votes.c.at).label("at")).where(
        votes.c.entry_id.in_(ids)
    )
    if as_of is not None:
        newest = newest.where(votes.c.at <= as_of)
    last = newest.group_by(votes.c.entry_id, votes.c.source_id).subquery()
    query = select(votes).join(
        last,
        (votes.c.entry_id == last.c.entry_id) & (votes.c.source_id == last.c.source_id) & (votes.c.at == last.c.at),
    )
    found: dict[int, list[VoteObservation]] = defaultdict(list)
    for row in tx.execute(query.order_by(votes.c.source_id)):
        at = row.seen_until if as_of is None else min(row.seen_until, as_of)
        found[row.entry_id].append(VoteObservation(source_id=SourceId(row.source_id), at=at, upvotes=row.upvotes))
    return {key: tuple(value) for key, value in found.items()}


def _values(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in (*_TEXT, *_PLAIN)} | {
        name: list(getattr(entry, name)) for name in _LISTS
    }


def _entry(
    row: Row[Any], named: tuple[Alias, ...], seen: tuple[Sighting, ...], counted: tuple[VoteObservation, ...]
) -> Entry:
    fields: dict[str, Any] = {name: getattr(row, name) for name in (*_TEXT, *_PLAIN, "first_seen_at")}
    lists: dict[str, Any] = {name: tuple(getattr(row, name)) for name in _LISTS}
    fields["work"] = WorkId(row.work)
    return Entry(id=EntryId(row.id), aliases=named, votes=counted, sightings=seen, **fields, **lists)
