"""Editions and their items: what was printed, frozen; and the messages they became, as bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)

from digest.model.editions import AuthorCard, Counts, Edition, EditionId, Item, Part, Remark, Section, Slot
from digest.model.feeds import EntryId, WorkId
from digest.model.mail import Message, MessageKey, Stamp
from digest.storage.base import Instant, Tx, add_missing, among, batched, metadata
from digest.storage.entries import Id
from digest.storage.profiles import profile_from

editions = Table(
    "editions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("digest", String(200), nullable=False),
    Column("local_date", Date, nullable=False),
    Column("slot_at", Instant, nullable=False),
    Column("profile_key", String(64), nullable=False),
    Column("profile", JSON, nullable=False),
    Column("history_key", String(64), nullable=False),
    Column("composed_at", Instant, nullable=False, index=True),
    Column("sections", JSON, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("notes", JSON, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("reason", JSON, nullable=False, server_default="[]"),
    Column("cards", JSON, nullable=False, server_default="[]"),
    # The same slot, profile and relevant history are one edition, printed once.
    UniqueConstraint("digest", "local_date", "slot_at", "profile_key", "history_key"),
)
# A day may have thousands of readers' own editions; the public ones are found without reading past them.
Index(
    "ix_editions_public",
    editions.c.digest,
    editions.c.local_date,
    editions.c.slot_at,
    sqlite_where=editions.c.public.is_(True),
    postgresql_where=editions.c.public.is_(True),
)

items = Table(
    "items",
    metadata,
    Column("edition_id", Id, ForeignKey("editions.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("section", Integer, nullable=False),
    Column("entry_id", Id, ForeignKey("entries.id"), nullable=False, index=True),
    Column("snapshot", JSON, nullable=False),
)

#: Whoever was sent the edition was sent this work, too: it was one with ``printed_id`` then, and was parted since.
counts_as = Table(
    "counts_as",
    metadata,
    Column("edition_id", Id, ForeignKey("editions.id"), primary_key=True),
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True, index=True),
    Column("printed_id", Id, ForeignKey("entries.id"), nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("subject", Text, nullable=False),
    Column("preheader", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("stamps", JSON, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
    Column("omitted", JSON, nullable=False, server_default="[]"),
)


def freeze(tx: Tx, edition: Edition) -> Edition:
    """Writes an edition once; a second call with the same slot, profile and history gives the first one's row back."""
    held = find(tx, edition.key)
    if held is not None:
        if edition.public and not held.public:
            tx.execute(update(editions).where(editions.c.id == held.id).values(public=True))
        return held
    row_id = tx.execute(
        editions.insert()
        .values(
            key=edition.key,
            digest=edition.slot.digest,
            local_date=edition.slot.local_date,
            slot_at=edition.slot.at,
            profile_key=edition.profile_key,
            # What readers said of papers is kept in one place, where they can take it back.
            profile=asdict(replace(edition.profile, likes=(), dislikes=())),
            history_key=edition.history_key,
            composed_at=edition.composed_at,
            sections=[{"category": s.category, "title": s.title, "new": s.new} for s in edition.sections],
            counts=asdict(edition.counts),
            notes=[asdict(remark) for remark in edition.notes],
            public=edition.public,
            reason=[asdict(remark) for remark in edition.reason],
            cards=[asdict(card) for card in edition.cards],
        )
        .returning(editions.c.id)
    ).scalar_one()
    rows = [
        {
            "edition_id": row_id,
            "position": item.position,
            "section": number,
            "entry_id": item.entry_id,
            "snapshot": _snapshot(item),
        }
        for number, section in enumerate(edition.sections)
        for item in section.items
    ]
    add_missing(tx, items, rows)
    return replace(edition, id=EditionId(row_id))


def find(tx: Tx, key: str) -> Edition | None:
    row = tx.execute(select(editions).where(editions.c.key == key)).first()
    return _edition(tx, row) if row is not None else None


def load(tx: Tx, edition_id: EditionId) -> Edition | None:
    row = tx.execute(select(editions).where(editions.c.id == edition_id)).first()
    return _edition(tx, row) if row is not None else None


def printed_for(tx: Tx, edition_id: int, entry_ids: Collection[int]) -> frozenset[int]:
    """The rows under which an edition printed these works: their own, and what they were part of then."""
    query = select(counts_as.c.printed_id).where(
        counts_as.c.edition_id == edition_id, counts_as.c.entry_id.in_(list(entry_ids))
    )
    return frozenset(entry_ids) | frozenset(tx.execute(query).scalars())


def entry_ids(tx: Tx, edition_ids: Iterable[int]) -> Mapping[int, frozenset[int]]:
    """The works each edition printed, by edition; those that were one with a printed work then count as printed."""
    printed: dict[int, set[int]] = defaultdict(set)
    for some in batched(sorted(set(edition_ids)), 500):
        query = select(items.c.edition_id, items.c.entry_id).where(items.c.edition_id.in_(some))
        counted = select(counts_as.c.edition_id, counts_as.c.entry_id).where(counts_as.c.edition_id.in_(some))
        for row in tx.execute(query.union_all(counted)):
            printed[row.edition_id].add(row.entry_id)
    return {key: frozenset(value) for key, value in printed.items()}


