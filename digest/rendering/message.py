"""Texts -> Message: the bytes common to all recipients, and the places where one recipient is stamped in.

multipart/alternative with the text first (RFC 2046), both UTF-8 quoted-printable (RFC 2045), list headers per RFC
2369, 2919 and 8058. In the texts given, a stamp is a sentinel of control characters (``mark``), which no cleaned text
can hold. Encoding once and joining bytes per recipient costs microseconds; an EmailMessage per recipient would cost
milliseconds.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from functools import lru_cache
from typing import cast
from urllib.parse import quote

from digest.model.errors import InputError
from digest.model.mail import Message, MessageKey, Sender, Stamp
from digest.rendering import headers
from digest.rendering.text import plain

#: With what stands around it, a line stays within the 998 bytes of RFC 5322.
MAX_STAMP = 600
_SENTINEL = re.compile("\x02([a-z-]+)\x03")
Segments = tuple[bytes | Stamp, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What the header says beside the stamps. ``listed`` mails carry the list and unsubscribe headers."""

    sender: Sender
    date: datetime
    listed: bool
    list_id: str = ""
    list_title: str = ""
    feedback: tuple[str, str] = ("", "")
    """The local date and the digest's name."""


def mark(stamp: Stamp) -> str:
    """The sentinel to put into a body where ``stamp`` goes."""
    return f"\x02{stamp.value}\x03"


def marks(text: str, stamp: Stamp | None = None) -> int:
    """How many sentinels a body holds; those of one stamp, where it is named."""
    return text.count(mark(stamp) if stamp is not None else "\x02")


def mailto(sender: Sender) -> str:
    """The unsubscribe address as a link, token included; empty without an address."""
    box = plain(sender.unsubscribe_address, 320).replace(" ", "")
    return f"mailto:{quote(box, safe='@+.-_~!$*=')}?subject=unsubscribe%20{mark(Stamp.UNSUBSCRIBE)}" if box else ""


def encode(
    *,
    key: str,
    kind: str,
    subject: str,
    preheader: str,
    html: str,
    text: str,
    head: Head,
    omitted: tuple[tuple[str, int], ...] = (),
) -> Message:
    """The whole mail, encoded. Equal arguments give equal bytes. ``omitted`` as Message has it."""
    boundary = f"=_{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    edge = boundary.encode()
    pieces: list[bytes | Stamp] = [*_head(subject, kind, head, boundary)]
    for subtype, body in (("plain", text), ("html", html)):
        pieces.append(
            b"\r\n--" + edge + b"\r\nContent-Type: text/" + subtype.encode() + b'; charset="utf-8"\r\n'
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        )
        pieces += _quoted_printable(body)
    pieces.append(b"\r\n--" + edge + b"--\r\n")
    content, stamps = bytearray(), list[tuple[int, Stamp]]()
    for piece in pieces:
        if isinstance(piece, Stamp):
            stamps.append((len(content), piece))
        else:
            content += piece
    return Message(
        key=MessageKey(key),
        kind=kind,
        subject=subject,
        preheader=preheader,
        content=bytes(content),
        stamps=tuple(stamps),
        omitted=omitted,
    )


def segments(message: Message) -> Segments:
    """The content cut at its stamps; worth keeping for all recipients of a message."""
    out: list[bytes | Stamp] = []
    at = 0
    for offset, stamp_ in message.stamps:
        out += (message.content[at:offset], stamp_)
        at = offset
    return (*out, message.content[at:])


def fill(cut: Segments, values: Mapping[Stamp, str]) -> tuple[bytes, ...]:
    """The mail of one recipient, in pieces. InputError for a missing stamp or one that would break a line.

    An address may hold any letters: with others than ASCII it stands in To as UTF-8 (RFC 6532), and the mail may be
    sent only where SMTPUTF8 is offered.
    """
    ready = stamp_bytes(values)
    try:
        return tuple([piece if type(piece) is bytes else ready[cast(Stamp, piece)] for piece in cut])
    except KeyError as error:
        raise InputError(
            "no value was given", where=f"stamp {error.args[0]}", try_="pass all stamps of the message"
        ) from None


def stamp_bytes(values: Mapping[Stamp, str]) -> dict[Stamp, bytes]:
    """The stamps as they stand in the mail, LEAVE among them. InputError for one that would break a line."""
    ready: dict[Stamp, bytes] = {}
    for stamp_, value in values.items():
        if not value.isprintable() or len(value) > MAX_STAMP or not (value.isascii() or stamp_ is Stamp.TO):
            raise InputError(
                f"the value is not printable ASCII of at most {MAX_STAMP} characters",
                where=f"stamp {stamp_}",
                try_="check the address or token",
            )
        ready[stamp_] = value.encode()
    token = values.get(Stamp.UNSUBSCRIBE)
    if token is not None:
        ready[Stamp.LEAVE] = ready[Stamp.UNSUBSCRIBE] if len(token) < 76 else _over_lines(token)
    return ready


