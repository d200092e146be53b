"""What a server's refusal means: takes a status and headers, gives a FetchError with a sentence and what to try.

Pure.

RFC 9110 section 15 (status codes) and 10.2.3 (Retry-After), RFC 6585 (429). Also what an answer says of the next
request, and the words for an answer that never came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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


#: Seconds; a larger number is an instant of Unix time.
_INSTANT = 1e9


def refusal(url: str, status: int, headers: Mapping[str, str], *, now: datetime) -> FetchError:
    """The error for any answer that is neither a document nor "not modified" nor a redirect that we follow."""
    wait = retry_after(headers, now=now)
    # GitHub says 403 for a budget that is used up.
    if status == 429 or (status in (403, 503) and rest_after(headers, now=now) > 0):
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
    """Seconds the server asks us to wait, from Retry-After (a number or a date) or its rate limit's reset."""
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
    resets = [reset for _, reset in _budgets(headers, now) if reset is not None]
    return max(resets, default=None)


def rest_after(headers: Mapping[str, str], *, now: datetime) -> float:
    """Seconds in which a server wants no further request, said beside an answer that it gave: 0 if it says nothing."""
    asked = retry_after(headers, now=now) if "retry-after" in headers else None
    spent = [reset for left, reset in _budgets(headers, now) if left < 1 and reset is not None]
    return max([*spent, asked or 0.0])


def _budgets(headers: Mapping[str, str], now: datetime) -> list[tuple[float, float | None]]:
    """(requests left, seconds until the budget is filled again) of each budget that an answer tells.

    ``RateLimit: "api";r=0;t=30`` and ``RateLimit-Policy: "api";q=500;w=300`` (draft-ietf-httpapi-ratelimit-headers-10),
    their forms of before (``RateLimit: limit=100, remaining=0, reset=30``; RateLimit-Remaining and -Reset), and
    X-RateLimit-Remaining and -Reset, where the reset is an instant (GitHub) or a number of seconds (OpenAlex).
    """
    window = _numbers(r"\bw\s*=\s*(\d{1,9})", headers.get("ratelimit-policy", ""))
    whole = headers.get("ratelimit", "")
    found: list[tuple[float, float | None]] = []
    for item in whole.split(","):
        left = _numbers(r"\br\s*=\s*(\d{1,9})", item)
        reset = _numbers(r"\bt\s*=\s*(\d{1,9})", item) or window
        if left or reset:
            found.append((min(left, default=1.0), max(reset, default=None)))
    left = _numbers(r"\bremaining\s*=\s*(\d{1,9})", whole)
    if left:
        found = [(left[0], max(_numbers(r"\breset\s*=\s*(\d{1,9})", whole), default=None))]
    for start in ("ratelimit", "x-ratelimit"):
        left = _numbers(r"^\s*(\d{1,9}(?:\.\d+)?)", headers.get(f"{start}-remaining", ""))
        reset = _numbers(r"^\s*(\d{1,12}(?:\.\d+)?)", headers.get(f"{start}-reset", ""))
        if reset and reset[0] > _INSTANT:
            reset = [max(0.0, reset[0] - now.timestamp())]
        if left or reset:
            found.append((min(left, default=1.0), max(reset or (window if start == "ratelimit" else []), default=None)))
    return found


def _numbers(pattern: str, text: str) -> list[float]:
    return [float(number) for number in re.findall(pattern, text, re.IGNORECASE)]


def max_age(headers: Mapping[str, str]) -> timedelta | None:
    """How long the server calls its answer fresh from now on (Cache-Control and Age, RFC 9111 section 5.2.2.1)."""
    found = re.search(r"\bmax-age\s*=\s*\"?(\d{1,8})\b", headers.get("cache-control", ""), re.IGNORECASE)
    if found is None:
        return None
    age = re.fullmatch(r"\s*(\d{1,8})\s*", headers.get("age", ""))
    left = int(found[1]) - (int(age[1]) if age else 0)
    return timedelta(seconds=left) if left > 0 else None


def resting(url: str, host: str, seconds: float, *, slow: bool = False, busy: bool = False) -> FetchError:
    """The request was not even sent: its host rests for so long, or other processes ask it one after the other."""
    if busy:
        why = "is asked by others of the fleet, one after the other"
    elif slow:
        why = f"did not answer in time and is left alone for another {seconds:.0f} seconds"
    else:
        why = f"asked to be left alone for another {seconds:.0f} seconds"
    return FetchError(
        f"{host} {why}, so it was not asked",
        where=url,
        try_="nothing; it is tried again after that",
        retry_after=seconds,
        throttled=True,
    )


def key_refused(url: str, status: int, named: str) -> FetchError:
    return FetchError(
        f"the server does not accept {named} (HTTP {status})",
        where=url,
        try_="check it: a key is the whole first line of its file. Without one the service is asked anonymously",
        http_status=status,
    )


def key_missing(url: str, status: int, named: str) -> FetchError:
    return FetchError(
        f"the server refuses us without {named} (HTTP {status})",
        where=url,
        try_="add it: docs/sources tells how to get one and what its file holds",
        http_status=status,
    )


def not_public(url: str, host: str, addresses: tuple[str, ...]) -> FetchError:
    return FetchError(
        f"{host} is not a public address ({', '.join(addresses) or 'it has none'}), so it is not contacted",
        where=url,
        try_="if it is your own machine, give a source this very address as its url, and `allow_private = true`",
    )


def no_such_name(url: str, host: str) -> FetchError:
    return FetchError(
        f"the name {host} cannot be resolved",
        where=url,
        try_="check the spelling of the address, and this machine's DNS",
    )


def too_big(url: str, limit: int, *, status: int | None = None) -> FetchError:
    """``status`` where a server answered: then the fault is this document's."""
    return FetchError(
        f"the document is larger than {limit / 1e6:g} MB",
        where=url,
        try_="check that the address is a feed; a feed with the newest entries only is what is wanted",
        http_status=status,
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
