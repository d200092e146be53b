"""From a leased delivery to the mail that goes over the wire: its message, encoded once, with this reader's stamps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from digest.delivery.content import dotted, ended
from digest.delivery.relay import Mail
from digest.delivery.sign import Form, Signer
from digest.delivery.tokens import return_path
from digest.model.errors import InputError
from digest.model.mail import Due, Envelope, Message, Stamp
from digest.rendering.message import Segments, segments, stamp_bytes
from digest.services.stamping import Keys, stamps_of

#: What is kept ready of encoded messages. A reader's profile decides which he gets, so many are needed in turn.
MOST_BYTES = 24_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReturnPath:
    """Who is told when a mail cannot be delivered. ``tokens``: the address carries a token that names the delivery."""

    address: str
    tokens: bool = False
    marks: tuple[str, ...] = ()
    """Header fields by which a provider can name the delivery in its webhook, and which it takes out; what names it
    stands for NAME."""

    def of(self, delivery_id: int, keys: Keys) -> str:
        return return_path(self.address, delivery_id, keys.links) if self.tokens else self.address

    def fields(self, delivery_id: int, keys: Keys) -> bytes:
        """The marks of one delivery, a line each with CRLF. Its name has the form of a return path."""
        name = return_path("mail@digest", delivery_id, keys.links)
        return "".join(f"{mark.replace('NAME', name)}\r\n" for mark in self.marks).encode("ascii")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A message in the forms in which it is sent."""

    cut: list[bytes]
    """The pieces, with nothing yet where a stamp goes."""
    wire: list[bytes]
    """The same with dots doubled; the same object where there are none."""
    places: tuple[tuple[Stamp, tuple[int, ...]], ...]
    """Which of the pieces are which stamp."""
    size: int
    """Bytes without the stamps."""
    wanted: frozenset[Stamp]
    signed: Form | None


class Packer:
    """Packs mails; holds the messages it needs again."""

    def __init__(
        self, message: Callable[[str], Message | None], keys: Keys, path: ReturnPath, signer: Signer | None
    ) -> None:
        """``message`` loads one by its key; None when it is no longer kept."""
        self._message = message
        self._keys = keys
        self._path = path
        self._signer = signer
        self._ready: dict[str, _Ready] = {}
        self._bytes = 0

    def pack(self, due: Due) -> Mail | None:
        """The mail of one delivery; None when its message is no longer kept.

        Raises InputError for an address that cannot be printed.
        """
        ready = self._ready.get(due.message_key) or self._load(due.message_key)
        if ready is None:
            return None
        values = stamp_bytes(stamps_of(due, ready.wanted, self._keys))
        parts = wire = ready.cut.copy()
        if ready.wire is not ready.cut:
            wire = ready.wire.copy()
        size = ready.size
        for stamp, places in ready.places:
            value = values[stamp]
            size += len(value) * len(places)
            for at in places:
                parts[at] = wire[at] = value
        before = self._path.fields(due.id, self._keys) if self._path.marks else b""
        if ready.signed is not None:
            before += ready.signed.sign(values)
        if before:
            size += len(before)
            parts.insert(0, before)
            if wire is not parts:
                wire.insert(0, before)
        envelope = Envelope(sender=self._path.of(due.id, self._keys), recipient=due.address, size=size)
        return Mail(envelope, parts, wire, due)

    def _load(self, key: str) -> _Ready | None:
        message = self._message(key)
        if message is None:
            return None
        try:
            cut = ended(segments(message))
        except ValueError as error:
            raise InputError(str(error), where=f"message {key}") from error
        places: dict[Stamp, list[int]] = defaultdict(list)
        for at, piece in enumerate(cut):
            if isinstance(piece, Stamp):
                places[piece].append(at)
        plain = _without_stamps(cut)
        doubled = _without_stamps(dotted(cut))
        ready = _Ready(
            cut=plain,
            wire=plain if doubled == plain else doubled,
            places=tuple((stamp, tuple(some)) for stamp, some in places.items()),
            size=sum(map(len, plain)),
            wanted=frozenset(places),
            signed=self._signer.prepare(cut) if self._signer is not None else None,
        )
        while self._ready and self._bytes + 2 * ready.size > MOST_BYTES:
            oldest = next(iter(self._ready))
            self._bytes -= 2 * self._ready.pop(oldest).size
        self._ready[key] = ready
        self._bytes += 2 * ready.size
        return ready


def _without_stamps(cut: Segments) -> list[bytes]:
    return [b"" if isinstance(piece, Stamp) else piece for piece in cut]
