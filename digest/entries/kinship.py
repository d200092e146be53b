"""What the likeness of titles, abstracts and names amounts to: the rules of near.py, each with its measure.

Takes what two records have in common, gives same, possibly or different. Names: the shorter list is looked up in the
longer one, as "et al." cuts lists; name order, initials and hyphens do not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from digest.entries.identity import folded


class Kin(StrEnum):
    """How two titles are related."""

    EQUAL = "equal titles"
    """But for case, accents, punctuation and where words end."""
    SPELLING = "titles in two spellings"
    PART = "a title and its subtitle"
    """One is the other without its subtitle or nickname, or cut off."""
    NUMBERED = "titles that differ in a number or a part"
    OTHER = "two titles"


class People(StrEnum):
    """How two lists of authors are related."""

    UNKNOWN = "authors not known"
    NONE = "no author in common"
    FEW = "few authors in common"
    SHARED = "authors in common"
    """At least a third of the shorter list."""
    ALIKE = "the same authors"
    """At least four fifths of both together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What two records have in common; shares are 0 to 1."""

    kin: Kin
    title_words: int
    """Of the shorter title."""
    title_ratio: float
    overlap: float
    """Runs of words in common, of all."""
    contained: float
    """Runs of words in common, of the shorter abstract's: 1 for an abstract that was cut off."""
    both_abstracts: bool
    people: People
    preprint_of_article: bool
    each_own_words: bool


#: A title of fewer words recurs ("Editorial Board").
TITLE_WORDS = 4

#: (overlap, or contained) that makes one work of records whose titles are so related, with authors in common.
_ENOUGH = {Kin.EQUAL: (0.3, 0.6), Kin.SPELLING: (0.3, 0.6), Kin.PART: (0.5, 0.8)}
#: The same where the authors of one are not known, or the title is one that may recur.
_ENOUGH_ALONE = {Kin.EQUAL: (0.5, 0.8), Kin.SPELLING: (0.6, 0.9), Kin.PART: (0.7, 0.9)}
#: A preprint that got another title in review: overlap and title ratio at least so high, and the same authors.
_RETITLED = (0.5, 0.5)
#: Titles that differ in a number and are so alike for the rest are a series; else one may be the other's new title.
_SERIES = 0.7
#: What is worth telling, without authors in common and with.
_WORTH_TELLING = (0.5, 0.3)


def judge(seen: Evidence) -> tuple[str, str]:
    """(same, possibly or different; why)."""
    if seen.people is People.NONE:
        return "different", seen.people.value
    if seen.kin is Kin.NUMBERED and seen.title_ratio >= _SERIES:
        return "different", seen.kin.value
    why = f"{seen.kin.value}, {seen.people.value}, {seen.overlap:.0%} of the abstracts"
    if _is_same(seen):
        return "same", why
    return ("possibly" if _is_worth_telling(seen) else "different"), why


def _is_same(seen: Evidence) -> bool:
    known = seen.people in (People.SHARED, People.ALIKE)
    sure_title = seen.title_words >= TITLE_WORDS
    if seen.kin is Kin.NUMBERED:
        return False
    if seen.kin is Kin.OTHER:
        overlap, ratio = _RETITLED
        return (
            seen.preprint_of_article
            and seen.people is People.ALIKE
            and seen.overlap >= overlap
            and seen.title_ratio >= ratio
            and not seen.each_own_words
        )
    if seen.kin is Kin.EQUAL and sure_title and known:
        return True
    if seen.kin is Kin.SPELLING and not seen.both_abstracts:
        return seen.people is People.ALIKE and seen.title_words > TITLE_WORDS
    if seen.kin is not Kin.EQUAL and seen.each_own_words:
        return False
    overlap, contained = (_ENOUGH if known and sure_title else _ENOUGH_ALONE)[seen.kin]
    return seen.overlap >= overlap or seen.contained >= contained


def _is_worth_telling(seen: Evidence) -> bool:
    known = seen.people in (People.SHARED, People.ALIKE)
    if max(seen.overlap, seen.contained) >= _WORTH_TELLING[known]:
        return True
    if seen.kin in (Kin.OTHER, Kin.NUMBERED):
        return False
    # Without people or an abstract in common, a title alone must be long to mean anything.
    return (known and not seen.both_abstracts) or (seen.kin is Kin.EQUAL and (known or seen.title_words >= 6))


def names(authors: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Each author's name as folded words; empty names are left out."""
    found = (tuple(w for w in folded(name).split() if w not in _GENERATIONS) for name in authors)
    return tuple(name for name in found if name)


_GENERATIONS = frozenset(("jr", "sr", "ii", "iii", "iv"))


def people(ours: Sequence[tuple[str, ...]], theirs: Sequence[tuple[str, ...]]) -> People:
    """How two lists of :func:`names` compare."""
    if not ours or not theirs:
        return People.UNKNOWN
    short, long = sorted((ours, theirs), key=len)
    shared = _shared(short, long)
    if not shared:
        return People.NONE
    if shared * 5 >= 4 * (len(ours) + len(theirs) - shared):
        return People.ALIKE
    return People.SHARED if shared * 3 >= len(short) else People.FEW


def _shared(short: Sequence[tuple[str, ...]], long: Sequence[tuple[str, ...]]) -> int:
    """How many names of the shorter list stand in the longer."""
    whole = {_in_any_order(name) for name in long}
    families: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for name in long:
        families[name[-1]].append(name)
    return sum(
        _in_any_order(name) in whole or any(_may_be(name, other) for other in families[name[-1]]) for name in short
    )


def _in_any_order(name: tuple[str, ...]) -> str:
    return " ".join(sorted(name))


def _may_be(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Of one family name: whether the given names agree, an initial with the name it stands for."""
    mine, theirs = "".join(one[:-1]), "".join(other[:-1])
    if not mine or not theirs:
        return True
    if len(one[0]) == 1 or len(other[0]) == 1:
        return one[0][0] == other[0][0]
    return mine.startswith(theirs) or theirs.startswith(mine) or one[0] == other[0]