def count_also(tx: Tx, entry_id: int, *, printed_ids: Sequence[int], since: datetime) -> None:
    """Lets a work count as printed by every edition composed since an instant that printed one of these rows."""
    query = (
        select(items.c.edition_id, items.c.entry_id)
        .join(editions, editions.c.id == items.c.edition_id)
        .where(items.c.entry_id.in_(printed_ids), editions.c.composed_at >= since)
    )
    add_missing(
        tx,
        counts_as,
        [
            {"edition_id": row.edition_id, "entry_id": entry_id, "printed_id": row.entry_id}
            for row in tx.execute(query)
            if row.entry_id != entry_id
        ],
    )


def count_on(tx: Tx, digest: str, local_date: date) -> int:
    """How many editions a digest has of a local date."""
    query = select(func.count()).where(editions.c.digest == digest, editions.c.local_date == local_date)
    return tx.execute(query).scalar_one()


def public_ids(tx: Tx, digest: str, *, composed_since: datetime) -> tuple[int, ...]:
    query = select(editions.c.id).where(
        editions.c.digest == digest, editions.c.public.is_(True), editions.c.composed_at >= composed_since
    )
    return tuple(tx.execute(query).scalars())


def last_public(tx: Tx, digest: str) -> Edition | None:
    query = (
        select(editions)
        .where(editions.c.digest == digest, editions.c.public.is_(True))
        .order_by(editions.c.slot_at.desc())
    )
    row = tx.execute(query.limit(1)).first()
    return _edition(tx, row) if row is not None else None


def last_printed(tx: Tx, digest: str) -> Edition | None:
    """A digest's newest public edition with papers in it."""
    query = select(editions).where(
        editions.c.digest == digest,
        editions.c.public.is_(True),
        editions.c.counts["printed"].as_integer() > 0,
    )
    row = tx.execute(query.order_by(editions.c.slot_at.desc()).limit(1)).first()
    return _edition(tx, row) if row is not None else None


def last_public_before(tx: Tx, digest: str, at: datetime) -> Edition | None:
    """The newest public edition of a slot before an instant."""
    query = select(editions).where(editions.c.digest == digest, editions.c.public.is_(True), editions.c.slot_at < at)
    row = tx.execute(query.order_by(editions.c.slot_at.desc()).limit(1)).first()
    return _edition(tx, row) if row is not None else None


def composed_before(tx: Tx, edition_ids: Collection[int], at: datetime) -> frozenset[int]:
    """Those of the editions that were composed before an instant, or at it."""
    query = select(editions.c.id).where(among(tx, editions.c.id, edition_ids), editions.c.composed_at <= at)
    return frozenset(tx.execute(query).scalars())


def slots_of(tx: Tx, edition_ids: Collection[int], digest: str) -> frozenset[datetime]:
    """The instants of the slots that those of the editions have which are a digest's."""
    query = select(editions.c.slot_at).where(among(tx, editions.c.id, edition_ids), editions.c.digest == digest)
    return frozenset(tx.execute(query).scalars())


def last_of(tx: Tx, digest: str) -> Edition | None:
    """A digest's newest edition, a reader's own or the public one."""
    query = select(editions).where(editions.c.digest == digest).order_by(editions.c.slot_at.desc(), editions.c.id)
    row = tx.execute(query.limit(1)).first()
    return _edition(tx, row) if row is not None else None


def public_on(tx: Tx, digest: str, local_date: date) -> Edition | None:
    """A digest's public edition of a local date."""
    query = select(editions).where(
        editions.c.digest == digest, editions.c.local_date == local_date, editions.c.public.is_(True)
    )
    row = tx.execute(query.order_by(editions.c.slot_at.desc()).limit(1)).first()
    return _edition(tx, row) if row is not None else None


def printed_before(tx: Tx, slot: Slot, profile_key: str, *, limit: int = 10) -> tuple[int, ...]:
    """How many papers the editions of a profile printed in the slots of its digest before one, the newest first; of
    several editions of one slot, the most."""
    # Grouped in the order of the unique index, so that a database reads the newest slots and no more.
    query = (
        select(func.max(editions.c.counts["printed"].as_integer()))
        .where(
            editions.c.digest == slot.digest,
            editions.c.profile_key == profile_key,
            editions.c.local_date < slot.local_date,
            editions.c.slot_at < slot.at,
        )
        .group_by(editions.c.local_date, editions.c.slot_at)
        .order_by(editions.c.local_date.desc(), editions.c.slot_at.desc())
        .limit(limit)
    )
    return tuple(int(printed) for printed in tx.execute(query).scalars())


