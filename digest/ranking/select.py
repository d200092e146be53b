"""Ranking -> Selection: what is printed, in which section, and why everything else is not.

Mutes come first and always win. Seats go to the named categories by D'Hondt, so the printed shares follow the
weights, within what a category has at least and at most; one with too few entries passes its seats on. The second of
two papers that are nearly the same stands behind the next ones when seats are given (MMR). Order in a section is that
of the score. Only what is printed is worked out; the rest is rows and reasons.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import overload

import numpy as np

from digest.model.editions import About, Ranked, Selection
from digest.model.people import Profile
from digest.ranking.about import outside
from digest.ranking.alike import Twins, twins
from digest.ranking.mutes import in_category, muted
from digest.ranking.pool import Pool
from digest.ranking.rank import UNKNOWN_CATEGORY, Ints, Ranking
from digest.ranking.text import Floats

#: How many papers an edition prints where the profile does not say.
DEFAULT_MAX_ITEMS = 12
#: Maximal marginal relevance (Carbonell and Goldstein 1998): lambda * score - (1 - lambda) * cosine, for twins alone.
MMR_LAMBDA = 0.85
#: The same in points of the score: what a cosine of 1 takes away.
TWIN_POINTS = 100.0 * (1.0 - MMR_LAMBDA) / MMR_LAMBDA

_Reasons = list[tuple[int, str]]
Sections = tuple[tuple[str, tuple[Ranked, ...]], ...]


class LeftOut(Sequence[tuple[Ranked, str]]):
    """(entry, why) of what is not printed, each worked out when it is looked at."""

    def __init__(self, ranking: Ranking, count: int, reasons: Callable[[], _Reasons]) -> None:
        """``reasons`` gives ``count`` of (row, why)."""
        self._ranking = ranking
        self._count = count
        self._work_out = reasons

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _reasons(self) -> _Reasons:
        return self._work_out()

    @overload
    def __getitem__(self, index: int) -> tuple[Ranked, str]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[Ranked, str], ...]: ...
    def __getitem__(self, index: int | slice) -> tuple[Ranked, str] | tuple[tuple[Ranked, str], ...]:
        if isinstance(index, slice):
            return tuple((self._ranking.of_row(row), why) for row, why in self._reasons[index])
        row, why = self._reasons[index]
        return self._ranking.of_row(row), why


@dataclass(frozen=True, kw_only=True, slots=True)
class _Groups:
    """The category of each row that counts: a number in ``names`` (case-folded), -1 where none is wished for."""

    names: tuple[str, ...]
    of_row: Ints


def select(
    ranking: Ranking,
    profile: Profile,
    *,
    about: About = About.TRENDING,
    default_max_items: int | None = DEFAULT_MAX_ITEMS,
) -> Selection:
    """``default_max_items`` None prints everything a profile without max_items does not exclude."""
    pool, rows = ranking.pool, ranking.rows
    mutes = muted(pool, profile.mute)
    weights = weights_of(profile)
    groups = _wished_groups(pool, weights) if weights else pool.once(_primary_groups)
    against = {**_reasons_against(ranking, profile), **outside(ranking, profile, about)}
    hit, out = np.zeros(len(pool.entries), np.bool_), groups.of_row < 0
    hit[list(mutes)] = True
    out[list(against)] = True
    open_ = rows[~(hit | out)[rows]]
    refused = rows[(out & ~hit)[rows]]
    silenced: list[int] = rows[hit[rows]].tolist()
    seats = profile.max_items if profile.max_items is not None else default_max_items
    at_least, at_most = bounds_of(profile)
    members = _members(groups, open_)
    room = {name: min(at_most.get(name, at_most.get("", held)), held) for name, held in members.items()}
    if weights and seats is not None:
        room = dhondt(weights, room, seats, at_least)
        seats = sum(room.values())
    near: Twins = pool.once(twins) if seats is not None or room != members else {}
    seated = _seated(open_, groups, room, seats, ranking, near)
    return Selection(
        sections=_sections(ranking, seated, groups, weights),
        muted=tuple((pool.entries[row], mutes[row]) for row in silenced),
        left_out=LeftOut(
            ranking,
            len(refused) + len(open_) - len(seated),
            lambda: _refused(pool, refused, against) + _passed_over(open_, seated, groups, at_most),
        ),
        candidates=_counted(pool, groups, rows[~hit[rows]]),
    )


def dhondt(
    weights: Mapping[str, float],
    available: Mapping[str, int],
    seats: int,
    at_least: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Seats by highest averages: each goes to the largest weight / (seats held + 1), the first named on a tie.

    No category gets more than is available of it, nor anything at weight 0. D'Hondt 1878. Categories that hold less
    than ``at_least`` come before all others, by the same rule.
    """
    held = dict.fromkeys(weights, 0)
    minimum = at_least or {}
    for _ in range(min(seats, sum(available.values()))):
        waiting = [name for name in weights if weights[name] > 0 and held[name] < available.get(name, 0)]
        if not waiting:
            break
        short = [name for name in waiting if held[name] < minimum.get(name, 0)]
        held[max(short or waiting, key=lambda name: weights[name] / (held[name] + 1))] += 1
    return held


def weights_of(profile: Profile) -> Mapping[str, float]:
    """Case-folded category -> weight, in the profile's order; a category named twice has the sum."""
    weights: dict[str, float] = defaultdict(float)
    for category, weight in profile.categories:
        weights[category.casefold()] += weight
    return weights


