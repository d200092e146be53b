"""Kind ``arxiv``: one category's daily listing (rss.arxiv.org, RSS or Atom); a search, authors or single papers by the
export API; the papers that an author claims (arxiv.org/a/ID.atom2).

Takes and gives what every kind does. One category a feed: the listing is capped at 2,000 with replacements first.
Authors come as one comma-joined string with affiliations in parentheses, LaTeX left as it is. arXiv asks for one
request in three seconds over all its hosts (the fetcher sees to it). Manuals: info.arxiv.org/help/rss.html,
info.arxiv.org/help/api/user-manual.html, info.arxiv.org/help/author_identifiers.html.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

from digest.model.errors import ConfigError, ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind
from digest.sources.reading import document
from digest.sources.reading.ids import bare_arxiv_id, first_arxiv_id
from digest.sources.reading.items import entry_of, text
from digest.sources.reading.names import turn, with_affiliations
from digest.sources.reading.syndication import parse_xml
from digest.sources.requests import request_for, wants_a_document

FEED_URL = "https://rss.arxiv.org/atom/"
API_URL = "https://export.arxiv.org/api/query"
SITE = "https://arxiv.org"
ACCEPT = "application/atom+xml, application/rss+xml;q=0.9, application/xml;q=0.8, */*;q=0.1"
#: Entries asked for in one answer of the API while back-filling (its limit is 2,000).
PAGE = 500
#: The newest papers of a search that are looked at in each round.
NEWEST = 100
#: Ids asked for in one answer of the API.
BATCH = 100

_ANNOUNCEMENTS = ("new", "cross", "replace", "replace-cross")
_CATEGORY = re.compile(r"[A-Za-z][A-Za-z-]*(\.[A-Za-z-]+)?")
#: ``warner_s_1``, or an ORCID.
_AUTHOR_ID = re.compile(r"[a-z]+(?:-[a-z]+)*_[a-z]{1,3}_\d{1,3}|\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
_ANNOUNCED = re.compile(r"\s*arXiv:\S+?(?:v\d+)?\s+Announce Type:\s*([\w-]+)\s+(?:Abstract:\s*)?", re.IGNORECASE)
_WITHDRAWN = re.compile(
    r"(?:^|[.;:!(]\s*)(?:this|the)?\s*(?:arxiv\s+)?(?:paper|article|submission|manuscript|preprint|work|version)?\s*"
    r"(?:has been|have been|was|is|being)?\s*(?:temporarily\s+)?withdrawn\b(?!\s+from\s+(?!arxiv))",
    re.IGNORECASE,
)
_ATOM = "{http://www.w3.org/2005/Atom}"
_ARXIV = "{http://arxiv.org/schemas/atom}"


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """Today's listing; or the newest papers of a search (query, authors by name, category: all of them must fit), the
    papers of authors by id, and single papers, each a request of its own.

    With ``since`` a listing and a search become the first page of all that was submitted since then (see ``follow``).
    """
    named, known = _names(source), _author_ids(source)
    found: list[FetchRequest] = []
    if source.one("query") or named:
        found.append(request_for(source, _search(source, named, since, now), ACCEPT))
    found += (request_for(source, f"{_site(source)}/a/{author}.atom2", ACCEPT) for author in known)
    if source.given("papers"):
        ids = [one[0] for paper in source.given("papers") if (one := bare_arxiv_id(paper))]
        asked = category_requests(ids, source.url or API_URL)
        found += (request_for(source, request.url, ACCEPT) for request in asked)
    return tuple(found) or (_listing(source, now, since),)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """A listing or an API answer, without announcements that the source does not want. Raises ParseError for anything
    else, and for arXiv's own error documents."""
    parsed = parse_api(response)
    wanted = source.given("announce")
    if not wanted:
        return parsed
    kept = tuple(entry for entry in parsed.entries if not entry.announce or entry.announce in wanted)
    return replace(parsed, entries=kept)


def parse_api(response: FetchResponse) -> ParsedFeed:
    """The same without a source: the answers to ``category_requests``."""
    if document.shape(response).form == "json":
        raise ParseError(
            "this is JSON, but arXiv answers in RSS or Atom", where=response.url, try_="check the source's kind"
        )
    affiliations = _affiliations(response.body)
    parsed = parse_xml(response, lambda item, base: _entry(item, base, affiliations))
    refused = next((entry for entry in parsed.entries if entry.title == "Error"), None)
    if parsed.title.startswith("Feed error for query") or (refused and "/api/errors" in refused.key):
        reason = refused.abstract if refused else parsed.title
        raise ParseError(
            f"arXiv does not understand the query: {' '.join(reason.split())[:200]}",
            where=response.url,
            try_='check the category (cs.CL) and the query (ti:diffusion AND abs:"score matching")',
        )
    return parsed


