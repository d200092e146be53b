"""Answers that are the same for everybody: caches may keep them for a while, and ask whether they still hold
(RFC 9110, 13; RFC 9111)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response

#: Seconds for which an answer may be used unasked: a new edition is seen that much later at most.
AGE = 300


def for_everybody(
    request: Request, body: bytes, kind: str, *, changed_at: datetime | None = None, is_listed: bool = True
) -> Response:
    """The body, or 304 where the asker holds it already. ``changed_at`` is told where nothing but a newer edition
    changes the body. ``is_listed`` lets search engines keep it."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": f"public, max-age={AGE}"}
    if is_listed:
        headers["x-robots-tag"] = "all"
    if changed_at is not None:
        headers["last-modified"] = format_datetime(changed_at.astimezone(UTC), usegmt=True)
    if _holds(request, tag, changed_at):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)


def _holds(request: Request, tag: str, changed_at: datetime | None) -> bool:
    """Whether the asker's copy is ours; a tag says more than a date (RFC 9110, 13.2.2)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in tags.split(",")}
    since = request.headers.get("if-modified-since")
    if since is None or changed_at is None:
        return False
    try:
        at = parsedate_to_datetime(since)
    except ValueError:
        return False
    return at.tzinfo is not None and changed_at.replace(microsecond=0) <= at