def bounds_of(profile: Profile) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """(at least, at most) by case-folded category; the bound of every other one stands under the empty name."""
    at_least = {name.casefold(): least for name, least, _ in profile.seats}
    at_most = {name.casefold(): most for name, _, most in profile.seats if most is not None}
    if (cap := profile.per_category) is not None:
        at_most = {name: min(most, cap) for name, most in at_most.items()} | {"": cap}
    return at_least, at_most


def _members(groups: _Groups, rows: Ints) -> dict[str, int]:
    counted: list[int] = np.bincount(groups.of_row[rows], minlength=len(groups.names)).tolist()
    return dict(zip(groups.names, counted, strict=True))


def _counted(pool: Pool, groups: _Groups, rows: Ints) -> Mapping[str, int]:
    """How many of the rows each category has; what is not wished for counts for its primary one."""
    wished = groups.of_row[rows] >= 0
    both = Counter(_members(groups, rows[wished])) + Counter(_members(pool.once(_primary_groups), rows[~wished]))
    return dict(both)


def _primary_groups(pool: Pool) -> _Groups:
    numbers: dict[str, int] = {}
    primary = ((entry.categories[0] if entry.categories else UNKNOWN_CATEGORY).casefold() for entry in pool.entries)
    of_row = np.array([numbers.setdefault(name, len(numbers)) for name in primary], np.int64)
    return _Groups(names=tuple(numbers), of_row=of_row)


def _wished_groups(pool: Pool, weights: Mapping[str, float]) -> _Groups:
    """The first named of each row's categories."""
    of_row = np.full(len(pool.entries), -1, np.int64)
    for number, category in reversed(tuple(enumerate(weights))):
        of_row[list(pool.once(in_category).get(category, ()))] = number
        if category == UNKNOWN_CATEGORY:
            of_row[list(pool.once(_without_category))] = number
    return _Groups(names=tuple(weights), of_row=of_row)


def _without_category(pool: Pool) -> tuple[int, ...]:
    return tuple(row for row, entry in enumerate(pool.entries) if not entry.categories)


def _withdrawn(pool: Pool) -> tuple[int, ...]:
    return tuple(row for row, entry in enumerate(pool.entries) if entry.withdrawn)


def _reasons_against(ranking: Ranking, profile: Profile) -> Mapping[int, str]:
    """Row -> why it cannot be printed whatever else there is, its category aside."""
    pool, found = ranking.pool, dict[int, str]()
    if profile.min_score is not None:
        scores = ranking.scores.points.sum(axis=1)
        found |= dict.fromkeys(np.flatnonzero(scores < profile.min_score).tolist(), "below-min-score")
    for names, reason in ((profile.dislikes, "disliked"), (profile.likes, "liked")):
        found |= dict.fromkeys((pool.rows[name] for name in names if name in pool.rows), reason)
    return found | dict.fromkeys(pool.once(_withdrawn), "withdrawn")


def _refused(pool: Pool, refused: Ints, against: Mapping[int, str]) -> _Reasons:
    """(row, why); what nothing else is held against is of no category that is wished for."""
    rows: list[int] = refused.tolist()
    return [
        (row, against.get(row) or ("category" if pool.entries[row].categories else "category unknown yet"))
        for row in rows
    ]


def _seated(
    open_: Ints, groups: _Groups, room: Mapping[str, int], seats: int | None, ranking: Ranking, near: Twins
) -> list[int]:
    """The rows that get a seat, best first, of which each group has ``room`` and all together ``seats``."""
    free = [room.get(name, 0) for name in groups.names]
    chosen: set[int] = set()
    of_row: list[int] = groups.of_row.tolist()
    order: list[int] = open_.tolist()
    for row in _in_turn(order, ranking.scores.total, near, chosen):
        if seats is not None and len(chosen) >= seats:
            break
        if free[of_row[row]] > 0:
            free[of_row[row]] -= 1
            chosen.add(row)
    return [row for row in order if row in chosen]


def _in_turn(open_: Sequence[int], exact: Floats, near: Twins, chosen: set[int]) -> Iterator[int]:
    """Best first; a row whose twin is among the chosen by then comes as if it had fewer points."""
    if not near:
        yield from open_
        return
    waiting = [(-float(exact[row]), number) for number, row in enumerate(open_)]
    heapify(waiting)
    while waiting:
        said, number = heappop(waiting)
        row = open_[number]
        nearest = max((cosine for other, cosine in near.get(row, ()) if other in chosen), default=0.0)
        worth = float(exact[row]) - TWIN_POINTS * nearest
        if worth < -said:
            heappush(waiting, (-worth, number))
        else:
            yield row


def _passed_over(open_: Ints, seated: Sequence[int], groups: _Groups, at_most: Mapping[str, int]) -> _Reasons:
    """(row, why) of those that got no seat."""
    chosen = frozenset(seated)
    places = Counter(groups.of_row[row] for row in seated)
    found: _Reasons = []
    for row in open_.tolist():
        if row not in chosen:
            group = groups.of_row[row]
            cap = at_most.get(groups.names[group], at_most.get(""))
            found.append((row, "per-category" if cap is not None and places[group] >= cap else "max-items"))
            places[group] += 1
    return found


def _sections(ranking: Ranking, seated: Sequence[int], groups: _Groups, weights: Mapping[str, float]) -> Sections:
    """The heaviest first; without weights in the order of their best entries."""
    sections: dict[str, list[Ranked]] = {name: [] for name in sorted(weights, key=lambda name: -weights[name])}
    for row in seated:
        sections.setdefault(groups.names[int(groups.of_row[row])], []).append(ranking.of_row(row))
    return tuple((entries[0].category, tuple(entries)) for entries in sections.values() if entries)
