"""What a recipient's copy carries: address, Message-ID and tokens, or dead ones in a preview."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

from digest.delivery.tokens import message_id, sign, verify
from digest.model.mail import Delivery, Due, Stamp

PREFERENCES = "preferences"
TASTE = "taste"
CONFIRM = "confirm"
DATA = "data"
_EPOCH = date(2020, 1, 1)
#: How long links to preferences and feedback open their page; after that a newer mail has ones that do.
_LINK_DAYS = 400
#: How long a confirmation may be answered.
_CONFIRM_DAYS = 14
#: A bound: services/readers/mydata.py, which knows when the mail was asked for, opens nothing after 24 hours.
_DATA_DAYS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """The installation's secrets. ``lasting`` never changes: Message-IDs and the hashes of addresses hang on it.

    ``links`` sign the tokens in links, the first of them; all verify, so that they can be rotated.
    """

    lasting: bytes = field(repr=False)
    links: tuple[bytes, ...] = field(repr=False)

    @property
    def mark(self) -> str:
        """What processes with the same secrets have in common; it tells nothing of them."""
        return hashlib.sha256(b"\n".join((b"digest keys", self.lasting, *self.links))).hexdigest()


def stamps_of(due: Due, wanted: Collection[Stamp], keys: Keys) -> dict[Stamp, str]:
    """The stamps of one delivery that its message has a place for; the same ones at every try."""
    stamps = {
        Stamp.TO: due.address,
        Stamp.MESSAGE_ID: message_id_of(due, keys),
        Stamp.UNSUBSCRIBE: due.secrets,
    }
    about = due.subscription_id or 0
    if Stamp.PREFERENCES in wanted:
        stamps[Stamp.PREFERENCES] = scoped(PREFERENCES, about, due.day, keys.links)
    if Stamp.TASTE in wanted:
        stamps[Stamp.TASTE] = scoped(TASTE, about, due.day, keys.links)
    if Stamp.CONFIRM in wanted:
        stamps[Stamp.CONFIRM] = scoped(CONFIRM, about, due.day, keys.links)
    if Stamp.DATA in wanted:
        stamps[Stamp.DATA] = scoped(DATA, about, due.day, keys.links)
    return stamps


def message_id_of(delivery: Due | Delivery, keys: Keys) -> str:
    """The left side of a delivery's Message-ID."""
    recipient = str(delivery.subscriber_id) if delivery.subscriber_id else delivery.address
    return message_id(keys.lasting, delivery.message_key, recipient)


def dead_stamps(address: str) -> Mapping[Stamp, str]:
    """A preview's: of the right length, good for nothing."""
    return {
        Stamp.TO: address,
        Stamp.MESSAGE_ID: "0" * 32,
        Stamp.UNSUBSCRIBE: "preview" + "-" * 15,
        Stamp.PREFERENCES: "preview",
        Stamp.TASTE: "preview",
        Stamp.CONFIRM: "preview",
        Stamp.DATA: "preview",
    }


def scoped(purpose: str, subscription_id: int, day: str, keys: Sequence[bytes]) -> str:
    """A link token for one purpose and one subscription, dated (``day`` in ISO 8601)."""
    return sign(purpose, subscription_id.to_bytes(8, "big") + _dated(day), keys)


@lru_cache(maxsize=64)
def _dated(day: str) -> bytes:
    return max(0, (date.fromisoformat(day) - _EPOCH).days).to_bytes(4, "big")


def read_scoped(purpose: str, token: str, today: date, keys: Sequence[bytes], *, since: date = _EPOCH) -> int | None:
    """The subscription a token is for; None when it is forged, for another purpose, from before a day, or too old."""
    payload = verify(purpose, token, keys)
    if payload is None or len(payload) != 12:
        return None
    issued = _EPOCH + timedelta(days=int.from_bytes(payload[8:], "big"))
    most = {CONFIRM: _CONFIRM_DAYS, DATA: _DATA_DAYS}.get(purpose, _LINK_DAYS)
    if issued < since or today > issued + timedelta(days=most):
        return None
    return int.from_bytes(payload[:8], "big")
