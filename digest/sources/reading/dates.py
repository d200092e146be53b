"""Reads the dates of feeds: takes what a publisher wrote, gives an aware UTC instant or None. Pure.

RFC 3339 / W3C-DTF (Atom, JSON Feed, dc:date), RFC 5322 (RSS), and the common departures from both: a missing zone is
UTC, unpadded months, an English date without a day's name. A year before 1991 (arXiv's first) or after 2100 is a
mistake.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

_ISO = re.compile(
    r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?"
    r"(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
FIRST_YEAR = 1991
LAST_YEAR = 2100


def parse_date(text: object) -> datetime | None:
    """The instant that ``text`` names, or None if it is none or not plausible."""
    if not isinstance(text, str) or not text.strip() or len(text) > 100:
        return None
    text = " ".join(text.split())
    found = _ISO.fullmatch(text)
    return plausible(_iso(found) if found else _rfc5322(text))


def from_tuple(parsed: Sequence[int] | None) -> datetime | None:
    """feedparser's own reading (a UTC time tuple), for the local forms that only it knows."""
    if not parsed:
        return None
    try:
        return plausible(datetime.fromtimestamp(timegm(tuple(parsed)), UTC))
    except (ValueError, OverflowError, OSError):
        return None


def from_epoch(value: object, *, unit: int = 1) -> datetime | None:
    """Seconds since 1970 (``unit`` 1), or milliseconds (1000)."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return plausible(datetime.fromtimestamp(value / unit, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def plausible(at: datetime | None) -> datetime | None:
    return at if at is not None and FIRST_YEAR <= at.year <= LAST_YEAR else None


def _iso(found: re.Match[str]) -> datetime | None:
    year, month, day, hour, minute, second = (int(part) if part else None for part in found.groups()[:6])
    try:
        local = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, min(second or 0, 59), tzinfo=UTC)
        return local - _offset(found[7])
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    if not zone or zone[0] not in "+-":
        return timedelta()
    digits = zone[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return size if zone[0] == "+" else -size


def _rfc5322(text: str) -> datetime | None:
    try:
        parts = parsedate_tz(text) or parsedate_tz(f"{text} 00:00:00")
        if parts is None:
            return None
        zone = timezone(timedelta(seconds=parts[9] or 0))
        return datetime(*parts[:5], min(parts[5], 59), tzinfo=zone).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
