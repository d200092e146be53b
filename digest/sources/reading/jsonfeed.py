"""JSON Feed 1.0 and 1.1 (jsonfeed.org): takes a document, gives a ParsedFeed. Pure.

Also the reading of JSON bodies for the other kinds: one place that knows how JSON can be damaged.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, cast

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchResponse, ParsedFeed, Problem
from digest.sources.reading.dates import parse_date
from digest.sources.reading.ids import first_arxiv_id, first_doi
from digest.sources.reading.items import BadItem, digest_of, first_words
from digest.sources.reading.names import author_id, turn

#: Half a surrogate pair, escaped or in bytes.
_HALF = re.compile(rb"\\\0?u\0?[dD]\0?[89a-fA-F]|\xed[\xa0-\xbf]")


def load(response: FetchResponse) -> Any:
    """The body as JSON (RFC 8259, UTF-8; UTF-16 and UTF-32 are recognised). Raises ParseError with the place."""
    try:
        value = json.loads(response.body.lstrip(b"\xef\xbb\xbf \t\r\n"), parse_constant=lambda name: None)
        if _HALF.search(response.body) is None:
            return value
        # Half a surrogate pair is no character: no database and no mail could hold it.
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except json.JSONDecodeError as error:
        raise ParseError(
            f"the document is not whole JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            where=response.url,
            try_="nothing; it is tried again later. If it repeats, tell the publisher",
        ) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ParseError(
            f"the document is not JSON that can be read ({type(error).__name__})",
            where=response.url,
            try_="look at the address in a browser",
        ) from error


def parse(response: FetchResponse, *, limit: int) -> ParsedFeed:
    """The feed's entries. Raises ParseError if the JSON is not a JSON Feed."""
    loaded = load(response)
    feed = cast(dict[str, Any], loaded) if isinstance(loaded, dict) else {}
    items = feed.get("items")
    named = isinstance(feed.get("version"), str) and "jsonfeed.org" in feed["version"]
    if not isinstance(items, list) or not (
        named or "feed_url" in feed or "home_page_url" in feed or _speaks(cast(list[Any], items))
    ):
        raise ParseError(
            "the document is JSON, but not a JSON Feed (it has no `version` of jsonfeed.org with `items`)",
            where=response.url,
            try_="check the address, or the source's kind",
        )
    entries: list[EntryData] = []
    problems: list[Problem] = []
    language = _text(feed, "language")
    for number, item in enumerate(cast(list[Any], items), 1):
        where = f"entry {number}"
        if number > limit:
            problems.append(Problem(where=where, what=f"left out: more than {limit:,} entries in one document"))
        elif not isinstance(item, dict):
            problems.append(Problem(where=where, what="it is not an object"))
        else:
            try:
                entries.append(_entry(cast(dict[str, Any], item), language))
            except BadItem as error:
                problems.append(Problem(where=where, what=str(error)))
    return ParsedFeed(
        title=_text(feed, "title"),
        url=_text(feed, "home_page_url"),
        entries=tuple(entries),
        problems=tuple(problems),
        updated_at=max((at for at in map(_changed_at, cast(list[Any], items)[:limit]) if at), default=None),
    )


def _speaks(items: list[Any]) -> bool:
    """Whether the items have what only JSON Feed calls so: some feeds forget to say what they are."""
    first = cast(dict[str, Any], items[0]) if items and isinstance(items[0], dict) else {}
    return not {"content_html", "content_text", "date_published"}.isdisjoint(first)


def _changed_at(item: Any) -> datetime | None:
    fields = cast(dict[str, Any], item) if isinstance(item, dict) else {}
    return parse_date(fields.get("date_modified")) or parse_date(fields.get("date_published"))


def _entry(item: dict[str, Any], language: str) -> EntryData:
    content = _text(item, "content_html") or _text(item, "content_text")
    summary = _text(item, "summary")
    abstract = summary if summary and (len(content) < len(summary) or len(content) > 8_000) else content or summary
    title = _text(item, "title") or first_words(abstract)
    if not title:
        raise BadItem("it has neither a title nor a text")
    guid = _text(item, "id")
    link = _text(item, "url") or _text(item, "external_url")
    link = link or (guid if re.match(r"https?://", guid, re.I) else "")
    identities = (guid, link, _text(item, "external_url"))
    arxiv_id, version = first_arxiv_id(identities)
    authors = _authors(item)
    return EntryData(
        key=guid or link or digest_of(title, abstract),
        title=title,
        url=link,
        abstract=abstract,
        authors=tuple(authors),
        author_ids=tuple(authors.values()) if any(authors.values()) else (),
        categories=tuple(dict.fromkeys(tag.strip() for tag in _texts(item.get("tags")) if tag.strip())),
        published_at=parse_date(item.get("date_published")) or parse_date(item.get("date_modified")),
        arxiv_id=arxiv_id,
        version=version,
        doi=first_doi(identities),
        language=_text(item, "language") or language,
    )


def _authors(item: dict[str, Any]) -> dict[str, str]:
    """The item's authors (1.1), else its author (1.0), each with the id that its link is, if it is one; the feed's own
    author need not have written the paper.
    """
    several, one = item.get("authors"), item.get("author")
    people = cast(list[Any], several) if isinstance(several, list) and several else [one]
    found: dict[str, str] = {}
    for person in people:
        if isinstance(person, dict) and (name := _text(cast(dict[str, Any], person), "name")):
            found.setdefault(turn(name), author_id(_text(cast(dict[str, Any], person), "url")))
    return found


def _text(item: dict[str, Any], key: str) -> str:
    value = item.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and key == "id":
        return str(value)  # 1.1: a reader must coerce an id that is a number
    return value.strip() if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in cast(list[Any], value) if isinstance(text, str)) if isinstance(value, list) else ()
