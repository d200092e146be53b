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
from digest.model.feeds import Source, SourceKind
from digest.sources.arxiv import ARXIV
from digest.sources.huggingface import HUGGINGFACE
from digest.sources.syndication import FEED

KINDS: Mapping[str, SourceKind] = MappingProxyType({kind.name: kind for kind in (FEED, ARXIV, HUGGINGFACE)})


def kind_of(name: str, kinds: Mapping[str, SourceKind] = KINDS, *, where: str = "kind") -> SourceKind:
    """The kind of that name; ConfigError names the nearest one that exists."""
    if name in kinds:
        return kinds[name]
    near = difflib.get_close_matches(name.lower(), kinds, n=1, cutoff=0.4)
    advice = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(
        f"there is no source kind {name!r}", where=where, try_=f"{advice}The kinds are {', '.join(sorted(kinds))}"
    )


def check(source: Source, kinds: Mapping[str, SourceKind] = KINDS, *, where: str) -> None:
    """Raises ConfigError where a source's kind does not exist, misses something, or does not know what was given."""
    kind = kind_of(source.kind, kinds, where=f"{where}: kind")
    named = f'the source "{source.id}"'
    given = [name for name, _ in source.options] + ["category"] * bool(source.category)
    for name in given:
        if name not in kind.options:
            others = sorted(one.name for one in kinds.values() if name in one.options)
            known = f"known to {', '.join(others)}" if others else "known to no kind"
            offers = ", ".join(sorted(kind.options)) or "no such keys"
            raise ConfigError(
                f"{named} has {name}, which kind {kind.name} does not know",
                where=where,
                try_=f"it is {known}; {kind.name} reads {offers}",
            )
    wanting = kind.wants(source)
    if wanting:
        raise ConfigError(f"{named} {wanting}", where=where, try_=f"docs/sources.md tells what {kind.name} takes")


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
