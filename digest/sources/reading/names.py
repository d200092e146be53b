"""Takes author lines apart: what a feed prints in one string becomes names in the form "First Last". Pure.

Feeds join names with commas, semicolons or "and", put the family name first, and add affiliations in parentheses
(arXiv).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_INITIALS = re.compile(r"(?:[^\W\d_]\.?[ -]?){1,4}")
_EMAIL = re.compile(r"\S+@\S+\.\S+")
_NOBODY = frozenset({"", "et al", "et al.", "and others", "others", "unknown", "anonymous", "n/a", "none", "null"})
#: Longer author lines are cut: nobody prints them, and taking them apart costs time.
_LONGEST = 100_000
_LONGEST_NAME = 300


def split_names(line: str) -> tuple[str, ...]:
    """One string that may hold several names, in the order printed."""
    line = " ".join(line[:_LONGEST].split())
    if ";" in line:
        return _clean(turn(part) for part in line.split(";"))
    parts = [part.strip() for part in _top_level(line)]
    if len(parts) > 1 and len(parts) % 2 == 0 and all(_INITIALS.fullmatch(given) for given in parts[1::2]):
        return _clean(f"{given} {family}" for family, given in zip(parts[::2], parts[1::2], strict=True))
    if len(parts) == 2 and (" " not in parts[0] or " " not in parts[1]) and not re.match("and ", parts[1]):
        return _clean((turn(line),))
    names: list[str] = []
    for part in parts:
        names.extend(re.split(r"(?:^|\s+)(?:and|&|und|et)\s+(?!al\b)", part))
    return _clean(names)


def names_of(lines: Iterable[str]) -> tuple[str, ...]:
    """Several author elements: each is one name, unless there is only one element."""
    present = [line for line in lines if line.strip()]
    if len(present) == 1:
        return split_names(present[0])
    joined = "".join(present)
    if ";" in joined:
        return tuple(dict.fromkeys(name for line in present for name in split_names(line)))
    return _clean(map(turn if "," in joined else str.strip, present))


def turn(name: str) -> str:
    """ "Last, First" becomes "First Last"; "Last, First, Jr." keeps its suffix."""
    if "," not in name:
        return name.strip()
    parts = [part.strip() for part in name.split(",") if part.strip()]
    if len(parts) == 2 and not re.fullmatch(r"(?:Jr|Sr|Dr|PhD|Ph\.D|MD|M\.D|I{2,3}|IV)\.?", parts[1]):
        return f"{parts[1]} {parts[0]}"
    if len(parts) == 3 and re.fullmatch(r"(?:Jr|Sr|I{2,3}|IV)\.?", parts[2]):
        return f"{parts[1]} {parts[0]} {parts[2]}"
    return name.strip()


def with_affiliations(line: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """arXiv's line ``A (MIT), B (1), C (2) ((1) X, (2) Y)``: names and institutions.

    A parenthesis that more of the name follows is a nickname and stays; digits are footnote marks.
    """
    names: list[str] = []
    places: list[str] = []
    for part in _top_level(" ".join(line[:_LONGEST].split())):
        name, inner = _trailing_parentheses(part.strip())
        here: list[str] = []
        while inner is not None:
            here[:0] = [] if re.fullmatch(r"[\d\s,*†‡]+", inner) else list(_footnotes(inner))
            name, inner = _trailing_parentheses(name)
        names.append(name)
        places.extend(here)
    return _clean(names), tuple(dict.fromkeys(place for place in places if place))


def _footnotes(text: str) -> Iterator[str]:
    """``(1) X, Town, (2) Y`` gives X, Town and Y; without marks it is one institution."""
    for piece in re.split(r"\(\d+\)", text):
        yield piece.strip(" ,;")


def _trailing_parentheses(text: str) -> tuple[str, str | None]:
    if not text.endswith(")"):
        return text, None
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[at], 0)
        if depth == 0:
            return text[:at].strip(), text[at + 1 : -1]
    return text, None


def _top_level(line: str) -> Iterator[str]:
    """The pieces between commas that stand outside parentheses and braces."""
    depth, start = 0, 0
    for at, character in enumerate(line):
        if character in "({":
            depth += 1
        elif character in ")}":
            depth = max(0, depth - 1)
        elif character == "," and depth == 0:
            yield line[start:at]
            start = at + 1
    yield line[start:]


def _clean(names: Iterable[str]) -> tuple[str, ...]:
    short = (name[:_LONGEST_NAME] for name in names)
    kept = ((_EMAIL.sub("", name) if "@" in name else name).strip(" ,;") for name in short)
    return tuple(dict.fromkeys(name for name in kept if name.lower() not in _NOBODY))


_ORCID = re.compile(r"(?:^|orcid\.org/|orcid:)\s*(\d{4}-\d{4}-\d{4}-\d{3}[\dX])/?$", re.IGNORECASE)
_OPENALEX = re.compile(r"(?:openalex\.org/(?:authors/)?|openalex:)\s*(A\d{4,12})/?$", re.IGNORECASE)


def author_id(link: str) -> str:
    """``orcid:0000-0002-1825-0097`` or ``openalex:A5023888391`` of a link or id that is one; else nothing."""
    for scheme, form in (("orcid", _ORCID), ("openalex", _OPENALEX)):
        if found := form.search(link.strip()[:200]):
            return f"{scheme}:{found.group(1).upper()}"
    return ""
