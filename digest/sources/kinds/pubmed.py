"""Kind ``pubmed``: a saved search's RSS feed, or a query through NCBI's E-utilities.

Takes and gives what every kind does. A query is two steps, over and over: esearch (JSON) gives the ids of what was
added in the window, efetch (XML, PubmedArticleSet) the papers. Both are counted pages, so nothing has to be kept on
their side, and what the next step needs stands behind the # of the address. NCBI allows 3 requests a second, 10 with a
key ([keys] ncbi). Reference: ncbi.nlm.nih.gov/books/NBK25499.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import escape
from typing import Any

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Problem, Source, SourceKind
from digest.sources.kinds.feed import ACCEPT
from digest.sources.reading import document, records
from digest.sources.reading.dates import parse_date
from digest.sources.reading.ids import doi as doi_in
from digest.sources.reading.ids import first_arxiv_id
from digest.sources.reading.items import BadItem, entry_of, text
from digest.sources.reading.names import author_id
from digest.sources.reading.records import texts, within
from digest.sources.reading.syndication import max_age, parse_xml, read_all
from digest.sources.requests import request_for, wants_a_document

API_URL = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
PAGE_URL = "https://pubmed.ncbi.nlm.nih.gov/"
#: Days before today, by the day on which PubMed added a paper, that every round reads.
DAYS = 7
#: Papers asked for in one step; more ids would not fit into an address.
PAGE = 200
#: Days in one search of a back-fill: E-utilities count no further than 9,999 in one search.
SPAN = 30
FURTHEST = 9_999

_SERVICE = "PubMed"
_PLAIN_TYPES = re.compile(r"journal article|english abstract|research support.*|comparative study|.*grant.*", re.I)
_RETRACTED = "Retracted Publication"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CITATION = re.compile(
    r"\s*(?:<div[^>]{0,200}>)?\s*<p[^>]{0,200}>((?:(?!</p>).){0,600}?)</p>", re.DOTALL | re.IGNORECASE
)
_LABEL = re.compile(r"<p[^>]{0,200}>\s*<b>\s*ABSTRACT\s*</b>\s*</p>", re.IGNORECASE)
_NO_ABSTRACT = re.compile(r"<p[^>]{0,200}>\s*<b>\s*NO ABSTRACT\s*</b>\s*</p>", re.IGNORECASE)
_FOOT = re.compile(r"<p[^>]{0,200}>\s*PMID:\s*<a\b.*\Z", re.DOTALL | re.IGNORECASE)
_FOOT_DOI = re.compile(r"DOI:\s*<a\b[^>]{0,300}>([^<]{1,300})</a>", re.IGNORECASE)
_CONTACT = re.compile(r"\s*(?:electronic address:\s*)?\S+@\S+\.\w+\W*", re.IGNORECASE)
#: What an affiliation is printed as: the house, not the department, the street and the country.
_HOUSES = tuple(
    re.compile(rf"\b(?:{words})", re.IGNORECASE)
    for words in (
        r"universi|université|universität|hochschule|polytech|politec|ETH\b|EPFL\b|MIT\b|CNRS|Inserm|college",
        r"institut|academ|hospital|hôpital|klinik|clinic|national|ministry|foundation|museum",
        r"cent(?:er|re)\b|laborator|school|inc\b|ltd\b|gmbh|company|corporation",
    )
)


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """The saved search's feed; or the first step of a search, one a month where ``since`` asks for more."""
    if not source.one("query"):
        return (request_for(source, source.url, ACCEPT),)
    first, today = records.first_day(now, since, DAYS), now.astimezone(UTC).date()
    starts = [first + timedelta(days=days) for days in range(0, (today - first).days + 1, SPAN)]
    spans = [(start, min(start + timedelta(days=SPAN - 1), today)) for start in starts]
    base = records.base_of(source, API_URL)
    urls = (_search(base, source.one("query"), f"{start:%Y/%m/%d}", f"{end:%Y/%m/%d}", 0) for start, end in spans)
    return tuple(records.ask(source, url, "ncbi") for url in reversed(list(urls)))


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """The ids of a search (no entries, but a cursor), papers, or a feed. Raises ParseError if it is none of them."""
    del source
    shape = document.shape(response)
    if shape.form == "json":
        return _found(response)
    return _papers(response) if shape.root == "pubmedarticleset" else parse_xml(response, _from_feed)


