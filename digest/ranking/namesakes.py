"""Is the author of this name the one who is followed? Known works, co-authors and field tell; else we say "perhaps".

Takes a pool (candidates and history) and a followed person; gives the papers on which an author of that name stands,
each with what is doubtful about it. Two names can be one person's in two ways that mislead:

* only the initial agrees. Then the paper must share a co-author with a work that has the full name, or, where few
  bear such a name, a category;
* many people bear the full name. How many is to be expected from how often its family and its given name stand beside
  others: PEOPLE * P(family) * P(given), as if they were drawn apart. From one namesake on, the paper must share a
  co-author with a work that is known by the person's id.

Shares are those of the authors at hand, and of PRIOR_AUTHORS more as they were in arXiv's and Hugging Face's lists of
2024-05 to 2025-12 (57,040 names), so that a new installation knows the commonest names too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from digest.model.feeds import Entry
from digest.model.names import person_key
from digest.ranking.match import Agreement, Name, Person, fit, forms, look_up_keys, person, wanted_keys
from digest.ranking.pool import Pool

#: How many people publish where a reader follows somebody.
PEOPLE = 100_000
#: From so many expected namesakes on a name is common.
COMMON = 1.0
#: Given names begin with any one letter in about this share.
INITIAL_SHARE = 0.06
PRIOR_AUTHORS = 20_000
#: Names whose papers are remembered.
_KEPT = 100_000
#: Bearers in a thousand authors.
FAMILIES = {
    "wang": 32, "li": 29, "zhang": 29, "chen": 22, "liu": 22, "yang": 14, "wu": 14, "xu": 12, "huang": 12, "zhao": 10,
    "zhou": 10, "zhu": 9, "lin": 8, "yu": 8, "kim": 8, "sun": 8, "hu": 7, "lee": 7, "he": 7, "jiang": 7, "guo": 7,
    "ma": 6, "lu": 6, "zheng": 6, "gao": 5, "tang": 5, "song": 5, "luo": 5, "shi": 5, "xie": 4, "han": 4, "wei": 4,
    "shen": 4, "liang": 4, "feng": 4, "cheng": 4, "cao": 4, "yuan": 4, "yan": 3, "ye": 3, "park": 3, "dong": 3,
    "peng": 3, "pan": 3, "deng": 3, "fu": 3, "fan": 3, "xiao": 3, "du": 3, "ren": 3, "zeng": 3, "jin": 3, "cai": 3,
    "gu": 3, "yao": 3, "su": 3, "yin": 3, "ding": 3, "nguyen": 3, "tan": 3, "fang": 3,
}  # fmt: skip
GIVEN = {
    "michael": 4.0, "david": 4.0, "daniel": 3.1, "yu": 2.7, "alexander": 2.4, "wei": 2.2, "yi": 2.1, "andrew": 2.0,
    "thomas": 1.9, "muhammad": 1.7, "hao": 1.7, "john": 1.6, "jun": 1.6, "mohammad": 1.6, "xin": 1.5, "peter": 1.5,
    "li": 1.5, "chen": 1.5, "alex": 1.4, "paul": 1.4, "yang": 1.4, "james": 1.4, "eric": 1.4, "ali": 1.3, "lei": 1.3,
    "jonathan": 1.3, "simon": 1.3, "kai": 1.2, "jian": 1.2, "rui": 1.2, "robert": 1.2, "jie": 1.2, "bo": 1.2,
    "cheng": 1.2, "yan": 1.2, "matthew": 1.2, "kevin": 1.1, "xiao": 1.1, "jing": 1.1, "benjamin": 1.1, "mohamed": 1.1,
    "qi": 1.1, "chao": 1.1, "martin": 1.1, "christian": 1.1, "mark": 1.1, "william": 1.1, "yue": 1.0, "jin": 1.0,
    "liang": 1.0, "ming": 1.0, "xinyu": 1.0, "han": 1.0, "jason": 1.0, "dong": 1.0, "ying": 0.9, "tao": 0.9,
    "lin": 0.9, "maria": 0.9, "yifan": 0.9, "fei": 0.9, "bin": 0.9, "zhen": 0.9,
}  # fmt: skip


class Doubt(StrEnum):
    NONE = ""
    INITIAL = "initial"
    """Only the initial agrees."""
    COMMON = "common"
    """Many people bear this name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighted:
    """An author whose name fits: of which paper (a row of the pool), which of its authors, how sure."""

    row: int
    place: int
    name: str
    doubt: Doubt


@dataclass(frozen=True, kw_only=True, slots=True)
class _Byline:
    """One author of one paper; ``row`` is -1 for a paper of the history."""

    entry: Entry
    row: int
    place: int

    @property
    def name(self) -> str:
        return self.entry.authors[self.place]

    @property
    def id(self) -> str:
        ids = self.entry.author_ids
        return ids[self.place] if self.place < len(ids) else ""


