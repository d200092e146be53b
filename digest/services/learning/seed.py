"""A profile from somebody's own library: BibTeX, CSL-JSON (Zotero, "CSL JSON") or RIS text -> authors and keywords.

Pure and tolerant: what is odd in one reference is passed over, only a text without any reference is refused.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from digest.model.errors import InputError

MOST_AUTHORS = 15
MOST_KEYWORDS = 20
#: An author or term must recur to say something about the reader, unless the library is tiny.
_RECURS = 2
_SMALL_LIBRARY = 5
_MOST_BYTES = 50_000_000

_STOP_WORDS = """
a about above across after against all almost along also among an and any approach approaches are as at based be
been before between beyond but by can case comparison data deep der des design die do does during each effect
effects efficient et evaluation few first for framework from further general good high how if improved improving
in into is it its large le learning les low machine make making method methods model modeling modelling models
more most multi near need network networks new no not novel of on only or other our out over paper part per
problem problems results review self simple some study survey system systems task tasks than that the their them
these they this through to too toward towards two under understanding und une up use used using via von was we
well what when where which while who why will with within without work your
"""
_STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class _Reference:
    title: str
    authors: tuple[str, ...]
    keywords: tuple[str, ...] = ()


def seed(text: str, filename: str = "") -> Mapping[str, object]:
    """Preference keys ``authors`` and ``keywords``, the most frequent first. Raises InputError without a reference."""
    text = text.removeprefix("\ufeff")
    references = _read(text[:_MOST_BYTES])
    if not references:
        raise InputError(
            "it holds no references",
            where=filename,
            try_="export the library as BibTeX (.bib), CSL JSON (.json) or RIS (.ris)",
        )
    least = _RECURS if len(references) > _SMALL_LIBRARY else 1
    authors = _frequent([name for one in references for name in dict.fromkeys(one.authors)], least, MOST_AUTHORS)
    return {"authors": authors, "keywords": _keywords(references, least)}


def _read(text: str) -> list[_Reference]:
    head = text.lstrip()[:1]
    if head in ("[", "{"):
        return list(_csl(text))
    if re.search(r"^TY {1,2}- ", text, re.MULTILINE):
        return list(_ris(text))
    return list(_bibtex(text))


def _csl(text: str) -> Iterator[_Reference]:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(document, dict):
        document = cast("dict[str, Any]", document).get("items", [document])
    for item in cast("list[Any]", document) if isinstance(document, list) else []:
        if not isinstance(item, dict):
            continue
        fields = cast("dict[str, Any]", item)
        people = fields.get("author")
        names = [_csl_name(one) for one in cast("list[Any]", people)] if isinstance(people, list) else []
        words = fields.get("keyword")
        yield from _reference(fields.get("title"), names, re.split(r"[,;]", words) if isinstance(words, str) else ())


def _csl_name(name: object) -> str:
    if not isinstance(name, dict):
        return ""
    parts = cast("dict[str, object]", name)
    order = ("given", "non-dropping-particle", "family") if parts.get("family") else ("literal",)
    return " ".join(str(parts[key]) for key in order if parts.get(key))


def _ris(text: str) -> Iterator[_Reference]:
    title, authors, keywords = "", list[str](), list[str]()
    for line in text.splitlines():
        tag, value = line[:2], line[6:].strip()
        match tag if line[2:6].strip() == "-" else "":
            case "TY":
                title, authors, keywords = "", [], []
            case "TI" | "T1":
                title = title or value
            case "AU" | "A1":
                authors.append(_turned(value))
            case "KW":
                keywords.append(value)
            case "ER":
                yield from _reference(title, authors, keywords)
            case _:
                continue


def _bibtex(text: str) -> Iterator[_Reference]:
    strings: dict[str, str] = {}
    behind, unclosed = 0, 0
    for found in re.finditer(r"@\s*(\w+)\s*([{(])", text):
        kind = found.group(1).lower()
        if found.start() < behind or kind in ("comment", "preamble"):
            continue
        fields, end = _fields(text, found.end(), strings)
        if end <= len(text):
            behind = end
        else:
            # A brace that is never closed would hide all the entries behind it, so they are looked at all the same.
            unclosed += 1
        if unclosed > _MOST_UNCLOSED:
            return
        if kind == "string":
            strings |= fields
            continue
        names = [_turned(_unlatex(name)) for name in re.split(r"\s+and\s+", fields.get("author", ""))]
        words = [_unlatex(word) for word in re.split(r"[,;]", fields.get("keywords", ""))]
        yield from _reference(_unlatex(fields.get("title", "")), names, words)


_MOST_UNCLOSED = 10
_FIELD = re.compile(r"\s*,?\s*([A-Za-z][\w:.+-]*)\s*=\s*")
_KEY = re.compile(r"\s*[^\s,={}()]+\s*,")
_JOINED = re.compile(r"\s*#\s*")
_BARE = re.compile(r"[^\s,}#)]*")


def _fields(text: str, at: int, strings: Mapping[str, str]) -> tuple[dict[str, str], int]:
    """The ``name = value`` pairs from behind an entry's opening brace, and where they end: behind the text if never."""
    fields: dict[str, str] = {}
    if key := _KEY.match(text, at):
        at = key.end()
    while found := _FIELD.match(text, at):
        value, at = _value(text, found.end(), strings)
        while (joined := _JOINED.match(text, at)) is not None:
            more, at = _value(text, joined.end(), strings)
            value += more
        fields.setdefault(found.group(1).lower(), value)
    return fields, at


