"""Kind ``github``: releases of repositories (their Atom feed) and new repositories of a topic (the search API).

Takes and gives what every kind does. A release is an entry under the repository's name and its own; a repository found
by a topic brings its description and stars. Feeds: /OWNER/NAME/releases.atom, the ten newest releases (tags where there
are none). Search: GET /search/repositories of the REST API, which answers ten anonymous questions a minute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind
from digest.sources.reading import document, records
from digest.sources.reading.dates import parse_date
from digest.sources.reading.items import BadItem, entry_of
from digest.sources.reading.records import Record, said
from digest.sources.reading.syndication import max_age, parse_xml
from digest.sources.requests import no_more, request_for

SITE = "https://github.com"
API_URL = "https://api.github.com"
FEED = "application/atom+xml, application/xml;q=0.8, */*;q=0.1"
#: Repositories of a topic that were made in so many days are looked at.
DAYS = 30
#: Repositories in one answer: those with the most stars.
LIMIT = 100

_SERVICE = "GitHub's search"
_RELEASE = re.compile(r"/([\w.-]+/[\w.-]+)/releases/tag/([^?#]+)")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[\w.-]{1,100}")
_TOPIC = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """A feed for each repository and a question for each topic; ``since`` changes nothing."""
    del since
    site = source.url.rstrip("/") or SITE
    # A GitHub of one's own (GitHub Enterprise Server) has its API below /api/v3.
    api = f"{site}/api/v3" if source.url else API_URL
    first = now.astimezone(UTC).date() - timedelta(days=DAYS)
    feeds = [
        request_for(source, f"{site}/{quote(name, safe='/')}/releases.atom", FEED)
        for name in dict.fromkeys(source.given("repositories"))
    ]
    questions = [
        {"q": f"topic:{topic} created:>={first} archived:false", "sort": "stars", "order": "desc", "per_page": LIMIT}
        for topic in dict.fromkeys(source.given("topics"))
    ]
    searches = [
        records.ask(source, records.address(f"{api}/search/repositories", query), "github") for query in questions
    ]
    return (*feeds, *searches)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """The releases of one repository, or the repositories of one topic."""
    del source
    if document.shape(response).form == "json":
        return _found(response)
    parsed = parse_xml(response, _release)
    records.at_least_one(parsed.entries, parsed.problems, of="a release", where=response.url)
    return parsed


def _found(response: FetchResponse) -> ParsedFeed:
    answer = records.answer(response, _SERVICE)
    items = records.listed(answer, "items", service=_SERVICE, where=response.url)
    needed = ("full_name", "html_url")
    entries, problems = records.entries_of(items, _repository, needed=needed, service=_SERVICE, where=response.url)
    return ParsedFeed(
        title="GitHub repositories",
        url=SITE,
        entries=entries,
        problems=problems,
        ttl=max_age(response.headers),
    )


def _release(item: Mapping[str, Any], base: str) -> EntryData:
    data = entry_of(item, base)
    parts = urlsplit(data.url)
    named = _RELEASE.match(parts.path)
    if named is None:
        raise BadItem(f"its link is not one of a release: {data.url[:200] or 'it has none'}")
    repository, tag = named[1], unquote(named[2])
    title = data.title if tag.lstrip("v") in data.title else f"{tag}: {data.title}"
    return replace(
        data,
        title=f"{repository} {title}",
        # Its author is an account, often a machine's, and not a name as papers print it.
        authors=(),
        author_ids=(),
        code_url=f"{parts.scheme}://{parts.netloc}/{repository}",
        arxiv_id=None,
        version=None,
        doi=None,
        upvotes=None,
        comments=None,
    )


def _repository(found: Record) -> EntryData:
    name, page = said(found, "full_name"), said(found, "html_url")
    if not _REPOSITORY.fullmatch(name):
        raise BadItem("the field `full_name` is missing or not owner/name")
    if not re.match(r"https?://", page):
        raise BadItem(f"the field `html_url` of {name} is missing or not a link")
    number = records.number(found.get("id"))
    return EntryData(
        key=f"github:{number if number is not None else name.lower()}",
        title=name,
        url=page,
        abstract=said(found, "description"),
        categories=records.texts(found, "topics"),
        published_at=parse_date(found.get("created_at")),
        code_url=page,
        stars=records.number(found.get("stargazers_count")),
        project_url=homepage if re.match(r"https?://", homepage := said(found, "homepage")) else "",
    )


def wants(source: Source) -> str:
    if source.url and not re.match(r"https?://", source.url):
        return "should have the http or https address of a GitHub as its url, or none for github.com"
    repositories, topics = source.given("repositories"), source.given("topics")
    if not (repositories or topics):
        return 'needs repositories (such as "pytorch/pytorch") or topics (such as "diffusion-models")'
    for name in repositories:
        if not _REPOSITORY.fullmatch(name):
            return f'has the repository "{name}", which is not owner/name'
    for topic in topics:
        if not _TOPIC.fullmatch(topic):
            return f'has the topic "{topic}"; topics are small letters, digits and hyphens (large-language-models)'
    return ""


GITHUB = SourceKind(
    name="github",
    about="releases of repositories, and new repositories of a topic",
    plan=plan,
    parse=parse,
    follow=no_more,
    wants=wants,
    options={
        "repositories": "owner/name of those whose releases are wanted",
        "topics": f"topics whose new repositories are wanted, those of {DAYS} days with the most stars",
    },
    shape=re.compile(rb'"incomplete_results"\s*:'),
)
