"""Kind ``huggingface``: Hugging Face's daily papers (GET /api/daily_papers), papers of arXiv with votes.

Takes and gives what every kind does. Each round reads the lists of the last three days (or the weeks or months that
these lie in), because two papers in five are added after the morning and votes keep moving. The answer has no
categories; they are joined from arXiv's API later. Anonymous limit: 500 requests in five minutes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind
from digest.sources.reading import document
from digest.sources.reading.dates import parse_date
from digest.sources.reading.ids import bare_arxiv_id
from digest.sources.reading.items import BadItem
from digest.sources.reading.jsonfeed import load
from digest.sources.reading.records import asked_for, changed, number, said
from digest.sources.reading.syndication import MOST_ENTRIES, max_age, read_all
from digest.sources.requests import request_for, wants_a_document

API_URL = "https://huggingface.co/api/daily_papers"
PAPERS_URL = "https://huggingface.co/papers"
ACCEPT = "application/json"
#: Days read in every round, today included.
DAYS = 3
#: Papers asked for in one answer; a day has had up to 60, a month near 1,000.
LIMIT = 100
#: Pages of one list, in case a server shows the same page under every number.
MOST_PAGES = 20

#: What the API calls each period, and how it is written: 2025-11-21, 2025-W47 (ISO 8601), 2025-11.
_PERIODS = {"daily": ("date", "%Y-%m-%d"), "weekly": ("week", "%G-W%V"), "monthly": ("month", "%Y-%m")}


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """The lists of the last three days (UTC), newest first, or of every day since ``since``; each list once.

    What is trending is one list of now. A source with a url of its own is one document, or one for each list if the url
    holds ``{date}``, ``{week}`` or ``{month}``.
    """
    today = now.astimezone(UTC).date()
    if source.one("period") == "trending":
        trending = f"{API_URL}?{urlencode({'sort': 'trending', 'limit': LIMIT})}"
        return (request_for(source, source.url or trending, ACCEPT),)
    name, form = _PERIODS[source.one("period") or "daily"]
    if source.url and f"{{{name}}}" not in source.url:
        return (request_for(source, source.url, ACCEPT),)
    first = min(since or today, today - timedelta(days=DAYS - 1))
    days = (today - timedelta(days=back) for back in range((today - first).days + 1))
    lists = dict.fromkeys(day.strftime(form) for day in days)
    return tuple(request_for(source, _address(source, name, period), ACCEPT) for period in lists)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """The papers of one day. Raises ParseError if the JSON is not the API's."""
    del source
    if document.shape(response).form != "json":
        raise ParseError(
            "this is XML, but Hugging Face's papers come as JSON",
            where=response.url,
            try_='for a feed made from them use kind = "feed"',
        )
    items = _items(load(response), response.url)
    entries, problems = read_all(items[:MOST_ENTRIES], _entry)
    if items and not entries:
        raise ParseError(
            f"not one of its {len(items)} items is a paper; {problems[0].where}: {problems[0].what}",
            where=response.url,
            try_="if the address is right, the API has changed: look for a newer version of this program",
        )
    return ParsedFeed(
        title="Hugging Face Daily Papers",
        url=PAPERS_URL,
        entries=entries,
        problems=problems,
        ttl=max_age(response.headers),
    )


def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """The list's next page where the page is full; what is trending has no end worth reading."""
    query = asked_for(request.url)
    size, page = (number(query.get(name)) or 0 for name in ("limit", "p"))
    got = len(parsed.entries) + len(parsed.problems)
    dated = any(name in query for name, _ in _PERIODS.values())
    if not dated or not size or got < size or page + 1 >= MOST_PAGES:
        return None
    return replace(request, url=changed(request.url, p=page + 1))


def _address(source: Source, name: str, period: str) -> str:
    if source.url:
        return source.url.replace(f"{{{name}}}", period)
    return f"{API_URL}?{urlencode({name: period, 'limit': LIMIT})}"


