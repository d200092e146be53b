"""Who wrote what, and what became of it: the earlier works of an author or an institution are found by it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Column, ForeignKey, String, Table, delete, func, select

from digest.model.feeds import Entry, EntryId
from digest.model.names import institution_key, person_key
from digest.model.ranking import Record
from digest.storage.base import Tx, add_pairs, among, batched, metadata
from digest.storage.entries import Id, entries, votes

#: One row a name: ``key`` is an author's key, or an institution's with "@" before it.
authorships = Table(
    "authorships",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True, index=True),
)

_LONGEST_KEY = 200
#: Beyond this many names a list is a consortium's, and says nothing of each.
_MOST_NAMES = 300


def note(tx: Tx, entry_id: EntryId, authors: Sequence[str], institutions: Sequence[str] = ()) -> None:
    """Writes who a work is by. What was noted of it before gives way: a revision may name others."""
    note_all(tx, {entry_id: (authors, institutions)})


def note_all(tx: Tx, works: Mapping[EntryId, tuple[Sequence[str], Sequence[str]]]) -> None:
    """``note`` for many works at once: row -> (authors, institutions)."""
    for some in batched(works, 500):
        tx.execute(delete(authorships).where(among(tx, authorships.c.entry_id, some)))
    pairs = [
        (key, int(entry_id))
        for entry_id, (authors, institutions) in works.items()
        for key in _author_keys(authors) | _institution_keys(institutions)
    ]
    add_pairs(tx, authorships, sorted(pairs))


def records(tx: Tx, candidates: Iterable[Entry], as_of: datetime) -> tuple[Mapping[str, Record], Mapping[str, Record]]:
    """What was known at ``as_of`` of the earlier works of these works' authors, and of their institutions.

    By ``names.person_key`` and ``names.institution_key``. The candidates' own rows are not counted, nor works that were
    joined to others, nor anything seen later.
    """
    listed = tuple(candidates)
    keys = {key for entry in listed for key in (*_author_keys(entry.authors), *_institution_keys(entry.institutions))}
    works = _works(tx, sorted(keys), frozenset(int(entry.id) for entry in listed), as_of)
    newest = _newest_votes(tx, sorted({row for rows in works.values() for row in rows}), as_of)
    found = {key: _record(rows, newest) for key, rows in works.items()}
    return (
        {key: record for key, record in found.items() if not key.startswith("@")},
        {key[1:]: record for key, record in found.items() if key.startswith("@")},
    )


def works_by(tx: Tx, names: Iterable[str], as_of: datetime, *, limit: int) -> tuple[EntryId, ...]:
    """Works seen by then on which somebody of one of these names stands, the newest ``limit`` of each name."""
    found = _works(tx, sorted(_all_keys(names)), frozenset(), as_of)
    return tuple(map(EntryId, sorted({row for rows in found.values() for row in rows[-limit:]})))


def _works(tx: Tx, keys: Sequence[str], without: Collection[int], as_of: datetime) -> Mapping[str, tuple[int, ...]]:
    """The works of each key that were seen by then."""
    found: dict[str, list[int]] = {}
    for some in batched(keys, 2000):
        query = (
            select(authorships.c.key, authorships.c.entry_id)
            .join(entries, entries.c.id == authorships.c.entry_id)
            .where(
                among(tx, authorships.c.key, some),
                entries.c.first_seen_at <= as_of,
                entries.c.merged_into.is_(None),
            )
            .order_by(authorships.c.key, authorships.c.entry_id)
        )
        for row in tx.execute(query):
            if row.entry_id not in without:
                found.setdefault(row.key, []).append(row.entry_id)
    return {key: tuple(rows) for key, rows in found.items()}


def _newest_votes(tx: Tx, ids: Sequence[int], as_of: datetime) -> Mapping[int, int]:
    """The largest of the sources' newest counts of each work that has any."""
    largest: dict[int, int] = {}
    for some in batched(ids, 2000):
        place = func.row_number().over(partition_by=(votes.c.entry_id, votes.c.source_id), order_by=votes.c.at.desc())
        counted = (
            select(votes.c.entry_id, votes.c.upvotes, place.label("place"))
            .where(among(tx, votes.c.entry_id, some), votes.c.at <= as_of)
            .subquery()
        )
        query = (
            select(counted.c.entry_id, func.max(counted.c.upvotes).label("upvotes"))
            .where(counted.c.place == 1)
            .group_by(counted.c.entry_id)
        )
        largest.update({row.entry_id: row.upvotes for row in tx.execute(query)})
    return largest


def _record(rows: Sequence[int], newest: Mapping[int, int]) -> Record:
    counted = [max(0, newest[row]) for row in rows if row in newest]
    return Record(works=len(rows), voted=len(counted), log_votes=math.fsum(map(math.log1p, counted)))


def _author_keys(names: Sequence[str]) -> set[str]:
    return _all_keys(names[:_MOST_NAMES])


def _all_keys(names: Iterable[str]) -> set[str]:
    return {key[:_LONGEST_KEY] for name in names if (key := person_key(name))}


def _institution_keys(names: Sequence[str]) -> set[str]:
    return {f"@{key}"[:_LONGEST_KEY] for name in names[:_MOST_NAMES] if (key := institution_key(name))}
