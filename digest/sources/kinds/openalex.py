"""Kind ``openalex``: new works of authors and institutions, works that cite a paper, and searches, from OpenAlex.

Takes and gives what every kind does. GET /works with a window on the day of publication, newest first. What is cited is
looked up first where it is given by DOI or arXiv id, as the filter knows OpenAlex's own ids only. Abstracts come as an
index of words and are put in order again. Since February 2026 the service wants a key ([keys] openalex); without one
it answers little or refuses. Reference: developers.openalex.org.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, cast

from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Problem, Source, SourceKind
from digest.sources.reading import records
from digest.sources.reading.dates import parse_date
from digest.sources.reading.ids import bare_arxiv_id, first_arxiv_id, first_doi
from digest.sources.reading.ids import doi as doi_in
from digest.sources.reading.items import BadItem
from digest.sources.reading.names import author_id
from digest.sources.reading.records import Record, objects, said, within
from digest.sources.reading.syndication import max_age

API_URL = "https://api.openalex.org"
#: Days before today that every round reads: works are often catalogued weeks after they appeared.
DAYS = 30
PAGE = 100
#: Pages are counted up to so many works; a cursor goes on for ever, but needs a key.
FURTHEST = 10_000
#: Ids in one filter; OpenAlex takes at most 100.
BATCH = 50

_SERVICE = "OpenAlex"
_LOOK_UP = "id,doi"
_FIELDS = (
    "id,doi,title,display_name,publication_date,type,language,is_retracted,authorships,primary_location,"
    "best_oa_location,locations,abstract_inverted_index"
)
_TYPES = "article|preprint|review|letter|book-chapter|book|report|dissertation"
#: More words than this are a book, not an abstract.
_MOST_WORDS = 10_000

_AUTHOR = re.compile(r"(?:https?://openalex\.org/(?:authors/)?|openalex:)?(A\d{4,12})/?", re.IGNORECASE)
_ORCID = re.compile(r"(?:https?://orcid\.org/|orcid:)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])/?", re.IGNORECASE)
_INSTITUTION = re.compile(r"(?:https?://openalex\.org/(?:institutions/)?|openalex:)?(I\d{4,12})/?", re.IGNORECASE)
_ROR = re.compile(r"(?:https?://ror\.org/|ror:)?(0[a-z\d]{6}\d{2})/?", re.IGNORECASE)
_WORK = re.compile(r"(?:https?://openalex\.org/(?:works/)?|openalex:)?(W\d{4,12})/?", re.IGNORECASE)


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """The first page of each list that the source names: authors, institutions, citations, search."""
    first = records.first_day(now, since, DAYS)
    named = (
        ("authorships.author.id", source.given("authors"), _AUTHOR),
        ("authorships.author.orcid", source.given("authors"), _ORCID),
        ("authorships.institutions.id", source.given("institutions"), _INSTITUTION),
        ("authorships.institutions.ror", source.given("institutions"), _ROR),
        ("cites", source.given("cites"), _WORK),
    )
    base = f"{records.base_of(source, API_URL)}/works"
    lists = [
        _list(base, first, since, {field: "|".join(batch)})
        for field, values, form in named
        for batch in _batches(_named(values, form))
    ]
    if source.one("query"):
        lists.append(_list(base, first, since, {}, search=source.one("query")))
    # The answer of a look-up stays the same for years; its address does not, or the next step would not be taken.
    notes = {"from": first.isoformat(), "at": now.astimezone(UTC).isoformat(), "all": "yes" if since else ""}
    dois = (name for value in source.given("cites") if (name := _cited_doi(value)))
    lists += [
        records.address(base, {"filter": f"doi:{'|'.join(batch)}", "select": _LOOK_UP, "per_page": PAGE}, notes)
        for batch in _batches(dois)
    ]
    return tuple(records.ask(source, url, "openalex") for url in lists)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """One page of works, or the ids of works that were looked up. Raises ParseError if it is no answer of OpenAlex."""
    loaded = records.answer(response, _SERVICE)
    items = records.listed(loaded, "results", service=_SERVICE, where=response.url)
    if records.asked_for(response.url).get("select") == _LOOK_UP:
        return _looked_up(response.url, items)
    entries, problems = records.entries_of(
        items, partial(_entry, _followed(source)), needed=("id", "title"), service=_SERVICE, where=response.url
    )
    return ParsedFeed(
        title=_SERVICE,
        url="https://openalex.org/",
        entries=entries,
        problems=problems,
        ttl=max_age(response.headers),
        cursor=_next(response.url, within(loaded, "meta"), len(items)),
    )


def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """The next page, or the citations of the works that were looked up."""
    if not parsed.cursor:
        return None
    asked, notes = records.asked_for(request.url), records.remembered(request.url)
    if asked.get("select") == _LOOK_UP:
        first = date.fromisoformat(notes["from"])
        url = _list(request.url.partition("?")[0], first, first if notes.get("all") else None, {"cites": parsed.cursor})
    else:
        url = records.changed(request.url, **{"cursor" if "cursor" in asked else "page": parsed.cursor})
    return replace(request, url=url)


def _list(base: str, first: date, since: date | None, fields: dict[str, str], search: str = "") -> str:
    filters = {**fields, "from_publication_date": first.isoformat(), "type": _TYPES}
    paging: dict[str, Any] = {"cursor": "*"} if since else {"page": 1}
    query = {
        "filter": ",".join(f"{name}:{value}" for name, value in filters.items()),
        "search": search,
        "sort": "publication_date:desc",
        "select": _FIELDS,
        "per_page": PAGE,
        **paging,
    }
    return records.address(base, query)


def _next(url: str, meta: Record, got: int) -> str:
    asked = records.asked_for(url)
    if got < (records.number(asked.get("per_page")) or PAGE):
        return ""
    if "cursor" in asked:
        return said(meta, "next_cursor")
    page = records.number(asked.get("page")) or 1
    return str(page + 1) if (page + 1) * got <= FURTHEST else ""


def _looked_up(url: str, items: Sequence[Any]) -> ParsedFeed:
    """The works' own ids as the cursor; what was asked for and is not there is a problem."""
    found = [cast(Record, item) for item in items if isinstance(item, dict)]
    works = [work[1] for item in found if (work := _WORK.fullmatch(said(item, "id")))]
    there = {said(item, "doi").lower().removeprefix("https://doi.org/") for item in found}
    wanted = records.asked_for(url).get("filter", "").partition("doi:")[2].lower().split("|")
    return ParsedFeed(
        problems=tuple(
            Problem(where=name, what="OpenAlex knows no work with this DOI, so nobody can be found who cites it")
            for name in wanted
            if name and name not in there
        ),
        cursor="|".join(works),
    )


