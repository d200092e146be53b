"""A message's content in the form in which it crosses the wire (RFC 5321 section 4.5.2). Pure.

Takes the segments of a stamped message, gives them dot-stuffed and ending in CRLF, without the final dot. Segments
are not joined: an edition's large common parts are never copied when nothing in them needs a dot.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

CRLF = b"\r\n"
#: Segments from this size on are taken for common parts.
COMMON = 1024
BARE = "the message has a bare CR or LF"


def wire_form(segments: Sequence[bytes]) -> list[bytes]:
    """The content to send between DATA and the dot.

    Raises ValueError for a bare CR or LF: servers disagree on what these end, and so a text could smuggle in a mail
    of its own.
    """
    out: list[bytes] = []
    after_cr = False
    line_start = True
    for segment in segments:
        if not segment:
            continue
        if after_cr is not segment.startswith(b"\n"):
            raise ValueError(BARE)
        stuffed = _stuffed_common(segment) if len(segment) >= COMMON else _stuffed(segment)
        if line_start and segment.startswith(b"."):
            stuffed = b"." + stuffed
        after_cr = segment.endswith(b"\r")
        line_start = segment.endswith(b"\n")
        out.append(stuffed)
    if after_cr:
        raise ValueError(BARE)
    if not line_start:
        out.append(CRLF)
    return out


def _stuffed(segment: bytes) -> bytes:
    """The segment with its inner lines stuffed; a CR at its end and an LF at its beginning are the caller's to pair."""
    pairs = segment.count(CRLF)
    if segment.count(b"\r") - segment.endswith(b"\r") != pairs:
        raise ValueError(BARE)
    if segment.count(b"\n") - segment.startswith(b"\n") != pairs:
        raise ValueError(BARE)
    return segment.replace(b"\n.", b"\n..")


#: An edition's large parts are the same for all readers: looked through once, not once a reader (0.3 ms for 60 KB).
_stuffed_common = lru_cache(maxsize=64)(_stuffed)
