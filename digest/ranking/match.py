"""Is that author the one who is meant, that institution, that category?

Takes names as people type them; compares whole case-folded words, accents dropped. ``Y. LeCun``, ``LeCun, Yann`` and
``Yann LeCun`` can be one person, and an ORCID or OpenAlex id settles it; ``Google`` is found in ``Google DeepMind``,
``MIT`` in its long name; a category must be equal. How sure a name is, is left to namesakes.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from digest.ranking.text import plain, spaced

_ORCID = re.compile(r"\(?\b(?:orcid:\s*|(?:https?://)?orcid\.org/)(\d{4}-\d{4}-\d{4}-\d{3}[\dx])\)?", re.IGNORECASE)
_OPENALEX = re.compile(r"\(?\b(?:openalex:\s*|(?:https?://)?openalex\.org/(?:authors/)?)(a\d{4,12})\)?", re.IGNORECASE)
_SEMANTIC_SCHOLAR = re.compile(
    r"\(?\b(?:semanticscholar:\s*|(?:https?://)?(?:www\.)?semanticscholar\.org/author/(?:[^\s/()]+/)?)(\d{1,15})\)?",
    re.IGNORECASE,
)
#: Between given and family name; a name may be written without them.
_PARTICLES = frozenset(
    {"van", "von", "der", "den", "de", "da", "di", "du", "del", "della", "dos", "das", "do"}
    | {"la", "le", "el", "al", "bin", "ibn", "ben", "ter", "ten", "zu", "zur", "af"}
)
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
#: Two or three capitals without a vowel are initials without stops: ``JY Zhu``.
_RUN_TOGETHER = re.compile(r"\b[B-DF-HJ-NP-TV-Z]{2,3}(?=\s+\w)")
_HAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff \u00b7]+")
#: Letters that no decomposition takes apart.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "'": None, "’": None}
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


class Agreement(IntEnum):
    """How well a name fits the one that is meant."""

    NONE = 0
    INITIAL = 1
    """The family names are equal, and of a given name only the initial."""
    FULL = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A name in comparable words. ``given`` is empty where only a family name was written."""

    words: tuple[str, ...]
    given: tuple[str, ...]
    particles: tuple[str, ...]
    family: str
    suffix: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody a reader means: a name, or ids (``orcid:…``, ``openalex:…``, ``semanticscholar:…``), or both."""

    written: str
    """As a reader is told of it: the name, without a name the ids."""
    forms: tuple[Name, ...]
    """The name, and where it has umlauts also as it is written without them."""
    ids: frozenset[str]


@lru_cache(maxsize=32_768)
def person(written: str) -> Person:
    """``Yann LeCun (orcid:0000-0002-1825-0097)``, or a part of it."""
    ids = {f"orcid:{found.upper()}" for found in _ORCID.findall(written)}
    ids |= {f"openalex:{found.upper()}" for found in _OPENALEX.findall(written)}
    ids |= {f"semanticscholar:{found}" for found in _SEMANTIC_SCHOLAR.findall(written)}
    name = written.strip()
    if ids:
        for pattern in (_ORCID, _OPENALEX, _SEMANTIC_SCHOLAR):
            name = pattern.sub(" ", name)
        name = name.strip(" ,;()")
    return Person(written=name or ", ".join(sorted(ids)), forms=forms(name), ids=frozenset(ids))


@lru_cache(maxsize=65_536)
def forms(name: str) -> tuple[Name, ...]:
    """The name in words; ``Müller`` also as ``Mueller``. Empty where there is no letter."""
    lower = name if name.isascii() else name.casefold()
    spellings = dict.fromkeys((name, name.casefold().translate(_UMLAUTS)) if set("äöü") & set(lower) else (name,))
    return tuple(_parsed(words) for one in spellings if (words := _words(one)))


def name_words(name: str) -> tuple[str, ...]:
    """``LeCun, Yann`` -> ("yann", "lecun"): given names first, the family name last."""
    known = forms(name)
    return known[0].words if known else ()


def _words(name: str) -> tuple[str, ...]:
    if _HAN.fullmatch(name):
        return tuple(filter(None, ("".join(char for char in name if char.isalnum()),)))
    if name.count(",") >= 1:
        parts = [part.strip() for part in name.split(",")]
        suffixes = [part for part in parts[1:] if part.rstrip(".").casefold() in _SUFFIXES]
        given = [part for part in parts[1:] if part not in suffixes]
        name = " ".join((*given, parts[0], *suffixes))
    if not name.isupper():
        name = _RUN_TOGETHER.sub(lambda found: " ".join(found.group()), name)
    cleaned = "".join(char if char.isalnum() else " " for char in plain(name).translate(_LETTERS))
    return tuple(cleaned.split())


def _parsed(words: tuple[str, ...]) -> Name:
    rest = words
    suffix = rest[-1] if len(rest) > 2 and rest[-1] in _SUFFIXES else ""
    if suffix:
        rest = rest[:-1]
    first = len(rest) - 1
    while first > 1 and rest[first - 1] in _PARTICLES:
        first -= 1
    if first == 1 and len(rest) > 2 and rest[0] in _PARTICLES:
        first = 0  # "van den Berg" alone is a family name
    return Name(words=rest, given=rest[:first], particles=rest[first:-1], family=rest[len(rest) - 1], suffix=suffix)


def agreement(one: Name, other: Name) -> Agreement:
    """Of the name that is meant with a name that stands on a paper; a family name alone fits all who bear it."""
    if one.suffix and other.suffix and one.suffix != other.suffix:
        return Agreement.NONE
    if one.words == other.words or (len(one.words) > 1 and sorted(one.words) == sorted(other.words)):
        return Agreement.FULL
    if not _same_family(one, other):
        return Agreement.NONE
    if not one.given or not other.given:
        return Agreement.NONE if one.given else Agreement.FULL
    return _of_given(one.given, other.given)


def _same_family(one: Name, other: Name) -> bool:
    if one.family == other.family:
        return one.particles == other.particles or not one.particles or not other.particles
    return "".join((*one.particles, one.family)) == "".join((*other.particles, other.family))


def _of_given(ours: tuple[str, ...], theirs: tuple[str, ...]) -> Agreement:
    """Middle names may be left out, but where both give them they must not contradict."""
    if "".join(ours) == "".join(theirs):
        return Agreement.FULL
    pairs = list(zip(ours, theirs, strict=False))
    if not all(_fits(*pair) for pair in pairs):
        return Agreement.NONE
    return Agreement.FULL if ours[0] == theirs[0] and len(ours[0]) > 1 else Agreement.INITIAL


def _fits(one: str, other: str) -> bool:
    """An initial agrees with the name it abbreviates."""
    return one[0] == other[0] if len(one) == 1 or len(other) == 1 else one == other


def fit(wanted: Person, name: str, id_: str = "") -> Agreement:
    """How well an author fits: by id where both have one of the same kind, else by name."""
    if wanted.ids and id_:
        if id_ in wanted.ids:
            return Agreement.FULL
        kind = id_.partition(":")[0]
        if any(known.startswith(f"{kind}:") for known in wanted.ids):
            return Agreement.NONE
    return max((agreement(one, other) for one in wanted.forms for other in forms(name)), default=Agreement.NONE)


def look_up_keys(name: str) -> tuple[str, ...]:
    """What a name is kept under: family name and initial, the family name alone, and both the other way round."""
    keys: dict[str, None] = {}
    for form in forms(name):
        for family in _families(form):
            keys |= dict.fromkeys((f"{family} {form.given[0][0]}", family) if form.given else (family,))
        if 1 < len(form.words) <= 3:
            keys[f"{form.words[0]} {form.words[-1][0]}"] = None
    return tuple(keys)


def wanted_keys(name: Name) -> tuple[str, ...]:
    """What to look for: every name that agrees is kept under one of these."""
    if not name.given:
        return _families(name)
    return tuple(f"{family} {name.given[0][0]}" for family in _families(name))


def _families(name: Name) -> tuple[str, ...]:
    return (name.family, "".join((*name.particles, name.family))) if name.particles else (name.family,)


def same_category(wanted: str, category: str) -> bool:
    return wanted.casefold() == category.casefold()


#: Short names that mean one institution wherever they stand in a name, and what they stand for.
_SHORT_NAMES = {
    "mit": "Massachusetts Institute of Technology",
    "caltech": "California Institute of Technology",
    "cmu": "Carnegie Mellon University",
    "epfl": "École Polytechnique Fédérale de Lausanne",
    "hkust": "Hong Kong University of Science and Technology",
    "kaist": "Korea Advanced Institute of Science and Technology",
    "kaust": "King Abdullah University of Science and Technology",
    "mbzuai": "Mohamed bin Zayed University of Artificial Intelligence",
    "nyu": "New York University",
    "ucl": "University College London",
    "ucla": "University of California, Los Angeles",
    "ucsd": "University of California, San Diego",
    "ustc": "University of Science and Technology of China",
    "uiuc": "University of Illinois Urbana-Champaign",
}  # fmt: skip
_CAMPUSES = "berkeley davis irvine merced riverside"
_LONG = {short: spaced(long).strip() for short, long in _SHORT_NAMES.items()}
_ABBREVIATED = {"univ": "university", "inst": "institute"}


@lru_cache(maxsize=32_768)
def house(name: str) -> str:
    """An institution's words with a space around each, short names and abbreviations written out."""
    found = spaced(name.replace("&", " and ")).split()
    said: list[str] = []
    for place, word in enumerate(found):
        if word == "uc" and found[place + 1 : place + 2] and found[place + 1] in _CAMPUSES.split():
            said.append("university of california")
        else:
            said.append(_LONG.get(word) or _ABBREVIATED.get(word, word))
    return f" {' '.join(said)} "


def same_house(wanted: str, name: str) -> bool:
    """True where the wanted institution's words stand in the name, whole and in this order."""
    words = house(wanted)
    return bool(words.strip()) and words in house(name)
