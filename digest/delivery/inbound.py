"""Mail that came to the unsubscribe address: does it ask to leave, and with which token? Pure; mailbox.py reads it.

Takes raw bytes from anybody, gives an Inbound or None, and never raises. A token is looked for in the subject (what
our List-Unsubscribe mailto form writes), in the body's own first lines, and behind the plus of a recipient. Bounces,
reports (RFC 3464, 5965) and automatic answers (RFC 3834) never ask for anything. Whose token it is, the store knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from html import unescape
from typing import Protocol

from digest.model.errors import DigestError
from digest.model.mail import Inbound

#: What asks to leave is short; the rest of a mail is not even read.
MAX_MAIL = 262_144
MAX_LINES = 12

_SECRETS = r"[A-Za-z0-9_-]{22}(?:\.[A-Za-z0-9_-]{22})*"
_IN_SUBJECT = re.compile(rf"(?:^|\s)unsubscribe\s+({_SECRETS})(?=\s|$)", re.IGNORECASE)
_IN_LINE = re.compile(rf"unsubscribe\s+({_SECRETS})", re.IGNORECASE)
_IN_RECIPIENT = re.compile(rf"\+(?:unsubscribe[-=.+])?({_SECRETS})@", re.IGNORECASE)
_RECIPIENT_HEADERS = ("to", "cc", "delivered-to", "x-original-to", "envelope-to")
_TAG = re.compile(r"<[^<>]{0,2000}>")


class MailboxError(DigestError):
    """A mailbox cannot be read or changed; what was unread stays unread."""


class Mailbox(Protocol):
    """What is read: unread mails now, and a mark for those that were acted upon."""

    def unread(self) -> Iterator[tuple[str, bytes]]:
        """(handle, the mail's first MAX_MAIL bytes), oldest first. Raises MailboxError."""
        ...

    def acknowledge(self, handle: str) -> None:
        """Mark as read; twice is as good as once. Raises MailboxError."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def read_inbound(raw: bytes) -> Inbound | None:
    """The wish to unsubscribe in this mail, or None if it has none."""
    try:
        return _read(raw)
    except RecursionError:  # parts within parts without end: nobody leaves like that
        return None


def _read(raw: bytes) -> Inbound | None:
    message = BytesParser(policy=compat32).parsebytes(raw[:MAX_MAIL])
    if _automatic(message):
        return None
    token = _in_subject(message) or _in_recipient(message) or _in_body(message)
    if token is None:
        return None
    headers = {name: _header(message, name) for name in ("from", "to", "subject", "date", "message-id")}
    return Inbound(token=token, raw=raw, headers={name: text for name, text in headers.items() if text})


def _automatic(message: Message) -> bool:
    """A machine wrote it: a bounce, a report, or an answer to our own mail."""
    submitted = _header(message, "auto-submitted").partition(";")[0].strip().lower()
    if submitted not in ("", "no"):
        return True
    if message.get_content_type() == "multipart/report":
        return True
    paths = message.get_all("return-path", [])
    return any(str(path).strip() == "<>" for path in paths)


def _in_subject(message: Message) -> str | None:
    match = _IN_SUBJECT.search(_header(message, "subject"))
    return match[1] if match else None


def _in_recipient(message: Message) -> str | None:
    for name in _RECIPIENT_HEADERS:
        for value in message.get_all(name, []):
            match = _IN_RECIPIENT.search(str(value))
            if match:
                return match[1]
    return None


def _in_body(message: Message) -> str | None:
    """Only a line that says this and nothing else: a quoted or forwarded digest, full of such links, does not count."""
    lines = (line.strip() for line in _text(message).splitlines())
    for line in [line for line in lines if line][:MAX_LINES]:
        match = _IN_LINE.fullmatch(line)
        if match:
            return match[1]
    return None


def _text(message: Message) -> str:
    """The first text part, plain before HTML."""
    parts = [part for part in message.walk() if not part.is_multipart()]
    for wanted in ("text/plain", "text/html"):
        for part in parts:
            if part.get_content_type() == wanted:
                text = _decoded(part)
                return unescape(_TAG.sub("\n", text)) if wanted == "text/html" else text
    return ""


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _header(message: Message, name: str) -> str:
    """A header's value, decoded (RFC 2047), on one line, without control characters."""
    value = message.get(name)
    if value is None:
        return ""
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        pieces = [(str(value), None)]
    text = "".join(_piece(piece, charset) for piece, charset in pieces)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _piece(piece: str | bytes, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    try:
        return piece.decode(charset or "ascii", "replace")
    except (LookupError, ValueError):
        return piece.decode("utf-8", "replace")
