"""Kind ``feed``: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0, JSON Feed 1.0 and 1.1.

Takes and gives what every kind does.
"""

from __future__ import annotations

from datetime import date, datetime

from digest.model.feeds import FetchRequest, FetchResponse, ParsedFeed, Source, SourceKind
from digest.sources.reading import document, jsonfeed
from digest.sources.reading.items import entry_of
from digest.sources.reading.syndication import MOST_ENTRIES, parse_xml
from digest.sources.requests import no_more, request_for, wants_a_document

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/json;q=0.8, application/xml;q=0.8, text/xml;q=0.7, */*;q=0.1"
)


def plan(source: Source, now: datetime, since: date | None) -> tuple[FetchRequest, ...]:
    """One document; a feed has no past, so ``since`` changes nothing."""
    del now, since
    return (request_for(source, source.url, ACCEPT),)


def parse(source: Source, response: FetchResponse) -> ParsedFeed:
    """The document's entries. Raises ParseError if it is not a feed."""
    del source
    if document.shape(response).form == "json":
        return jsonfeed.parse(response, limit=MOST_ENTRIES)
    return parse_xml(response, entry_of)


FEED = SourceKind(
    name="feed", about="RSS, Atom and JSON Feed", plan=plan, parse=parse, follow=no_more, wants=wants_a_document
)
