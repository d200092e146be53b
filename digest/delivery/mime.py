"""A mail from anybody, taken apart within bounds (RFC 5322, 2045, 2046, 2047). Pure.

Raw bytes -> Part, the tree of its headers and bodies. Never raises, whatever the bytes; time and memory grow with
their number only: headers, parts, depth and the length of a value are limited, and what lies beyond is not looked at.
The standard library's parser recurses once a level and looks for every open boundary in every line, so a hostile mail
can keep it busy for minutes.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header

#: The rest of a longer mail is not read.
MAX_MAIL = 262_144
#: Longer texts are cut: what a machine has to say stands at the beginning.
MAX_TEXT = 20_000
_MAX_HEADERS = 500
_MAX_VALUE = 4_000
_MAX_PARTS = 60
_MAX_DEPTH = 8

_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_BOUNDARY = re.compile(r"boundary[ \t]{0,20}=[ \t]{0,20}(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_CHARSET = re.compile(r"charset[ \t]{0,20}=[ \t]{0,20}\"?([\w.:-]{1,40})", re.IGNORECASE)
#: Names of character sets; Python's codecs know others that are none, some of which are slow on purpose-made input.
_TEXTUAL = re.compile(
    r"(?:utf-?8|us-ascii|ascii|latin-?1|iso-?8859-\d+|iso-2022-[\w-]+|windows-\d+|cp\d+|koi8-[ru]|gb[k\d]+|big5[\w-]*"
    r"|shift_?jis|euc-?\w+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A mail, or a part of one. Header names are in lower case, values unfolded and cut, not decoded."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    """Still encoded for transport."""
    parts: tuple[Part, ...] = ()
    """Of a multipart."""

    @property
    def media(self) -> str:
        """``text/plain`` where it says nothing usable (RFC 2045 section 5.2)."""
        media = self.header("content-type").partition(";")[0].strip().lower()
        return media if "/" in media else "text/plain"

    def header(self, name: str) -> str:
        """The first value of a header, empty without one."""
        return next((value for each, value in self.headers if each == name), "")

    def every(self, name: str) -> tuple[str, ...]:
        return tuple(value for each, value in self.headers if each == name)

    def words(self, name: str) -> str:
        """A header's value for people: decoded (RFC 2047), on one line, without control characters."""
        value = self.header(name)
        try:
            pieces = decode_header(value)
        except (HeaderParseError, ValueError):
            pieces = [(value, None)]
        return printable("".join(_piece(piece, charset) for piece, charset in pieces))

    def walk(self) -> Iterator[Part]:
        """This part and those within, in their order; mails inside a mail are not entered."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def content(self) -> bytes:
        """The body as it was before it was encoded for transport; one that is encoded wrongly, as far as it goes."""
        how = self.header("content-transfer-encoding").strip().lower()
        if how == "quoted-printable":
            return binascii.a2b_qp(self.body)
        if how != "base64":
            return self.body
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", self.body)
        if len(letters) % 4 == 1:
            letters = letters[:-1]
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))

    def text(self, most: int = MAX_TEXT) -> str:
        """The content's beginning, ``most`` characters of it, decoded, with plain line ends."""
        found = _CHARSET.search(self.header("content-type"))
        return _decoded(self.content()[: 4 * most], found[1] if found else "")[:most].replace("\r\n", "\n")


def read(raw: bytes, most: int = MAX_MAIL) -> Part:
    """The tree of a mail, of which ``most`` bytes are looked at."""
    raw = raw[:most]
    if raw.startswith(b"From "):  # the line that a mailbox file or a pipe puts before a mail
        raw = raw.partition(b"\n")[2]
    return _read(raw, _MAX_DEPTH, [_MAX_PARTS])


def headers_of(block: bytes) -> tuple[tuple[str, str], ...]:
    """The fields of a header block, or of a block that is written like one."""
    found: list[tuple[str, str]] = []
    for line in _FOLD.sub(b"", block).split(b"\n")[: 2 * _MAX_HEADERS]:
        name, colon, value = line.partition(b":")
        name = name.strip().lower()
        if colon and name and len(name) <= 80 and b" " not in name and len(found) < _MAX_HEADERS:
            found.append((name.decode("ascii", "replace"), value[:_MAX_VALUE].strip().decode("utf-8", "replace")))
    return tuple(found)


def printable(text: str) -> str:
    """On one line, without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _read(raw: bytes, depth: int, left: list[int]) -> Part:
    """``left`` counts the parts that may still be made, over the whole mail."""
    left[0] -= 1
    if raw.startswith((b"\n", b"\r\n")):
        head, body = b"", raw.partition(b"\n")[2]
    else:
        end = _END_OF_HEADERS.search(raw)
        head, body = (raw, b"") if end is None else (raw[: end.start()], raw[end.end() :])
    alone = Part(headers=headers_of(head), body=body)
    if not alone.media.startswith("multipart/") or depth == 0:
        return alone
    parts: list[Part] = []
    for piece in _pieces(alone):
        if left[0] <= 0:
            break
        parts.append(_read(piece, depth - 1, left))
    return Part(headers=alone.headers, body=body, parts=tuple(parts))


def _pieces(part: Part) -> Iterator[bytes]:
    """What stands between a multipart's boundaries (RFC 2046 section 5.1.1); a missing last one is the mail's end."""
    found = _BOUNDARY.search(part.header("content-type"))
    if found is None:
        return
    boundary = re.escape((found[1] or found[2]).rstrip().encode())
    start = -1
    for line in re.finditer(rb"(?:\A|\r?\n)--" + boundary + rb"(--)?[ \t]*(?=\r?\n|\Z)", part.body):
        if start >= 0:
            yield part.body[start : line.start()]
        if line[1]:
            return
        # The line's own end belongs to it, not to the part; a part that begins with an empty line has no headers.
        start = part.body.find(b"\n", line.end()) + 1 or len(part.body)
    if start >= 0:
        yield part.body[start:]


def _piece(piece: str | bytes, charset: str | None) -> str:
    return piece if isinstance(piece, str) else _decoded(piece, charset or "")


def _decoded(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset if _TEXTUAL.fullmatch(charset) else "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")
