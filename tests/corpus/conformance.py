"""What the corpora of feedparser and gofeed expect of a document, as claims on the fields that we use.

The expectations are data: feedparser's are Python expressions, which are parsed and never evaluated, gofeed's are JSON.
A claim that speaks of what we do not keep (images, copyright, markup types …) is left out. Texts are compared as they
would be printed, so that how markup is written makes no difference.
"""

from __future__ import annotations

import ast
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from digest.entries.normalize import clean_abstract, clean_title
from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchResponse, ParsedFeed
from digest.sources.reading import jsonfeed
from digest.sources.reading.dates import parse_date
from digest.sources.reading.document import shape
from digest.sources.reading.items import entry_of
from digest.sources.reading.names import names_of
from digest.sources.reading.syndication import parse_xml

#: What an item is called that has no title: without one it would be refused, and its other fields not be compared.
UNTITLED = "An item without a title"
#: Where feedparser's own server would have served its corpus from; its expectations hold such links.
BASE = "http://127.0.0.1:8097/"

_FEED = {"title": "title", "link": "url"}
_ENTRY = {
    "title": "title",
    "link": "url",
    "id": "key",
    "guid": "key",
    "description": "abstract",
    "summary": "abstract",
    "published_parsed": "published_at",
    "updated_parsed": "published_at",
    "created_parsed": "published_at",
    "author": "authors",
    "language": "language",
}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """``number`` is the item's place, None for the feed itself; ``field`` one of ours, with a place if it is a list.

    ``expected`` has more than one value where the corpus keeps several texts or dates apart and we keep one of them.
    """

    path: str
    number: int | None
    field: str
    expected: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    path: str
    body: bytes
    headers: dict[str, str]
    claims: tuple[Claim, ...]


def feedparser_documents(folder: Path) -> Iterator[Document]:
    rows = {row["path"]: row for row in _index(folder / "feedparser.index.jsonl")}
    for name, body in _files(folder / "feedparser.tar.gz"):
        row = rows.get(name)
        if row is None:
            continue
        headers = dict(line.split(":", 1) for line in row["headers"] or () if ":" in line)
        yield Document(
            path=name,
            body=body,
            headers={key.strip().lower(): value.strip() for key, value in headers.items()},
            claims=_grouped(_claims(name, row["expect"] or "")),
        )


def gofeed_documents(folder: Path) -> Iterator[Document]:
    files = dict(_files(folder / "gofeed.tar.gz"))
    for name, body in sorted(files.items()):
        if name.endswith(".xml"):
            told = files.get(f"{name.removesuffix('.xml')}.json")
        elif name.endswith(".json") and f"{name.removesuffix('.json')}_expected.json" in files:
            told = files[f"{name.removesuffix('.json')}_expected.json"]
        else:
            continue
        claims = _grouped(_told(name, json.loads(told))) if told else ()
        yield Document(path=name, body=body, headers={}, claims=claims)


def read(document: Document) -> ParsedFeed | ParseError:
    """The document as kind ``feed`` reads it, but that an item without a title gets one."""
    response = FetchResponse(
        url=f"{BASE}{document.path}",
        status=200,
        headers=document.headers,
        body=document.body,
    )
    try:
        if shape(response).form == "json":
            return jsonfeed.parse(response, limit=5_000)
        return parse_xml(response, _titled)
    except ParseError as error:
        return error


def agrees(claim: Claim, read_as: ParsedFeed | ParseError) -> bool:
    ours = _ours(claim, read_as)
    return any(same(claim.field, expected, ours) for expected in claim.expected)


def told(claim: Claim, read_as: ParsedFeed | ParseError) -> str:
    place = "" if claim.number is None else f" entry {claim.number}"
    return f"{claim.path}{place} {claim.field}"


def same(field: str, expected: Any, ours: Any) -> bool:
    if ours == expected:
        return True
    if field in ("title", "feed title"):
        return clean_title(str(expected)) == clean_title(str(ours))
    if field == "abstract":
        return clean_abstract(str(expected)) == clean_abstract(str(ours)) or _markup(expected) == _markup(ours)
    if field in ("key", "url"):
        return str(expected).strip() == str(ours).strip()
    return False


def _markup(text: Any) -> str:
    """Elements that never close, in the one way of writing them."""
    return re.sub(r"<([\w-]+)([^<>]*?)\s*(?:/>|></\1>)", r"<\1\2>", str(text))


def _titled(item: Any, base: str) -> EntryData:
    if not str(item.get("title") or "").strip():
        item["title"] = UNTITLED
    return entry_of(item, base)


def _ours(claim: Claim, read_as: ParsedFeed | ParseError) -> Any:
    if isinstance(read_as, ParseError):
        return read_as
    if claim.number is not None and claim.number >= len(read_as.entries):
        return None
    holder = read_as if claim.number is None else read_as.entries[claim.number]
    name, _, place = claim.field.partition(" ")
    value = getattr(holder, name)
    if name == "entries":
        return len(value)
    return next(iter(value[int(place) :]), None) if place else value


def _grouped(claims: Iterator[Claim]) -> tuple[Claim, ...]:
    """One claim a field."""
    found: dict[tuple[int | None, str], Claim] = {}
    for claim in claims:
        key = (claim.number, claim.field)
        before = found[key].expected if key in found else ()
        found[key] = replace(claim, expected=(*before, *claim.expected))
    return tuple(found.values())


def _index(path: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, path.read_text("utf-8").splitlines())


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                yield member.name.partition("/")[2], file.read()


