"""Kind ``file``: papers as JSON Lines, one object a line, in the form that `digest rank` reads. From a path or a URL.

A line that cannot be read is a Problem; the others are kept. Several lines of one id are one entry: the newest
(``observed_at``) speaks, the others fill in, and silence erases nothing, as in a history of `digest rank`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, cast

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Problem, Source, SourceKind
from digest.sources.reading import document
from digest.sources.reading.ids import bare_arxiv_id, first_arxiv_id, first_doi
from digest.sources.reading.items import BadItem
from digest.sources.reading.jsonfeed import load
from digest.sources.reading.records import Record, said
from digest.sources.requests import no_more, request_for, wants_a_document

ACCEPT = "application/jsonl, application/x-ndjson, application/json;q=0.9, text/plain;q=0.5, */*;q=0.1"
#: A file is the operator's own and may hold a whole archive; beyond this it is a mistake.
MOST_LINES = 200_000

_MEMBERS = ("id", "doi", "organization", "observed_at")
_TEXTS = ("title", "url", "abstract", "comment", "code_url")
_COUNTS = ("upvotes", "comments", "stars")
_INSTANTS = ("published_at", "submitted_at")


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """One document; ``since`` changes nothing, as a file holds what it holds."""
    del now, since
    return (request_for(source, source.url, ACCEPT),)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """The papers of the lines. Raises ParseError if not one of them is an object of JSON."""
    del source
    # An object a line may be told from nothing else; for what is no JSON at all the right sentence is known.
    if document.shape(response).form != "json":
        raise _no_lines(response, "the document is XML, but papers are told here as JSON, one object a line")
    entries: dict[str, tuple[datetime | None, EntryData]] = {}
    problems: list[Problem] = []
    read = 0
    for number, line in enumerate(response.body.lstrip(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        if read >= MOST_LINES:
            problems.append(
                Problem(where=f"line {number}", what=f"left out, with all after it: {MOST_LINES:,} were read")
            )
            break
        read += 1
        try:
            seen_at, entry = _entry(replace(response, body=line), known=entries)
        except BadItem as error:
            problems.append(Problem(where=f"line {number}", what=str(error)))
            continue
        entries[entry.key] = _joined(entries.get(entry.key), seen_at, entry)
    if read and not entries:
        raise _no_lines(response, f"not one of its {read} lines is a paper; {problems[0].where}: {problems[0].what}")
    return ParsedFeed(
        entries=tuple(entry for _, entry in entries.values()),
        problems=tuple(problems),
        updated_at=max((at for at, _ in entries.values() if at), default=None),
    )


def _no_lines(response: FetchResponse, what: str) -> ParseError:
    return ParseError(what, where=response.url, try_="docs/sources/file.md tells the keys of a line")


def _entry(line: FetchResponse, known: Mapping[str, object]) -> tuple[datetime | None, EntryData]:
    """(when it was seen, what it says) of one line. A line of a known id needs no title."""
    try:
        loaded = load(line)
    except ParseError as error:
        raise BadItem("it is not JSON") from error
    if not isinstance(loaded, dict):
        raise BadItem("it is not an object")
    says = cast(Record, loaded)
    for name in (*_TEXTS, *_INSTANTS, *_MEMBERS):
        _must(says, name, str, "a text")
    key = said(says, "id") or said(says, "url") or said(says, "doi")
    if not key:
        raise BadItem("it has neither an id nor a url")
    if not said(says, "title") and key not in known:
        raise BadItem(f"{key[:100]} has no title")
    named = (said(says, "doi"), said(says, "url"))
    found = bare_arxiv_id(said(says, "id"))
    arxiv_id, version = found or first_arxiv_id(named)
    organization = said(says, "organization")
    return _instant(says, "observed_at"), EntryData(
        key=key,
        title=said(says, "title"),
        url=said(says, "url"),
        abstract=said(says, "abstract"),
        authors=_texts(says, "authors"),
        institutions=(*_texts(says, "institutions"), *([organization] if organization else [])),
        categories=_texts(says, "categories"),
        published_at=_instant(says, "published_at"),
        submitted_at=_instant(says, "submitted_at"),
        arxiv_id=arxiv_id,
        version=version,
        doi=first_doi((said(says, "doi"), said(says, "url"), said(says, "id"))),
        upvotes=_count(says, "upvotes"),
        comments=_count(says, "comments"),
        comment=said(says, "comment"),
        code_url=said(says, "code_url"),
        stars=_count(says, "stars"),
    )


def _joined(
    held: tuple[datetime | None, EntryData] | None, seen_at: datetime | None, entry: EntryData
) -> tuple[datetime | None, EntryData]:
    """Two lines of one id: the newer speaks, of two without a time the later."""
    if held is None:
        return seen_at, entry
    older, newer = (held, (seen_at, entry))
    if seen_at is not None and held[0] is not None and seen_at < held[0]:
        older, newer = newer, older
    filled = {name: value for name, value in _said(older[1]).items() if name not in _said(newer[1])}
    return newer[0] or older[0], replace(newer[1], **filled)


def _said(entry: EntryData) -> dict[str, Any]:
    """The fields that are not silent."""
    names = (*_TEXTS, *_COUNTS, *_INSTANTS, "authors", "institutions", "categories", "arxiv_id", "version", "doi")
    return {name: value for name in names if (value := getattr(entry, name)) not in ("", (), None)}


def _must(says: Record, name: str, wanted: type, what: str) -> None:
    value = says.get(name)
    if value is not None and not isinstance(value, wanted):
        raise BadItem(f"its {name} is not {what}")


def _texts(says: Record, name: str) -> tuple[str, ...]:
    _must(says, name, list, "a list of texts")
    values = cast(list[Any], says.get(name) or [])
    if not all(isinstance(value, str) for value in values):
        raise BadItem(f"its {name} is not a list of texts")
    return tuple(value.strip() for value in values if value.strip())


def _count(says: Record, name: str) -> int | None:
    value = says.get(name)
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if whole is None:
        return None
    if not isinstance(whole, int) or isinstance(whole, bool) or not 0 <= whole < 2**31:
        raise BadItem(f"its {name} is not a whole number that is counted with")
    return whole


def _instant(says: Record, name: str) -> datetime | None:
    """ISO 8601; without a zone it is UTC."""
    value = said(says, name)
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadItem(f"its {name} is not an ISO 8601 instant") from error


FILE = SourceKind(
    name="file",
    about="papers as JSON Lines, from a path or an address",
    plan=plan,
    parse=parse,
    follow=no_more,
    wants=wants_a_document,
)