def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """After a search its papers; after the papers the search's next page, if it has one."""
    base, _, script = request.url.partition("?")[0].rpartition("/")
    if script == "esearch.fcgi":
        return _fetched(request, base, parsed.cursor) if parsed.cursor else None
    notes = records.remembered(request.url)
    start, total = int(notes.get("start", "0")) + PAGE, int(notes.get("total", "0"))
    if script != "efetch.fcgi" or start >= min(total, FURTHEST):
        return None
    return replace(request, url=_search(base, notes["term"], notes["mindate"], notes["maxdate"], start))


def _search(base: str, term: str, first: str, last: str, start: int) -> str:
    query = {
        "db": "pubmed",
        "term": term,
        "datetype": "edat",
        "mindate": first,
        "maxdate": last,
        "retmode": "json",
        "retstart": start,
        "retmax": PAGE,
        "tool": "digest",
    }
    return records.address(f"{base}/esearch.fcgi", query)


def _fetched(request: FetchRequest, base: str, cursor: str) -> FetchRequest:
    """efetch for the ids of a search's page. The number of all that was found is part of the address: when it changes,
    these papers are read again even if they are the same, so that the pages after them are, too."""
    total, _, ids = cursor.partition(";")
    asked = records.asked_for(request.url)
    notes = {name: asked.get(name, "") for name in ("term", "mindate", "maxdate")}
    notes |= {"start": asked.get("retstart", "0"), "total": total}
    query = {"db": "pubmed", "id": ids, "retmode": "xml", "tool": "digest"}
    return replace(request, url=records.address(f"{base}/efetch.fcgi", query, notes), accept="application/xml")


def _found(response: FetchResponse) -> ParsedFeed:
    """What a search found, as ``total;id,id,…`` in the cursor."""
    loaded = records.answer(response, _SERVICE)
    result = within(loaded, "esearchresult")
    if fault := records.said(result, "ERROR"):
        raise ParseError(
            f"{_SERVICE} answers with an error: {fault[:200]}", where=response.url, try_="check the source's query"
        )
    records.listed(loaded, "esearchresult", "idlist", service=_SERVICE, where=response.url)
    ids = [one for one in texts(result, "idlist") if one.isdigit()]
    unknown = texts(within(result, "errorlist"), "phrasesnotfound")
    problems = tuple(Problem(where="query", what=f'PubMed finds nothing for "{phrase}"') for phrase in unknown)
    total = records.number(result.get("count")) or len(ids)
    return ParsedFeed(title=_SERVICE, problems=problems, cursor=f"{total};{','.join(ids)}" if ids else "")


def _papers(response: FetchResponse) -> ParsedFeed:
    try:
        # A document that declares entities never comes this far; a DTD is not fetched.
        root = ElementTree.fromstring(response.body)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ParseError(
            f"the papers are not well-formed XML ({error})", where=response.url, try_="nothing; it is tried again later"
        ) from error
    items = [child for child in root if child.tag in ("PubmedArticle", "PubmedBookArticle")]
    entries, problems = read_all(items, _entry)
    for name in ("PMID", "ArticleTitle"):
        if items and not entries and not any(item.find(f".//{name}") is not None for item in items):
            raise ParseError(
                f"not one of its {len(items)} papers has the element `{name}`, which {_SERVICE} always gave",
                where=response.url,
                try_="look for a newer version of this program",
            )
    return ParsedFeed(title=_SERVICE, url=PAGE_URL, entries=entries, problems=problems, ttl=max_age(response.headers))


