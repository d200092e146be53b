"""Stages 5 and 6:

the message, encoded once, the places where a recipient is stamped in, and what became of each delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, NewType

from digest.model.editions import EditionId
from digest.model.people import SubscriberId, SubscriptionId

MessageKey = NewType("MessageKey", str)
DeliveryId = NewType("DeliveryId", int)


class Stamp(StrEnum):
    """What differs between two recipients of one message."""

    TO = "to"
    """The To header's value, an address."""
    MESSAGE_ID = "message-id"
    """The part of Message-ID before the @ (32 hex digits)."""
    UNSUBSCRIBE = "unsubscribe"
    """Token of ``/unsubscribe/TOKEN`` and of the mailto form: one secret, or several joined by dots."""
    LEAVE = "leave"
    """UNSUBSCRIBE as it stands in a body: a long one over several lines (quoted-printable)."""
    PREFERENCES = "preferences"
    """Token of ``/preferences/TOKEN``."""
    TASTE = "taste"
    """Token of ``/feedback/TOKEN/ENTRY``, once a paper."""
    CONFIRM = "confirm"
    """Token of ``/confirm/TOKEN``."""
    DATA = "data"
    """Token of ``/mydata/TOKEN``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """Who writes: the operator's [mail] and [web] settings that a mail shows."""

    from_name: str
    from_address: str
    reply_to: str = ""
    postal_address: str = ""
    unsubscribe_address: str = ""
    """Address of the mailto form; never empty for mail to subscribers."""
    public_url: str = ""
    """Without trailing slash; empty: no web links, and only the mailto form of unsubscribing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """The bytes common to all recipients: CRLF line ends, at most 998 bytes a line, plus where to stamp.

    ``stamps`` are (offset into content, what to insert there), offsets ascending. A body's stamps stand on
    lines short enough that any token fits.
    """

    key: MessageKey
    """Stable name: the edition's key, several joined, or the notice's."""
    kind: str
    """edition, confirmation, welcome, link, goodbye, bounce or alert."""
    subject: str
    preheader: str
    content: bytes
    stamps: tuple[tuple[int, Stamp], ...]
    omitted: tuple[tuple[str, int], ...] = ()
    """(edition key, position) of the papers for which the mail had no room. With a public address their titles stand on
    the mail's page and they count as sent; without one they must not be in the edition that is recorded."""


class DeliveryState(StrEnum):
    QUEUED = "queued"
    LEASED = "leased"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"


#: Not finished: its works count as sent, and it will be tried (or is being tried).
OPEN_STATES = (DeliveryState.QUEUED, DeliveryState.LEASED, DeliveryState.SENDING)
#: States in which an edition's works count as sent to the reader (the first law).
SENT_STATES = (*OPEN_STATES, DeliveryState.DEFERRED, DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """Message x subscriber. Notices (confirmation, welcome, alert …) are deliveries too: one outbox."""

    id: DeliveryId
    kind: str
    address: str
    state: DeliveryState
    message_key: MessageKey
    digest: str = ""
    subscriber_id: SubscriberId | None = None
    subscription_id: SubscriptionId | None = None
    local_date: date | None = None
    notice_key: str = ""
    edition_id: EditionId | None = None
    leader_id: DeliveryId | None = None
    """Set on the further rows of a mail that joins several digests: they are leased and settled with the leader."""
    created_at: datetime
    next_at: datetime
    expires_at: datetime | None = None
    attempts: int = 0
    reason: str = ""
    code: int | None = None
    enhanced: str = ""
    remote: str = ""
    settled_at: datetime | None = None


class Due(NamedTuple):
    """What a sender needs of a delivery that it leased; light, for there are some thousand a second."""

    id: DeliveryId
    kind: str
    address: str
    message_key: MessageKey
    subscriber_id: SubscriberId | None
    subscription_id: SubscriptionId | None
    day: str
    """The edition's local date, or when a notice was planned; ISO 8601."""
    attempts: int
    relay: str
    """Where it must go again: only there was it offered with an unknown end. Empty: anywhere."""
    secrets: str
    """The unsubscribe secrets that the mail carries, one a digest in it, joined by dots."""
    joined: bool = False
    """It leads other rows, which are settled with it."""


class OutcomeKind(StrEnum):
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"


class Scope(StrEnum):
    """Whom a refusal concerns."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    RELAY = "relay"
    """The connection or the relay: nothing was said about this recipient, so it is no attempt of his."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How one try ended, in the remote's words."""

    kind: OutcomeKind
    scope: Scope = Scope.RECIPIENT
    code: int | None = None
    """SMTP reply code; None where no reply came."""
    enhanced: str = ""
    """RFC 3463 code, ``5.1.1``."""
    remote: str = ""
    suppress: bool = False
    """The address does not exist: do not write to it again."""
    retry_after: float | None = None
    """Seconds, where the decision says so (throttling)."""
    sender: str = ""
    """The return path, where it is this that the relay refuses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """What the SMTP dialogue needs beside the content."""

    sender: str
    """Return path (RFC 5321 MAIL FROM), ASCII, may be empty."""
    recipient: str
    size: int
    eight_bit: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Inbound:
    """A mail that came back to us, as far as we act on it: somebody asks to leave."""

    token: str
    raw: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class ReportKind(StrEnum):
    """What a mail that came back says. Of the first three a row is kept, once a delivery and kind."""

    HARD = "hard"
    """There is no such mailbox."""
    SOFT = "soft"
    """This mail did not get through; another may."""
    COMPLAINT = "complaint"
    """The reader called it spam."""
    DELAYED = "delayed"
    """A server is still trying."""
    AUTO_REPLY = "auto-reply"
    """Written by the recipient's machine about the recipient: away, please confirm, was read."""
    UNRELATED = "unrelated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """What a report says of one recipient (RFC 3464); ``final`` and ``original`` are empty where it names nobody."""

    kind: ReportKind
    counts: bool = True
    """Of a soft one: whether it speaks against the address. Policy, rates, form and size do not."""
    final: str = ""
    original: str = ""
    status: str = ""
    """RFC 3463 code, as exact as the report tells it."""
    text: str = ""
    """The remote server's words, on one line."""
    remote_mta: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a machine tells us of a mail of ours: by a mail of its own, or by a provider's webhook."""

    kind: ReportKind
    """The gravest of its recipients'."""
    paths: tuple[str, ...] = ()
    """Addresses that may be the return path of the mail it is about, the likeliest first."""
    recipients: tuple[Reported, ...] = ()
    """Nobody for an automatic reply, else at least one."""
    message_id: str = ""
    """The Message-ID of the mail it is about, where a provider tells it instead of forwarding a mail."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounce:
    """A report that counted, as it is kept."""

    delivery_id: DeliveryId
    kind: ReportKind
    status: str
    detail: str
    counts: bool
    """Whether it still speaks against the address: the operator forgives by lifting a suppression."""
    at: datetime