def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """The API's next page of a back-fill, as long as the pages are full."""
    parts = urlsplit(request.url)
    query = parse_qs(parts.query, keep_blank_values=True)
    size = _number(query.get("max_results"))
    got = len(parsed.entries) + len(parsed.problems)
    if query.get("sortOrder") != ["ascending"] or not size or got < size:
        return None
    query["start"] = [str(_number(query.get("start")) + size)]
    return replace(request, url=urlunsplit(parts._replace(query=urlencode(query, doseq=True))))


def category_requests(ids: Sequence[str], api_url: str = API_URL) -> tuple[FetchRequest, ...]:
    """What to ask the API for the categories of these papers, at most 100 in one request, each id once."""
    unique = tuple(dict.fromkeys(ids))
    batches = (unique[start : start + BATCH] for start in range(0, len(unique), BATCH))
    return tuple(
        FetchRequest(
            url=f"{api_url}?{urlencode({'id_list': ','.join(batch), 'max_results': len(batch)}, safe=',/')}",
            accept=ACCEPT,
        )
        for batch in batches
    )


def _listing(source: Source, now: datetime, since: date | None) -> FetchRequest:
    category = source.category or _category_in(source.url)
    if since is not None and category:
        return request_for(source, _asked(API_URL, f"cat:{category}", since, now), ACCEPT)
    if source.url:
        return request_for(source, source.url, ACCEPT)
    if not category:
        raise ConfigError(
            "an arxiv source needs a category or a url", where=f"source {source.id}", try_='add category = "cs.CL"'
        )
    return request_for(source, FEED_URL + quote(category, safe=".-"), ACCEPT)


def _search(source: Source, names: Sequence[str], since: date | None, now: datetime) -> str:
    """The address of a search. A name is a phrase in quotes, au:"del Maestro", or each of its words is asked alone."""
    authors = " OR ".join(f'au:"{name}"' for name in names)
    parts = (f"cat:{source.category}" if source.category else "", source.one("query"), authors)
    given = [" ".join(part.split()) for part in parts if part]
    search = given[0] if len(given) == 1 else " AND ".join(map(_bracketed, given))
    return _asked(source.url or API_URL, search, since, now)


def _bracketed(part: str) -> str:
    return f"({part})" if " " in part else part


def _asked(api: str, search: str, since: date | None, now: datetime) -> str:
    """The newest papers of a search; with ``since`` the oldest first, so that what is new meanwhile moves no page."""
    span = f"submittedDate:[{since:%Y%m%d}0000 TO {now:%Y%m%d}2359]" if since is not None else ""
    query = {
        "search_query": f"{_bracketed(search)} AND {span}" if span else search,
        "sortBy": "submittedDate",
        "sortOrder": "ascending" if span else "descending",
        "start": 0,
        "max_results": PAGE if span else NEWEST,
    }
    return f"{api}?{urlencode(query)}"


