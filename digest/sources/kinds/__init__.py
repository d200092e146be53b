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
from digest.sources.kinds.arxiv import ARXIV
from digest.sources.kinds.biorxiv import BIORXIV, MEDRXIV
from digest.sources.kinds.crossref import CROSSREF
from digest.sources.kinds.elsewhere import Kinds
from digest.sources.kinds.feed import FEED
from digest.sources.kinds.github import GITHUB
from digest.sources.kinds.hackernews import HACKERNEWS
from digest.sources.kinds.huggingface import HUGGINGFACE
from digest.sources.kinds.jsonl import FILE
from digest.sources.kinds.mailboxes import IMAP, MAILDIR
from digest.sources.kinds.openalex import OPENALEX
from digest.sources.kinds.openreview import OPENREVIEW
from digest.sources.kinds.program import COMMAND
from digest.sources.kinds.pubmed import PUBMED
from digest.sources.kinds.semanticscholar import SEMANTICSCHOLAR

KINDS: Mapping[str, SourceKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            FEED,
            ARXIV,
            HUGGINGFACE,
            BIORXIV,
            MEDRXIV,
            PUBMED,
            CROSSREF,
            OPENALEX,
            SEMANTICSCHOLAR,
            HACKERNEWS,
            GITHUB,
            OPENREVIEW,
            MAILDIR,
            IMAP,
            FILE,
            COMMAND,
        )
    }
)


def installed() -> Kinds:
    """Our kinds and those that other packages bring (entry point group ``digest.sources``)."""
    return Kinds(KINDS)


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
        advice = f"`digest sources kinds` tells what {kind.name} takes, docs/sources.md more"
        raise ConfigError(f"{named} {wanting}", where=where, try_=advice)


def sniff(url_or_path: str, body: bytes) -> str:
    """The name of the kind that reads this document, from its content, else its address; ``feed`` if nothing tells."""
    head = body[:20_000].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if head[:1] in (b"{", b"["):
        if MAILBOX.match(head):
            return "maildir"
        if _is_lines(url_or_path, head):
            return "file"
        if _is_json_feed(head):
            return "feed"
        return "huggingface" if _is_papers(url_or_path, head) else _by_shape(head)
    host = (urlsplit(url_or_path).hostname or "") if "://" in url_or_path else ""
    if host in ("rss.arxiv.org", "export.arxiv.org"):
        return "arxiv"
    return "arxiv" if re.search(rb"xmlns:\w+\s*=\s*[\"']https?://arxiv\.org/schemas/atom", head) else _by_shape(head)


def _by_shape(head: bytes) -> str:
    """The kind whose service answers so; ``feed`` if none does."""
    return next((name for name, kind in KINDS.items() if kind.shape and kind.shape.search(head)), FEED.name)


#: How the road to a mailbox begins its document (services/fetching/letters.py).
MAILBOX = re.compile(rb'\{\s*"digest_mails"\s*:')


def _is_lines(url_or_path: str, head: bytes) -> bool:
    """Papers as JSON Lines: one object ends where the first line does, and another one follows, or the name says so."""
    first, _, rest = head.partition(b"\n")
    whole = first.startswith(b"{") and first.rstrip().endswith(b"}") and b'"title"' in first and b'"items"' not in first
    return whole and (rest.lstrip()[:1] == b"{" or urlsplit(url_or_path).path.endswith((".jsonl", ".ndjson")))


def _is_json_feed(head: bytes) -> bool:
    return b"jsonfeed.org/version/" in head


def _is_papers(url_or_path: str, head: bytes) -> bool:
    return "daily_papers" in url_or_path or re.search(rb"[\"']paper[\"']\s*:\s*\{", head) is not None
