"""Reads the records of services' JSON answers, and writes the addresses that ask for them. Pure.

What a service leaves out is told from what it has renamed: a record without a title is a Problem, a list in which no
record has the field of the title any more is a ParseError that names the field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, Problem, Source
from digest.sources.reading import document
from digest.sources.reading.items import BadItem
from digest.sources.reading.jsonfeed import load
from digest.sources.reading.syndication import MOST_ENTRIES, read_all
from digest.sources.requests import request_for

Record = dict[str, Any]

_CHANGED = "if the address is right, the API has changed: look for a newer version of this program"
ACCEPT = "application/json"


def answer(response: FetchResponse, service: str) -> Record:
    """The JSON object that a service answers with. Raises ParseError for anything else, and with the service's own
    words where it answers with an error."""
    if document.shape(response).form != "json":
        raise ParseError(
            f"this is XML, but {service} answers in JSON", where=response.url, try_="check the source's kind and url"
        )
    loaded = load(response)
    if not isinstance(loaded, dict):
        raise ParseError(f"the JSON is not an answer of {service}", where=response.url, try_=_CHANGED)
    record = cast(Record, loaded)
    told = said(record, "error") or (said(record, "message") if len(record) <= 2 else "")
    if told:
        raise ParseError(
            f"{service} answers with an error: {told[:200]}",
            where=response.url,
            try_="check the ids and the query of the source",
        )
    return record


def listed(record: Record, *path: str, service: str, where: str) -> list[Any]:
    """The list at ``path``. Raises ParseError that names the field if it is not there, or no list."""
    found: Any = record
    for step in path:
        found = cast(Record, found).get(step) if isinstance(found, dict) else None
    if not isinstance(found, list):
        raise ParseError(
            f"the field `{'.'.join(path)}` is missing or no list, so this is no answer of {service} that we know",
            where=where,
            try_=_CHANGED,
        )
    return cast(list[Any], found)


def entries_of(
    items: Sequence[Any], read: Callable[[Record], EntryData], *, needed: Sequence[str], service: str, where: str
) -> tuple[tuple[EntryData, ...], tuple[Problem, ...]]:
    """Each record on its own. Raises ParseError if no record at all has one of the fields that each must have."""
    records = [cast(Record, item) for item in items if isinstance(item, dict)]
    lost = next((name for name in needed if items and not any(name in record for record in records)), "")
    if lost:
        raise ParseError(
            f"not one of its {len(items)} records has the field `{lost}`, which {service} always gave",
            where=where,
            try_=_CHANGED,
        )

    def one(item: Any) -> EntryData:
        if not isinstance(item, dict):
            raise BadItem("it is not an object")
        return read(cast(Record, item))

    entries, problems = read_all(items[:MOST_ENTRIES], one)
    left_out = len(items) - MOST_ENTRIES
    if left_out > 0:
        what = f"{left_out:,} left out: more than {MOST_ENTRIES:,} entries in one document"
        problems += (Problem(where=f"entry {MOST_ENTRIES + 1}", what=what),)
    return entries, problems


def at_least_one(
    entries: tuple[EntryData, ...], problems: tuple[Problem, ...], *, of: str, where: str
) -> tuple[EntryData, ...]:
    """The entries. Raises ParseError, with the first problem, where there are problems only: the API has changed."""
    if problems and not entries:
        raise ParseError(
            f"not one of its {len(problems)} items is {of}; {problems[0].where}: {problems[0].what}",
            where=where,
            try_=_CHANGED,
        )
    return entries


def said(record: Record, key: str) -> str:
    """A field's text; empty where it is missing, null or no text."""
    value = record.get(key)
    return value.strip() if isinstance(value, str) else ""


def must(record: Record, key: str, of: str = "") -> str:
    """A text that an entry cannot do without."""
    found = said(record, key)
    if not found:
        raise BadItem(f"the field `{key}`{f' of {of}' if of else ''} is missing or empty")
    return found


def number(value: Any) -> int | None:
    """A count, which some services write as a text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def within(record: Record, key: str) -> Record:
    """The object at ``key``, or an empty one."""
    value = record.get(key)
    return cast(Record, value) if isinstance(value, dict) else {}


def objects(record: Record, key: str) -> tuple[Record, ...]:
    """The objects of the list at ``key``; what is none is passed over."""
    value = record.get(key)
    found = cast(list[Any], value) if isinstance(value, list) else []
    return tuple(cast(Record, one) for one in found if isinstance(one, dict))


def texts(record: Record, key: str) -> tuple[str, ...]:
    """The texts of the list at ``key``, or the one text that stands there."""
    value = record.get(key)
    found = cast(list[Any], value) if isinstance(value, list) else [value]
    return tuple(one.strip() for one in found if isinstance(one, str) and one.strip())


def ask(source: Source, url: str, credential: str = "") -> FetchRequest:
    """A request for JSON on behalf of a source; the fetcher knows the key named ``credential``."""
    return replace(request_for(source, url, ACCEPT), credential=credential)


def address(base: str, query: dict[str, Any], remember: dict[str, Any] | None = None) -> str:
    """``base?query#remember``. What stands behind # is never sent: it is what we need to know for the next step."""
    asked = urlencode({key: value for key, value in query.items() if value != ""}, safe=":,/*|", quote_via=quote)
    noted = urlencode({key: value for key, value in (remember or {}).items() if value != ""}, quote_via=quote)
    return f"{base}{'?' if asked else ''}{asked}{'#' if noted else ''}{noted}"


def asked_for(url: str) -> dict[str, str]:
    """The query of an address, by name."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def remembered(url: str) -> dict[str, str]:
    """What ``address`` put behind #."""
    return dict(parse_qsl(urlsplit(url).fragment, keep_blank_values=True))


def changed(url: str, **query: Any) -> str:
    """The same address with other values in its query."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(query="", fragment=""))
    return address(bare, {**asked_for(url), **query}, remembered(url))


def base_of(source: Source, default: str) -> str:
    """Where the API is: the source's url (a mirror) or the service's own address."""
    return (source.url or default).rstrip("/")


def first_day(now: datetime, since: date | None, days: int) -> date:
    """The first day (UTC) of a round's window: ``days`` back, or ``since`` if that is earlier."""
    back = now.astimezone(UTC).date() - timedelta(days=days)
    return min(since, back) if since else back


def needs_a_web_address(source: Source) -> str:
    """For kinds whose url, if one is given, is where an API is."""
    if not source.url or source.url.lower().startswith(("http://", "https://")):
        return ""
    return "has a url that is not http or https; leave it out to ask the service itself"