def _entry(followed: frozenset[str], item: Record) -> EntryData:
    work = _WORK.fullmatch(said(item, "id"))
    if work is None:
        raise BadItem("the field `id` is missing or no id of a work")
    title = said(item, "title") or said(item, "display_name")
    if not title:
        raise BadItem(f"the field `title` of {work[1]} is missing or empty")
    primary, best = within(item, "primary_location"), within(item, "best_oa_location")
    places = (primary, best, *objects(item, "locations"))
    links = tuple(said(place, key) for place in places for key in ("landing_page_url", "pdf_url"))
    arxiv_id, version = first_arxiv_id((said(item, "doi"), *links))
    people = _people(item, followed)
    return EntryData(
        key=work[1].upper(),
        title=title,
        url=said(primary, "landing_page_url") or said(item, "doi") or f"https://openalex.org/{work[1]}",
        abstract=in_order(item.get("abstract_inverted_index")),
        authors=tuple(name for name, _ in people),
        author_ids=tuple(known for _, known in people) if any(known for _, known in people) else (),
        institutions=_institutions(item),
        published_at=parse_date(item.get("publication_date")),
        arxiv_id=arxiv_id,
        version=version,
        doi=first_doi((said(item, "doi"),)),
        comment=_venue(item, primary),
        pdf_url=said(best, "pdf_url") or said(primary, "pdf_url"),
        withdrawn=item.get("is_retracted") is True,
        language=said(item, "language"),
    )


