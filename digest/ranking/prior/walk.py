"""Works and their vote counts -> what was known of their authors and institutions before each was seen.

The works are walked through in the order of time; what a work is explained by is read before its own counts, and those
of the same instant, are written. A work that had votes before it was listed elsewhere does not count for itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from digest.model.feeds import Entry, VoteObservation
from digest.model.names import institution_key, person_key
from digest.model.ranking import Record
from digest.ranking.prior.features import FEWEST_WORKS, HISTORY, history
from digest.ranking.prior.weights import person_number
from digest.ranking.text import Floats

#: (as first seen, as listed without votes, every vote count)
Work = tuple[Entry, Entry | None, tuple[VoteObservation, ...]]

_READ, _WRITE = 0, 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Walked:
    """A row of HISTORY a work: when it was first seen, and when it was listed (0 where it never was).

    Beside each the same with authors of fewer than FEWEST_WORKS works unknown.
    """

    of_entry: tuple[Floats, Floats]
    of_listed: tuple[Floats, Floats]
    people: Mapping[int, Record]
    """Authors with two works or more at the end, by ``person_number``."""


@dataclass(slots=True)
class _Tally:
    """Running sums of one name."""

    voted: int = 0
    log_votes: float = 0.0


@dataclass(slots=True)
class _Ledger:
    people: dict[str, _Tally] = field(default_factory=dict[str, _Tally])
    houses: dict[str, _Tally] = field(default_factory=dict[str, _Tally])
    counted: dict[int, float] = field(default_factory=dict[int, float])
    """ln(1 + newest count) of each work that has been counted."""

    def read(self, entry: Entry, work: int) -> tuple[list[float], list[float]]:
        own = self.counted.get(work)
        people = _records(self.people, map(person_key, entry.authors), own)
        houses = _records(self.houses, map(institution_key, entry.institutions), own)
        return history(entry, people, houses), history(entry, people, houses, fewest=FEWEST_WORKS)

    def write(self, entry: Entry, work: int, upvotes: int) -> None:
        log_votes = math.log1p(max(0, upvotes))
        before = self.counted.get(work)
        self.counted[work] = log_votes
        people, houses = map(person_key, entry.authors), map(institution_key, entry.institutions)
        for names, tallies in ((people, self.people), (houses, self.houses)):
            for name in set(names):
                tally = tallies.setdefault(name, _Tally())
                tally.voted += before is None
                tally.log_votes += log_votes - (before or 0.0)


def walk(works: Sequence[Work], until: datetime) -> Walked:
    """Nothing after ``until`` is read or written."""
    size = (2, len(works), len(HISTORY))
    of_entry, of_listed = np.zeros(size), np.zeros(size)
    events: list[tuple[datetime, int, int, int]] = []
    for number, (entry, listed, votes) in enumerate(works):
        events.append((entry.first_seen_at, _READ, number, 0))
        if listed:
            events.append((listed.first_seen_at, _READ, number, 1))
        events += [(vote.at, _WRITE, number, vote.upvotes) for vote in votes]
    ledger = _Ledger()
    for _, kind, number, what in sorted(event for event in events if event[0] <= until):
        entry, listed = works[number][:2]
        if kind == _WRITE:
            ledger.write(entry, number, what)
        elif what and listed:
            of_listed[:, number] = ledger.read(listed, number)
        else:
            of_entry[:, number] = ledger.read(entry, number)
    return Walked(
        of_entry=(of_entry[0], of_entry[1]), of_listed=(of_listed[0], of_listed[1]), people=_carried(ledger.people)
    )


def _records(tallies: Mapping[str, _Tally], names: Iterable[str], own: float | None) -> Mapping[str, Record]:
    """Of each name what is known without the work itself, whose ln(1 + votes) is ``own`` once it has been counted."""
    found: dict[str, Record] = {}
    for name in names:
        if tally := tallies.get(name):
            voted, log_votes = tally.voted - (own is not None), tally.log_votes - (own or 0.0)
            found[name] = Record(works=voted, voted=voted, log_votes=log_votes)
    return found


def _carried(tallies: Mapping[str, _Tally]) -> Mapping[int, Record]:
    return {
        person_number(key): Record(works=one.voted, voted=one.voted, log_votes=one.log_votes)
        for key, one in sorted(tallies.items())
        if key and one.voted >= FEWEST_WORKS
    }
