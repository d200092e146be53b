"""What machines read of the archive: Atom (RFC 4287), JSON Feed 1.1 and a sitemap (sitemaps.org). Takes texts and
printed papers, gives bytes.

The address of an entry is the paper's own, its id the permalink, which stays when the paper moves. Texts are HTML, so
that a formula's ``<`` is no element to anybody. DOI and PDF stand where readers of papers look for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from xml.etree import ElementTree

from digest.model.editions import Item
from digest.rendering.items import safe_url
from digest.rendering.text import plain

ATOM = "http://www.w3.org/2005/Atom"
_PRISM = "http://prismstandard.org/namespaces/basic/2.0/"
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
#: What XML 1.0 cannot hold; ``plain`` leaves none of it, but a configured title does not go through it.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST_AUTHORS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """The feed itself; addresses are absolute."""

    title: str
    subtitle: str
    author: str
    page: str
    atom: str
    json: str
    language: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """One paper of a feed."""

    permalink: str
    item: Item
    updated_at: datetime
    """When the edition was composed."""


def atom(channel: Channel, posts: Sequence[Post]) -> bytes:
    """An Atom feed document."""
    ElementTree.register_namespace("", ATOM)
    ElementTree.register_namespace("prism", _PRISM)
    feed = ElementTree.Element(_a("feed"))
    if channel.language:
        feed.set("{http://www.w3.org/XML/1998/namespace}lang", channel.language)
    _say(feed, "id", channel.atom)
    _say(feed, "title", channel.title)
    if channel.subtitle:
        _say(feed, "subtitle", channel.subtitle)
    _say(feed, "updated", _stamp(max((post.updated_at for post in posts), default=_NEVER)))
    _link(feed, "self", channel.atom, "application/atom+xml")
    _link(feed, "alternate", channel.page, "text/html")
    _say(ElementTree.SubElement(feed, _a("author")), "name", channel.author or channel.title)
    for post in posts:
        _entry(ElementTree.SubElement(feed, _a("entry")), post)
    return ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True)


def json_feed(channel: Channel, posts: Sequence[Post]) -> bytes:
    """A JSON Feed document."""
    document: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": channel.title,
        "home_page_url": channel.page,
        "feed_url": channel.json,
        **({"description": channel.subtitle} if channel.subtitle else {}),
        **({"language": channel.language} if channel.language else {}),
        "authors": [{"name": channel.author or channel.title}],
        "items": [_record(post) for post in posts],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "replace")


def sitemap(pages: Iterable[tuple[str, datetime | None]]) -> bytes:
    """A sitemap of (absolute address, when it changed last)."""
    ElementTree.register_namespace("", ATOM)
    urls = ElementTree.Element("urlset", {"xmlns": _SITEMAP})
    for address, at in pages:
        url = ElementTree.SubElement(urls, "url")
        ElementTree.SubElement(url, "loc").text = address
        if at is not None:
            ElementTree.SubElement(url, "lastmod").text = _stamp(at)
    return ElementTree.tostring(urls, encoding="utf-8", xml_declaration=True)


def _entry(entry: ElementTree.Element, post: Post) -> None:
    item = post.item
    _say(entry, "id", post.permalink)
    _say(entry, "title", escape(_title(item), quote=False), type="html")
    _say(entry, "updated", _stamp(post.updated_at))
    if item.published_at is not None:
        _say(entry, "published", _stamp(item.published_at))
    for name in _authors(item):
        _say(ElementTree.SubElement(entry, _a("author")), "name", name)
    url = safe_url(item.url)
    _link(entry, "alternate", url or post.permalink, "text/html")
    if url:
        _link(entry, "related", post.permalink, "text/html")
    if pdf := safe_url(item.pdf_url):
        _link(entry, "related", pdf, "application/pdf")
    for category in item.categories:
        ElementTree.SubElement(entry, _a("category"), term=_xml(plain(category, 100)))
    if item.doi:
        ElementTree.SubElement(entry, f"{{{_PRISM}}}doi").text = _xml(plain(item.doi, 200))
    if item.abstract:
        _say(entry, "summary", escape(plain(item.abstract), quote=False), type="html")


def _record(post: Post) -> dict[str, Any]:
    item = post.item
    published = {"date_published": _stamp(item.published_at)} if item.published_at is not None else {}
    authors = _authors(item)
    return {
        "id": post.permalink,
        "url": safe_url(item.url) or post.permalink,
        "title": _title(item),
        "content_html": f"<p>{escape(plain(item.abstract) or _title(item), quote=False)}</p>",
        **published,
        "date_modified": _stamp(post.updated_at),
        **({"authors": [{"name": name} for name in authors]} if authors else {}),
        **({"tags": [plain(one, 100) for one in item.categories]} if item.categories else {}),
        **({"language": plain(item.language, 20)} if item.language else {}),
    }


def _title(item: Item) -> str:
    return plain(item.title, 600) or plain(item.work, 100)


def _authors(item: Item) -> tuple[str, ...]:
    return tuple(filter(None, (_xml(plain(name, 120)) for name in item.authors[:_MOST_AUTHORS])))


def _say(parent: ElementTree.Element, name: str, text: str, **attributes: str) -> None:
    ElementTree.SubElement(parent, _a(name), attributes).text = _xml(text)


def _link(parent: ElementTree.Element, rel: str, href: str, kind: str) -> None:
    ElementTree.SubElement(parent, _a("link"), {"rel": rel, "type": kind, "href": _xml(href)})


def _a(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _stamp(at: datetime) -> str:
    """RFC 3339, in whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
