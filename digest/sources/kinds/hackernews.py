"""Kind ``hackernews``: stories of Hacker News, by its search (GET /api/v1/search_by_date of hn.algolia.com).

Takes and gives what every kind does. A story that links to a paper is a sighting of that paper: its points are votes of
this source, its comments are counted, and its title is only taken until somebody who knows the paper has named it
(entries/merge.py). Other stories are left out unless `options.all` asks for them. Each round reads three days, in one
request a day, because points keep moving; the search never gives more than 1,000 stories for one question.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Problem, Source, SourceKind
from digest.sources.reading import records
from digest.sources.reading.dates import from_epoch, parse_date
from digest.sources.reading.items import BadItem
from digest.sources.reading.paperlinks import paper_of
from digest.sources.reading.records import Record, number, said
from digest.sources.reading.syndication import max_age

API_URL = "https://hn.algolia.com/api/v1/search_by_date"
SITE = "https://news.ycombinator.com/"
#: Days read in every round, today included.
DAYS = 3
#: Stories asked for in one answer, which is all that the search gives.
LIMIT = 1_000
#: Points that a story needs where the source does not say; about one story in five has them.
POINTS = 5

_SERVICE = "the search of Hacker News"
_PAGING = ("page", "nbPages", "hitsPerPage", "nbHits")
_AROUND = re.compile(
    r"^\s*\[(?:pdf|ps)\]\s*|\s*(?:\[(?:pdf|ps|video|slides)\]|\((?:1[89]|20)\d\d\))\s*$", re.IGNORECASE
)
_SHOW = re.compile(r"^\s*show hn\s*:\s*", re.IGNORECASE)


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """The last three days (UTC), newest first, or every day since ``since``; a day's address never changes."""
    today = now.astimezone(UTC).date()
    first = records.first_day(now, since, DAYS - 1)
    days = (today - timedelta(days=back) for back in range((today - first).days + 1))
    return tuple(records.ask(source, _address(source, day)) for day in days)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """The stories of one day. Raises ParseError if the JSON is not the search's."""
    answer = records.answer(response, _SERVICE)
    hits = records.listed(answer, "hits", service=_SERVICE, where=response.url)
    entries, problems = records.entries_of(
        hits, _entry, needed=("objectID", "title"), service=_SERVICE, where=response.url
    )
    if source.one("all") != "true":
        entries = tuple(entry for entry in entries if paper_of(entry.url))
    # The most noted of several stories on one paper gives its comments and, for want of a better one, its title.
    entries = tuple(sorted(entries, key=lambda entry: -(entry.upvotes or 0)))
    page, pages, size, found = (number(answer.get(name)) or 0 for name in _PAGING)
    more = page + 1 < pages
    if not more and found > page * size + len(hits):
        what = f"the search holds {found:,} stories of this day and gives no more than {LIMIT:,}; ask for more points"
        problems += (Problem(where="the last page", what=what),)
    return ParsedFeed(
        title="Hacker News",
        url=SITE,
        entries=entries,
        problems=problems,
        ttl=max_age(response.headers),
        cursor=str(page + 1) if more else "",
    )


def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """The day's next page, if the answer says that there is one."""
    if not parsed.cursor:
        return None
    return replace(request, url=records.changed(request.url, page=parsed.cursor))


def _address(source: Source, day: date) -> str:
    start = int(datetime.combine(day, time(), UTC).timestamp())
    span = f"created_at_i>={start},created_at_i<{start + 86_400},points>={source.one('points') or POINTS}"
    query = {"tags": "story", "query": source.one("query"), "numericFilters": span, "hitsPerPage": LIMIT}
    return records.address(source.url or API_URL, query)


def _entry(hit: Record) -> EntryData:
    name = str(hit.get("objectID", ""))
    if not re.fullmatch(r"\d{1,12}", name):
        raise BadItem("the field `objectID` is missing or not a number")
    title = records.must(hit, "title", f"story {name}")
    link = said(hit, "url")
    paper = paper_of(link)
    created = from_epoch(hit.get("created_at_i")) or parse_date(hit.get("created_at"))
    return EntryData(
        key=f"hn:{name}",
        title=_cleaned(title) if paper else title,
        url=paper.url if paper else link or f"{SITE}item?id={name}",
        abstract="" if paper else said(hit, "story_text"),
        # When a paper was published the story cannot say, only when it was put on this list.
        published_at=None if paper else created,
        submitted_at=created,
        arxiv_id=paper.arxiv_id if paper else None,
        doi=paper.doi if paper else None,
        upvotes=number(hit.get("points")),
        comments=number(hit.get("num_comments")),
        pdf_url=f"https://arxiv.org/pdf/{paper.arxiv_id}" if paper and paper.arxiv_id else "",
    )


def _cleaned(title: str) -> str:
    """``[pdf] Attention Is All You Need (2017) [pdf]`` without what the site's customs put around a paper's title."""
    bare, before = _SHOW.sub("", title), ""
    while bare != before:
        bare, before = _AROUND.sub("", bare), bare
    return bare.strip() or title


def wants(source: Source) -> str:
    if not re.fullmatch(r"[0-9]{0,5}", source.one("points")):
        return f'has points = "{source.one("points")}", which is not a number'
    if source.one("all") not in ("", "true", "false"):
        return f'has all = "{source.one("all")}", which is neither true nor false'
    return records.needs_a_web_address(source)


HACKERNEWS = SourceKind(
    name="hackernews",
    about="stories of Hacker News that link to papers",
    plan=plan,
    parse=parse,
    follow=follow,
    wants=wants,
    options={
        "query": "words that a story's title must have; all papers without",
        "points": f"in [source.options]: the points a story needs, {POINTS} where it is not given",
        "all": "in [source.options]: true takes stories that link to anything",
    },
    has_past=True,
    shape=re.compile(rb'"objectID"\s*:'),
)
