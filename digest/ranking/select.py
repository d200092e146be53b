"""Ranked -> Selection: what is printed, in which section, and why everything else is not.

Mutes come first and always win. Seats go to the named categories by D'Hondt, so the printed shares follow the
weights; a category with too few entries passes its seats on. Order in a section is that of the score.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from digest.model.editions import Ranked, Selection
from digest.model.feeds import Entry
from digest.model.people import Profile
from digest.ranking.match import mute_that_hits
from digest.ranking.rank import order_key

#: How many papers an edition prints where the profile does not say.
DEFAULT_MAX_ITEMS = 12

LeftOut = list[tuple[Ranked, str]]


def select(
    ranked: Sequence[Ranked], profile: Profile, *, default_max_items: int | None = DEFAULT_MAX_ITEMS
) -> Selection:
    """``default_max_items`` None prints everything a profile without max_items does not exclude."""
    muted: list[tuple[Entry, str]] = []
    left_out: LeftOut = []
    open_: list[Ranked] = []
    for one in sorted(ranked, key=order_key):
        if (mute := mute_that_hits(one.entry, profile.mute)) is not None:
            muted.append((one.entry, mute))
        elif reason := _reason_against(one, profile):
            left_out.append((one, reason))
        else:
            open_.append(one)
    seats = profile.max_items if profile.max_items is not None else default_max_items
    sections = (
        _by_weight(open_, profile, seats, left_out)
        if profile.categories
        else _by_score(open_, profile, seats, left_out)
    )
    return Selection(sections=sections, muted=tuple(muted), left_out=tuple(left_out))


def dhondt(weights: Mapping[str, float], available: Mapping[str, int], seats: int) -> Mapping[str, int]:
    """Seats by highest averages: each goes to the largest weight / (seats held + 1), the first named on a tie.

    No category gets more than is available of it, nor anything at weight 0. D'Hondt 1878.
    """
    held = dict.fromkeys(weights, 0)
    for _ in range(min(seats, sum(available.values()))):
        waiting = [name for name in weights if weights[name] > 0 and held[name] < available.get(name, 0)]
        if not waiting:
            break
        held[max(waiting, key=lambda name: weights[name] / (held[name] + 1))] += 1
    return held


def _reason_against(one: Ranked, profile: Profile) -> str:
    """Why this entry cannot be printed whatever else there is, or nothing."""
    names = {one.entry.work, *one.entry.aliases}
    if one.entry.withdrawn:
        return "withdrawn"
    if not names.isdisjoint(profile.likes):
        return "liked"
    if not names.isdisjoint(profile.dislikes):
        return "disliked"
    if profile.min_score is not None and one.score < profile.min_score:
        return "below-min-score"
    if profile.categories and one.category.casefold() not in _weights(profile):
        return "category" if one.entry.categories else "category unknown yet"
    return ""


def _weights(profile: Profile) -> Mapping[str, float]:
    """Case-folded category -> weight, in the profile's order; a category named twice has the sum."""
    weights: dict[str, float] = defaultdict(float)
    for category, weight in profile.categories:
        weights[category.casefold()] += weight
    return weights


def _by_weight(
    open_: Sequence[Ranked], profile: Profile, seats: int | None, left_out: LeftOut
) -> tuple[tuple[str, tuple[Ranked, ...]], ...]:
    """Sections of the named categories, the heaviest first."""
    weights = _weights(profile)
    members: dict[str, list[Ranked]] = {category: [] for category in weights}
    for one in open_:
        members[one.category.casefold()].append(one)
    cap = profile.per_category
    available = {name: len(held) if cap is None else min(cap, len(held)) for name, held in members.items()}
    given = available if seats is None else dhondt(weights, available, seats)
    for name, held in members.items():
        for place, one in enumerate(held[given[name] :], given[name]):
            left_out.append((one, "per-category" if cap is not None and place >= cap else "max-items"))
    order = sorted(weights, key=lambda name: -weights[name])
    return tuple((members[name][0].category, tuple(members[name][: given[name]])) for name in order if given[name])


def _by_score(
    open_: Sequence[Ranked], profile: Profile, seats: int | None, left_out: LeftOut
) -> tuple[tuple[str, tuple[Ranked, ...]], ...]:
    """The best of all, a section for each primary category, ordered by its best entry."""
    sections: dict[str, list[Ranked]] = {}
    held: Counter[str] = Counter()
    for one in open_:
        if profile.per_category is not None and held[one.category] >= profile.per_category:
            left_out.append((one, "per-category"))
        elif seats is not None and held.total() >= seats:
            left_out.append((one, "max-items"))
        else:
            held[one.category] += 1
            sections.setdefault(one.category, []).append(one)
    return tuple((category, tuple(entries)) for category, entries in sections.items())