def _claims(path: str, expression: str) -> Iterator[Claim]:
    """The equalities that an expression joins by ``and``; what is negated or joined by ``or`` is no claim."""
    try:
        parts = [ast.parse(expression.strip(), mode="eval").body]
    except SyntaxError:
        return
    while parts:
        part = parts.pop(0)
        if isinstance(part, ast.BoolOp) and isinstance(part.op, ast.And):
            parts = [*part.values, *parts]
        elif isinstance(part, ast.Compare) and len(part.ops) == 1 and isinstance(part.ops[0], ast.Eq):
            steps = _steps(part.left)
            try:
                value = ast.literal_eval(_joined(part.comparators[0]))
            except (ValueError, TypeError):
                continue
            claim = _claim(path, steps, value)
            if claim is not None:
                yield claim


def _joined(node: ast.expr) -> ast.expr:
    """Texts written as a sum are one text."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_joined(node.left), _joined(node.right)]
        if all(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides):
            return ast.Constant("".join(side.value for side in sides))  # type: ignore[attr-defined]
    return node


def _steps(node: ast.expr) -> tuple[Any, ...]:
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return (*_steps(node.value), node.slice.value)
    if isinstance(node, ast.Attribute):
        return (*_steps(node.value), node.attr)
    return ()


def _claim(path: str, steps: tuple[Any, ...], value: Any) -> Claim | None:
    """What ``entries[0]['title'] == …`` says of our fields; None if it is of none."""
    match steps:
        case ("feed", str(key)) if key in _FEED:
            return Claim(path=path, number=None, field=_FEED[key], expected=(value,))
        case ("feed", "title_detail", "value"):
            return Claim(path=path, number=None, field="title", expected=(value,))
        case ("feed", "updated_parsed"):
            return Claim(path=path, number=None, field="updated_at", expected=(_instant(value),))
        case ("entries", int(number), "title_detail", "value"):
            return Claim(path=path, number=number, field="title", expected=(value,))
        case ("entries", int(number), "content", 0, "value") | ("entries", int(number), "summary_detail", "value"):
            return Claim(path=path, number=number, field="abstract", expected=(value,))
        case ("entries", int(number), "title_detail", "language"):
            return Claim(path=path, number=number, field="language", expected=(value or "",))
        case ("feed", "ttl"):
            return Claim(path=path, number=None, field="ttl", expected=(timedelta(minutes=int(value)),))
        case ("entries", int(number), "prism_doi" | "doi"):
            return Claim(path=path, number=number, field="doi", expected=(value,))
        case ("entries", int(number), "author_detail", "name"):
            return Claim(path=path, number=number, field="authors", expected=(names_of([value]),))
        case ("entries", int(number), str(key)) if key in _ENTRY:
            field = _ENTRY[key]
            if field == "published_at":
                value = _instant(value)
            if field == "authors":
                value = names_of([value])
            return Claim(path=path, number=number, field=field, expected=(value,))
        case ("entries", int(number), "tags", int(place), "term"):
            return Claim(path=path, number=number, field=f"categories {place}", expected=(value,))
        case ("entries", int(number), "authors", int(place), "name"):
            return Claim(path=path, number=number, field=f"authors {place}", expected=(value,))
    return None


def _instant(value: Any) -> datetime | None:
    return datetime(*value[:6], tzinfo=UTC) if isinstance(value, tuple) else None


def _told(path: str, says: dict[str, Any]) -> Iterator[Claim]:
    """gofeed's structs: those of a format (parser/) and the one of all formats (translator/)."""

    def claim(number: int | None, field: str, expected: Any) -> Iterator[Claim]:
        if expected not in (None, "", [], ()):
            yield Claim(path=path, number=number, field=field, expected=(expected,))

    items = says.get("items") or says.get("entries") or ()
    yield Claim(path=path, number=None, field="entries", expected=(len(items),))
    yield from claim(None, "title", _text(says.get("title")))
    yield from claim(None, "url", _text(says.get("link") or says.get("home_page_url")))
    yield from claim(None, "updated_at", parse_date(says.get("updatedParsed")))
    if str(says.get("ttl", "")).isdigit():
        yield from claim(None, "ttl", timedelta(minutes=int(says["ttl"])))
    for number, item in enumerate(items):
        yield from claim(number, "title", _text(item.get("title")))
        yield from claim(number, "url", _link(item))
        yield from claim(number, "key", _text(item.get("guid") or item.get("id")))
        for key in ("description", "summary", "content", "content_html", "content_text"):
            yield from claim(number, "abstract", _text(item.get(key)))
        for key in ("publishedParsed", "pubDateParsed", "updatedParsed", "dateParsed"):
            yield from claim(number, "published_at", parse_date(item.get(key)))
        people = item.get("authors") or [person for person in (item.get("author"),) if person]
        lines = [_text(person.get("name") if isinstance(person, dict) else person) for person in people]
        yield from claim(number, "authors", names_of([line for line in lines if line]))
        creators = (item.get("dcExt") or {}).get("creator") or ()
        yield from claim(number, "authors", names_of(creators))
        for place, category in enumerate(item.get("categories") or item.get("tags") or ()):
            term = category.get("term") or category.get("value") if isinstance(category, dict) else category
            yield from claim(number, f"categories {place}", _text(term))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("value")
    return value if isinstance(value, str) else ""


def _link(item: dict[str, Any]) -> str:
    links = [link for link in item.get("links") or () if isinstance(link, dict)]
    alternate = next((link.get("href", "") for link in links if link.get("rel", "alternate") == "alternate"), "")
    return _text(item.get("link") or item.get("url")) or alternate
