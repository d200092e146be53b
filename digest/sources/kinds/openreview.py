"""Kind ``openreview``: the papers of a venue, by OpenReview's API (GET /notes of api2, and of the older api).

Takes and gives what every kind does. A venue's name asks for what it shows as its own (accepted papers); an invitation
(``…/-/Submission``) for all that was submitted. A paper's fields are ``{"value": …}`` in the second version of the API
and plain in the first. Reading needs a login: the request names the key `openreview`, the fetcher holds it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import cast
from urllib.parse import urljoin

from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind
from digest.sources.reading import records
from digest.sources.reading.dates import from_epoch
from digest.sources.reading.ids import first_arxiv_id
from digest.sources.reading.items import BadItem
from digest.sources.reading.names import names_of
from digest.sources.reading.records import Record, said
from digest.sources.reading.syndication import max_age

API_URL = "https://api2.openreview.net/notes"
SITE = "https://openreview.net/"
#: Papers asked for in one answer, the most that the API gives.
LIMIT = 1_000
#: The largest venues have some 12,000 papers.
MOST = 20_000

_MILLISECONDS = 1_000
_SERVICE = "OpenReview's API"


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """The first page of the venue's papers (see ``follow``); with ``since`` only of those made since then."""
    del now
    venue = source.one("venue")
    query: dict[str, str | int] = {"invitation" if "/-/" in venue else "content.venueid": venue}
    if since is not None:
        query["mintcdate"] = int(datetime.combine(since, time(), UTC).timestamp()) * _MILLISECONDS
    query |= {"sort": "cdate:desc", "limit": LIMIT, "offset": 0}
    return (records.ask(source, records.address(source.url or API_URL, query), "openreview"),)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """One page of papers. Raises ParseError if the JSON is not the API's."""
    answer = records.answer(response, _SERVICE)
    notes = records.listed(answer, "notes", service=_SERVICE, where=response.url)
    entries, problems = records.entries_of(
        notes, _entry, needed=("id", "content"), service=_SERVICE, where=response.url
    )
    return ParsedFeed(
        title=source.one("venue") or "OpenReview",
        url=SITE,
        entries=records.at_least_one(entries, problems, of="a paper", where=response.url),
        problems=problems,
        ttl=max_age(response.headers),
    )


def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """The next page, as long as the pages are full."""
    offset = (records.number(records.asked_for(request.url).get("offset")) or 0) + LIMIT
    if len(parsed.entries) + len(parsed.problems) < LIMIT or offset >= MOST:
        return None
    return replace(request, url=records.changed(request.url, offset=offset))


def _entry(note: Record) -> EntryData:
    name = said(note, "forum") or said(note, "id")
    if not re.fullmatch(r"[\w-]{1,60}", name):
        raise BadItem("the field `id` is missing or not an id")
    content = _plain(records.within(note, "content"))
    title = said(content, "title")
    if not title:
        raise BadItem(f"the field `content.title` of {name} is missing or empty")
    pdf = said(content, "pdf")
    venue = said(content, "venue")
    published = next((at for key in ("pdate", "odate", "cdate", "tcdate") if (at := _at(note, key))), None)
    arxiv_id, version = first_arxiv_id((pdf, said(content, "html")))
    return EntryData(
        key=name,
        title=title,
        url=f"{SITE}forum?id={name}",
        abstract=said(content, "abstract") or said(content, "TLDR") or said(content, "TL;DR"),
        authors=_authors(content),
        categories=tuple(dict.fromkeys(records.texts(content, "keywords"))),
        published_at=published,
        arxiv_id=arxiv_id,
        version=version,
        comment=venue,
        code_url=code if re.match(r"https?://", code := said(content, "code")) else "",
        pdf_url=urljoin(SITE, pdf) if pdf.startswith(("/", "http://", "https://")) else "",
        withdrawn=_is_withdrawn(note, content, venue),
    )


def _plain(content: Record) -> Record:
    """The fields without the second version's wrapping, ``{"title": {"value": "…"}}``."""
    return {
        key: cast(Record, value).get("value") if isinstance(value, dict) else value for key, value in content.items()
    }


def _at(note: Record, key: str) -> datetime | None:
    return from_epoch(note.get(key), unit=_MILLISECONDS)


def _authors(content: Record) -> tuple[str, ...]:
    """Names, or objects with ``fullname``; none while the venue keeps them back."""
    named = records.texts(content, "authors")
    return names_of(named or (said(one, "fullname") for one in records.objects(content, "authors")))


def _is_withdrawn(note: Record, content: Record, venue: str) -> bool:
    """Withdrawn papers keep their note under another venue, or invitation in the older version."""
    return any("withdrawn" in name.lower() for name in (venue, said(content, "venueid"), said(note, "invitation")))


def wants(source: Source) -> str:
    venue = source.one("venue")
    if not venue:
        return "needs a venue (such as ICLR.cc/2027/Conference)"
    if not re.fullmatch(r"[\w.-]+(?:/[\w.-]+)*", venue):
        return f'has the venue "{venue}", which does not look like one of OpenReview (ICLR.cc/2027/Conference)'
    return records.needs_a_web_address(source)


OPENREVIEW = SourceKind(
    name="openreview",
    about="the papers of a venue of OpenReview",
    plan=plan,
    parse=parse,
    follow=follow,
    wants=wants,
    options={"venue": "the venue, such as ICLR.cc/2027/Conference, or an invitation of it"},
    has_past=True,
    shape=re.compile(rb'\{\s*"notes"\s*:\s*\['),
)
