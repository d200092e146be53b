"""Syndication: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, read with feedparser. Pure.

Takes one fetched document, gives a ParsedFeed whose texts are as the feed wrote them (entries.normalize cleans them).
XML is read by feedparser, which always gets bytes. Damage costs only what it touches: an item that cannot be taken is
a Problem, a document that was cut off keeps the items that were whole. What is no feed at all is a ParseError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import feedparser  # pyright: ignore[reportMissingTypeStubs]

from digest.model.errors import ParseError
from digest.model.feeds import (
    EntryData,
    FetchResponse,
    ParsedFeed,
    Problem,
)
from digest.sources.asking.answers import max_age
from digest.sources.reading import document
from digest.sources.reading.items import LANGUAGE, BadItem, absolute, date_of

#: The newest entries of a longer feed are enough: a digest prints a few dozen.
MOST_ENTRIES = 5_000

Item = Mapping[str, Any]

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOSING = re.compile(rb"</(?:[\w.-]+:)?(?:item|entry)\s*>", re.IGNORECASE)
#: A document that lacks nothing but its very last ``>`` has ended, too.
_END = re.compile(rb"</(?:[\w.-]+:)?(?:rss|feed|rdf|channel)\s*>?\s*(?:<!--.*?-->\s*)*\Z", re.IGNORECASE | re.DOTALL)
#: What feedparser names no version of: a channel without the rss around it (Microsoft's CDF, too), an empty RSS 0.90.
_FEEDLIKE = re.compile(rb"<channel[\s>]|//channel\.netscape\.com/rdf/simple/0\.9/", re.IGNORECASE)
#: Bluesky's link element holds an address of its own network beside the web's; feedparser would take that one only.
_AT_URI = re.compile(rb"(<link)\s+uri\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*')(?=\s*>)")
#: No word is this long. feedparser looks for mail addresses in time that grows with the square of a run like this.
_LONGEST_RUN = 1_500
_LONG_RUN = re.compile(rb"([\w.+-]{%d})[\w.+-]+" % _LONGEST_RUN)
_HALF_RUN = re.compile(rb"[\w.+-]{%d}" % (_LONGEST_RUN // 2))
#: Control characters that XML 1.0 forbids; ESC stays, ISO-2022 encodings need it.
_FORBIDDEN = bytes(set(range(32)) - {0x09, 0x0A, 0x0D, 0x1B})


def parse_xml(response: FetchResponse, read: Callable[[Item, str], EntryData]) -> ParsedFeed:
    """RSS or Atom, each item read by ``read(item, base)``, which raises BadItem for one that says nothing."""
    body = document.narrowed(response.body).translate(None, _FORBIDDEN)
    body = _AT_URI.sub(rb"\1", _shortened(body))
    result = _feedparser(body, response)
    head = cast(Item, result["feed"])
    items = cast(Sequence[Item], result["entries"])
    damaged = "bozo_exception" in result and "SAX" in type(result["bozo_exception"]).__name__
    ended = not damaged or _END.search(body[-2_000:]) is not None
    known = result["version"] or _FEEDLIKE.search(body[:20_000])
    if not items and not (known and ended):
        raise _no_feed(response, result)
    cut = 0 if ended else _unfinished(body, len(items))
    whole = items[: len(items) - cut]
    link = _text(head, "link") or _alternate(head.get("atom_link"))
    base = _base(response) if response.url.startswith("http") else link
    # As plain mappings: looking things up in feedparser's own ones costs more than all the rest of an item.
    entries, problems = read_all(whole[:MOST_ENTRIES], lambda item: read(dict(item), base))
    language = response.headers.get("content-language", "").strip()
    if re.fullmatch(LANGUAGE, language):
        entries = tuple(replace(entry, language=entry.language or language) for entry in entries)
    if cut:
        problems += (Problem(where="the last entry", what="it is cut off; the document ends early"),)
    problems += tuple(
        Problem(where=f"entry {number}", what=f"left out: more than {MOST_ENTRIES:,} entries in one document")
        for number in range(MOST_ENTRIES + 1, len(whole) + 1)
    )
    day_names = _listed(body, b"skipDays", b"day")
    hours = _listed(body, b"skipHours", b"hour")
    return ParsedFeed(
        title=_text(head, "title"),
        url=absolute(base, link),
        entries=entries,
        problems=problems,
        skip_days=frozenset(_WEEKDAYS.index(name.lower()) for name in day_names if name.lower() in _WEEKDAYS),
        skip_hours=frozenset(int(hour) % 24 for hour in hours if hour.isdecimal()),
        ttl=_ttl(_text(head, "ttl")) or max_age(response.headers),
        updated_at=date_of(head, "updated") or date_of(head, "published"),
    )


def _shortened(body: bytes) -> bytes:
    """Without the ends of runs that are too long; looked for only if there is one, as that takes long, too.

    Wherever such a run begins, one of its halves fills a place of this grid.
    """
    grid = range(0, len(body), _LONGEST_RUN // 2)
    return _LONG_RUN.sub(rb"\1", body) if any(_HALF_RUN.match(body, at) for at in grid) else body


def read_all(
    items: Sequence[Any], read: Callable[[Any], EntryData]
) -> tuple[tuple[EntryData, ...], tuple[Problem, ...]]:
    """Each item on its own: what one of them does to us never stops the others."""
    entries: list[EntryData] = []
    problems: list[Problem] = []
    for number, item in enumerate(items, 1):
        try:
            entries.append(read(item))
        except BadItem as error:
            problems.append(Problem(where=f"entry {number}", what=str(error)))
        except Exception as error:  # a strange item must not cost the rest of the feed
            what = f"it cannot be read ({type(error).__name__}: {error})"
            problems.append(Problem(where=f"entry {number}", what=what))
    return tuple(entries), tuple(problems)


def _feedparser(body: bytes, response: FetchResponse) -> Mapping[str, Any]:
    # No base address: feedparser would turn ids like Reddit's t3_abc into links; entry_of resolves what is a link.
    headers = {"content-type": response.headers["content-type"]} if "content-type" in response.headers else {}
    if document.is_wide(response.body):
        headers = {"content-type": "application/xml; charset=utf-8"}  # it was narrowed, whatever it says of itself
    parse_bytes = cast(Callable[..., Mapping[str, Any]], feedparser.parse)  # pyright: ignore[reportUnknownMemberType]
    try:
        return parse_bytes(body, response_headers=headers, sanitize_html=False, resolve_relative_uris=False)
    except Exception as error:
        # feedparser lets a few odd documents escape as whatever its regular expressions stumbled over
        raise ParseError(
            f"the document cannot be read as a feed ({type(error).__name__})",
            where=response.url,
            try_="tell the publisher; a feed validator shows the place",
        ) from error


def _no_feed(response: FetchResponse, result: Mapping[str, Any]) -> ParseError:
    reason = result.get("bozo_exception")
    if result["version"]:
        what = f"the feed is cut off before its first entry ({reason})"
    elif reason is not None:
        what = f"the document is not a feed, and not well-formed XML ({reason})"
    else:
        what = "the document is XML, but not RSS or Atom"
    return ParseError(what, where=response.url, try_="look at the address in a browser")


def _unfinished(body: bytes, count: int) -> int:
    """1 if the last item of a document that was cut off has no closing tag, else 0."""
    return min(1, max(0, count - len(_CLOSING.findall(body))))


def _listed(body: bytes, outer: bytes, inner: bytes) -> tuple[str, ...]:
    """The texts inside ``<skipDays><day>…``; feedparser keeps only the last of them."""
    head = body[:200_000]
    block = re.search(rb"<%b>(.{0,2000}?)</%b>" % (outer, outer), head, re.DOTALL | re.IGNORECASE)
    found = re.findall(rb"<%b>\s*(\w+)\s*</%b>" % (inner, inner), block[1], re.IGNORECASE) if block else []
    return tuple(text.decode("ascii", "ignore") for text in found)


def _base(response: FetchResponse) -> str:
    """What relative links are completed from: where the server says that the document lies (RFC 9110 section 8.7)."""
    found = absolute(response.url, response.headers.get("content-location", ""))
    return found if re.match(r"https?://", found, re.IGNORECASE) else response.url


def _alternate(link: object) -> str:
    """The home page that an RSS channel names by an element of Atom's."""
    fields: Item = cast(Item, link) if isinstance(link, Mapping) else {}
    return _text(fields, "href") if fields.get("rel") == "alternate" else ""


def _ttl(text: str) -> timedelta | None:
    return timedelta(minutes=int(text)) if text.isascii() and text.isdigit() and 0 < int(text[:9]) < 10**7 else None


def _text(item: Item, key: str) -> str:
    value = item.get(key)
    return value.strip() if isinstance(value, str) else ""