def _value(text: str, at: int, strings: Mapping[str, str]) -> tuple[str, int]:
    """A braced, quoted or bare value and where it ends."""
    if text[at : at + 1] not in ("{", '"'):
        bare = _BARE.match(text, at)
        assert bare is not None
        return strings.get(bare.group().lower(), bare.group()), max(bare.end(), at + 1)
    closing, depth, start = ('"', 0, at + 1) if text[at] == '"' else ("}", 0, at + 1)
    at = start
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == closing and depth == 0:
            break
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        at += 1
    return text[start:at], at + 1


_ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "=": "\u0304", ".": "\u0307",
    "u": "\u0306", "v": "\u030c", "H": "\u030b", "c": "\u0327", "k": "\u0328", "r": "\u030a", "d": "\u0323",
}  # fmt: skip
_LETTERS = {"ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "aa": "å", "AA": "Å", "i": "ı"}
_ACCENT = re.compile(r"\\([`'^~\"=.]|[uvHckrd](?![A-Za-z]))\s*\{?\\?([A-Za-z])\}?")
_COMMAND = re.compile(r"\\([A-Za-z]+)\s*")


def _unlatex(text: str) -> str:
    """Names and titles as people write them; markup that means nothing here goes away."""
    text = _ACCENT.sub(lambda m: unicodedata.normalize("NFC", m[2] + _ACCENTS[m[1]]), text)
    text = _COMMAND.sub(lambda m: _LETTERS.get(m[1], ""), text)
    text = re.sub(r"\\(.)", r"\1", text).replace("~", " ").replace("--", "-")
    return re.sub(r"[{}$]", "", text)


def _turned(name: str) -> str:
    """``LeCun, Yann`` -> ``Yann LeCun``; ``King, Jr., Martin`` keeps only given and family name."""
    parts = [part.strip() for part in name.split(",")]
    return f"{parts[-1]} {parts[0]}" if len(parts) > 1 and parts[-1] else parts[0]


def _reference(title: object, authors: Sequence[str], keywords: Sequence[str]) -> Iterator[_Reference]:
    """The reference, when there is anything in it."""
    names = tuple(
        name for name in map(_clean, authors) if name and name.lower() not in ("others", "et al.", "anonymous")
    )
    words = tuple(word.lower() for word in map(_clean, keywords) if 2 < len(word) <= 60)
    heading = _clean(title) if isinstance(title, str) else ""
    if heading or names:
        yield _Reference(heading, names, words)


def _clean(text: str) -> str:
    text = re.sub(r"<[^<>]{0,40}>", "", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def _frequent(names: Sequence[str], least: int, most: int) -> list[str]:
    """The names that recur, the most frequent first, then in the order they were met."""
    return [name for name, number in Counter(names).most_common() if number >= least][:most]


def _keywords(references: Sequence[_Reference], least: int) -> list[str]:
    """The library's own keywords, then pairs of title words, then single words not in one of those already."""
    own: list[str] = []
    pairs: list[str] = []
    words: list[str] = []
    for one in references:
        title: list[str] = re.findall(r"[^\W_][\w-]*", one.title.lower())
        own += dict.fromkeys(one.keywords)
        words += dict.fromkeys(word for word in title if _telling(word))
        pairs += dict.fromkeys(
            f"{left} {right}"
            for left, right in pairwise(title)
            if left not in _STOP and right not in _STOP and len(left) > 2 and len(right) > 2
        )
    chosen: list[str] = []
    for candidates, floor in ((own, least), (pairs, _RECURS), (words, _RECURS + 1)):
        for term in _frequent(candidates, floor, MOST_KEYWORDS):
            if not any(term == known or f" {term} " in f" {known} " for known in chosen):
                chosen.append(term)
    return chosen[:MOST_KEYWORDS]


def _telling(word: str) -> bool:
    return len(word) > 3 and word not in _STOP and not word.isdigit()
