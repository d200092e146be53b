"""One RSS or Atom item, as feedparser read it, becomes EntryData. Pure.

Knows the habits of those who publish papers: PRISM and Dublin Core of journals, author lines in one element,
descriptions made of bibliography (Elsevier, Pensoft, HighWire, Schweizerbart, CNKI), lists of Hugging Face papers with
votes inside the HTML, points and comment counts of aggregators. Texts stay as written, HTML included.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, cast
from urllib.parse import urljoin

from digest.model.feeds import EntryData
from digest.sources.reading.dates import from_tuple, parse_date
from digest.sources.reading.ids import first_arxiv_id, first_doi
from digest.sources.reading.names import author_id, names_of, split_names

#: A text longer than this is an article, not an abstract; the summary is then the better one.
_ABSTRACT = 8_000
_TITLE_WORDS = 12

#: A tag of BCP 47, as far as we look at it.
LANGUAGE = r"[A-Za-z]{2,3}(?:-\w+)*"

_TAG = re.compile(r"<[^>]{0,2000}>")
_LABELLED = re.compile(
    r"<(?:b|strong)>\s*(Authors?|Upvotes|Summary|Abstract)\s*:?\s*</(?:b|strong)>\s*:?(.*?)(?:</p>|\Z)", re.S | re.I
)
_ELSEVIER_AUTHORS = re.compile(r"<p>\s*Author\(s\):\s*(.*?)\s*</p>", re.S)
_ELSEVIER = re.compile(r"<p>\s*(?:Publication date:|<b>Source:</b>|Author\(s\):)")
_ELSEVIER_DATE = re.compile(
    r"<p>\s*Publication date:\s*(?:Available online\s+)?(\d{1,2}\s+)?([A-Z][a-z]+\s+\d{4})\s*</p>"
)
#: Pensoft's ``<p>DOI: …</p><p>Authors: …</p><p>Abstract: …</p>``.
_PARAGRAPHS = re.compile(r"<p>\s*(DOI|Authors?|Abstract)\s*:\s*(.{0,30000}?)\s*</p>", re.S)
#: HighWire's pages, as copies of bioRxiv's lists carry them: a citation, and no abstract.
_HIGHWIRE = re.compile(
    r"nlm-given-names\">([^<]{1,100})</span>\s*<span class=\"nlm-surname\">([^<]{1,100})<"
    r"|\"nlm-collab\"[^<>]{0,200}>([^<]{1,200})<"
)
#: Schweizerbart's ``</h1> <b>Last, First; …</b>``, and its heading above the abstract.
_BOLD_AUTHORS = re.compile(r"</h1>\s*<b>([^<]{3,2000})</b>")
_ABSTRACT_HEADING = re.compile(r"<h\d>\s*Abstract\s*</h\d>", re.IGNORECASE)
#: A last paragraph that names the place of its link and nothing more (Google Scholar's alerts as a feed).
_PLACE_LAST = re.compile(r"<p>\s*<a\s[^<>]{0,2000}>\s*[\w-]+(?:\.[\w-]+)+\s*</a>\s*</p>\s*\Z")
#: PubMed's content: the journal's line, a heading, the abstract, the numbers.
_PUBMED = re.compile(r"<p[^>]{0,200}>\s*<b>ABSTRACT</b>\s*</p>(.{0,50000}?)(?=<p[^>]{0,200}>\s*PMID:|\Z)", re.S)
#: What stands where an abstract would: nothing, or the pages of an issue (Taylor & Francis, Wiley).
_NO_ABSTRACT = re.compile(r"[\s.…–-]*|n/?a\W*|(?:[^.,]{0,100},\s*)?volume \d+\b.{0,150}\bpages? \S{1,30}.{0,60}", re.I)
#: CNKI's ``First LAST;First LAST;</br>`` before the abstract.
_NAMES_FIRST = re.compile(r"\s*((?:[^<>;]{2,60};){1,100})\s*</?br\s*/?>")
_COMMENTS = re.compile(r"\bComments:\s*(\d{1,7})\b|\[(\d{1,7})\s+comments?\]|\bcomments?\s*\((\d{1,7})\)", re.I)
#: The colon first: it is found at once, where a word would be tried at every place.
_VOTES = re.compile(r":(?:(?<=\bPoints:)|(?<=\bUpvotes:))\s*(\d{1,7})\b", re.I)
_ARXIV_SUFFIX = re.compile(r"\s*\(arXiv:(\S+?)(?:\s+\[([\w.-]+)\])?(?:\s+UPDATED)?\)\s*$")


#: A link that says everything: completing it changes nothing, and takes most of the time that an item's links take.
_WHOLE = re.compile(r"https?://[\w.-]+/[\w./-]*[\w/]", re.ASCII)


class BadItem(Exception):
    """An item that cannot be taken; the text says why."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a description says apart from the abstract."""

    abstract: str
    authors: tuple[str, ...] = ()
    upvotes: int | None = None
    comments: int | None = None
    doi: str | None = None
    published_at: datetime | None = None