class Directory:
    """Who wrote what in a pool and its history; call it as ``pool.once(Directory)``."""

    def __init__(self, pool: Pool) -> None:
        listed: dict[str, list[_Byline]] = defaultdict(list)
        by_id: dict[str, list[_Byline]] = defaultdict(list)
        bearers: dict[str, Name] = {}
        held = ((entry, -1) for entry in pool.evidence.history if entry.work not in pool.rows)
        for entry, row in (*((entry, row) for row, entry in enumerate(pool.entries)), *held):
            for place, name in enumerate(entry.authors):
                byline = _Byline(entry=entry, row=row, place=place)
                for key in look_up_keys(name):
                    listed[key].append(byline)
                if byline.id:
                    by_id[byline.id].append(byline)
                if known := forms(name):
                    bearers[" ".join(known[0].words)] = known[0]
        self._listed: Mapping[str, list[_Byline]] = listed
        self._by_id: Mapping[str, list[_Byline]] = by_id
        self._bearers = len(bearers)
        self._families = Counter(one.family for one in bearers.values())
        self._given = Counter(one.given[0] for one in bearers.values() if one.given)
        self._initials = Counter((one.family, one.given[0][0]) for one in bearers.values() if one.given)
        self._pairs = Counter((one.family, one.given[0]) for one in bearers.values() if one.given)
        self._found: dict[str, tuple[Sighted, ...]] = {}

    def find(self, wanted: str) -> tuple[Sighted, ...]:
        """The pool's papers on which somebody of that name or id stands, in the order of rows."""
        if wanted not in self._found:
            if len(self._found) >= _KEPT:
                self._found.clear()
            self._found[wanted] = self._look(person(wanted))
        return self._found[wanted]

    def namesakes(self, name: Name, *, by_initial: bool = False) -> float:
        """How many other people of that name are to be expected among PEOPLE; 0 for a family name alone."""
        if not name.given:
            return 0.0
        given, total = name.given[0], self._bearers + PRIOR_AUTHORS
        others = self._families[name.family] - self._initials[name.family, given[0]]
        family = (others + PRIOR_AUTHORS * FAMILIES.get(name.family, 0) / 1000) / total
        if by_initial or len(given) == 1:
            return PEOPLE * family * INITIAL_SHARE
        others = self._given[given] - self._pairs[name.family, given]
        return PEOPLE * family * (others + PRIOR_AUTHORS * GIVEN.get(given, 0) / 1000) / total

    def _look(self, wanted: Person) -> tuple[Sighted, ...]:
        fitting: dict[tuple[int, int], tuple[_Byline, Agreement]] = {}
        for byline in self._candidates(wanted):
            how = fit(wanted, byline.name, byline.id)
            if how is not Agreement.NONE:
                fitting[id(byline.entry), byline.place] = (byline, how)
        if not fitting:
            return ()
        common = any(self.namesakes(form) >= COMMON for form in wanted.forms) or _several(wanted, fitting.values())
        rare = all(self.namesakes(form, by_initial=True) < COMMON for form in wanted.forms)
        sure = [
            byline
            for byline, how in fitting.values()
            if byline.id in wanted.ids or (how is Agreement.FULL and not common)
        ]
        return tuple(
            Sighted(
                row=byline.row,
                place=byline.place,
                name=byline.name,
                doubt=_doubt(wanted, byline, how, sure, common=common, rare=rare),
            )
            for byline, how in sorted(fitting.values(), key=lambda pair: (pair[0].row, pair[0].place))
            if byline.row >= 0
        )

    def _candidates(self, wanted: Person) -> list[_Byline]:
        keys = dict.fromkeys(key for form in wanted.forms for key in wanted_keys(form))
        named = [byline for key in keys for byline in self._listed.get(key, ())]
        return [*named, *(byline for id_ in sorted(wanted.ids) for byline in self._by_id.get(id_, ()))]


def _several(wanted: Person, fitting: Iterable[tuple[_Byline, Agreement]]) -> bool:
    """Whether ids prove that the name as it is written is that of several people."""
    ids = {byline.id for byline, how in fitting if byline.id and how is Agreement.FULL}
    return not wanted.ids and max(Counter(id_.partition(":")[0] for id_ in ids).values(), default=0) > 1


def _doubt(wanted: Person, byline: _Byline, how: Agreement, sure: list[_Byline], *, common: bool, rare: bool) -> Doubt:
    """``sure`` are the works that are this person's beyond doubt."""
    if byline.id in wanted.ids or (how is Agreement.FULL and not common):
        return Doubt.NONE
    others = [one for one in sure if one.entry is not byline.entry]
    if _share_authors(byline, others):
        return Doubt.NONE
    if how is Agreement.FULL:
        return Doubt.COMMON
    fields = set(byline.entry.categories)
    likely = rare and (_initial_only(wanted) or any(fields.intersection(other.entry.categories) for other in others))
    return Doubt.NONE if likely else Doubt.INITIAL


def _initial_only(wanted: Person) -> bool:
    """The reader knows no more than the initial."""
    return all(len(form.given[0]) == 1 for form in wanted.forms if form.given)


def _share_authors(byline: _Byline, others: list[_Byline]) -> bool:
    ours = _co_authors(byline)
    return any(not ours.isdisjoint(_co_authors(other)) for other in others)


def _co_authors(byline: _Byline) -> frozenset[str]:
    return frozenset(person_key(name) for place, name in enumerate(byline.entry.authors) if place != byline.place)
