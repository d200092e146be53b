"""Lists of feeds as other readers exchange them: OPML 2.0, both ways. Pure."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass

from digest.model.errors import InputError
from digest.model.feeds import Source
from digest.sources.requests import without_password

ARXIV_FEED = "https://rss.arxiv.org/atom/"
#: Kinds whose url, where nothing else is given, is a feed's.
_FEEDS = frozenset({"feed", "arxiv", "biorxiv", "medrxiv", "pubmed"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """One feed of a list."""

    title: str
    url: str


def read_opml(document: bytes, *, name: str) -> tuple[Outline, ...]:
    """The feeds of a list, folders flattened, each address once. Raises InputError for anything else."""
    # A list of feeds needs no entities of its own; refusing them ends every attack that rests on them.
    if re.search(rb"<!(?:DOCTYPE|ENTITY)", document.replace(b"\x00", b""), re.IGNORECASE):
        raise InputError(
            "it declares a document type, which no list of feeds needs", where=name, try_="remove <!DOCTYPE …>"
        )
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - a document with entities never comes this far
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"it is not XML: {error}", where=name, try_="export the list of feeds as OPML") from error
    if root.tag.lower() != "opml":
        raise InputError(f"it is <{root.tag[:50]}>, not OPML", where=name, try_="export the list of feeds as OPML")
    found: dict[str, Outline] = {}
    for outline in root.iter("outline"):
        attributes = {key.lower(): value.strip() for key, value in outline.attrib.items()}
        url = attributes.get("xmlurl", "")
        if url:
            title = attributes.get("title") or attributes.get("text") or url
            found.setdefault(url, Outline(title=" ".join(title.split())[:200], url=url))
    return tuple(found.values())


def write_opml(sources: Sequence[Source], titles: Sequence[str]) -> tuple[str, tuple[Source, ...]]:
    """(the list, the sources that are no feed another program could read: searches, services, mailboxes, programs)."""
    root = ElementTree.Element("opml", version="2.0")
    ElementTree.SubElement(ElementTree.SubElement(root, "head"), "title").text = "Sources of Digest"
    body = ElementTree.SubElement(root, "body")
    left_out: list[Source] = []
    for source, title in zip(sources, titles, strict=True):
        url = _feed(source)
        if not url:
            left_out.append(source)
            continue
        ElementTree.SubElement(
            body, "outline", type="rss", text=title or source.id, title=title or source.id, xmlUrl=url
        )
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n', tuple(left_out)


def _feed(source: Source) -> str:
    """The address under which any reader finds what the source brings; empty where there is none."""
    if source.kind == "arxiv" and source.category and not source.url:
        return ARXIV_FEED + source.category
    url = without_password(source.url)
    is_feed = source.kind in _FEEDS and not source.options and not source.category
    return url if is_feed and url.lower().startswith(("http://", "https://")) else ""
