"""Kind ``semanticscholar``: new papers of authors, papers that cite a paper, and searches, from Semantic Scholar.

Takes and gives what every kind does. The Graph API answers with the whole papers; a window on their date keeps the
lists short. Without a key ([keys] semanticscholar) all anonymous programs share one allowance, and the answer is often
429: that is throttling and passes. Reference: api.semanticscholar.org/api-docs/graph.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from typing import Any, cast
from urllib.parse import quote, urlsplit

from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Problem, Source, SourceKind
from digest.sources.reading import records
from digest.sources.reading.dates import parse_date
from digest.sources.reading.ids import bare_arxiv_id, first_arxiv_id
from digest.sources.reading.ids import doi as doi_in
from digest.sources.reading.records import Record, must, objects, said, within
from digest.sources.reading.syndication import max_age

API_URL = "https://api.semanticscholar.org/graph/v1"
PAGE_URL = "https://www.semanticscholar.org/paper/"
#: Days before today that every round reads: papers are often found weeks after they appeared.
DAYS = 60
#: Papers in one answer; with abstracts 1,000 could exceed the 10 MB that the service sends.
LIMIT = 500
#: Neither an author's papers nor citations are counted further than this.
FURTHEST = 10_000

_SERVICE = "Semantic Scholar"
_FIELDS = "title,abstract,authors,externalIds,publicationDate,year,venue,url,openAccessPdf"
_PAPER = re.compile(r"(?:https?://www\.semanticscholar\.org/paper/(?:[^/?#]*/)?)?([0-9a-f]{40})", re.IGNORECASE)
_CORPUS = re.compile(r"CorpusI[dD]:\d{1,12}")
_AUTHOR = re.compile(r"(?:https?://www\.semanticscholar\.org/author/(?:[^/?#]*/)?)?(\d{1,12})/?")


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """The first page of each list that the source names: authors, citations, search."""
    base = records.base_of(source, API_URL)
    window = f"{records.first_day(now, since, DAYS).isoformat()}:"
    common: dict[str, Any] = {"fields": _FIELDS, "publicationDateOrYear": window}
    people = (found[1] for value in source.given("authors") if (found := _AUTHOR.fullmatch(value.strip())))
    paths = [f"{base}/author/{one}/papers" for one in dict.fromkeys(people)]
    cited = (name for value in source.given("cites") if (name := _paper_id(value)))
    paths += [f"{base}/paper/{quote(name, safe=':/')}/citations" for name in dict.fromkeys(cited)]
    lists = [records.address(path, {**common, "limit": LIMIT, "offset": 0}) for path in paths]
    if source.one("query"):
        query = {"query": source.one("query"), **common, "sort": "publicationDate:desc"}
        lists.append(records.address(f"{base}/paper/search/bulk", query))
    return tuple(records.ask(source, url, "semanticscholar") for url in lists)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """One page of papers. Raises ParseError if it is no answer of Semantic Scholar."""
    del source
    loaded = records.answer(response, _SERVICE)
    if loaded.get("data") is None and (loaded.get("total") == 0 or "data" in loaded):
        return _nothing(response, loaded)
    items = records.listed(loaded, "data", service=_SERVICE, where=response.url)
    listed = [_citing(item) for item in items]
    first = records.asked_for(response.url).get("publicationDateOrYear", "").rstrip(":")
    papers = [paper for paper in listed if not _is_older(paper, first)]
    entries, problems = records.entries_of(
        papers, _entry, needed=("paperId", "title"), service=_SERVICE, where=response.url
    )
    return ParsedFeed(
        title=_SERVICE,
        url="https://www.semanticscholar.org/",
        entries=entries,
        problems=problems,
        ttl=max_age(response.headers),
        # Lists of authors and citations are newest first: after a page of old papers there are only older ones.
        cursor=_next(response.url, loaded) if papers else "",
    )


def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """The next page: by token where a search is answered, by offset elsewhere."""
    if not parsed.cursor:
        return None
    name = "token" if urlsplit(request.url).path.endswith("/search/bulk") else "offset"
    return replace(request, url=records.changed(request.url, **{name: parsed.cursor}))


def _nothing(response: FetchResponse, loaded: Record) -> ParsedFeed:
    """An answer without a list: nothing was found, or a publisher does not let the citations be shown."""
    withheld = within(loaded, "citingPaperInfo") or within(loaded, "citedPaperInfo")
    what = "the service lists no citations of this paper, because its publisher does not allow it"
    problems = (Problem(where=response.url.partition("?")[0], what=what),) if withheld else ()
    return ParsedFeed(title=_SERVICE, problems=problems, ttl=max_age(response.headers))


def _citing(item: Any) -> Any:
    """In a list of citations the paper is wrapped."""
    return cast(Record, item).get("citingPaper", item) if isinstance(item, dict) else item


def _is_older(paper: Any, first: str) -> bool:
    """Whether it is dated before the window, which a mirror or an older version of the service may not heed."""
    record = cast(Record, paper) if isinstance(paper, dict) else Record()
    day, year = said(record, "publicationDate"), record.get("year")
    return day < first if day else isinstance(year, int) and str(year) < first[:4]


def _next(url: str, loaded: Record) -> str:
    if urlsplit(url).path.endswith("/search/bulk"):
        return said(loaded, "token")
    start = records.number(loaded.get("next"))
    return str(start) if start and start < FURTHEST else ""


def _entry(item: Record) -> EntryData:
    name = must(item, "paperId")
    title = must(item, "title", name)
    outside = within(item, "externalIds")
    links = (f"arxiv:{said(outside, 'ArXiv')}", f"https://doi.org/{said(outside, 'DOI')}")
    arxiv_id, _ = first_arxiv_id(links)
    found = doi_in(said(outside, "DOI"))
    authors = (said(one, "name") for one in objects(item, "authors"))
    venue = said(item, "venue")
    return EntryData(
        key=name,
        title=title,
        url=_page(arxiv_id, found) or said(item, "url") or f"{PAGE_URL}{name}",
        abstract=said(item, "abstract"),
        authors=tuple(author for author in authors if author),
        published_at=parse_date(item.get("publicationDate")),
        arxiv_id=arxiv_id,
        doi=found,
        comment="" if venue.lower().startswith("arxiv") else venue,
        pdf_url=said(within(item, "openAccessPdf"), "url"),
    )


def _page(arxiv_id: str | None, name: str | None) -> str:
    """The paper's own page rather than the service's."""
    return f"https://arxiv.org/abs/{arxiv_id}" if arxiv_id else f"https://doi.org/{name}" if name else ""


def _paper_id(value: str) -> str:
    """A paper as the service names it: its own id, ``CorpusId:…``, ``ARXIV:…`` or ``DOI:…``; empty if it is none."""
    value = value.strip()
    if own := _PAPER.fullmatch(value):
        return own[1].lower()
    if _CORPUS.fullmatch(value):
        return value
    if paper := bare_arxiv_id(value):
        return f"ARXIV:{paper[0]}"
    found = doi_in(value)
    return f"DOI:{found}" if found else ""


def wants(source: Source) -> str:
    if not any(map(source.given, ("authors", "cites", "query"))):
        return "needs authors, cites or a query"
    for value in source.given("authors"):
        if not _AUTHOR.fullmatch(value.strip()):
            return f'has the author "{value}", which is no id of Semantic Scholar (the number in an author\'s address)'
    for value in source.given("cites"):
        if not _paper_id(value):
            return f'cites "{value}", which is no arXiv id, DOI or id of Semantic Scholar'
    return records.needs_a_web_address(source)


SEMANTICSCHOLAR = SourceKind(
    name="semanticscholar",
    about="new papers of authors, citations and searches, from Semantic Scholar",
    plan=plan,
    parse=parse,
    follow=follow,
    wants=wants,
    options={
        "authors": "authors, by their number at Semantic Scholar",
        "cites": "papers whose new citations are wanted, by arXiv id, DOI or Semantic Scholar id",
        "query": "words to search for in titles and abstracts",
    },
    has_past=True,
    shape=re.compile(rb'"paperId"\s*:'),
)