def in_order(index: Any) -> str:
    """The text of an ``abstract_inverted_index``: {word: [places]}, places counted from 0."""
    if not isinstance(index, dict):
        return ""
    words: dict[int, str] = {}
    for word, places in cast(dict[str, Any], index).items():
        for place in cast(list[Any], places) if isinstance(places, list) else ():
            if isinstance(place, int) and 0 <= place < _MOST_WORDS:
                words[place] = word
    return " ".join(words[place] for place in sorted(words))


def _people(item: Record, followed: frozenset[str]) -> list[tuple[str, str]]:
    """Names and ids. Who is followed by an OpenAlex id keeps that one; others have their ORCID, if it is known."""
    found: list[tuple[str, str]] = []
    for authorship in objects(item, "authorships"):
        person = within(authorship, "author")
        own, orcid = author_id(said(person, "id")), author_id(said(person, "orcid"))
        name = said(person, "display_name") or said(authorship, "raw_author_name")
        if name:
            found.append((name, own if own in followed or not orcid else orcid))
    return found


def _institutions(item: Record) -> tuple[str, ...]:
    known = (one for authorship in objects(item, "authorships") for one in objects(authorship, "institutions"))
    return tuple(dict.fromkeys(name for one in known if (name := said(one, "display_name"))))


def _venue(item: Record, primary: Record) -> str:
    """Where it appeared, and what it is unless an article; arXiv says nothing that its id does not."""
    name = said(within(primary, "source"), "display_name")
    sort = said(item, "type")
    parts = ("" if name.lower().startswith("arxiv") else name, "" if sort in ("article", "preprint") else sort)
    return " · ".join(part for part in parts if part)


def _followed(source: Source) -> frozenset[str]:
    found = (_AUTHOR.fullmatch(value.strip()) for value in source.given("authors"))
    return frozenset(f"openalex:{one[1].upper()}" for one in found if one)


def _cited_doi(value: str) -> str:
    """The DOI under which OpenAlex is asked for a cited work; arXiv's papers have one, too."""
    paper = bare_arxiv_id(value.strip())
    return f"10.48550/arxiv.{paper[0]}" if paper else doi_in(value) or ""


def _named(values: Iterable[str], form: re.Pattern[str]) -> Iterator[str]:
    """Those of the ids that have this form, without the address that they may be written as."""
    for value in values:
        if found := form.fullmatch(value.strip()):
            yield found[1].lower() if form is _ROR else found[1].upper()


def _batches(values: Iterable[str]) -> list[tuple[str, ...]]:
    unique = tuple(dict.fromkeys(values))
    return [unique[start : start + BATCH] for start in range(0, len(unique), BATCH)]


def wants(source: Source) -> str:
    if not any(map(source.given, ("authors", "institutions", "cites", "query"))):
        return "needs authors, institutions, cites or a query"
    checks = (
        ("authors", "the author", "no id of an author (A5023888391, or an ORCID)", (_AUTHOR, _ORCID)),
        ("institutions", "the institution", "no id of an institution (I97018004, or a ROR id)", (_INSTITUTION, _ROR)),
    )
    for option, noun, fault, forms in checks:
        for value in source.given(option):
            if not any(form.fullmatch(value.strip()) for form in forms):
                return f'has {noun} "{value}", which is {fault}'
    for value in source.given("cites"):
        if not _WORK.fullmatch(value.strip()) and not _cited_doi(value):
            return f'cites "{value}", which is no arXiv id, DOI or id of a work (W2741809807)'
    return records.needs_a_web_address(source)


OPENALEX = SourceKind(
    name="openalex",
    about="new works of authors and institutions, citations and searches, from OpenAlex",
    plan=plan,
    parse=parse,
    follow=follow,
    wants=wants,
    options={
        "authors": "authors, by OpenAlex id (A…) or ORCID",
        "institutions": "institutions, by OpenAlex id (I…) or ROR id",
        "cites": "papers whose new citations are wanted, by arXiv id, DOI or OpenAlex id (W…)",
        "query": "words to search for in titles and abstracts",
    },
    has_past=True,
    shape=re.compile(rb'"id"\s*:\s*"https://openalex\.org/W\d'),
)
