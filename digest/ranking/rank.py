"""Entries -> Ranked: a score of 0 to 100 that is the sum of its integer parts, and an order that nothing can sway.

Takes a pool (entries, instant, evidence) and a profile. Mutes, limits and sections are left to select.py.
``rank`` does it for one profile; for many, make one Pool and call ``rank_pool`` with each.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import cast, overload

import numpy as np
from numpy.typing import NDArray

from digest.model.editions import Part, Ranked
from digest.model.feeds import Entry, EntryId
from digest.model.people import Profile, Weights
from digest.model.ranking import Evidence
from digest.ranking.match import same_category
from digest.ranking.pool import NO_EVIDENCE, Pool, tie_break
from digest.ranking.signals import SIGNALS, Column
from digest.ranking.signals.trend import outlook
from digest.ranking.text import Floats

GENERAL = Weights(trend=95.0, topic=0.0, people=0.0, novelty=5.0)
PERSONAL = Weights(trend=50.0, topic=30.0, people=15.0, novelty=5.0)
Ints = NDArray[np.int64]

#: The category of an entry whose own is unknown.
UNKNOWN_CATEGORY = "other"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """A profile's scores of a pool, a row an entry; ``exact`` and ``points`` have a column for each of ``keys``."""

    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    exact: Floats
    points: NDArray[np.int64]

    @cached_property
    def total(self) -> Floats:
        return _sums(self.exact)

    def parts(self, row: int, points: list[int]) -> tuple[Part, ...]:
        return tuple(
            Part(key=key, points=given, figures=column.figures(row))
            for key, given, column in zip(self.keys, points, self.columns, strict=True)
        )


class Ranking(Sequence[Ranked]):
    """All entries of a pool as a profile ranks them, best first. Each is worked out when it is looked at: of two
    thousand a mail prints twelve.
    """

    def __init__(self, pool: Pool, profile: Profile, scores: Scores, rows: Ints) -> None:
        """``rows``: of the pool, best first."""
        self.pool = pool
        self.profile = profile
        self.scores = scores
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Ranked: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Ranked, ...]: ...
    def __getitem__(self, index: int | slice) -> Ranked | tuple[Ranked, ...]:
        if isinstance(index, slice):
            return tuple(self.of_row(int(row)) for row in self.rows[index])
        return self.of_row(int(self.rows[index]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(cast("Sequence[object]", other))

    __hash__ = None  # type: ignore[assignment]

    def of_row(self, row: int) -> Ranked:
        """The entry of a row of the pool."""
        entry, seen = self.pool.entries[row], self.pool.once(outlook)
        points: list[int] = self.scores.points[row].tolist()
        probability = float(seen.probability[row])
        return Ranked(
            entry=entry,
            score=sum(points),
            exact=float(self.scores.total[row]),
            trend=float(seen.expected[row]),
            parts=self.scores.parts(row, points),
            category=category_of(entry, self.profile),
            probability=None if math.isnan(probability) else probability,
        )

    def without(self, ids: Collection[EntryId]) -> Ranking:
        """The same but for some entries."""
        if not ids:
            return self
        gone = np.isin(self.pool.once(_ids)[self.rows], np.fromiter(ids, np.int64, len(ids)))
        return Ranking(self.pool, self.profile, self.scores, self.rows[~gone])


def rank(entries: Sequence[Entry], profile: Profile, *, now: datetime, evidence: Evidence = NO_EVIDENCE) -> Ranking:
    """All entries, best first."""
    return rank_pool(Pool(entries, now=now, evidence=evidence), profile)


def rank_pool(pool: Pool, profile: Profile) -> Ranking:
    """All entries of the pool, best first: by exact score, trend, publication, hash of the work."""
    scores, rows = score(pool, profile), pool.once(_among_equals)
    return Ranking(pool, profile, scores, rows[np.argsort(-scores.total[rows], kind="stable")])


def score(pool: Pool, profile: Profile) -> Scores:
    """The profile's weights times the signals' shares, and the integer points that are shown of them."""
    weights = points_of(profile)
    signals = [signal for signal in SIGNALS if weights[signal.key] > 0]
    columns = tuple(signal.measure(pool, profile) for signal in signals)
    exact = np.zeros((len(pool.entries), len(signals)))
    for place, (signal, column) in enumerate(zip(signals, columns, strict=True)):
        exact[:, place] = np.round(weights[signal.key] * column.share, 9)
    keys = tuple(signal.key for signal in signals)
    return Scores(keys=keys, columns=columns, exact=exact, points=largest_remainder(exact))


def points_of(profile: Profile) -> Mapping[str, float]:
    """How many of the 100 points each signal can give to this reader."""
    weights = profile.weights or (PERSONAL if profile.personal else GENERAL)
    given = {signal.key: max(0.0, float(getattr(weights, signal.key))) for signal in SIGNALS}
    total = sum(given.values())
    return {key: 100.0 * weight / total if total else 0.0 for key, weight in given.items()}


def largest_remainder(exact: Floats) -> NDArray[np.int64]:
    """Integers whose rows sum to the rounded sums of ``exact``: the largest fractions go up, the first on a tie."""
    floors = np.floor(exact).astype(np.int64)
    missing = np.floor(_sums(exact) + 0.5).astype(np.int64) - floors.sum(axis=1)
    fractions = (exact - floors).T
    found = np.empty_like(floors)
    for column, own in enumerate(fractions):
        before = (fractions[:column] >= own).sum(axis=0) + (fractions[column + 1 :] > own).sum(axis=0)
        found[:, column] = floors[:, column] + (before < missing)
    return found


def _sums(exact: Floats) -> Floats:
    """Row sums without the noise of adding in floating point."""
    sums: Floats = np.round(np.sum(exact, axis=1, dtype=np.float64), 9)
    return sums


def order_key(ranked: Ranked) -> tuple[float, float, float, str]:
    """Sorts Ranked as ``rank_pool`` does."""
    return (-ranked.exact, -ranked.trend, -_instant(ranked.entry), tie_break(ranked.entry.work))


def category_of(entry: Entry, profile: Profile) -> str:
    """The one of the entry's categories that the profile names first, else its primary, else ``other``."""
    for wanted, _ in profile.categories:
        for category in entry.categories:
            if same_category(wanted, category):
                return category
    return entry.categories[0] if entry.categories else UNKNOWN_CATEGORY


def _ids(pool: Pool) -> Ints:
    return np.array([entry.id for entry in pool.entries], np.int64)


def _among_equals(pool: Pool) -> Ints:
    """The rows in the order of entries of one score: by trend, publication, hash of the work."""
    published = np.array([_instant(entry) for entry in pool.entries], np.float64)
    # Rows stand in the order of the hash already, and the sort is stable: the hash decides last.
    return np.lexsort((-published, -pool.once(outlook).expected))


def _instant(entry: Entry) -> float:
    return entry.published_at.timestamp() if entry.published_at else float("-inf")
