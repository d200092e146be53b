"""What became of one ranked paper in one selection, in a sentence with the numbers that decided it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from digest.model.editions import Part, Ranked, Selection
from digest.model.people import Profile
from digest.ranking.alike import twins
from digest.ranking.rank import Ranking

#: Reasons of papers that others were preferred to.
_OUTDONE = ("per-category", "max-items")


@dataclass(frozen=True, slots=True)
class Verdict:
    name: str
    sentence: str
    category: str = ""
    score: int | None = None
    parts: tuple[Part, ...] = ()


class Fate:
    """The fates of one selection's papers."""

    def __init__(self, ranking: Ranking, selection: Selection, profile: Profile) -> None:
        self._ranking = ranking
        self._selection = selection
        self._profile = profile

    def of(self, one: Ranked) -> Verdict:
        """One of the ranking's entries: printed, muted or left out."""
        name, sentence = self._said(one)
        return Verdict(name, sentence, one.category, one.score, one.parts)

    def _said(self, one: Ranked) -> tuple[str, str]:
        for position, other in enumerate(self._printed, 1):
            if _same(other, one):
                return "printed", self._of_printed(one, position)
        for entry, mute in self._selection.muted:
            if entry.id == one.entry.id:
                several = len(self._selection.muted)
                counted = f"; mutes take {several} papers out of this edition" if several > 1 else ""
                return "muted", f"It is muted by “{mute}”{counted}."
        reason = next(reason for other, reason in self._selection.left_out if _same(other, one))
        return reason.removesuffix(" yet").replace(" ", "-"), self._of_left_out(one, reason)

    @cached_property
    def _printed(self) -> Sequence[Ranked]:
        return [one for _, chosen in self._selection.sections for one in chosen]

    @cached_property
    def _outdone(self) -> Sequence[Ranked]:
        return [one for one, reason in self._selection.left_out if reason in _OUTDONE]

    @cached_property
    def _by_score(self) -> Sequence[Ranked]:
        """All that could be printed, best first, as if there were no categories."""
        place = {one.entry.id: number for number, one in enumerate(self._ranking)}
        return sorted((*self._printed, *self._outdone), key=lambda one: place[one.entry.id])

    def _place(self, one: Ranked, among: Sequence[Ranked]) -> int:
        return next(place for place, other in enumerate(among, 1) if _same(other, one))

    def _seats(self, category: str) -> int:
        return sum(_category(one) == category.casefold() for one in self._printed)

    def _of_printed(self, one: Ranked, position: int) -> str:
        said = f"It is printed as number {position} of {len(self._printed)}, with a score of {one.score}."
        alone = self._place(one, self._by_score)
        if alone <= len(self._printed):
            return said
        back = next((other for other in self._outdone if other.exact > one.exact), None)
        seats = f"{one.category} has {self._seats(one.category)} of the {len(self._printed)} seats"
        if back is None or _category(back) == _category(one):
            return said
        return (
            f"{said} In a list by score alone it would have been {_ordinal(alone)}; {seats}, "
            f"so “{back.entry.title}” of {back.category}, with {back.score}, is left out."
        )

    def _of_left_out(self, one: Ranked, reason: str) -> str:
        profile = self._profile
        match reason:
            case "below-min-score":
                least = profile.min_score or 0
                return f"Its score of {one.score} is {least - one.score} below the minimum of {least}."
            case "category":
                wished = ", ".join(name for name, _ in profile.categories)
                return f"Its category {one.category} is none of those wished for ({wished})."
            case "category unknown yet":
                return "Its category is not known yet, and only some are wished for."
            case "per-category" | "max-items":
                return self._of_outdone(one, reason)
            case "nobody-followed":
                return "Nobody of those who are followed wrote it, and this edition is about them."
            case "off-topic":
                topics = ", ".join(f"“{topic}”" for topic in profile.topics)
                return f"It is below the cut-off of {topics or 'the topics'}, and this edition is about them."
            case "liked" | "disliked":
                return f"The reader {reason} it already."
            case _:
                return f"It was left out: {reason}."

    def _of_outdone(self, one: Ranked, reason: str) -> str:
        """``7th of 6 of cs.CL``; and what it lost by that."""
        seats, alone = self._seats(one.category), self._place(one, self._by_score)
        own = [other for other in self._by_score if _category(other) == _category(one)]
        if (twin := self._twin(one)) is not None:
            title, cosine = twin
            said = f"It stands back for “{title}”, which is printed and nearly the same (cosine {cosine:.2f})."
            return f"{said} Its score of {one.score} would make it {_ordinal(alone)} of {len(self._printed)}."
        if reason == "max-items" and not self._profile.categories:
            lowest = min((other.score for other in self._printed), default=0)
            said = f"It is {_ordinal(alone)} of {len(self._printed)}"
            return f"{said}: its score is {one.score}, the lowest that is printed has {lowest}."
        full = ", its most" if reason == "per-category" else ""
        return (
            f"It is {_ordinal(self._place(one, own))} of {seats} of {one.category}{full}, with a score of {one.score}; "
            f"in a list by score alone it would have been {_ordinal(alone)} of {len(self._printed)}."
        )

    def _twin(self, one: Ranked) -> tuple[str, float] | None:
        """(title, cosine) of the nearest printed paper that is nearly the same and took this one's seat."""
        pool = self._ranking.pool
        near = pool.once(twins).get(pool.rows[one.entry.work], ())
        printed = {other.entry.id for other in self._printed}
        found = [(cosine, pool.entries[row]) for row, cosine in near if pool.entries[row].id in printed]
        worse = any(_category(other) == _category(one) or not self._profile.categories for other in self._after(one))
        if not found or not worse:
            return None
        cosine, entry = max(found, key=lambda pair: pair[0])
        return entry.title, cosine

    def _after(self, one: Ranked) -> Sequence[Ranked]:
        """What is printed though its score is lower."""
        return [other for other in self._printed if other.exact < one.exact]


def _same(one: Ranked, other: Ranked) -> bool:
    return one.entry.id == other.entry.id


def _category(one: Ranked) -> str:
    return one.category.casefold()


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