def printed_publicly(tx: Tx, digest: str, *, since: datetime) -> tuple[tuple[Slot, int], ...]:
    """(slot, papers) of a digest's public editions since an instant, the newest first."""
    query = (
        select(editions.c.local_date, editions.c.slot_at, editions.c.counts)
        .where(editions.c.digest == digest, editions.c.public.is_(True), editions.c.slot_at >= since)
        .order_by(editions.c.slot_at.desc())
    )
    return tuple(
        (Slot(digest=digest, local_date=row.local_date, at=row.slot_at), int(row.counts["printed"]))
        for row in tx.execute(query)
    )


def printed_in(tx: Tx, ids: Sequence[int]) -> tuple[tuple[Slot, str], ...]:
    """(slot, edition key) of the editions that printed one of these entry rows, newest first."""
    named = select(items.c.edition_id).where(items.c.entry_id.in_(ids))
    counted = select(counts_as.c.edition_id).where(counts_as.c.entry_id.in_(ids))
    query = (
        select(editions.c.digest, editions.c.local_date, editions.c.slot_at, editions.c.key)
        .where(editions.c.id.in_(named.union_all(counted)))
        .order_by(editions.c.slot_at.desc(), editions.c.id)
    )
    return tuple((Slot(digest=r.digest, local_date=r.local_date, at=r.slot_at), r.key) for r in tx.execute(query))


def keep_message(tx: Tx, message: Message, now: datetime) -> None:
    """Stores the encoded bytes; the first ones stay."""
    add_missing(
        tx,
        messages,
        [
            {
                "key": message.key,
                "kind": message.kind,
                "subject": message.subject,
                "preheader": message.preheader,
                "content": message.content,
                "stamps": [[offset, stamp.value] for offset, stamp in message.stamps],
                "created_at": now,
                "omitted": [list(one) for one in message.omitted],
            }
        ],
    )


def message(tx: Tx, key: str) -> Message | None:
    row = tx.execute(select(messages).where(messages.c.key == key)).first()
    if row is None:
        return None
    return Message(
        key=MessageKey(row.key),
        kind=row.kind,
        subject=row.subject,
        preheader=row.preheader,
        content=row.content,
        stamps=tuple((offset, Stamp(name)) for offset, name in row.stamps),
        omitted=tuple((key, position) for key, position in row.omitted),
    )


def kept_messages(tx: Tx, keys: Set[str]) -> frozenset[str]:
    """Those of the keys whose message is kept."""
    query = select(messages.c.key).where(among(tx, messages.c.key, keys))
    return frozenset(tx.execute(query).scalars())


def prune_messages(tx: Tx, before: datetime, keep: Set[str] = frozenset()) -> int:
    """Drops messages stored before an instant, but for those of ``keep``; gives how many went."""
    old = set(tx.execute(select(messages.c.key).where(messages.c.created_at < before)).scalars()) - keep
    for some in batched(sorted(old), 500):
        tx.execute(delete(messages).where(messages.c.key.in_(some)))
    return len(old)


def _snapshot(item: Item) -> dict[str, Any]:
    values = asdict(item)
    values["published_at"] = item.published_at.isoformat() if item.published_at else None
    return values


def item_of(snapshot: Mapping[str, Any]) -> Item:
    """The printed paper that a row of ``items`` holds."""
    values: dict[str, Any] = _tuples(snapshot)
    values["published_at"] = datetime.fromisoformat(snapshot["published_at"]) if snapshot["published_at"] else None
    values["entry_id"] = EntryId(snapshot["entry_id"])
    values["work"] = WorkId(snapshot["work"])
    values["parts"] = tuple(
        Part(key=p["key"], points=p["points"], figures=_tuples(p["figures"])) for p in snapshot["parts"]
    )
    return Item(**values)


def remarks_of(stored: Iterable[Mapping[str, Any]]) -> tuple[Remark, ...]:
    return tuple(Remark(key=one["key"], figures=_tuples(one["figures"])) for one in stored)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no tuples."""
    return {name: _tuple(value) for name, value in values.items()}


def _tuple(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value


def _edition(tx: Tx, row: Row[Any]) -> Edition:
    sections: dict[int, list[Item]] = defaultdict(list)
    for item in tx.execute(select(items).where(items.c.edition_id == row.id).order_by(items.c.position)):
        sections[item.section].append(item_of(item.snapshot))
    local_date: date = row.local_date
    return Edition(
        id=EditionId(row.id),
        slot=Slot(digest=row.digest, local_date=local_date, at=row.slot_at),
        profile=profile_from(row.profile),
        frozen_profile_key=row.profile_key,
        history_key=row.history_key,
        composed_at=row.composed_at,
        sections=tuple(
            Section(category=s["category"], title=s["title"], new=s["new"], items=tuple(sections[number]))
            for number, s in enumerate(row.sections)
        ),
        counts=Counts(**row.counts),
        reason=remarks_of(row.reason),
        notes=remarks_of(row.notes),
        cards=tuple(AuthorCard(**_tuples(card)) for card in row.cards),
        public=row.public,
    )
