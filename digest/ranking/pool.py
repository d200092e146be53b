"""The candidates of an instant, the history beside them, and what was computed of them once for every profile.

Takes entries and an instant; gives ``Corpus`` (what was seen earlier) and ``Pool`` (what is to be ranked now). Both
keep their entries in the order of a hash of the work, so a result never depends on the order in which entries came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from digest.model.feeds import Entry, WorkId
from digest.model.ranking import Evidence
from digest.ranking.text import TextIndex

#: The newest works of the history are enough for term statistics and neighbours, and keep both cheap.
HISTORY_LIMIT = 3_000

NO_EVIDENCE = Evidence()

Shared = TypeVar("Shared")


def tie_break(work: WorkId) -> str:
    """The last resort of every ordering: a page's own order would leak its opinion."""
    return hashlib.sha256(work.encode()).hexdigest()


def text_of(entry: Entry) -> str:
    """What keywords, topics and mutes are looked for in."""
    return f"{entry.title}\n{entry.abstract}"


class Corpus:
    """Earlier works: term statistics, neighbours, and the texts behind likes."""

    def __init__(self, entries: Iterable[Entry] = (), *, keep: frozenset[str] = frozenset()) -> None:
        """``keep`` names works (those somebody liked) that stay however old they are."""
        oldest_first = sorted(entries, key=lambda e: (e.published_at or e.first_seen_at, tie_break(e.work)))
        kept = [entry for entry in oldest_first[:-HISTORY_LIMIT] if entry.work in keep]
        kept += oldest_first[-HISTORY_LIMIT:]
        self.entries = tuple(sorted(kept, key=lambda entry: tie_break(entry.work)))

    @cached_property
    def index(self) -> TextIndex:
        return TextIndex([(entry.title, entry.abstract) for entry in self.entries])

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Work or alias -> row."""
        return _rows(self.entries)


class Pool:
    """The candidates of one instant. Prepare it once, then score any number of profiles against it."""

    def __init__(
        self,
        entries: Iterable[Entry],
        *,
        now: datetime,
        evidence: Evidence = NO_EVIDENCE,
        keep: frozenset[str] = frozenset(),
    ) -> None:
        """``keep``: see Corpus."""
        self.entries = tuple(sorted(entries, key=lambda entry: tie_break(entry.work)))
        self.now = now
        self.evidence = evidence
        self.history = Corpus(evidence.history, keep=keep)
        self._shared: dict[Callable[[Pool], Any], Any] = {}

    def once(self, compute: Callable[[Pool], Shared]) -> Shared:
        """What ``compute`` makes of this pool, made at the first need."""
        if compute not in self._shared:
            self._shared[compute] = compute(self)
        return self._shared[compute]

    @cached_property
    def index(self) -> TextIndex:
        return TextIndex([(entry.title, entry.abstract) for entry in self.entries])

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Work or alias -> row."""
        return _rows(self.entries)


def _rows(entries: tuple[Entry, ...]) -> Mapping[str, int]:
    rows: dict[str, int] = {}
    for row, entry in enumerate(entries):
        for name in (entry.work, *entry.aliases):
            rows[name] = row
    return rows
