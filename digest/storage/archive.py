"""What was printed for everybody: public editions by day, their papers by position, and the printings of one work.

Readers' own editions stand in the same tables; no statement here reads one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, Text, cast, func, or_, select

from digest.model.editions import Item, Remark
from digest.storage.base import Tx
from digest.storage.editions import editions, item_of, items, remarks_of

#: How JSON writes what folding turns into plain letters: accents, ligatures and wide forms, letters of mathematics.
_ESCAPED = ("\\u0", "\\uf", "\\ud8")
_HEAD = (
    editions.c.id,
    editions.c.digest,
    editions.c.local_date,
    editions.c.composed_at,
    editions.c.counts,
    editions.c.sections,
    editions.c.reason,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A public edition without its papers."""

    id: int
    digest: str
    day: date
    composed_at: datetime
    printed: int
    candidates: int
    sections: tuple[tuple[str, str], ...]
    """(category, its full name), in the order of print."""
    reason: tuple[Remark, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Printing:
    """A paper as one public edition printed it. ``section`` counts from 0."""

    day: date
    section: int
    item: Item


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A paper that a search may find, not read further than need be."""

    day: date
    section: int
    position: int
    snapshot: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Where words are looked for: title, authors, abstract and ids."""
        held = self.snapshot
        return " ".join((held["title"], *held["authors"], held["abstract"], held["arxiv_id"] or "", held["doi"] or ""))

    def printing(self) -> Printing:
        return Printing(day=self.day, section=self.section, item=item_of(self.snapshot))


def newest(tx: Tx, digest: str, *, before: date | None = None, limit: int) -> tuple[Heading, ...]:
    """The public editions of the newest days, one a day, newest first; ``before``: only of days before it."""
    query = _public(digest)
    if before is not None:
        query = query.where(editions.c.local_date < before)
    found: dict[date, Heading] = {}
    # Only a change of schedule gives a day a second edition.
    rows = tx.execute(query.order_by(editions.c.local_date.desc(), editions.c.slot_at.desc()).limit(limit + limit))
    for row in rows:
        found.setdefault(row.local_date, _heading(row))
    return tuple(found.values())[:limit]


def on(tx: Tx, digest: str, day: date) -> Heading | None:
    """A day's public edition."""
    query = _public(digest).where(editions.c.local_date == day).order_by(editions.c.slot_at.desc()).limit(1)
    row = tx.execute(query).first()
    return _heading(row) if row is not None else None


def day_after(tx: Tx, digest: str, day: date) -> date | None:
    """The day of the next public edition."""
    query = select(func.min(editions.c.local_date)).where(
        editions.c.digest == digest, editions.c.public.is_(True), editions.c.local_date > day
    )
    return tx.execute(query).scalar()


def papers(tx: Tx, edition_id: int, day: date, *, after: int, limit: int) -> tuple[Printing, ...]:
    """An edition's papers behind a position, in their order."""
    query = (
        select(items.c.section, items.c.snapshot)
        .where(items.c.edition_id == edition_id, items.c.position > after)
        .order_by(items.c.position)
        .limit(limit)
    )
    return tuple(Printing(day=day, section=row.section, item=item_of(row.snapshot)) for row in tx.execute(query))


def best(tx: Tx, edition_id: int, day: date) -> Printing | None:
    """An edition's paper of the highest score."""
    query = (
        select(items.c.section, items.c.snapshot)
        .where(items.c.edition_id == edition_id)
        .order_by(items.c.snapshot["score"].as_integer().desc(), items.c.position)
        .limit(1)
    )
    row = tx.execute(query).first()
    return Printing(day=day, section=row.section, item=item_of(row.snapshot)) if row is not None else None


def best_titles(tx: Tx, edition_ids: Collection[int], *, of: int) -> Mapping[int, tuple[str, ...]]:
    """The titles of each edition's first ``of`` papers, the best first."""
    query = (
        select(
            items.c.edition_id,
            items.c.snapshot["title"].as_string().label("title"),
            items.c.snapshot["score"].as_integer().label("score"),
        )
        .where(items.c.edition_id.in_(list(edition_ids)), items.c.position <= of)
        .order_by(items.c.edition_id, items.c.snapshot["score"].as_integer().desc(), items.c.position)
    )
    found: dict[int, list[str]] = {}
    for row in tx.execute(query):
        found.setdefault(row.edition_id, []).append(row.title)
    return {key: tuple(titles) for key, titles in found.items()}


def printings(tx: Tx, digest: str, entry_ids: Collection[int], *, limit: int) -> tuple[Printing, ...]:
    """Where a digest's public editions printed one of these entry rows, newest first."""
    query = (
        select(editions.c.local_date, items.c.section, items.c.snapshot)
        .join(items, items.c.edition_id == editions.c.id)
        .where(editions.c.digest == digest, editions.c.public.is_(True), items.c.entry_id.in_(list(entry_ids)))
        .order_by(editions.c.local_date.desc(), editions.c.slot_at.desc(), items.c.position)
        .limit(limit)
    )
    return tuple(
        Printing(day=row.local_date, section=row.section, item=item_of(row.snapshot)) for row in tx.execute(query)
    )


def candidates(
    tx: Tx, found: Sequence[Heading], words: Sequence[str], *, after: tuple[date, int] | None
) -> tuple[Candidate, ...]:
    """Papers of these editions that may hold all the words, newest first; of the day of ``after`` only those behind its
    position. Words are in lower case and without accents. A paper that lacks one is left out only where the stored JSON
    tells so: whoever asks looks himself."""
    days = {one.id: one.day for one in found}
    query = select(items).where(items.c.edition_id.in_(list(days)))
    for word in words:
        query = query.where(
            or_(*(cast(items.c.snapshot, Text).icontains(mark, autoescape=True) for mark in _marks(word)))
        )
    rows = sorted(tx.execute(query), key=lambda row: (-days[row.edition_id].toordinal(), row.position))
    return tuple(
        Candidate(day=days[row.edition_id], section=row.section, position=row.position, snapshot=row.snapshot)
        for row in rows
        if after is None or (days[row.edition_id], -row.position) < (after[0], -after[1])
    )


def _marks(word: str) -> tuple[str, ...]:
    """Of what the stored text of a paper with this word has at least one."""
    if word.isascii():
        return (word, *_ESCAPED)
    # The block of the word's first letter that is no plain one: small and large letters mostly share it.
    first = next(letter for letter in unicodedata.normalize("NFC", word) if letter > "\x7f")
    block = "\\ud8" if first > "\uffff" else f"\\u{ord(first) >> 8:02x}"
    return (block, *_ESCAPED[1:])


def _public(digest: str) -> Select[*tuple[Any, ...]]:
    return select(*_HEAD).where(editions.c.digest == digest, editions.c.public.is_(True))


def _heading(row: Row[Any]) -> Heading:
    return Heading(
        id=row.id,
        digest=row.digest,
        day=row.local_date,
        composed_at=row.composed_at,
        printed=int(row.counts["printed"]),
        candidates=int(row.counts["candidates"]),
        sections=tuple((one["category"], one["title"]) for one in row.sections),
        reason=remarks_of(row.reason),
    )