def entry_of(item: Mapping[str, Any], base: str) -> EntryData:
    """Read one item; ``base`` completes its relative links. Raises BadItem if nothing could be printed of it."""
    told = _told(_abstract(item))
    title, suffix = _title(item, told.abstract)
    guid, link = text(item, "id"), link_of(item, base)
    guid = absolute(base, guid) if guid.startswith("/") else guid
    named = tuple(text(item, key) for key in _DOI_KEYS if key in item)
    identities = (guid, link, text(item, "prism_url"), suffix, *named)
    arxiv_id, version = first_arxiv_id(identities)
    people = _people(item)
    authors = names_of(name for name, _ in people) or told.authors
    return EntryData(
        key=guid or link or digest_of(title, told.abstract),
        title=title,
        url=link,
        abstract="" if _is_repeated(text(item, "title"), told.abstract) else told.abstract,
        authors=authors,
        author_ids=_author_ids(people, len(authors)),
        categories=_categories(item),
        published_at=_date(item, "published", "updated", "created", "prism_publicationdate") or told.published_at,
        arxiv_id=arxiv_id,
        version=version,
        doi=first_doi((*named, guid, link)) or told.doi,
        upvotes=told.upvotes,
        comments=_number(text(item, "slash_comments")) if text(item, "slash_comments") else told.comments,
        pdf_url=next((absolute(base, href) for href, kind in _links(item) if kind == "application/pdf"), ""),
        language=_language(item),
    )


_DOI_KEYS = ("prism_doi", "dc_identifier", "arxiv_doi", "citation_doi", "doi")


def text(item: Mapping[str, Any], key: str) -> str:
    """A field's text; feedparser gives lists or mappings where a feed repeats or nests it."""
    value = item.get(key)
    return value.strip() if isinstance(value, str) else ""


def date_of(item: Mapping[str, Any], key: str) -> datetime | None:
    """One of an item's dates, by our reading of its text, else by feedparser's.

    Asking whether the key is there keeps feedparser from answering `updated` with another date.
    """
    if key not in item:
        return None
    return parse_date(item.get(key)) or from_tuple(item.get(f"{key}_parsed"))


def link_of(item: Mapping[str, Any], base: str) -> str:
    """The item's own page: feedburner's original link, the alternate link, or a guid that is a link."""
    linked = (text(item, "feedburner_origlink"), text(item, "link"), *(href for href, _ in _links(item)))
    candidates = chain((absolute(base, link) for link in linked if link), (text(item, "id"),))
    return next((link for link in candidates if re.match(r"https?://", link, re.I)), "")


def absolute(base: str, link: str) -> str:
    """The link, completed from ``base``; as it is if it cannot be taken apart."""
    if _WHOLE.fullmatch(link):
        return link
    try:
        return urljoin(base, link)
    except ValueError:
        return link


def digest_of(*texts: str) -> str:
    """A key for an item without id and link."""
    return "hash:" + hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest()[:32]


def first_words(body: str) -> str:
    """A title for what has none: the first words of its text, or an empty string."""
    words = html.unescape(_TAG.sub(" ", body[:5_000])).split()
    return " ".join(words[:_TITLE_WORDS])[:200] + (" …" if len(words) > _TITLE_WORDS else "")


def _title(item: Mapping[str, Any], abstract: str) -> tuple[str, str]:
    """The title, and what arXiv's older feeds and their copies append to it: ``(arXiv:ID [cs.CL])``."""
    title = text(item, "title")
    suffix = _ARXIV_SUFFIX.search(title[-200:])
    if suffix:
        return title[: len(title) - len(suffix[0])], f"arXiv:{suffix[1]}"
    title = title or first_words(abstract)
    if not title:
        raise BadItem("it has neither a title nor a text")
    return title, ""


def _is_repeated(title: str, abstract: str) -> bool:
    """Whether the text says the title again, and nothing else."""
    if len(abstract) > 2 * len(title) + 200:
        return False
    return "".join(_plain(abstract).split()).casefold() == "".join(_plain(title).split()).casefold()


def _abstract(item: Mapping[str, Any]) -> str:
    """The summary, or the content where that goes on with it or says at least twice as much."""
    summary = text(item, "summary")
    contents = [value for part in item.get("content") or () if isinstance(value := part.get("value"), str)]
    content = max(contents, key=len, default="")
    if not summary:
        return content
    if not len(summary) < len(content) <= _ABSTRACT:
        return summary
    fuller = len(content) >= 2 * len(summary) or _start(content) == _start(summary)
    return content if fuller else summary


def _start(markup: str) -> str:
    return "".join(_plain(markup[:600]).split())[:60]


