"""What kind of document a body is, before any parser touches it: empty, JSON, or XML with this root element. Pure.

Takes raw bytes, gives a Shape, or raises ParseError for what no feed can be: nothing, an HTML page, a list of feeds,
and XML that declares entities ("billion laughs", external files; W3C XML 1.0 section 4.2). A plain DOCTYPE, as in RSS
0.91, is fine.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from digest.model.errors import ParseError
from digest.model.feeds import FetchResponse

#: How far the root element is looked for; what stands before it is comments, a DOCTYPE and white space.
PROLOG = 65_536

_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<\?.*?(?:\?>|\Z)"
    r"|<!DOCTYPE(?:\s+[^\s\[>\"']+)?(?:\s+(?:SYSTEM|PUBLIC))?(?:\s*(?:\"[^\"]*\"|'[^']*'))*"
    r"|<!ENTITY"
    r"|<([A-Za-z_][\w.:-]*)",
    re.DOTALL | re.IGNORECASE,
)
_FEED_LINK = re.compile(
    rb"<link\b[^>]*\btype\s*=\s*[\"']?application/(?:rss|atom|feed)\+(?:xml|json)[^>]*>", re.IGNORECASE
)
_HREF = re.compile(rb"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_PAGE = frozenset({"html", "head", "body", "div", "p", "script", "title", "meta", "table", "center", "h1", "pre"})


@dataclass(frozen=True, slots=True)
class Shape:
    """``form`` is ``json`` or ``xml``; ``root`` is the XML root element's local name in lower case."""

    form: str
    root: str = ""


def shape(response: FetchResponse) -> Shape:
    """Look at the body's beginning. Raises ParseError where no feed of any kind can be meant."""
    body, where = response.body, response.url
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if not body.strip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"):
        raise ParseError("the document is empty", where=where, try_="look at the address in a browser")
    if start in (b"{", b"["):
        return Shape("json")
    names = [_root(text, where) for text in _readings(response)]
    root = next((name for name in names if name), "").rpartition(":")[2].lower()
    if not root:
        raise ParseError(
            "the document is neither XML nor JSON, so not a feed", where=where, try_="look at the address in a browser"
        )
    if root == "opml":
        raise ParseError(
            "this is a list of feeds (OPML), not a feed", where=where, try_="digest sources import-opml reads it"
        )
    if root in _PAGE:
        raise ParseError("this is an HTML page, not a feed", where=where, try_=_advice(body))
    return Shape("xml", root)


def is_wide(body: bytes) -> bool:
    """True for UTF-16 and UTF-32, where a NUL byte is part of most characters."""
    return body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in body[:4]


def narrowed(body: bytes) -> bytes:
    """UTF-16 and UTF-32 as UTF-8, so that bytes can be looked through; anything else as it is."""
    if not is_wide(body):
        return body
    if body[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        codec = "utf-32"
    elif body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        codec = "utf-16"
    else:  # no byte order mark: the NUL bytes of the first character tell
        codec = ("utf-32" if body[:4].count(0) == 3 else "utf-16") + ("-be" if body[:1] == b"\x00" else "-le")
    return body.decode(codec, "replace").encode("utf-8", "replace")


def _root(text: str, where: str) -> str:
    for token in _TOKEN.finditer(text):
        if token[0].upper() == "<!ENTITY":
            raise ParseError(
                "the document declares XML entities, which a feed does not need and an attack does; it is not read",
                where=where,
                try_="ask the publisher for a feed without a DTD of its own",
            )
        if token[1]:
            return token[1]
    return ""


def _readings(response: FetchResponse) -> Iterator[str]:
    """The beginning, read as every encoding that a parser might choose: what is hidden in one shows in another."""
    head = response.body[:PROLOG]
    yield head.replace(b"\x00", b"").decode("latin-1")
    declared = re.search(rb"encoding\s*=\s*[\"']([\w.:-]+)", head[:300])
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", response.headers.get("content-type", ""), re.IGNORECASE)
    names = {declared[1].decode("ascii")} if declared else set[str]()
    names |= {charset[1]} if charset else set[str]()
    names |= {"cp037"} if head.startswith(b"\x4c\x6f\xa7\x94") else set[str]()
    for name in sorted(names):
        try:
            yield head.decode(name, "ignore")
        except (LookupError, UnicodeError, ValueError):
            continue


def _advice(body: bytes) -> str:
    """An HTML page often names its feed (``<link rel="alternate" type="application/rss+xml" href=…>``)."""
    link = _FEED_LINK.search(body[:500_000])
    href = _HREF.search(link[0]) if link else None
    if href is None:
        return "give the address of the feed itself; a page of a site often links to it"
    address = (href[1] or href[2] or href[3] or b"").decode("utf-8", "replace")
    return f"the page names this feed: {html.unescape(address)}"
