"""Kinds ``biorxiv`` and ``medrxiv``: preprints by day from api.biorxiv.org, or one of the servers' RSS feeds.

Takes and gives what every kind does. GET /details/{server}/{from}/{to}/{cursor}/json gives pages of 30 or 100 records,
so the next page begins where the answer's own ``count`` ends. A revised preprint is listed again under the same DOI;
it is one entry with the newest version. Reference: api.biorxiv.org.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind
from digest.sources.kinds.feed import ACCEPT
from digest.sources.reading import document, records
from digest.sources.reading.dates import parse_date
from digest.sources.reading.ids import doi as doi_in
from digest.sources.reading.items import BadItem, entry_of
from digest.sources.reading.names import split_names
from digest.sources.reading.records import Record, must, number, said
from digest.sources.reading.syndication import max_age, parse_xml
from digest.sources.requests import request_for, wants_a_document

API_URL = "https://api.biorxiv.org/details"
#: Days before today that every round reads: the API lags, and a weekend may lie between.
DAYS = 3

_NAMES = {"biorxiv": "bioRxiv", "medrxiv": "medRxiv"}
_WITHDRAWN = re.compile(
    r"^\W*(?:withdrawn|retracted)\b|\b(?:have|has)\s+withdrawn\s+(?:this|their|the)\s+(?:manuscript|preprint|paper|article|work)\b"
    r"|\bthis\s+(?:manuscript|preprint|article|paper)\s+has\s+been\s+withdrawn\b",
    re.IGNORECASE,
)
_AUTHOR = re.compile(
    r'<span class="highwire-citation-author[^"]{0,60}"[^>]{0,200}>(.{0,600}?)</span>\s*</span>', re.DOTALL
)
#: A page's address ends in the DOI and the version, sometimes with a number more: 10.64898/2026.01.15.699765v1-0.
_VERSION = re.compile(r"(?<=\d)v\d{1,3}(?:[.-]\w+)*$")
_TAG = re.compile(r"<[^>]{0,2000}>")


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """The first page of the last days, or of everything since ``since``; a feed's url is one document."""
    if source.url and not _is_api(source.url):
        return (request_for(source, source.url, ACCEPT),)
    base = records.base_of(source, API_URL)
    first, last = records.first_day(now, since, DAYS), now.astimezone(UTC).date()
    path = f"{base}/{source.kind}/{first.isoformat()}/{last.isoformat()}/0/json"
    query = {"category": source.category.lower().replace(" ", "_")}
    return (records.ask(source, records.address(path, query)),)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """One page of the API, or a feed. Raises ParseError if it is neither."""
    if document.shape(response).form == "xml":
        return parse_xml(response, _from_feed)
    service = _NAMES.get(source.kind, "bioRxiv")
    loaded = records.answer(response, service)
    message = next(iter(records.objects(loaded, "messages")), Record())
    status = said(message, "status")
    if re.match(r"no (?:posts|articles|papers)\b", status, re.IGNORECASE):
        return ParsedFeed(title=service, ttl=max_age(response.headers))
    if status.lower() not in ("", "ok"):
        raise ParseError(
            f"{service} answers: {status[:200]}", where=response.url, try_="check the source's category and url"
        )
    items = records.listed(loaded, "collection", service=service, where=response.url)
    entries, problems = records.entries_of(
        items, partial(_entry, source.kind), needed=("doi", "title"), service=service, where=response.url
    )
    return ParsedFeed(
        title=service,
        url=f"https://www.{source.kind}.org/",
        entries=tuple(entry for entry in _newest(entries) if _belongs(entry, source.category)),
        problems=problems,
        ttl=max_age(response.headers),
        cursor=_next(message, len(items), response.url),
    )


def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """The page that begins at the record where this one ended."""
    if not parsed.cursor:
        return None
    parts = urlsplit(request.url)
    path = re.sub(r"/\d+/json$", f"/{parsed.cursor}/json", parts.path)
    return replace(request, url=urlunsplit(parts._replace(path=path)))


