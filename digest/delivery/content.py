"""A message's content in the form in which it crosses the wire (RFC 5321 section 4.5.2). Pure.

Takes a message cut at its stamps, gives the same cut with dots doubled and ending in CRLF, without the final dot. This
is done once for all recipients: an edition's large common parts are neither copied nor looked through for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from digest.model.mail import Stamp

CRLF = b"\r\n"
BARE = "the message has a bare CR or LF"

P = TypeVar("P", bound=bytes | Stamp)


def ended(cut: Sequence[P | bytes]) -> tuple[P | bytes, ...]:
    """The content with a line end behind its last line.

    Raises ValueError for a bare CR or LF: servers disagree on what these end, and so a text could smuggle in a mail
    of its own. (A stamp holds neither.)
    """
    after_cr = line_start = False
    for piece in cut:
        if isinstance(piece, Stamp):
            if after_cr:
                raise ValueError(BARE)
            line_start = False
        elif piece:
            _paired(piece, after_cr)
            after_cr = piece.endswith(b"\r")
            line_start = piece.endswith(b"\n")
    if after_cr:
        raise ValueError(BARE)
    return tuple(cut) if line_start else (*cut, CRLF)


def dotted(cut: Sequence[P | bytes]) -> tuple[P | bytes, ...]:
    """The content as DATA sends it: a line's leading dot is doubled. The very pieces where none begins with one.

    A stamp never begins with a dot where it begins a line: those that stand alone on a line are tokens of letters,
    digits, ``-`` and ``_``.
    """
    out: list[P | bytes] = []
    line_start = True
    for piece in cut:
        if isinstance(piece, Stamp):
            out.append(piece)
            line_start = False
        else:
            doubled = piece.replace(b"\n.", b"\n..")
            out.append(b"." + doubled if line_start and piece.startswith(b".") else doubled)
            line_start = piece.endswith(b"\n") or (line_start and not piece)
    return tuple(out)


def _paired(piece: bytes, after_cr: bool) -> None:
    """Every CR before an LF and every LF behind a CR; a CR at the end and an LF at the beginning pair across pieces."""
    if after_cr is not piece.startswith(b"\n"):
        raise ValueError(BARE)
    pairs = piece.count(CRLF)
    if piece.count(b"\r") - piece.endswith(b"\r") != pairs or piece.count(b"\n") - piece.startswith(b"\n") != pairs:
        raise ValueError(BARE)