def _told(body: str) -> _Told:
    end = body[-5_000:]
    comments = _first_number(_COMMENTS, end) if "comment" in end.lower() else None
    labelled = {label.lower().rstrip("s"): value for label, value in _LABELLED.findall(body)}
    if "upvote" in labelled:
        return _Told(
            abstract=labelled.get("summary", labelled.get("abstract", "")).strip(),
            authors=split_names(_plain(labelled.get("author", ""))),
            upvotes=_number(_plain(labelled["upvote"])),
            comments=comments,
        )
    if _ELSEVIER.match(body):
        line, day = _ELSEVIER_AUTHORS.search(body), _ELSEVIER_DATE.search(body)
        return _Told(
            abstract="",
            authors=split_names(_plain(line[1])) if line else (),
            published_at=parse_date(f"{(day[1] or '1').strip()} {day[2]}") if day else None,
        )
    if len(body) < 300 and _plain(body).lower() in ("comments", "[link]", "link"):
        return _Told(abstract="")
    bibliography = _bibliography(body)
    if bibliography is not None:
        return bibliography
    return _Told(abstract=body, upvotes=_first_number(_VOTES, _plain(end)), comments=comments)


def _bibliography(body: str) -> _Told | None:
    """What publishers pack into a description besides the abstract; None where it is just a text."""
    if "<p>" in body[:2_000] and "Authors" in body[:5_000]:
        told = {label.rstrip("s"): value for label, value in _PARAGRAPHS.findall(body)}
        if "Author" in told:
            authors = split_names(_plain(told["Author"]))
            return _Told(
                abstract=told.get("Abstract", ""), authors=authors, doi=first_doi((_plain(told.get("DOI", "")),))
            )
    if "highwire-cite" in body[:5_000] and (people := _HIGHWIRE.findall(body)):
        return _Told(abstract="", authors=tuple(_plain(" ".join(filter(None, parts))) for parts in people))
    if "</h1>" in body and (heading := _ABSTRACT_HEADING.search(body)) and (line := _BOLD_AUTHORS.search(body)):
        return _Told(abstract=body[heading.end() :], authors=split_names(_plain(line[1])))
    if "<b>ABSTRACT</b>" in body and (pubmed := _PUBMED.search(body)):
        return _Told(abstract=pubmed[1])
    if len(body) < 600 and _NO_ABSTRACT.fullmatch(" ".join((_plain(body) or body).split())):
        return _Told(abstract="")
    if heading := _ABSTRACT_HEADING.match(body.lstrip()):
        return _Told(abstract=body.lstrip()[heading.end() :])
    if (link := body.rfind("<p>")) > 0 and _PLACE_LAST.match(body, link):
        return _Told(abstract=body[:link])
    first = _NAMES_FIRST.match(body)
    if first is None:
        return None
    return _Told(abstract=body[first.end() :], authors=tuple(map(_lowered, split_names(_plain(first[1])))))


def _lowered(name: str) -> str:
    """A name whose family name is printed in capitals, as others write it."""
    given, gap, family = name.rpartition(" ")
    return f"{given}{gap}{family.title()}" if given and family.isupper() and len(family) > 1 else name


def _plain(markup: str) -> str:
    return html.unescape(_TAG.sub(" ", markup)).strip()


def _first_number(pattern: re.Pattern[str], body: str) -> int | None:
    found = pattern.search(body)
    return int(next(group for group in found.groups() if group)) if found else None


def _number(value: str) -> int | None:
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def _people(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, link) of each author element that has a name."""
    if not item.get("authors"):
        return [(text(item, "creator"), "")]  # Dublin Core whose maker lost the prefix
    return [
        (name.removeprefix("/u/"), href if isinstance(href := author.get("href"), str) else "")
        for author in _elements(item, "authors")
        if isinstance(name := author.get("name"), str)
    ]


def _author_ids(people: Sequence[tuple[str, str]], names: int) -> tuple[str, ...]:
    """The ids that Atom's uri elements are, beside the names; none unless each name has an element of its own."""
    ids = tuple(author_id(href) if href else "" for _, href in people)
    return ids if any(ids) and len(ids) == names else ()


def _elements(item: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """What feedparser lists under a key, as plain mappings: its own are many times slower to look things up in."""
    return (dict(cast(Mapping[str, Any], part)) for part in item.get(key) or () if isinstance(part, dict))


def _categories(item: Mapping[str, Any]) -> tuple[str, ...]:
    terms = (tag.get("term") or tag.get("label") for tag in _elements(item, "tags"))
    return tuple(dict.fromkeys(term.strip() for term in terms if isinstance(term, str) and term.strip()))


def _links(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for link in _elements(item, "links"):
        href, kind = link.get("href"), link.get("type")
        if isinstance(href, str):
            yield href.strip(), kind if isinstance(kind, str) else ""


def _date(item: Mapping[str, Any], *keys: str) -> datetime | None:
    return next((at for key in keys if (at := date_of(item, key)) is not None), None)


def _language(item: Mapping[str, Any]) -> str:
    detail = cast(Mapping[str, Any], item.get("title_detail") or item.get("summary_detail") or {})
    language = text(item, "language") or text(detail, "language")
    return language if re.fullmatch(LANGUAGE, language) else ""
