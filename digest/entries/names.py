"""People's names put right: "LAST, First" to "First Last", lists split, affiliations and addresses dropped.

Takes the author strings of a feed (text without HTML or LaTeX), gives one name each, as printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

MAX_NAMES = 2_000
MAX_NAME = 200


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PARTICLES = _words("van von der den de da di du del della dos das do la le el al bin ibn ben ter ten zu zur af av y e")
_SUFFIXES = {"jr": "Jr.", "sr": "Sr.", "ii": "II", "iii": "III", "iv": "IV"}
_DEGREES = _words("phd md msc bsc mba mph dphil rn facs dds pharmd mbbs frcp")
_GROUPS = _words("collaboration team consortium group committee network project society institute lab labs initiative")
_PLACES = _words(
    "university universität université universidad università universiteit universidade institute institut school "
    "college department dept dept. faculty laboratory lab labs hospital center centre academy inc inc. ltd research"
)
#: Han, kana and Hangul: the family name stands first, without a space.
_CJK = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]"
    "[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\u00b7 ,]*"
)
#: Footnote marks behind a name: Doe¹˒², Doe*†, Doe^{1,2}.
_MARKS = re.compile(r"(?:\^\{?[\da-z,*†‡§ ]{1,8}\}?|[⁰¹²³⁴⁵⁶⁷⁸⁹ᵃᵇᶜᵈᵉ˒⁎*†‡§¶‖#✉^,\s]+)$")
_DIGITS = re.compile(r"(?<=[^\W\d_]{2})\d{1,2}(?:,\d{1,2})*$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.?[\s-]?){1,4}")
#: "Ann Doe", "J. P. Roe", "Jean-Luc Poe": most names. Nothing here changes them, nor does anything that reads markup.
_USUAL = re.compile(r"(?!And |By )(?:[A-Z](?:\.|[a-z]+(?:-[A-Z]?[a-z]+)*)? ){1,6}[A-Z][a-z]+(?:-[A-Z]?[a-z]+)*")


def _is_usual(name: str) -> bool:
    return len(name) <= MAX_NAME and _USUAL.fullmatch(name) is not None


def put_right(names: Sequence[str], read: Callable[[str], str] = str) -> tuple[str, ...]:
    """The names, one a person, "First Last"; ``read`` takes markup and TeX out of one, where there may be any."""
    usual = set(filter(_is_usual, names))
    if len(usual) == len(names):
        return tuple(names[:MAX_NAMES])
    parts: list[str] = []
    for name in names[: MAX_NAMES * 2]:
        parts += [name] if name in usual else _split(_without_affiliation(read(name)), alone=len(names) == 1)
    parts = _family_named(parts[: MAX_NAMES * 2])
    found: list[str] = []
    for part in parts:
        if part in usual:
            found.append(part)
            continue
        name = _unmarked(part[: 2 * MAX_NAME])  # marks are searched for from every place
        name = _cased(_turned(name))[:MAX_NAME].strip(" ,;.&" if part.endswith((",", ";")) else " ,;&")
        if any(c.isalpha() for c in name) and name.casefold().rstrip(".") not in ("et al", "and", "others", "et al."):
            found.append(name)
    return tuple(_once(found)[:MAX_NAMES])


def _once(found: list[str]) -> list[str]:
    """A list that a feed carries twice, once. Two of one name are two people."""
    half = len(found) // 2
    return found[:half] if half >= 2 and found == found[:half] * 2 and len(set(found)) == half else found


def _unmarked(name: str) -> str:
    """Without the marks that point to affiliations and footnotes."""
    if name.isascii() and name.replace(" ", "").isalpha():
        return name
    name = re.sub(r"(?<=[^\W\d_])[–—](?=[^\W\d_])", "-", name)
    bare = _MARKS.sub("", name)
    words = bare.split()
    if len(words) >= 2 and not _GROUPS & {word.lower() for word in words}:
        bare = _DIGITS.sub("", bare)
    return bare or name


def _family_named(parts: list[str]) -> list[str]:
    """Lists in the French way, "DUPONT Jean" or "Jean DUPONT", as "Jean Dupont", where nearly every name has it."""
    # "PRS De Silva" begins with initials: most families have four letters and more.
    long = sum(any(len(word) >= 4 and word.isupper() for word in part.split()) for part in parts)
    if len(parts) < 2 or 2 * long < len(parts):
        return parts
    fitting = [len(part) <= MAX_NAME and _is_family_in_capitals(part.split()) for part in parts]
    if sum(fitting) < 0.8 * len(parts):
        return parts
    return [_family_put_right(part) if fits else part for part, fits in zip(parts, fitting, strict=True)]


def _is_family_in_capitals(words: list[str]) -> bool:
    """Whether the words are given names and, on one side of them, a family name in capitals."""
    if "," in "".join(words) or _GROUPS & {word.lower() for word in words}:
        return False
    capitals = [word.isupper() and sum(map(str.isalpha, word)) >= 2 and "." not in word for word in words]
    first = [word[:1].isupper() for word in words]
    return any(capitals) and not all(capitals) and all(first) and capitals in (sorted(capitals), sorted(capitals)[::-1])


def _family_put_right(name: str) -> str:
    words = name.split()
    family = [word for word in words if word.isupper() and "." not in word and len(word) > 1]
    given = [word for word in words if word not in family]
    return " ".join((*given, *(_cased_word(word, first=False, last=False) for word in family)))


def _without_affiliation(name: str) -> str:
    """``a@b.org (Jane Doe)`` is Jane Doe (RSS 2.0 author); other parentheses hold affiliations."""
    name = name[:200_000]
    if "@" in name:
        shown = re.search(r"\(([^()@]{2,})\)", name)
        name = shown.group(1) if shown else re.sub(r"<?[^\s<>@]{1,64}@[^\s<>@]{1,255}>?", " ", name)
    # From the inside out, a few levels: "(Dept. (Physics), X)".
    for _ in range(4):
        if "(" not in name:
            break
        name = re.sub(r"\s*\([^()]*\)", "", name)
    name = re.sub(r"^(?:by|authors?:|and|&)\s+", "", name.strip(), flags=re.IGNORECASE)
    return re.sub(r",?\s*\bet al\.?$", "", " ".join(name.split()))


def _split(text: str, *, alone: bool) -> list[str]:
    """The names in one string. Only what is clearly a list is split: "García Márquez, Gabriel" is one person."""
    if re.search("[;；、|•]| · ", text):
        return [p.strip() for p in re.split("[;；、|•]| · ", text) if p.strip()]
    if "，" in text:
        return [p.strip() for p in text.split("，") if p.strip()]
    if " " in text and any(map(str.isdigit, text)):  # Ann Doe1,2, Bob Roe3
        text = re.sub(r"(?<=[^\W\d_]{2})\d{1,2}(?:, ?\d{1,2})*(?=,| and | &|$)", "", text)
    listed = re.sub(r",?\s+(?:and|&)\s+", ", ", text)
    parts = [p.strip() for p in listed.split(",") if p.strip()]
    if len(parts) > 1:
        parts = [p for p in parts if not _PLACES & set(p.lower().split())] or parts[:1]
        text = parts[0] if len(parts) == 1 else text
    joined = listed != text
    if len(parts) < 2:
        return parts
    people = [p for p in parts if not _is_suffix(p)]
    if len(parts) >= 4 and len(parts) % 2 == 0 and all(_INITIALS.fullmatch(p) for p in parts[1::2]):
        return [f"{last}, {first}" for last, first in zip(parts[::2], parts[1::2], strict=True)]
    many_words = all(" " in p or "." in p for p in people)
    if (joined and "," not in text) or (many_words and (len(people) >= 3 or joined)):
        return _with_suffixes(parts)
    if len(people) >= 4 and sum(" " in p for p in people) >= 0.7 * len(people):
        return _with_suffixes(parts)
    if alone and len(people) == 2 and many_words and not _INITIALS.fullmatch(people[1]):
        return _with_suffixes(parts)
    return [text]


def _with_suffixes(parts: list[str]) -> list[str]:
    """Jr. and PhD go back to the name before them."""
    found: list[str] = []
    for part in parts:
        if _is_suffix(part) and found:
            found[-1] = f"{found[-1]}, {part}"
        else:
            found.append(part)
    return found


def _is_suffix(text: str) -> bool:
    return bool(_suffix(text)) or _is_degree(text)


def _suffix(text: str) -> str:
    """Jr., III …; the initials "J. R." and "J.R." are none."""
    return _SUFFIXES.get(text.strip().lower().removesuffix("."), "")


def _is_degree(text: str) -> bool:
    """PhD, Ph.D., MSc; the initials "R.N." are none."""
    return text.replace(".", "").replace(" ", "").lower() in _DEGREES and not re.fullmatch(r"(?:[A-Z]\.\s?)+", text)


def _turned(name: str) -> str:
    """ "Last, First, Jr." as "First Last Jr."; degrees go."""
    parts = [p.strip() for p in name.split(",") if p.strip()]
    suffix = next((_suffix(p) for p in parts[1:] if _suffix(p)), "")
    given = [p for p in parts[1:] if not _is_suffix(p)]
    if name and _CJK.fullmatch(name):
        return "".join(name.replace(",", "").split())
    if len(parts) > 1 and " " in parts[0] and parts[0] != parts[0].upper():
        given = [g for g in given if not _is_place(g)]
    if not parts or len(given) > 1:
        return name
    return " ".join(filter(None, (*given, parts[0], suffix)))


def _is_place(text: str) -> bool:
    """Whether it names where somebody works: "MIT", "University of X"."""
    return bool(_PLACES & set(text.lower().split())) or (text.isupper() and text.isalpha() and len(text) >= 3)


def _cased(name: str) -> str:
    """ "JANE VAN DER BERG-O'NEIL" in title case. One word in capitals (CERN) and groups stay."""
    words = name.split()
    letters = [w for w in words if any(c.isalpha() for c in w)]
    if len(letters) < 2 or name != name.upper() or name == name.lower():
        return name
    if not any(sum(c.isalpha() for c in w) >= 3 for w in words) or _GROUPS & {w.lower() for w in words}:
        return name
    return " ".join(_cased_word(w, first=i == 0, last=i == len(words) - 1) for i, w in enumerate(words))


def _cased_word(word: str, *, first: bool, last: bool) -> str:
    lower = word.lower()
    if lower in _PARTICLES and not first and not last:
        return lower
    if lower in _SUFFIXES and not first:
        return _SUFFIXES[lower] if lower in ("jr", "sr") else word
    if len(word) == 2 and not last and not set(lower) & set("aeiouy"):
        return word  # initials without stops
    pieces = re.split(r"([-'’.])", lower)
    cased = "".join(p[:1].upper() + p[1:] for p in pieces)
    return re.sub(r"(?<![^\W_])(Mc)([a-z])", lambda m: m.group(1) + m.group(2).upper(), cased)
