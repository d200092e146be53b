"""The address behind a link of a mail: redirects that carry their target are opened, marks of campaigns left out. Pure.

Google Scholar's ``scholar_url?url=``, Google's ``/url?q=``, the link checkers of Outlook and Proofpoint, and click
counters that write the target into a parameter or into their path. A counter that hides it stays closed: nothing here
asks the network.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_TARGETS = ("url", "u", "q", "target", "redirect", "redirecturl", "redirect_url", "dest", "destination", "link", "to")
_CHECKED = re.compile(r"https?://urldefense\.(?:com|us)/v3/__(.+?)__;", re.IGNORECASE)
_IN_PATH = re.compile(r"https?(?:://|%3A%2F%2F)[^/?#].*", re.IGNORECASE)
_CAMPAIGN = re.compile(
    r"utm_\w+|dgcid|mkt_tok|mc_[ce]id|elq\w*|et_\w+|fbclid|gclid|wt\.\w+|sap-outbound-id|campaign\w*|email_index",
    re.IGNORECASE,
)
#: A counter around a checker around a redirect; no mail has more.
_DEPTH = 4


def unwrapped(href: str) -> str:
    """Where the link leads as far as it tells, without campaign marks; empty for what is no address of the web."""
    address = href.strip()
    for _ in range(_DEPTH):
        inner = _inner(address)
        if not inner or inner == address:
            break
        address = inner
    return _without_marks(address)


def is_scholars(href: str) -> bool:
    """Google Scholar links to nothing but publications in this way."""
    return re.search(r"\bscholar\.google\.[a-z.]{2,7}/scholar_url\?", unquote(href[:4_000])) is not None


def _inner(address: str) -> str:
    checked = _CHECKED.match(address)
    if checked:
        return checked[1]
    try:
        parts = urlsplit(address)
        pairs = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return ""
    host = parts.hostname or ""
    if host == "urldefense.proofpoint.com":
        coded = dict(pairs).get("u", "")
        return unquote(coded.replace("-", "%").replace("_", "/"))
    for name, value in pairs:
        if name.lower() in _TARGETS and re.match(r"https?://[^/]", value, re.IGNORECASE):
            return value
    # An address inside the path, as counters write it; a DOI resolver's or an archive's is one, too.
    found = _IN_PATH.search(parts.path, 1)
    return unquote(found[0]) if found else ""


def _without_marks(address: str) -> str:
    try:
        parts = urlsplit(address)
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            return ""
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return ""
    kept = [(name, value) for name, value in pairs if not _CAMPAIGN.fullmatch(name)]
    query = parts.query if len(kept) == len(pairs) else urlencode(kept)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