def _entry(item: ElementTree.Element) -> EntryData:
    if item.tag == "PubmedBookArticle":
        raise BadItem("it is a book or a chapter of one, not a paper")
    cited, article = item.find("MedlineCitation"), item.find("MedlineCitation/Article")
    pmid = _said(cited, "PMID")
    if article is None or not pmid.isdigit():
        raise BadItem("the element `PMID` or `Article` is missing")
    title = (_marked(article.find("ArticleTitle")) or _marked(article.find("VernacularTitle"))).strip()
    if not title:
        raise BadItem(f"the element `ArticleTitle` of {pmid} is missing or empty")
    outside = tuple(_all(item, "PubmedData/ArticleIdList/ArticleId[@IdType='doi']"))
    outside += tuple(_all(article, "ELocationID[@EIdType='doi']"))
    arxiv_id, version = first_arxiv_id(f"https://doi.org/{name}" for name in outside)
    people = tuple(_people(article))
    sorts = tuple(_all(article, "PublicationTypeList/PublicationType"))
    journal = _said(article, "Journal/Title") or _said(article, "Journal/ISOAbbreviation")
    shown = (journal, *(sort for sort in sorts if not _PLAIN_TYPES.fullmatch(sort) and sort != _RETRACTED))
    return EntryData(
        key=f"pubmed:{pmid}",
        title=_unbracketed(title),
        url=f"{PAGE_URL}{pmid}/",
        abstract=_abstract(article),
        authors=tuple(name for name, _, _ in people),
        author_ids=tuple(known for _, known, _ in people) if any(known for _, known, _ in people) else (),
        institutions=tuple(dict.fromkeys(place for _, _, places in people for place in places)),
        published_at=_published(item, article),
        arxiv_id=arxiv_id,
        version=version,
        doi=next((name for one in outside if (name := doi_in(one))), None),
        comment=" · ".join(part for part in shown if part),
        withdrawn=_RETRACTED in sorts or item.find(".//CommentsCorrections[@RefType='RetractionIn']") is not None,
    )


def _people(article: ElementTree.Element) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(name, id, institutions) of each author; those that PubMed marks as misspelt are passed over."""
    for author in article.iterfind("AuthorList/Author"):
        parts = (_said(author, "ForeName") or _said(author, "Initials"), _said(author, "LastName"))
        name = " ".join(part for part in (*parts, _said(author, "Suffix")) if part) or _said(author, "CollectiveName")
        if name and author.get("ValidYN") != "N":
            orcid = next((author_id(one) for one in _all(author, "Identifier[@Source='ORCID']")), "")
            places = tuple(_all(author, "AffiliationInfo/Affiliation"))
            yield name, orcid, tuple(house for place in places if (house := _house(place)))


def _house(affiliation: str) -> str:
    """The university, institute or firm of an affiliation; all of it where no word tells which part that is."""
    plain = _CONTACT.sub("", affiliation[:2_000].partition(";")[0]).strip(" .,;")
    parts = [part.strip() for part in plain.split(",")]
    return next((part for words in _HOUSES for part in parts if words.search(part)), plain)


def _abstract(article: ElementTree.Element) -> str:
    """The sections of the abstract, each after its label."""
    parts: list[str] = []
    for section in article.iterfind("Abstract/AbstractText"):
        label, body = (section.get("Label") or "").strip(), _marked(section).strip()
        if body:
            parts.append(f"<p>{escape(label)}: {body}</p>" if label and label != "UNLABELLED" else f"<p>{body}</p>")
    return "\n".join(parts)


def _published(item: ElementTree.Element, article: ElementTree.Element) -> datetime | None:
    """The day of the article online, else the day PubMed got it, else the day of the issue (often a month)."""
    places = (
        article.find("ArticleDate"),
        item.find("PubmedData/History/PubMedPubDate[@PubStatus='pubmed']"),
        item.find("PubmedData/History/PubMedPubDate[@PubStatus='entrez']"),
        article.find("Journal/JournalIssue/PubDate"),
    )
    return next((at for place in places if (at := _day(place)) is not None), None)


def _day(place: ElementTree.Element | None) -> datetime | None:
    year, month, day = (_said(place, name) for name in ("Year", "Month", "Day"))
    if month[:3].lower() in _MONTHS:
        month = str(_MONTHS.index(month[:3].lower()) + 1)
    return parse_date("-".join(part for part in (year, month, day) if part)) if month else None


def _unbracketed(title: str) -> str:
    """The title without its full stop, and without the brackets that mark a translated one."""
    bare = title[:-1] if title.endswith(".") and not title.endswith("..") else title
    return bare[1:-1].rstrip(".") if bare.startswith("[") and bare.endswith("]") and bare.count("[") == 1 else bare


def _marked(element: ElementTree.Element | None) -> str:
    """An element's text as HTML: raised and lowered letters stay, all other markup goes, formulas as their letters."""
    if element is None:
        return ""
    parts = [escape(element.text or "", quote=False)]
    for child in element:
        inner = _marked(child)
        parts.append(f"<{child.tag}>{inner}</{child.tag}>" if child.tag in ("sub", "sup") else inner)
        parts.append(escape(child.tail or "", quote=False))
    return "".join(parts)