def _next(message: Record, got: int, where: str) -> str:
    """Where the next page begins; empty if this is the last one."""
    place = re.search(r"/(\d+)/json$", urlsplit(where).path)
    start = number(message.get("cursor"))
    start = int(place[1]) if place else start or 0
    end = start + (number(message.get("count")) or got)
    total = number(message.get("total"))
    return str(end) if got and (total is None or end < total) else ""


def _entry(kind: str, item: Record) -> EntryData:
    name = doi_in(must(item, "doi"))
    if name is None:
        raise BadItem(f"the field `doi` is no DOI: {said(item, 'doi')[:60]}")
    version = number(item.get("version")) or 1
    title, abstract = must(item, "title", name), said(item, "abstract")
    page = f"https://www.{kind}.org/content/{name}v{version}"
    place, category = said(item, "author_corresponding_institution"), said(item, "category")
    return EntryData(
        key=name,
        title=title,
        url=page,
        abstract=abstract,
        authors=split_names(said(item, "authors")),
        institutions=(place,) if place else (),
        categories=(category,) if category else (),
        published_at=parse_date(item.get("date")),
        version=version,
        doi=name,
        pdf_url=f"{page}.full.pdf",
        # As with arXiv, a new version of a preprint that we never met is not a new preprint.
        announce="replace" if version > 1 else "new",
        withdrawn=said(item, "type").lower().startswith("withdraw")
        or bool(_WITHDRAWN.search(title) or _WITHDRAWN.search(abstract[:400])),
    )


def _newest(entries: Sequence[EntryData]) -> tuple[EntryData, ...]:
    """One entry a DOI: its newest version, which is still new if the first one is on the same page."""
    found: dict[str, EntryData] = {}
    for entry in entries:
        held = found.get(entry.key, entry)
        newer = entry if (entry.version or 0) >= (held.version or 0) else held
        fresh = "new" in (held.announce, entry.announce)
        found[entry.key] = replace(newer, announce="new") if fresh else newer
    return tuple(found.values())


def _belongs(entry: EntryData, category: str) -> bool:
    """Whether it is of the wanted subject; asked once more here, because the API's own filter is young."""
    plain = re.sub(r"[\W_]+", " ", category).casefold().strip()
    return not plain or any(re.sub(r"[\W_]+", " ", one).casefold().strip() == plain for one in entry.categories)


def _from_feed(item: Mapping[str, Any], base: str) -> EntryData:
    """A feed's item; some list what a search page shows, which is a citation and no abstract."""
    entry = entry_of(item, base)
    version = re.search(r"v(\d{1,3})(?:[?.#-]|$)", entry.url or entry.key)
    name = _VERSION.sub("", entry.doi or "") or None
    entry = replace(entry, version=int(version[1]) if version else None, doi=name)
    if "highwire-cite" not in entry.abstract[:2_000]:
        return entry
    names = (" ".join(html.unescape(_TAG.sub(" ", name)).split()) for name in _AUTHOR.findall(entry.abstract))
    return replace(entry, abstract="", authors=entry.authors or tuple(name for name in names if name))


def _is_api(url: str) -> bool:
    return url.rstrip("/").endswith("/details")


def wants(source: Source) -> str:
    if source.url and not _is_api(source.url):
        if source.category:
            return "has a url of a feed and a category: a category is for the API, so leave one of them out"
        return wants_a_document(source)
    return records.needs_a_web_address(source)


def _kind(name: str, about: str) -> SourceKind:
    return SourceKind(
        name=name,
        about=about,
        plan=plan,
        parse=parse,
        follow=follow,
        wants=wants,
        options={"category": "the subject, such as neuroscience; without it all subjects"},
        has_past=True,
    )


BIORXIV = _kind("biorxiv", "the preprints of bioRxiv, by subject")
MEDRXIV = _kind("medrxiv", "the preprints of medRxiv, by subject")
