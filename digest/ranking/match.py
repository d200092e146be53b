"""Does this entry hold that keyword, author, institution or category? Also: which mute hits it.

Takes names as people type them; compares whole case-folded words, accents dropped. ``Y. LeCun``, ``LeCun, Yann`` and
``Yann LeCun`` are one person; ``Google`` is found in ``Google DeepMind``; a category must be equal.
"""

from __future__ import annotations

from functools import lru_cache

from digest.model.feeds import Entry
from digest.model.people import Mutes
from digest.ranking.pool import text_of
from digest.ranking.text import holds, plain


@lru_cache(maxsize=32_768)
def name_words(name: str) -> tuple[str, ...]:
    """``LeCun, Yann`` -> ("yann", "lecun"): given names first, the family name last."""
    if name.count(",") == 1:
        family, given = name.split(",")
        name = f"{given} {family}"
    cleaned = "".join(char if char.isalnum() else " " for char in plain(name).replace("'", "").replace("’", ""))
    return tuple(cleaned.split())


def same_person(wanted: str, name: str) -> bool:
    """True where family names are equal and given names agree, an initial agreeing with the name it abbreviates.

    A single wanted word is a family name.
    """
    ours, theirs = name_words(wanted), name_words(name)
    if not ours or not theirs:
        return False
    if ours == theirs or len(ours) == 1:
        return ours[-1] == theirs[-1]
    if len(theirs) == 1 or ours[-1] != theirs[-1]:
        return sorted(ours) == sorted(theirs)
    return _agree(ours[0], theirs[0]) and _middles_agree(ours[1:-1], theirs[1:-1])


def _agree(one: str, other: str) -> bool:
    if len(one) == 1 or len(other) == 1:
        return one[0] == other[0]
    return one == other


def _middles_agree(ours: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """Middle names may be left out, but where both give them they must not contradict."""
    return all(_agree(one, other) for one, other in zip(ours, theirs, strict=False))


def same_category(wanted: str, category: str) -> bool:
    return wanted.casefold() == category.casefold()


def mute_that_hits(entry: Entry, mutes: Mutes) -> str | None:
    """The mute as the reader wrote it, or None. Everything is looked at: a mute always wins."""
    text = text_of(entry)
    for keyword in (*mutes.keywords, *mutes.anything):
        if holds(text, keyword):
            return keyword
    for wanted in (*mutes.authors, *mutes.anything):
        if any(same_person(wanted, name) for name in entry.authors):
            return wanted
    for wanted in (*mutes.institutions, *mutes.anything):
        if any(holds(name, wanted) for name in entry.institutions):
            return wanted
    for wanted in (*mutes.categories, *mutes.anything):
        if any(same_category(wanted, category) for category in entry.categories):
            return wanted
    return None
