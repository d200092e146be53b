"""What a server's refusal means: takes a status and headers, gives a FetchError with a sentence and what to try.

Pure.

RFC 9110 section 15 (status codes) and 10.2.3 (Retry-After), RFC 6585 (429). Also the words for an answer that never
came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from digest.model.errors import FetchError

_MEANING: Mapping[int, tuple[str, str]] = {
    400: ("the server cannot understand the request", "check the address, the category or the query in it"),
    401: ("the server wants a login", "put the feed's own address with its token here, or remove the source"),
    402: ("the server wants to be paid", "remove the source, or use the address the publisher gives subscribers"),
    403: ("the server refuses us", "open the address in a browser; if it works there, ask the publisher"),
    404: ("there is nothing at this address", "look for the feed's new address on the publisher's pages"),
    405: ("the server does not let this address be read", "check that the address is the feed's own"),
    406: ("the server has no form of this document that we can read", "check that the address is the feed's own"),
    408: ("the server gave up waiting", "nothing; it is tried again later"),
    410: ("the feed was taken down for good", "remove the source or give its new address"),
    451: ("the document is withheld for legal reasons", "remove the source"),
}


def refusal(url: str, status: int, headers: Mapping[str, str], *, now: datetime) -> FetchError:
    """The error for any answer that is neither a document nor "not modified" nor a redirect that we follow."""
    wait = retry_after(headers, now=now)
    if status == 429 or (status == 503 and wait is not None):
        when = f"in {wait:.0f} seconds" if wait is not None else "later"
        return FetchError(
            f"the server asks us to slow down (HTTP {status})",
            where=url,
            try_=f"nothing; it is tried again {when}. If it repeats, raise the source's `every`",
            http_status=status,
            retry_after=wait,
            throttled=True,
        )
    if status in _MEANING:
        what, advice = _MEANING[status]
    elif status >= 500:
        what, advice = "the server is in trouble", "nothing; it is tried again later"
    elif status >= 400:
        what, advice = "the server refuses the request", "check the address in a browser"
    elif status >= 300:
        what, advice = "the server points elsewhere without saying where", "check the address in a browser"
    else:
        what, advice = "the server's answer is not a document", "check the address in a browser"
    return FetchError(f"{what} (HTTP {status})", where=url, try_=advice, http_status=status, gone=status == 410)


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds the server asks us to wait, from Retry-After (a number or a date) or a RateLimit header's ``t=``."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    if value:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - now).total_seconds())
    left = re.search(r"\bt=(\d{1,9})\b", headers.get("ratelimit", ""))
    return float(left[1]) if left else None


def not_public(url: str, host: str, addresses: tuple[str, ...]) -> FetchError:
    return FetchError(
        f"{host} is not a public address ({', '.join(addresses) or 'it has none'}), so it is not contacted",
        where=url,
        try_="if it is your own machine, set `allow_private = true` for this source",
    )


def no_such_name(url: str, host: str) -> FetchError:
    return FetchError(
        f"the name {host} cannot be resolved",
        where=url,
        try_="check the spelling of the address, and this machine's DNS",
    )


def too_big(url: str, limit: int) -> FetchError:
    return FetchError(
        f"the document is larger than {limit / 1e6:g} MB",
        where=url,
        try_="check that the address is a feed; a feed with the newest entries only is what is wanted",
    )


def too_slow(url: str, seconds: float) -> FetchError:
    return FetchError(
        f"no whole answer came within {seconds:g} seconds",
        where=url,
        try_="nothing; it is tried again later. If it repeats, look whether the server is up",
    )


def broken_off(url: str, why: str) -> FetchError:
    return FetchError(
        f"the connection ended before the whole document had come{f': {why}' if why else ''}",
        where=url,
        try_="nothing; it is tried again later",
    )


def unreachable(url: str, why: str) -> FetchError:
    return FetchError(
        f"the server cannot be reached{f': {why}' if why else ''}",
        where=url,
        try_="look whether the server is up, and whether this machine is online",
    )


def untrusted(url: str, why: str) -> FetchError:
    return FetchError(
        f"the server's TLS certificate or handshake is not acceptable{f': {why}' if why else ''}",
        where=url,
        try_="check the address in a browser; a private authority goes into this machine's certificate store",
    )
