"""Header fields as bytes: ASCII only, folded, never injectable. RFC 5322 (fields), RFC 2047 (encoded words).

Written by hand because the standard library turns a long List-Unsubscribe URL into encoded words, which breaks one-
click.
"""

from __future__ import annotations

import base64
import re

from digest.rendering.text import plain

_ROOM = 45
"""Bytes of UTF-8 in one encoded word: 4/3 of it and ``=?utf-8?b??=`` stay below RFC 2047's 75 characters."""
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_LINE = 76


def unstructured(name: str, value: str) -> bytes:
    """A text field such as Subject; plain where it is ASCII with short words, else encoded words."""
    value = plain(value, 900)
    words = value.split(" ")
    if value.isascii() and "=?" not in value and max(map(len, words)) < _LINE - 2 - len(name):
        return _folded(name, words)
    return _folded(name, encoded_words(value, _LINE - len(name) - 3))


def address(name: str, display: str, mailbox: str) -> bytes:
    """An address field with a display name."""
    mailbox = plain(mailbox, 320).replace(" ", "").replace("<", "").replace(">", "")
    return _folded(name, [*phrase(display, _LINE - len(name) - 2), f"<{mailbox}>"])


def phrase(text: str, room: int = 74) -> list[str]:
    """Words of a display name: atoms, a quoted string, or encoded words; each has ``room`` behind the field's name."""
    text = plain(text, 120)
    if not text:
        return []
    if text.isascii() and "=?" not in text:
        words = text.split(" ")
        if _ATOMS.fullmatch(text) and max(map(len, words)) <= room:
            return words
        quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if len(quoted) <= room:
            return [quoted]
    return encoded_words(text, room)


def verbatim(name: str, value: str) -> bytes:
    """A structured field whose value is ASCII made by us; control characters are dropped, nothing is encoded or
    folded.
    """
    return f"{name}: {plain(value, 900)}".encode("ascii", "ignore") + b"\r\n"


def encoded_words(text: str, first: int = 60) -> list[str]:
    """``text`` as RFC 2047 words, each at most 75 characters, no letter split. Q where most is ASCII, else B."""
    data = text.encode("utf-8", "ignore")
    quoted = sum(byte in _SAFE or byte == 32 for byte in data) * 3 >= len(data) * 2
    words: list[str] = []
    piece: list[str] = []
    used = 0
    room = min(first, 75) - 12
    for letter in text:
        raw = letter.encode("utf-8", "ignore")
        size = len(_q(raw)) if quoted else len(raw)
        limit = room if quoted else min(_ROOM, room * 3 // 4 - 2)
        if piece and used + size > limit:
            words.append(_word("".join(piece), quoted))
            piece, used, room = [], 0, 62
        piece.append(letter)
        used += size
    return [*words, _word("".join(piece), quoted)] if piece else words


def _q(raw: bytes) -> str:
    return "".join("_" if byte == 32 else chr(byte) if byte in _SAFE else f"={byte:02X}" for byte in raw)


def _word(text: str, quoted: bool) -> str:
    raw = text.encode("utf-8", "ignore")
    return f"=?utf-8?q?{_q(raw)}?=" if quoted else f"=?utf-8?b?{base64.b64encode(raw).decode()}?="


def _folded(name: str, words: list[str]) -> bytes:
    lines: list[str] = []
    line = f"{name}:"
    for word in words:
        if len(line) + 1 + len(word) > _LINE and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line]).encode("ascii", "ignore") + b"\r\n"
