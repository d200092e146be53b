"""People's names put right: "LAST, First" to "First Last", lists split, affiliations and addresses dropped.

Takes the author strings of a feed (text without HTML or LaTeX), gives one name each, as printed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_NAMES = 2_000
MAX_NAME = 200


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PARTICLES = _words("van von der den de da di du del della dos das do la le el al bin ibn ben ter ten zu zur af av y e")
_SUFFIXES = {"jr": "Jr.", "sr": "Sr.", "ii": "II", "iii": "III", "iv": "IV"}
_DEGREES = _words("phd md msc bsc mba mph dphil rn facs dds pharmd mbbs frcp")
_GROUPS = _words("collaboration team consortium group committee network project society institute lab labs initiative")
_INITIALS = re.compile(r"(?:[^\W\d_]\.?[\s-]?){1,4}")


def put_right(names: Sequence[str]) -> tuple[str, ...]:
    """The names, one a person, "First Last"."""
    parts: list[str] = []
    for name in names[: MAX_NAMES * 2]:
        parts += _split(_without_affiliation(name), alone=len(names) == 1)
    found: list[str] = []
    for part in parts[: MAX_NAMES * 2]:
        name = _cased(_turned(part))[:MAX_NAME].strip(" ,;.&" if part.endswith((",", ";")) else " ,;&")
        if any(c.isalpha() for c in name) and name.casefold().rstrip(".") not in ("et al", "and", "others", "et al."):
            found.append(name)
    return tuple(found[:MAX_NAMES])


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
    name = re.sub(r"^(?:by|authors?:)\s+", "", name.strip(), flags=re.IGNORECASE)
    return re.sub(r",?\s*\bet al\.?$", "", " ".join(name.split()))


def _split(text: str, *, alone: bool) -> list[str]:
    """The names in one string. Only what is clearly a list is split: "García Márquez, Gabriel" is one person."""
    if ";" in text:
        return [p.strip() for p in text.split(";") if p.strip()]
    listed = re.sub(r",?\s+(?:and|&)\s+", ", ", text)
    parts = [p.strip() for p in listed.split(",") if p.strip()]
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
    word = text.replace(".", "").replace(" ", "").lower()
    return word in _SUFFIXES or word in _DEGREES


def _turned(name: str) -> str:
    """ "Last, First, Jr." as "First Last Jr."; degrees go."""
    parts = [p.strip() for p in name.split(",") if p.strip()]
    tails = [p.replace(".", "").replace(" ", "").lower() for p in parts[1:]]
    suffix = next((_SUFFIXES[t] for t in tails if t in _SUFFIXES), "")
    given = [p for p, t in zip(parts[1:], tails, strict=True) if t not in _SUFFIXES and t not in _DEGREES]
    if not parts or len(given) > 1:
        return name
    return " ".join(filter(None, (*given, parts[0], suffix)))


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
