"""Kind ``crossref``: what journals (by ISSN) newly registered at Crossref, or what a search finds there.

Takes and gives what every kind does. GET /works with a window on the day of registration, which no publisher can date
back; what was published long before it was registered is an archive being deposited and is not asked for. The contact
in our User-Agent is what Crossref asks of polite clients. Reference: api.crossref.org, crossref.org/documentation.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind
from digest.sources.reading import records
from digest.sources.reading.dates import FIRST_YEAR, LAST_YEAR
from digest.sources.reading.ids import doi as doi_in
from digest.sources.reading.ids import first_arxiv_id
from digest.sources.reading.items import BadItem
from digest.sources.reading.jats import readable
from digest.sources.reading.names import author_id
from digest.sources.reading.records import Record, must, objects, said, texts, within
from digest.sources.reading.syndication import max_age

API_URL = "https://api.crossref.org/works"
#: Days before today that every round reads.
DAYS = 14
#: What was published so many days before its registration is an old volume, not news.
OLD = 365
ROWS = 100
#: Crossref counts pages no further than this; a cursor goes on for ever.
FURTHEST = 10_000

_SERVICE = "Crossref"
_TYPES = ("journal-article", "proceedings-article", "posted-content", "book-chapter", "monograph", "report")
#: One field that the route does not know and every answer is HTTP 400; its list has neither language nor subtype.
_FIELDS = (
    "DOI,title,author,abstract,container-title,created,published,published-online,type,relation,update-to,updated-by,"
    "link"
)
_ISSN = re.compile(r"\d{4}-?\d{3}[\dXx]")
_RETRACTED = re.compile(r"\W*(?:retracted|withdrawn)(?:\s+article)?\s*[:\]—-]", re.IGNORECASE)


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """The first page of what was registered in the last days, or since ``since``.

    A search is answered by likeness, so only its first page is of use; a journal's list is followed to its end.
    """
    first = records.first_day(now, since, DAYS)
    filters = [
        *(f"issn:{issn}" for issn in map(_with_hyphen, source.given("journals"))),
        f"from-created-date:{first.isoformat()}",
        f"from-pub-date:{(first - timedelta(days=OLD)).isoformat()}",
        *(f"type:{name}" for name in _TYPES),
    ]
    query: dict[str, Any] = {"filter": ",".join(filters), "rows": ROWS, "select": _FIELDS}
    if source.one("query"):
        query |= {"query": source.one("query"), "sort": "score"}
    else:
        query |= {"sort": "created", "order": "desc"}
        query |= {"cursor": "*"} if since else {"offset": 0}
    return (records.ask(source, records.address(records.base_of(source, API_URL), query)),)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """One page of works. Raises ParseError if it is no answer of Crossref."""
    del source
    loaded = records.answer(response, _SERVICE)
    items = records.listed(loaded, "message", "items", service=_SERVICE, where=response.url)
    entries, problems = records.entries_of(items, _entry, needed=("DOI", "title"), service=_SERVICE, where=response.url)
    return ParsedFeed(
        title=_SERVICE,
        url="https://www.crossref.org/",
        entries=entries,
        problems=problems,
        ttl=max_age(response.headers),
        cursor=_next(response.url, within(loaded, "message"), len(items)),
    )


def follow(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """The next page, by its cursor or its offset, whichever the request has."""
    if not parsed.cursor:
        return None
    name = "cursor" if "cursor" in records.asked_for(request.url) else "offset"
    return replace(request, url=records.changed(request.url, **{name: parsed.cursor}))


def _next(url: str, message: Record, got: int) -> str:
    """What the next page is asked for with; empty after a page that is not full, and for a search."""
    asked = records.asked_for(url)
    if got < (records.number(asked.get("rows")) or ROWS):
        return ""
    if "cursor" in asked:
        return said(message, "next-cursor")
    end = (records.number(asked.get("offset")) or 0) + got
    return str(end) if "offset" in asked and end + got <= FURTHEST else ""


def _entry(item: Record) -> EntryData:
    name = must(item, "DOI").lower()
    titles = texts(item, "title")
    if not titles:
        raise BadItem(f"the field `title` of {name} is missing or empty")
    arxiv_id, _ = first_arxiv_id((f"https://doi.org/{name}", *_preprints(item)))
    people = _people(item)
    return EntryData(
        key=name,
        title=titles[0],
        url=f"https://doi.org/{name}",
        abstract=readable(said(item, "abstract")),
        authors=tuple(author for author, _, _ in people),
        author_ids=tuple(known for _, known, _ in people) if any(known for _, known, _ in people) else (),
        institutions=tuple(dict.fromkeys(place for _, _, places in people for place in places)),
        published_at=_published(item),
        arxiv_id=arxiv_id,
        doi=doi_in(name),
        comment=" · ".join((*texts(item, "container-title")[:1], *_sort(item))),
        pdf_url=next((said(link, "URL") for link in objects(item, "link") if "pdf" in said(link, "content-type")), ""),
        withdrawn=bool(_RETRACTED.match(titles[0])) or _is_retracted(item, name),
    )


def _people(item: Record) -> list[tuple[str, str, tuple[str, ...]]]:
    """(name, id, affiliations) of each author."""
    found: list[tuple[str, str, tuple[str, ...]]] = []
    for person in objects(item, "author"):
        parts = (said(person, key) for key in ("given", "family", "suffix"))
        name = " ".join(part for part in parts if part) or said(person, "name")
        places = tuple(place for one in objects(person, "affiliation") if (place := said(one, "name")))
        if name:
            found.append((name, author_id(said(person, "ORCID")), places))
    return found


def _preprints(item: Record) -> tuple[str, ...]:
    """The preprints of which this is said to be the published form; an arXiv id among them joins the two."""
    related = within(item, "relation")
    listed = (*objects(related, "has-preprint"), *objects(related, "is-version-of"))
    return tuple(
        f"arxiv:{said(one, 'id')}" if said(one, "id-type") == "arxiv" else f"https://doi.org/{said(one, 'id')}"
        for one in listed
    )


def _sort(item: Record) -> tuple[str, ...]:
    """What it is, where it is no article of a journal."""
    name = said(item, "type")
    if name == "posted-content":
        return ("preprint",)
    return () if name in ("", "journal-article", "proceedings-article") else (name.replace("-", " "),)


def _is_retracted(item: Record, name: str) -> bool:
    """Whether a retraction of this very work is registered; a notice that retracts another is a paper of its own."""
    notices = objects(item, "updated-by")
    own = (one for one in objects(item, "update-to") if said(one, "DOI").lower() == name)
    return any(said(one, "type") in ("retraction", "withdrawal", "removal") for one in (*notices, *own))


def _published(item: Record) -> datetime | None:
    """The day it appeared, online first; the day of registration where only a month or a year is told, or a day to
    come (the date of an issue that is not printed yet)."""
    created = _day(within(item, "created"))
    for key in ("published-online", "published"):
        day = _day(within(item, key))
        if day and (created is None or day <= created):
            return day
    return created


def _day(dated: Record) -> datetime | None:
    parts = dated.get("date-parts")
    first = cast(list[Any], parts)[0] if isinstance(parts, list) and parts else None
    whole = [records.number(part) for part in cast(list[Any], first)] if isinstance(first, list) else []
    if len(whole) != 3 or not FIRST_YEAR <= (whole[0] or 0) <= LAST_YEAR:
        return None
    try:
        return datetime(whole[0] or 0, whole[1] or 0, whole[2] or 0, tzinfo=UTC)
    except ValueError:
        return None


def _with_hyphen(issn: str) -> str:
    plain = issn.strip().upper().replace("-", "")
    return f"{plain[:4]}-{plain[4:]}"


def wants(source: Source) -> str:
    journals = source.given("journals")
    if not journals and not source.one("query"):
        return "needs journals (their ISSNs, such as 0028-0836) or a query"
    wrong = next((issn for issn in journals if not _ISSN.fullmatch(issn.strip()) or not _checks(issn)), "")
    if wrong:
        return f'has the journal "{wrong}", which is no ISSN (such as 0028-0836)'
    return records.needs_a_web_address(source)


def _checks(issn: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO 3297)."""
    digits = issn.strip().upper().replace("-", "")
    total = sum(int(digit) * weight for digit, weight in zip(digits[:7], range(8, 1, -1), strict=True))
    return digits[7] == "0123456789X"[-total % 11]


CROSSREF = SourceKind(
    name="crossref",
    about="what journals newly publish, from Crossref",
    plan=plan,
    parse=parse,
    follow=follow,
    wants=wants,
    options={
        "journals": "the journals, by ISSN (print or online)",
        "query": "words of titles or authors; the 100 likeliest are taken, from the journals if any are named",
    },
    has_past=True,
    shape=re.compile(rb'"message-type"\s*:\s*"work'),
)