def _items(loaded: Any, where: str) -> list[Any]:
    """The list of papers; copies of the API wrap it as ``data`` or ``papers``."""
    if isinstance(loaded, dict):
        wrapper = cast(dict[str, Any], loaded)
        if isinstance(wrapper.get("error"), str):
            raise ParseError(
                f"the API answers with an error: {wrapper['error'][:200]}", where=where, try_="check the address"
            )
        loaded = wrapper.get("data", wrapper.get("papers"))
    if not isinstance(loaded, list):
        raise ParseError(
            "the JSON is not a list of papers",
            where=where,
            try_=f"check the address; the list is at {API_URL}",
        )
    items = cast(list[Any], loaded)
    if items and all(isinstance(item, str) for item in items):
        raise ParseError(
            "the items are texts, not objects: whatever copied this document printed them instead of writing JSON",
            where=where,
            try_=f"fetch the day again from {API_URL}",
        )
    return items


def _entry(item: Any) -> EntryData:
    if not isinstance(item, dict):
        raise BadItem("it is not an object")
    outer = cast(dict[str, Any], item)
    if not isinstance(outer.get("paper"), dict):
        raise BadItem("the field `paper` is missing or not an object")
    paper = cast(dict[str, Any], outer["paper"])
    found = bare_arxiv_id(said(paper, "id"))
    name = found[0] if found else said(paper, "id")
    if not re.fullmatch(r"[\w./-]{1,100}", name):
        raise BadItem("the field `paper.id` is missing or not an id")
    title = said(paper, "title") or said(outer, "title")
    if not title:
        raise BadItem(f"the field `paper.title` of {name} is missing")
    return EntryData(
        key=name,
        title=title,
        url=f"{PAPERS_URL}/{name}",
        abstract=said(paper, "summary") or said(outer, "summary"),
        authors=_authors(paper),
        institutions=_institutions(outer, paper),
        published_at=parse_date(paper.get("publishedAt")) or parse_date(outer.get("publishedAt")),
        submitted_at=parse_date(paper.get("submittedOnDailyAt")),
        arxiv_id=found[0] if found else None,
        version=found[1] if found else None,
        upvotes=number(paper.get("upvotes")),
        comments=number(outer.get("numComments")),
        code_url=said(paper, "githubRepo"),
        stars=number(paper.get("githubStars")),
        pdf_url=f"https://arxiv.org/pdf/{found[0]}" if found else "",
        project_url=said(paper, "projectPage"),
        withdrawn=bool(paper.get("withdrawnAt")),
    )


def _authors(paper: dict[str, Any]) -> tuple[str, ...]:
    people = paper.get("authors")
    found = cast(list[Any], people) if isinstance(people, list) else []
    named = (cast(dict[str, Any], one) for one in found if isinstance(one, dict))
    return tuple(dict.fromkeys(name for one in named if not one.get("hidden") and (name := said(one, "name"))))


def _institutions(outer: dict[str, Any], paper: dict[str, Any]) -> tuple[str, ...]:
    """The organisation that published the paper (not its submitter's)."""
    for holder in (paper, outer):
        organization = holder.get("organization")
        if isinstance(organization, str) and organization.strip():
            return (organization.strip(),)
        if isinstance(organization, dict):
            fields = cast(dict[str, Any], organization)
            name = said(fields, "fullname") or said(fields, "name")
            if name:
                return (name,)
    return ()


def wants(source: Source) -> str:
    period = source.one("period")
    if period not in ("", "trending", *_PERIODS):
        return f'has the period "{period}"; there are daily, weekly, monthly and trending'
    return wants_a_document(source) if source.url else ""


HUGGINGFACE = SourceKind(
    name="huggingface",
    about="the daily, weekly, monthly and trending papers of Hugging Face",
    plan=plan,
    parse=parse,
    follow=follow,
    wants=wants,
    options={"period": "which list: daily (also where it is not given), weekly, monthly or trending"},
    has_past=True,
)
