"""What a recipient's copy carries: address, Message-ID and tokens, or dead ones in a preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from digest.delivery.tokens import message_id, sign, verify
from digest.model.mail import Delivery, Stamp

PREFERENCES = "preferences"
CONFIRM = "confirm"
_EPOCH = date(2020, 1, 1)
#: How long a preferences link opens the page; after that a newer mail has one that does.
_PREFERENCES_DAYS = 400
#: How long a confirmation may be answered.
_CONFIRM_DAYS = 14


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """The installation's secrets. ``lasting`` never changes: Message-IDs and the hashes of addresses hang on it.

    ``links`` sign the tokens in links, the first of them; all verify, so that they can be rotated.
    """

    lasting: bytes = field(repr=False)
    links: tuple[bytes, ...] = field(repr=False)


def stamps_for(delivery: Delivery, secrets: Sequence[str], keys: Keys) -> Mapping[Stamp, str]:
    """The stamps of one delivery; the same ones at every try."""
    about = int(delivery.subscription_id or 0)
    day = delivery.local_date or delivery.created_at.date()
    return {
        Stamp.TO: delivery.address,
        Stamp.MESSAGE_ID: message_id(
            keys.lasting, delivery.message_key, f"{delivery.subscriber_id or delivery.address}"
        ),
        Stamp.UNSUBSCRIBE: ".".join(secrets),
        Stamp.PREFERENCES: scoped(PREFERENCES, about, day, keys.links),
        Stamp.CONFIRM: scoped(CONFIRM, about, day, keys.links),
    }


def dead_stamps(address: str) -> Mapping[Stamp, str]:
    """A preview's: of the right length, good for nothing."""
    return {
        Stamp.TO: address,
        Stamp.MESSAGE_ID: "0" * 32,
        Stamp.UNSUBSCRIBE: "preview" + "-" * 15,
        Stamp.PREFERENCES: "preview",
        Stamp.CONFIRM: "preview",
    }


def scoped(purpose: str, subscription_id: int, day: date, keys: Sequence[bytes]) -> str:
    """A link token for one purpose and one subscription, dated."""
    payload = subscription_id.to_bytes(8, "big") + max(0, (day - _EPOCH).days).to_bytes(4, "big")
    return sign(purpose, payload, keys)


def read_scoped(purpose: str, token: str, today: date, keys: Sequence[bytes]) -> int | None:
    """The subscription a token is for; None when it is forged, for another purpose, or too old."""
    payload = verify(purpose, token, keys)
    if payload is None or len(payload) != 12:
        return None
    issued = _EPOCH + timedelta(days=int.from_bytes(payload[8:], "big"))
    most = _CONFIRM_DAYS if purpose == CONFIRM else _PREFERENCES_DAYS
    if today > issued + timedelta(days=most):
        return None
    return int.from_bytes(payload[:8], "big")
