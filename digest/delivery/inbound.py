"""Mail that came to the unsubscribe address: does it ask to leave, and with which token? Pure; mailbox.py reads it.

Takes raw bytes from anybody, gives an Inbound or None, and never raises. A token is looked for in the subject (what
our List-Unsubscribe mailto form writes), in the body's own first lines, and behind the plus of a recipient. Bounces,
reports (RFC 3464, 5965) and automatic answers (RFC 3834) never ask for anything. Whose token it is, the store knows.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Protocol

from digest.delivery.mime import Part, read
from digest.model.errors import DigestError
from digest.model.mail import Inbound

#: What asks to leave says so at the beginning.
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

    def unread(self, but: Container[str] = ()) -> Iterator[tuple[str, bytes]]:
        """(handle, the mail's first MAX_MAIL bytes), oldest first, but for some handles. Raises MailboxError."""
        ...

    def acknowledge(self, handle: str) -> None:
        """Mark as read; twice is as good as once. Raises MailboxError."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Some mails of a mailbox, oldest first, as (handle, raw bytes)."""

    mails: tuple[tuple[str, bytes], ...]
    mark: str
    """What to ask with for the mails after these."""
    waiting: int = 0
    """How many came after these and are not among them."""


class Letterbox(Protocol):
    """What is read and left as it is: mails that came after a mark, read ones and unread ones."""

    def after(self, mark: str, *, most: int, size: int, total: int) -> Batch:
        """At most ``most`` mails that came after the mark, of each ``size`` bytes; the newest ones without a mark.

        Together they have at most ``total`` bytes, but one is always among them. Raises MailboxError.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def read_inbound(raw: bytes) -> Inbound | None:
    """The wish to unsubscribe in this mail, or None if it has none."""
    mail = read(raw)
    if _automatic(mail):
        return None
    token = _in_subject(mail) or _in_recipient(mail) or _in_body(mail)
    if token is None:
        return None
    headers = {name: mail.words(name) for name in ("from", "to", "subject", "date", "message-id")}
    return Inbound(token=token, raw=raw, headers={name: text for name, text in headers.items() if text})


def _automatic(mail: Part) -> bool:
    """A machine wrote it: a bounce, a report, or an answer to our own mail."""
    submitted = mail.header("auto-submitted").partition(";")[0].strip().lower()
    if submitted not in ("", "no"):
        return True
    if mail.media == "multipart/report":
        return True
    return any(path == "<>" for path in mail.every("return-path"))


def _in_subject(mail: Part) -> str | None:
    match = _IN_SUBJECT.search(mail.words("subject"))
    return match[1] if match else None


def _in_recipient(mail: Part) -> str | None:
    for name in _RECIPIENT_HEADERS:
        for value in mail.every(name):
            match = _IN_RECIPIENT.search(value)
            if match:
                return match[1]
    return None


def _in_body(mail: Part) -> str | None:
    """Only a line that says this and nothing else: a quoted or forwarded digest, full of such links, does not count."""
    lines = (line.strip() for line in _text(mail).splitlines())
    for line in [line for line in lines if line][:MAX_LINES]:
        match = _IN_LINE.fullmatch(line)
        if match:
            return match[1]
    return None


def _text(mail: Part) -> str:
    """The first text part, plain before HTML."""
    for wanted in ("text/plain", "text/html"):
        for part in mail.walk():
            if part.media == wanted:
                text = part.text()
                return unescape(_TAG.sub("\n", text)) if wanted == "text/html" else text
    return ""
