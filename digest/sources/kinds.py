"""The kinds of sources there are: a name gives a SourceKind, and a bare document gives the name of its kind.

A new kind is one file with a SourceKind and one line here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from digest.model.errors import ConfigError
from digest.model.feeds import SourceKind
from digest.sources.arxiv import ARXIV
from digest.sources.huggingface import HUGGINGFACE
from digest.sources.syndication import FEED

KINDS: Mapping[str, SourceKind] = MappingProxyType({kind.name: kind for kind in (FEED, ARXIV, HUGGINGFACE)})


def kind_of(name: str) -> SourceKind:
    """The kind of that name; ConfigError names the nearest one that exists."""
    if name in KINDS:
        return KINDS[name]
    near = difflib.get_close_matches(name.lower(), KINDS, n=1, cutoff=0.4)
    advice = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(
        f"there is no source kind {name!r}", where="kind", try_=f"{advice}The kinds are {', '.join(sorted(KINDS))}"
    )


def sniff(url_or_path: str, body: bytes) -> str:
    """The name of the kind that reads this document, from its content, else its address; ``feed`` if nothing tells."""
    head = body[:20_000].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if head[:1] in (b"{", b"["):
        return "feed" if _is_json_feed(head) or not _is_papers(url_or_path, head) else "huggingface"
    host = (urlsplit(url_or_path).hostname or "") if "://" in url_or_path else ""
    if host in ("rss.arxiv.org", "export.arxiv.org"):
        return "arxiv"
    return "arxiv" if re.search(rb"xmlns:\w+\s*=\s*[\"']https?://arxiv\.org/schemas/atom", head) else "feed"


def _is_json_feed(head: bytes) -> bool:
    return b"jsonfeed.org/version/" in head


def _is_papers(url_or_path: str, head: bytes) -> bool:
    return "daily_papers" in url_or_path or re.search(rb"[\"']paper[\"']\s*:\s*\{", head) is not None
