"""Unpacking: a compressed body piece by piece, never more of it at once than may be held. Pure.

Takes the bytes as they came and what Content-Encoding says (RFC 9110 section 8.4.1: gzip, deflate), gives the document.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

#: What a piece may grow to before it is handed on; a bomb grows a thousandfold.
_PIECE = 1_000_000
_GZIP, _ZLIB, _RAW = 31, 15, -15
_MAGIC = b"\x1f\x8b"


class Damaged(Exception):
    """The compression is broken."""


def unpacked(pieces: Iterable[bytes], encodings: Iterable[str]) -> Iterator[bytes]:
    """The document of a body that was compressed by ``encodings``, in the order in which they were applied."""
    found = iter(pieces)
    for encoding in reversed(tuple(encodings)):
        if encoding in ("gzip", "x-gzip"):
            found = _inflated(found, _GZIP)
        elif encoding == "deflate":
            found = _inflated(found, _ZLIB)
    return found


def _inflated(pieces: Iterator[bytes], form: int) -> Iterator[bytes]:
    """Lenient where browsers are: what follows the end, or an end that is missing, harms nobody."""
    box = None
    begun = False
    waiting = b""
    for piece in pieces:
        waiting += piece
        while waiting or begun:
            if box is None or box.eof:
                if len(waiting) < 2:
                    break  # its first two bytes tell what it is
                if box is not None and not (form == _GZIP and waiting.startswith(_MAGIC)):
                    return
                box = zlib.decompressobj(form if form == _GZIP or _is_zlib(waiting) else _RAW)
            try:
                out = box.decompress(waiting, _PIECE)
            except zlib.error as error:
                raise Damaged from error
            begun = True
            if out:
                yield out
            waiting = box.unused_data if box.eof else box.unconsumed_tail
            if not waiting and len(out) < _PIECE:
                break


def _is_zlib(start: bytes) -> bool:
    """RFC 1950 section 2.2. What is called deflate is zlib's, as the standard says, or bare, as some servers do it."""
    return start[0] & 15 == 8 and int.from_bytes(start[:2], "big") % 31 == 0
