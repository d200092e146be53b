"""Signs mails with DKIM: a message cut at its stamps -> for each recipient, the header fields to put before his copy.

RFC 6376 with relaxed/relaxed, RFC 8463 for Ed25519; several keys give several signatures over one hash of the body.
What all recipients of a message share is canonicalised and hashed once; the hash of the body up to its first stamp is a
state that is copied for each recipient, so a signature costs little more than the private key's own work. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from digest.model.errors import InputError
from digest.model.mail import Stamp
from digest.model.signing import SigningKey

Segments = tuple[bytes | Stamp, ...]

#: Named once more than they stand in the mail, so that none can be added to it later (RFC 6376 section 8.15).
OVERSIGNED = ("From", "To", "Subject", "Date", "Reply-To", "MIME-Version", "Content-Type")
#: What is signed where it is present.
SIGNED = (
    *OVERSIGNED,
    "Message-ID",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
    "Feedback-ID",
)
_LINE = 76
#: Stands for a stamp while what is around it is canonicalised. Like a stamp's value it holds no blank.
_MARK = re.compile(rb"\x02([a-z-]+)\x03")
_USUAL = re.compile(rb"[^\x00-\x20\x7f]+")
_BLANKS = re.compile(rb"[ \t]{2,}|\t")
_FIELD_END = re.compile(rb"\r\n(?![ \t])")


class Signer:
    """The keys that sign every mail. ``clock`` gives aware instants."""

    def __init__(self, keys: Sequence[SigningKey], *, clock: Callable[[], datetime]) -> None:
        self._keys = tuple(keys)
        self._clock = clock

    def prepare(self, cut: Segments) -> Form:
        """What the signatures of all copies of a message have in common. ``cut`` is its content, cut at its stamps."""
        stamps = frozenset(piece for piece in cut if isinstance(piece, Stamp))
        if stamps and any(b"\x02" in piece for piece in cut if not isinstance(piece, Stamp)):
            return Form(self, cut, stamps, None)
        head, _, body = b"".join(map(_marked, cut)).partition(b"\r\n\r\n")
        fields = _fields(head)
        if stamps and any(b"\x02" in name for name, _ in fields):
            return Form(self, cut, stamps, None)
        names, signed = _chosen(fields)
        labels = tuple((key, *_label(key, names, self._written_at(fields))) for key in self._keys)
        split = _split if stamps else _alone
        return Form(self, cut, stamps, _Common(labels, split(signed), split(_relaxed_body(body))))

    def _written_at(self, fields: Sequence[tuple[bytes, bytes]]) -> int | None:
        """Seconds of the mail's own Date, so that a second try is signed alike.

        None where there is none, and in the future: some receivers take no signature that claims to be made later
        (a test copy of tomorrow's edition would fail).
        """
        for name, line in fields:
            if name == b"date":
                try:
                    at = parsedate_to_datetime(line.partition(b":")[2].decode("ascii", "replace"))
                except ValueError:
                    return None
                at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
                return int(at.timestamp()) if at <= self._clock() else None
        return None


class _Common:
    """The constant parts of all signatures of a message."""

    def __init__(self, labels: tuple[tuple[SigningKey, bytes, bytes], ...], head: Segments, body: Segments) -> None:
        self.labels = labels
        """Of each key: the signature field up to its body hash, as it is sent and as it is signed."""
        self.head = head
        self.hashed = hashlib.sha256()
        at = next((at for at, piece in enumerate(body) if isinstance(piece, Stamp)), len(body))
        for piece in _filled(body[:at], {}):
            self.hashed.update(piece)
        self.rest = body[at:]


class Form:
    """The signatures of one message, but for what differs between its recipients. May be used by several threads."""

    def __init__(self, signer: Signer, cut: Segments, stamps: frozenset[Stamp], common: _Common | None) -> None:
        self._signer = signer
        self._cut = cut
        self._stamps = stamps
        self._common = common
        """None where the constant parts cannot be looked at without the values."""

    def sign(self, values: Mapping[Stamp, bytes]) -> bytes:
        """The DKIM-Signature fields of one copy, a line each with CRLFs, to stand before the mail's first byte.

        InputError for a missing value. Equal values give equal bytes.
        """
        try:
            used = {stamp: values[stamp] for stamp in self._stamps}
        except KeyError as error:
            raise InputError(
                "no value was given", where=f"stamp {error.args[0]}", try_="pass all stamps of the message"
            ) from None
        common = self._common
        if common is None or not all(map(_USUAL.fullmatch, used.values())):
            # An empty value or one with blanks changes what is around it.
            return self._signer.prepare((b"".join(_filled(self._cut, used)),)).sign({})
        state = common.hashed.copy()
        for piece in _filled(common.rest, used):
            state.update(piece)
        body = base64.b64encode(state.digest())
        head = b"".join(_filled(common.head, used))
        return b"".join(
            [
                b"".join((sent, body, b";\r\n b=", _folded(key.sign(b"".join((head, signed, body, b"; b="))))))
                for key, sent, signed in common.labels
            ]
        )


def _filled(pieces: Segments, values: Mapping[Stamp, bytes]) -> list[bytes]:
    return [values[piece] if isinstance(piece, Stamp) else piece for piece in pieces]


def _marked(piece: bytes | Stamp) -> bytes:
    return b"\x02" + piece.value.encode() + b"\x03" if isinstance(piece, Stamp) else piece


def _split(marked: bytes) -> Segments:
    odd = _MARK.split(marked)
    return tuple(Stamp(piece.decode()) if at % 2 else piece for at, piece in enumerate(odd) if piece)


def _alone(constant: bytes) -> Segments:
    return (constant,)


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """(name in small letters, the field in relaxed form without line end) of each field, in the mail's order."""
    found: list[tuple[bytes, bytes]] = []
    for field in _FIELD_END.split(head):
        name, _, value = field.partition(b":")
        name = name.rstrip(b" \t").lower()
        found.append((name, name + b":" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")))
    return found


def _chosen(fields: Sequence[tuple[bytes, bytes]]) -> tuple[list[str], bytes]:
    """What h= names, and the header as it is signed; of fields that stand several times, the last comes first."""
    names: list[str] = []
    signed: list[bytes] = []
    for name in SIGNED:
        lines = [line for key, line in reversed(fields) if key == name.lower().encode()]
        names += [name] * (len(lines) + (name in OVERSIGNED))
        signed += lines
    return names, b"".join(line + b"\r\n" for line in signed)


def _label(key: SigningKey, names: Sequence[str], written_at: int | None) -> tuple[bytes, bytes]:
    """A signature field up to its body hash: as it is sent, folded within 76 columns, and in relaxed form."""
    words = [" v=1;", f" a={key.algorithm};", " c=relaxed/relaxed;", f" d={key.domain};", f" s={key.selector};"]
    words += [f" t={written_at};"] if written_at is not None else []
    words += [f" h={names[0]}:", *(f"{name}:" for name in names[1:-1]), f"{names[-1]};"]
    lines = ["DKIM-Signature:"]
    for word in words:
        if len(lines[-1]) + len(word) > _LINE:
            lines.append(" ")
            word = word.lstrip(" ")
        lines[-1] += word
    sent = "\r\n".join([*lines, " bh="]).encode("ascii")
    return sent, _fields(sent)[0][1]


def _relaxed_body(body: bytes) -> bytes:
    """RFC 6376 section 3.4.4."""
    body = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n").removesuffix(b" ")
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""


def _folded(signature: bytes) -> bytes:
    """Base64 within 76 columns, behind a line's " b="."""
    text = base64.b64encode(signature)
    first = _LINE - 3
    lines = [text[:first], *(text[at : at + _LINE - 1] for at in range(first, len(text), _LINE - 1))]
    return b"\r\n ".join(lines) + b"\r\n"