def _site(source: Source) -> str:
    parts = urlsplit(source.url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else SITE


def _author_ids(source: Source) -> tuple[str, ...]:
    """The authors that are named by arXiv's ids or by their ORCID."""
    return tuple(dict.fromkeys(name for name in source.given("authors") if _AUTHOR_ID.fullmatch(name)))


def _names(source: Source) -> tuple[str, ...]:
    """The other authors, "First Last", without what would end the quotes."""
    cleaned = (turn(" ".join(name.replace('"', " ").split())) for name in source.given("authors"))
    return tuple(dict.fromkeys(name for name in cleaned if name and not _AUTHOR_ID.fullmatch(name)))


def _category_in(url: str) -> str:
    found = re.search(r"//rss\.arxiv\.org/(?:rss|atom)/([A-Za-z.-]+)$", url)
    return found[1] if found else ""


def _entry(item: Mapping[str, Any], base: str, affiliations: Mapping[str, tuple[str, ...]]) -> EntryData:
    data = entry_of(item, base)
    arxiv_id, version = first_arxiv_id((data.key, data.url))
    body = text(item, "summary") or data.abstract
    announced = _ANNOUNCED.match(body)
    abstract = body[announced.end() :] if announced else body
    authors, places = _authors(item)
    comment = text(item, "arxiv_comment")
    primary = text(cast(Mapping[str, Any], item.get("arxiv_primary_category") or {}), "term")
    return replace(
        data,
        abstract=abstract,
        authors=authors or data.authors,
        institutions=tuple(dict.fromkeys((*affiliations.get(data.key, ()), *places))),
        categories=tuple(dict.fromkeys(term for term in (primary, *_codes(data.categories)) if term)),
        arxiv_id=arxiv_id,
        version=version,
        url=f"https://arxiv.org/abs/{arxiv_id}" if arxiv_id else data.url,
        pdf_url=f"https://arxiv.org/pdf/{arxiv_id}" if arxiv_id else data.pdf_url,
        comment=comment,
        announce=(text(item, "arxiv_announce_type") or (announced[1] if announced else "")).lower(),
        withdrawn=bool(_WITHDRAWN.search(comment) or _WITHDRAWN.match(abstract.strip())),
        upvotes=None,
        comments=None,
    )


def _authors(item: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The listing has one element for all authors, the API one for each; both may carry affiliations in parentheses."""
    names: list[str] = []
    places: list[str] = []
    for author in item.get("authors") or ():
        found, where = with_affiliations(author.get("name") or "")
        names.extend(found)
        places.extend(where)
    return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(places))


def _codes(terms: Sequence[str]) -> tuple[str, ...]:
    """arXiv's categories only; the API also lists ACM and MSC classes, which hold spaces, digits or commas."""
    return tuple(term for term in terms if re.fullmatch(r"[a-z]+(?:-[a-z]+)*(?:\.[A-Za-z]{2}(?:-?[A-Za-z]+)*)?", term))


def _affiliations(body: bytes) -> dict[str, tuple[str, ...]]:
    """``arxiv:affiliation`` by entry id; feedparser keeps only the last one of an entry.

    Read after ``document.shape`` refused entity declarations. A damaged document simply has none.
    """
    if b"affiliation" not in body:
        return {}
    try:
        feed = ElementTree.fromstring(body)  # noqa: S314 - a document with entities never comes this far
    except (ElementTree.ParseError, ValueError, LookupError):
        return {}
    return {
        (entry.findtext(f"{_ATOM}id") or "").strip(): tuple(
            place.text.strip() for place in entry.iter(f"{_ARXIV}affiliation") if place.text and place.text.strip()
        )
        for entry in feed.iter(f"{_ATOM}entry")
    }


def _number(values: Sequence[str] | None) -> int:
    return int(values[0]) if values and values[0].isascii() and values[0].isdigit() else 0


def wants(source: Source) -> str:
    searched = source.one("query") or source.given("authors") or source.given("papers")
    if not (source.url or source.category or searched):
        return "needs a category (such as cs.CL), a query, authors, papers or a url"
    if source.category and not _CATEGORY.fullmatch(source.category):
        return f'has the category "{source.category}", which does not look like one of arXiv (cs.CL)'
    for paper in source.given("papers"):
        if bare_arxiv_id(paper) is None:
            return f'has the paper "{paper}", which is not an arXiv id (2511.01234, hep-th/9901001)'
    known = _author_ids(source)
    if known and (source.one("query") or source.category):
        return (
            f'has the author "{known[0]}" by id, whose papers no query or category narrows: give either of them alone'
        )
    if source.category and source.given("papers") and not (source.one("query") or _names(source)):
        return "has a category and papers, which are two documents of arXiv: make them two sources"
    for kind in source.given("announce"):
        if kind not in _ANNOUNCEMENTS:
            return f'has the announcement "{kind}"; arXiv has {", ".join(_ANNOUNCEMENTS)}'
    if source.given("announce") and searched:
        return "has announce, but only a category's listing says what was announced how"
    return wants_a_document(source) if source.url else ""


ARXIV = SourceKind(
    name="arxiv",
    about="the listings of arXiv, its search, its authors and single papers",
    plan=plan,
    parse=parse,
    follow=follow,
    wants=wants,
    options={
        "category": "the category, such as cs.CL: its daily listing, or what a query and authors are searched in",
        "query": 'what to search for in the words of arXiv\'s API, such as ti:diffusion AND abs:"score matching"',
        "authors": "names as papers print them, or arXiv's author ids and ORCIDs; a paper of any of them fits",
        "papers": "arXiv ids of papers whose new versions are wanted",
        "announce": "which announcements of a listing are taken: new, cross, replace, replace-cross",
    },
    has_past=True,
)
