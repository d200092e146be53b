"""What kinds of sources ask for and want in the same way. Pure."""

from __future__ import annotations

import re

from digest.model.feeds import FetchRequest, ParsedFeed, Source


def request_for(source: Source, url: str, accept: str) -> FetchRequest:
    """With what the source may do; it may name files if the operator wrote it."""
    return FetchRequest(url=url, accept=accept, allow_private=source.allow_private, allow_files=source.from_operator)


def without_password(url: str) -> str:
    """An address as it may be shown: a name and password before the host are left out."""
    return re.sub(r"^([\w+.-]+://)[^/?#]*@", r"\1", url)


def no_more(request: FetchRequest, parsed: ParsedFeed) -> FetchRequest | None:
    """A feed is one document."""
    del request, parsed


def wants_a_document(source: Source) -> str:
    """For kinds that read one document: it needs an address, of the web or of a file."""
    if not source.url:
        return "needs a url"
    scheme = source.url.partition("://")[0].lower() if "://" in source.url else ""
    return "" if scheme in ("", "http", "https", "file") else "should have an http, https or file: URL, or a path"