def _over_lines(token: str) -> bytes:
    """Joined secrets with a soft line break behind each third dot, as RFC 2045 wants lines of at most 76 characters.

    No line begins with a dot, which SMTP would have to double.
    """
    secrets = token.split(".")
    return ".=\r\n".join(".".join(secrets[at : at + 3]) for at in range(0, len(secrets), 3)).encode()


def stamp(message: Message, values: Mapping[Stamp, str]) -> tuple[bytes, ...]:
    """Segments that joined are the mail of one recipient."""
    return fill(segments(message), values)


def parts(raw: bytes) -> tuple[str, str]:
    """(html, text) of a mail made by ``encode``."""
    mail = message_from_bytes(raw, policy=policy.default)
    found: list[str] = []
    for subtype in ("html", "plain"):
        part = mail.get_body((subtype,))
        found.append("" if part is None else str(part.get_content()))
    return found[0], found[1]


def _head(subject: str, kind: str, head: Head, boundary: str) -> list[bytes | Stamp]:
    sender = head.sender
    domain = sender.from_address.rpartition("@")[2] or "localhost"
    at = head.date.astimezone(UTC)
    date = f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year} {at:%H:%M:%S} +0000"
    pieces: list[bytes | Stamp] = [
        headers.verbatim("Date", date) + b"Message-ID: <",
        Stamp.MESSAGE_ID,
        f"@{plain(domain, 253)}>\r\n".encode("ascii", "ignore")
        + headers.address("From", sender.from_name, sender.from_address)
        + b"To: ",
        Stamp.TO,
        b"\r\n" + headers.unstructured("Subject", subject),
    ]
    if sender.reply_to:
        pieces.append(headers.address("Reply-To", "", sender.reply_to))
    if head.listed:
        pieces += _list_head(head, kind)
    pieces.append(
        b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/alternative;\r\n boundary="' + boundary.encode() + b'"\r\n'
    )
    return pieces


def _list_head(head: Head, kind: str) -> Sequence[bytes | Stamp]:
    sender = head.sender
    pieces: list[bytes | Stamp] = [headers.address("List-Id", head.list_title, head.list_id)] if head.list_id else []
    site = plain(sender.public_url, 900).replace(" ", "")
    links = [f"{site}/unsubscribe/{mark(Stamp.UNSUBSCRIBE)}"] if site else []
    links += [mailto(sender)] if sender.unsubscribe_address else []
    if links:
        pieces += [b"List-Unsubscribe: ", *_split(",\r\n ".join(f"<{link}>" for link in links)), b"\r\n"]
    if sender.public_url.startswith("https://"):
        pieces.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    day, digest = head.feedback
    pieces.append(headers.verbatim("Feedback-ID", f"{_token(day)}:{_token(digest)}:{kind}:{_sender_id(sender)}"))
    return pieces


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _token(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:64] or "none"


def _sender_id(sender: Sender) -> str:
    """5 to 15 letters and digits that stay the same for this installation."""
    domain = re.sub(r"[^a-z0-9]", "", sender.from_address.rpartition("@")[2].lower())[:15]
    return domain if len(domain) >= 5 else f"{domain}digest"


def _split(text: str) -> list[bytes | Stamp]:
    """ASCII text cut at its sentinels."""
    odd = _SENTINEL.split(text)
    return [Stamp(piece) if i % 2 else piece.encode("ascii", "ignore") for i, piece in enumerate(odd)]


def _quoted_printable(body: str) -> list[bytes | Stamp]:
    """The body encoded; each stamp stands alone between soft line breaks, so that a token of any size fits."""
    pieces: list[bytes | Stamp] = []
    for i, piece in enumerate(_SENTINEL.split(body.replace("\r\n", "\n").replace("\r", "\n"))):
        if i % 2:
            stamp_ = Stamp(piece)
            pieces += (b"=\r\n", Stamp.LEAVE if stamp_ is Stamp.UNSUBSCRIBE else stamp_, b"=\r\n")
        else:
            pieces.append(_room_for_break(b"\r\n".join(map(_encoded_line, piece.split("\n")))))
    return pieces


@lru_cache(maxsize=8192)
def _encoded_line(line: str) -> bytes:
    """A line of a body in quoted-printable. A paper's lines are the same in all editions of a day, so they are kept."""
    encoded = b"\n" + binascii.b2a_qp(line.encode("utf-8", "ignore"), quotetabs=False, istext=True)
    # Relays and mailboxes that divide mails by lines beginning with "From " put a ">" before them, for readers and
    # signatures to stumble on. A soft break inside the word keeps a line within 76 characters, =46 may not.
    return encoded.replace(b"\nFrom ", b"\nF=\nrom ").replace(b"\n", b"\r\n")[2:]


def _room_for_break(encoded: bytes) -> bytes:
    """A last line that can take one more ``=`` within the 76 characters of RFC 2045."""
    if len(encoded) - encoded.rfind(b"\n") > 75:
        cut = len(encoded) - 8
        while b"=" in encoded[cut - 2 : cut]:
            cut -= 1
        encoded = encoded[:cut] + b"=\r\n" + encoded[cut:]
    return encoded