def _said(element: ElementTree.Element | None, path: str) -> str:
    found = element.find(path) if element is not None else None
    return " ".join("".join(found.itertext()).split()) if found is not None else ""


def _all(element: ElementTree.Element, path: str) -> Iterator[str]:
    for found in element.iterfind(path):
        if words := " ".join("".join(found.itertext()).split()):
            yield words


def _from_feed(item: Mapping[str, Any], base: str) -> EntryData:
    """An item of a saved search: its content is a citation, the abstract, and a line of ids."""
    entry = entry_of(item, base)
    pmid = re.fullmatch(r"pubmed:(\d{1,9})", entry.key)
    if pmid is None:
        return entry
    body = max((value for part in item.get("content") or () if isinstance(value := part.get("value"), str)), default="")
    foot = _FOOT.search(body)
    named = _FOOT_DOI.search(foot[0]) if foot else None
    rest = body[: foot.start()] if foot else body
    label = _LABEL.search(rest)
    citation = _CITATION.match(rest)
    abstract = rest[label.end() :] if label else rest[citation.end() :] if citation else ""
    none = _NO_ABSTRACT.search(rest) is not None
    arxiv_id, version = first_arxiv_id((f"https://doi.org/{named[1]}",) if named else ())
    return replace(
        entry,
        url=f"{PAGE_URL}{pmid[1]}/",
        abstract="" if none else abstract.strip() or text(item, "summary"),
        arxiv_id=arxiv_id,
        version=version,
        doi=doi_in(named[1]) if named else entry.doi,
        comment=text(item, "source") or text(item, "dc_source"),
        withdrawn=bool(re.match(r"\W*(?:retracted|withdrawn)\s*(?:article)?\s*:", entry.title, re.IGNORECASE)),
    )


def wants(source: Source) -> str:
    if source.one("query") and "/rss/" in source.url:
        return "has a query and the url of a saved search's feed, which holds a query already: leave one of them out"
    if source.one("query"):
        return records.needs_a_web_address(source)
    if not source.url:
        return "needs a query, or the url of a saved search's RSS feed (Create RSS on pubmed.ncbi.nlm.nih.gov)"
    return wants_a_document(source)


PUBMED = SourceKind(
    name="pubmed",
    about="a search of PubMed, or its RSS feed",
    plan=plan,
    parse=parse,
    follow=follow,
    wants=wants,
    options={"query": "what to search for, as in PubMed's own search field"},
    has_past=True,
    shape=re.compile(rb'<PubmedArticleSet\b|"esearchresult"\s*:'),
)
