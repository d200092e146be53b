"""Works that resemble each other: how they are found, what is only probable, and what somebody told apart.

Fingerprints are only added: what is found by one is compared by its words (entries/near.py), so an old one costs a
comparison and no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    delete,
    func,
    or_,
    select,
)

from digest.model.feeds import EntryId
from digest.storage.base import Instant, Tx, add_missing, add_pairs, among, batched, metadata
from digest.storage.entries import Id, entries

#: Hashes of a work's words; works that share one are compared.
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("band", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True),
    sqlite_with_rowid=False,
)

#: ``entry_id`` < ``other_id``. ``verdict``: possibly (ours), or apart (somebody said so: never joined by a rule).
likenesses = Table(
    "likenesses",
    metadata,
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("other_id", Id, ForeignKey("entries.id"), primary_key=True, index=True),
    Column("verdict", String(20), nullable=False),
    Column("title_ratio", Float, nullable=False),
    Column("overlap", Float, nullable=False),
    Column("at", Instant, nullable=False),
)

POSSIBLY, APART = "possibly", "apart"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two works that are possibly one, by the rows they have now."""

    entry_id: EntryId
    other_id: EntryId
    title_ratio: float
    overlap: float
    at: datetime


def note(tx: Tx, bands: Mapping[EntryId, Iterable[int]]) -> None:
    """Adds the fingerprints of works."""
    add_pairs(tx, fingerprints, sorted([(band, int(entry_id)) for entry_id, own in bands.items() for band in own]))


def alike(tx: Tx, bands: Collection[int], *, most: int) -> Mapping[int, tuple[int, ...]]:
    """The works under each band; a band that more than ``most`` works have is left out, as it says nothing."""
    found: dict[int, dict[int, None]] = defaultdict(dict)
    for some in batched(bands, 5_000):
        wanted = among(tx, fingerprints.c.band, some)
        telling = select(fingerprints.c.band).where(wanted).group_by(fingerprints.c.band).having(func.count() <= most)
        query = (
            select(fingerprints.c.band, func.coalesce(entries.c.merged_into, entries.c.id).label("id"))
            .join(entries, entries.c.id == fingerprints.c.entry_id)
            .where(fingerprints.c.band.in_(telling))
        )
        for row in tx.execute(query):
            found[row.band][row.id] = None
    return {band: tuple(sorted(ids)) for band, ids in found.items()}


def has_none(tx: Tx) -> bool:
    """Whether no work has fingerprints: the tables were there before them."""
    return tx.execute(select(fingerprints.c.band).limit(1)).first() is None


def tell(tx: Tx, one: EntryId, other: EntryId, *, title_ratio: float, overlap: float, at: datetime) -> None:
    """Keeps that two works are possibly one; what somebody said of them stays."""
    if one != other:
        row = {"title_ratio": title_ratio, "overlap": overlap, "at": at, "verdict": POSSIBLY}
        add_missing(tx, likenesses, [{"entry_id": min(one, other), "other_id": max(one, other), **row}])


def set_apart(tx: Tx, one: EntryId, other: EntryId, *, at: datetime) -> None:
    """Keeps that somebody told two works apart."""
    low, high = min(one, other), max(one, other)
    tx.execute(delete(likenesses).where(likenesses.c.entry_id == low, likenesses.c.other_id == high))
    row = {"verdict": APART, "title_ratio": 0.0, "overlap": 0.0, "at": at}
    tx.execute(likenesses.insert().values(entry_id=low, other_id=high, **row))


def set_together(tx: Tx, rows: Collection[int], others: Collection[int]) -> None:
    """Forgets what was said of the pairs of these rows."""
    tx.execute(
        delete(likenesses).where(
            or_(
                among(tx, likenesses.c.entry_id, rows) & among(tx, likenesses.c.other_id, others),
                among(tx, likenesses.c.entry_id, others) & among(tx, likenesses.c.other_id, rows),
            )
        )
    )


def apart(tx: Tx) -> frozenset[tuple[EntryId, EntryId]]:
    """Every pair of works that somebody told apart, by the rows they have now, the smaller first."""
    return frozenset((pair.entry_id, pair.other_id) for pair in _pairs(tx, likenesses.c.verdict == APART))


def likely(tx: Tx, *, entry_id: EntryId | None = None, limit: int | None = None) -> tuple[Pair, ...]:
    """Works that are possibly one, the likest first: all, or those with one work."""
    known = _pairs(tx, likenesses.c.verdict == POSSIBLY)
    parted = apart(tx)
    found = {
        (pair.entry_id, pair.other_id): pair
        for pair in known
        if (pair.entry_id, pair.other_id) not in parted and entry_id in (None, pair.entry_id, pair.other_id)
    }
    ranked = sorted(found.values(), key=lambda p: (-p.title_ratio - p.overlap, p.entry_id, p.other_id))
    return tuple(ranked[:limit])


def _pairs(tx: Tx, which: ColumnElement[bool]) -> list[Pair]:
    one, other = entries.alias(), entries.alias()
    query = (
        select(
            func.coalesce(one.c.merged_into, one.c.id).label("one"),
            func.coalesce(other.c.merged_into, other.c.id).label("other"),
            likenesses,
        )
        .join(one, one.c.id == likenesses.c.entry_id)
        .join(other, other.c.id == likenesses.c.other_id)
        .where(which)
    )
    return [
        Pair(
            entry_id=EntryId(min(row.one, row.other)),
            other_id=EntryId(max(row.one, row.other)),
            title_ratio=row.title_ratio,
            overlap=row.overlap,
            at=row.at,
        )
        for row in tx.execute(query)
        if row.one != row.other
    ]
