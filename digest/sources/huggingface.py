"""Kind ``huggingface``: Hugging Face's daily papers (GET /api/daily_papers), papers of arXiv with votes.

Takes and gives what every kind does. Each round reads three days, because two papers in five are added after the
morning and votes keep moving. The answer has no categories; they are joined from arXiv's API later. Anonymous limit:
500 requests in five minutes.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind
from digest.sources import document
from digest.sources.dates import parse_date
from digest.sources.ids import bare_arxiv_id
from digest.sources.items import BadItem
from digest.sources.jsonfeed import load
from digest.sources.syndication import MOST_ENTRIES, max_age, no_more, read_all, request_for, wants_a_document

API_URL = "https://huggingface.co/api/daily_papers"
PAPERS_URL = "https://huggingface.co/papers"
ACCEPT = "application/json"
#: Days read in every round, today included.
DAYS = 3
#: Papers asked for in one answer; a day has had up to 60.
LIMIT = 100


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """The last three days (UTC), newest first, or every day since ``since``.

    A source with a url of its own is one document, or one a day if the url holds ``{date}``.
    """
    today = now.astimezone(UTC).date()
    if source.url and "{date}" not in source.url:
        return (request_for(source, source.url, ACCEPT),)
    first = min(since or today, today - timedelta(days=DAYS - 1))
    days = [today - timedelta(days=back) for back in range((today - first).days + 1)]
    return tuple(request_for(source, _address(source, day), ACCEPT) for day in days)


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


def _address(source: Source, day: date) -> str:
    if source.url:
        return source.url.replace("{date}", day.isoformat())
    return f"{API_URL}?{urlencode({'date': day.isoformat(), 'limit': LIMIT})}"


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
    found = bare_arxiv_id(_text(paper, "id"))
    name = found[0] if found else _text(paper, "id")
    if not re.fullmatch(r"[\w./-]{1,100}", name):
        raise BadItem("the field `paper.id` is missing or not an id")
    title = _text(paper, "title") or _text(outer, "title")
    if not title:
        raise BadItem(f"the field `paper.title` of {name} is missing")
    return EntryData(
        key=name,
        title=title,
        url=f"{PAPERS_URL}/{name}",
        abstract=_text(paper, "summary") or _text(outer, "summary"),
        authors=_authors(paper),
        institutions=_institutions(outer, paper),
        published_at=parse_date(paper.get("publishedAt")) or parse_date(outer.get("publishedAt")),
        submitted_at=parse_date(paper.get("submittedOnDailyAt")),
        arxiv_id=found[0] if found else None,
        version=found[1] if found else None,
        upvotes=_count(paper.get("upvotes")),
        comments=_count(outer.get("numComments")),
        code_url=_text(paper, "githubRepo"),
        stars=_count(paper.get("githubStars")),
        pdf_url=f"https://arxiv.org/pdf/{found[0]}" if found else "",
        project_url=_text(paper, "projectPage"),
        withdrawn=bool(paper.get("withdrawnAt")),
    )


def _authors(paper: dict[str, Any]) -> tuple[str, ...]:
    people = paper.get("authors")
    found = cast(list[Any], people) if isinstance(people, list) else []
    named = (cast(dict[str, Any], one) for one in found if isinstance(one, dict))
    return tuple(dict.fromkeys(name for one in named if not one.get("hidden") and (name := _text(one, "name"))))


def _institutions(outer: dict[str, Any], paper: dict[str, Any]) -> tuple[str, ...]:
    """The organisation that published the paper (not its submitter's)."""
    for holder in (paper, outer):
        organization = holder.get("organization")
        if isinstance(organization, str) and organization.strip():
            return (organization.strip(),)
        if isinstance(organization, dict):
            fields = cast(dict[str, Any], organization)
            name = _text(fields, "fullname") or _text(fields, "name")
            if name:
                return (name,)
    return ()


def _text(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    return value.strip() if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def wants(source: Source) -> str:
    return wants_a_document(source) if source.url else ""


HUGGINGFACE = SourceKind(
    name="huggingface",
    about="the daily papers of Hugging Face",
    plan=plan,
    parse=parse,
    follow=no_more,
    wants=wants,
    has_past=True,
)
