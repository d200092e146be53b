"""Keeping: what a document said beside what is held, and what is written of it. Both in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from digest.entries.diff import bands, bands_of, diff, keys
from digest.entries.works import COMMON, Held
from digest.model.errors import Conflict, StorageError
from digest.model.feeds import Alias, ChangeKind, Entry, EntryChange, EntryData, EntryId, Source
from digest.ranking.pool import text_of
from digest.ranking.text import fold, written
from digest.storage import authorships, entries, likeness, terms
from digest.storage.base import Tx

T = TypeVar("T")

#: So many works of an older database are found by their words after the upgrade; the others by names and titles.
_CATCH_UP = 20_000
#: Why works were joined, where nobody said more.
_SHOWN = "a source showed that they are one"


def known(tx: Tx, said: Sequence[EntryData], *, now: datetime) -> tuple[tuple[EntryData, ...], Held]:
    """What of a feed is to be taken, and what is held that may be the same work."""
    if likeness.has_none(tx):  # the works of before there were fingerprints get theirs once
        before = entries.recent(tx, before=now, limit=_CATCH_UP)
        likeness.note(tx, {one.id: bands_of(one) for one in before})
        authorships.note_all(tx, {one.id: (one.authors, one.institutions) for one in before})
        terms.note(tx, _terms(before))
    by_alias, by_title = entries.find(tx, *keys(said))
    taken = _without_strangers(said, by_alias)
    under = likeness.alike(tx, bands(taken, by_alias), most=COMMON)
    alike = {entry.id: entry for entry in entries.load(tx, {row for rows in under.values() for row in rows})}
    by_band = {band: tuple(alike[EntryId(row)] for row in rows) for band, rows in under.items()}
    return taken, Held(by_alias=by_alias, by_title=by_title, by_band=by_band, apart=likeness.apart(tx))


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a source's documents said in one round."""

    source: Source
    entries: Sequence[EntryData]
    backfill: bool
    """Whether it is a first fetch or one of the past."""


def take(
    tx: Tx, said: Sequence[EntryData], *, source: Source, now: datetime, backfill: bool
) -> tuple[EntryChange, ...]:
    """What a source's entries change, written; alone with it, so that nobody takes an alias meanwhile."""
    return take_all(tx, [Said(source=source, entries=said, backfill=backfill)], now=now)[0]


def take_all(tx: Tx, said: Sequence[Said], *, now: datetime) -> list[tuple[EntryChange, ...]]:
    """``take`` for one source after the other; what only counts works is written once, at the end."""
    entries.lock(tx)
    all_changes: list[tuple[EntryChange, ...]] = []
    fresh: dict[EntryId, Entry] = {}
    for one in said:
        found, held = known(tx, one.entries, now=now)
        changes = diff(found, held, source=one.source, now=now, backfill=one.backfill)
        _, written = _written(tx, changes, now=now, why=_SHOWN)
        fresh |= written
        all_changes.append(changes)
    _count(tx, fresh, [change for changes in all_changes for change in changes])
    return all_changes


def is_everybodys(error: Exception) -> bool:
    """Whether the database cannot be used at all; a conflict is one source's own."""
    return isinstance(error, StorageError) and not isinstance(error, Conflict)


def again(write: Callable[[], T]) -> T:
    """What ``write`` gives; where another process took an alias meanwhile it is tried twice more."""
    for _ in range(2):
        try:
            return write()
        except Conflict:
            continue
    return write()


def keep(tx: Tx, changes: Sequence[EntryChange], *, now: datetime, why: str = _SHOWN) -> tuple[EntryId, ...]:
    """Writes what a feed brought, and all that is found by it later; gives the row of each change. ``why`` works were
    joined is kept.
    """
    rows, fresh = _written(tx, changes, now=now, why=why)
    _count(tx, fresh, changes)
    return rows


def _written(
    tx: Tx, changes: Sequence[EntryChange], *, now: datetime, why: str
) -> tuple[tuple[EntryId, ...], dict[EntryId, Entry]]:
    """Writes works and what they are recognised by; gives the row of each change, and the works whose words or names
    are new."""
    rows = entries.apply(tx, changes, now=now, why=why)
    fresh = {
        row: change.after
        for row, change in zip(rows, changes, strict=True)
        if change.kind is ChangeKind.NEW
        or change.absorbed
        or {"title", "abstract", "authors"} & {*change.fields}
        # A source that fills in what was empty revises nothing, but may be the first to name authors or places.
        or (change.before and change.before.institutions != change.after.institutions)
    }
    likeness.note(tx, {row: bands_of(entry) for row, entry in fresh.items()})
    resembling = [(row, like) for row, change in zip(rows, changes, strict=True) for like in change.resembles]
    others, _ = entries.find(tx, [like.alias for _, like in resembling], ())
    for row, like in resembling:
        other = others.get(like.alias)
        if other is not None:
            likeness.tell(tx, row, other.id, title_ratio=like.title_ratio, overlap=like.overlap, at=now)
    return rows, fresh


def _count(tx: Tx, fresh: Mapping[EntryId, Entry], changes: Sequence[EntryChange]) -> None:
    """Writes what rankings ask for: whose works these are, and how many works have a word."""
    authorships.note_all(tx, {row: (entry.authors, entry.institutions) for row, entry in fresh.items()})
    terms.note(tx, _terms([change.after for change in changes if change.kind is ChangeKind.NEW]))


def _terms(works: Sequence[Entry]) -> list[set[str]]:
    """The words of each work, as the ranking takes them; what many of them say is folded once."""
    said = [set(written(text_of(work))) for work in works]
    folded = {word: base for word in set[str]().union(*said) if (base := fold(word)) != word}
    for words in said:
        if plurals := words & folded.keys():
            words -= plurals
            words.update(map(folded.__getitem__, plurals))
    return said


def _without_strangers(found: Sequence[EntryData], held: Mapping[Alias, Entry]) -> tuple[EntryData, ...]:
    """Leaves out arXiv's replacements of papers that we never met: a new version of an old paper is not a new paper."""
    return tuple(
        data
        for data in found
        if not data.announce.startswith("replace") or any(alias in held for alias in keys([data])[0])
    )
