"""Asking to join, and asking for a lost link: at most one mail a day to an address, whoever asks and however often.

A stranger's form plans a mail and nothing else: what it wishes is kept aside until the address's owner says yes
(welcome.py). Whatever stands behind an address (nobody, a reader, somebody who must not be written to), the same is
looked up and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, IPv6Network, ip_address

from digest.delivery.tokens import address_key, sign, verify
from digest.model.editions import Digest
from digest.model.errors import NotFound, UsageError
from digest.model.mail import Message
from digest.model.people import Subscription, SubscriptionState
from digest.services.ports import Clock, PrintLetter
from digest.services.readers.subscribe import Choices, columns_of, normal_address
from digest.services.stamping import PREFERENCES, Keys, scoped
from digest.storage import admission, deliveries, editions, people
from digest.storage.base import Tx
from digest.storage.engine import Store

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
#: Requests that a network may make in an hour: a classroom gets through, a script does not.
MOST_OF_A_NETWORK = 20
#: A form says when it was made. What comes back sooner was filled in by a machine; later it is shown once more.
_FORM = "join-form"
FORM_DAYS = 30
FORM_SECONDS = 2
_WORTH = timedelta(days=2)
#: Their mailboxes have no dots: a.da@ is ada@.
_DOTLESS = frozenset({"gmail.com", "googlemail.com"})


class Outcome(StrEnum):
    """What became of a request; nobody who asks over the web is told."""

    PLANNED = "planned"
    SILENT = "silent"
    """The address must not be written to, or there is nothing to write."""
    REPEATED = "repeated"
    """The address had its mail of the day."""
    CROWDED = "crowded"
    """Too many requests of one network."""
    FULL = "full"
    """Too many mails in an hour, whoever asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """``until``: when the network (crowded), everybody (full) or else this address may ask again."""

    outcome: Outcome
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What somebody asks. ``peer`` is the IP address it came from; empty: the operator asks, whom no limit holds but
    that of the address.
    """

    address: str
    digest: str
    choices: Choices = field(default_factory=Choices)
    peer: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """Where a reader changes or ends one subscription, without a login."""

    subscription: Subscription
    preferences: str
    unsubscribe: str


class _Refused(Exception):
    """Takes back what was counted for a request that went beyond a limit."""

    def __init__(self, admitted: Admitted) -> None:
        super().__init__(admitted.outcome)
        self.admitted = admitted


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """The door through which strangers come."""

    store: Store
    digests: tuple[Digest, ...]
    keys: Keys
    print_letter: PrintLetter
    new_secret: Callable[[], str]
    public_url: str
    most_an_hour: int
    clock: Clock

    def open_digests(self) -> tuple[Digest, ...]:
        """Those that anybody may join: a confirmation needs a public address, too."""
        return tuple(digest for digest in self.digests if digest.join) if self.public_url else ()

    def new_form(self) -> str:
        """A token that says when a form was made."""
        return sign(_FORM, int(self.clock().timestamp()).to_bytes(8, "big"), self.keys.links)

    def age_of(self, form: str) -> timedelta | None:
        """How old a form is; None for a token that is not ours or too old."""
        payload = verify(_FORM, form, self.keys.links)
        if payload is None or len(payload) != 8:
            return None
        age = self.clock() - datetime.fromtimestamp(int.from_bytes(payload, "big"), UTC)
        return age if age <= timedelta(days=FORM_DAYS) else None

    def join(self, asked: Asked) -> Admitted:
        """Plans the question whether the address's owner wants the digest; to who reads it already, a mail that says
        so. Raises InputError for what is no address, UsageError for an unknown digest.
        """
        digest = self._digest(asked.digest)
        return self._answer(asked, digest, asks=True)

    def remind(self, asked: Asked) -> Admitted:
        """Plans a mail with the reader's own links, for who lost them; nothing to who reads nothing."""
        return self._answer(asked, self._digest(asked.digest) if asked.digest else None, asks=False)

    def links(self, address: str, digest: str = "") -> tuple[Links, ...]:
        """The links of an address's subscriptions. Raises NotFound, and UsageError without a public address."""
        if not self.public_url:
            raise UsageError("there are no links without it", where="[web] public_url", try_="set it")
        spelt = normal_address(address)
        with self.store.reading() as tx:
            who = people.subscriber(tx, spelt)
            found = people.subscriptions_of(tx, who.id) if who is not None else ()
        today = self.clock().date().isoformat()
        links = tuple(
            Links(
                subscription=one,
                preferences=f"{self.public_url}/preferences/{scoped(PREFERENCES, one.id, today, self.keys.links)}",
                unsubscribe=f"{self.public_url}/unsubscribe/{one.secret}",
            )
            for one in found
            if not digest or one.digest == digest
        )
        if not links:
            raise NotFound("is not a subscriber", where=spelt, try_="`digest subscribers list` shows who is")
        return links

    def _answer(self, asked: Asked, digest: Digest | None, *, asks: bool) -> Admitted:
        now = self.clock()
        address = normal_address(asked.address)
        if asked.peer and (crowded := self._crowded(asked.peer, now)) is not None:
            return crowded
        with self.store.reading() as tx:
            reads = self._reads(tx, address, digest, among_others=not asks)
        message = self._letter(digest, reads, asked.choices, now) if digest or reads else None
        try:
            with self.store.transaction() as tx:
                self._count(tx, asked, address, now)
                people.hold(tx, address)
                listed = people.suppressed(tx, [self._key(address)])
                if listed or message is None or (reads is None and not asks):
                    return Admitted(outcome=Outcome.SILENT, until=now + DAY)
                link = reads or self._wish(tx, address, asked, now)
                editions.keep_message(tx, message, now)
                deliveries.plan(tx, [self._row(link, message, now)])
        except _Refused as refused:
            return refused.admitted
        return Admitted(outcome=Outcome.PLANNED, until=now + DAY)

    def _crowded(self, peer: str, now: datetime) -> Admitted | None:
        """Counts a request of a network, whatever comes of it: so that what it is told says nothing of an address."""
        key = address_key(f"network {network_of(peer)}", self.keys.lasting)
        with self.store.transaction() as tx:
            if admission.take(tx, key, now=now, window=HOUR, limit=MOST_OF_A_NETWORK):
                return None
            return Admitted(outcome=Outcome.CROWDED, until=admission.ends_at(tx, key) or now)

    def _count(self, tx: Tx, asked: Asked, address: str, now: datetime) -> None:
        """Counts a mail to an address, and one of all. Raises _Refused, so that neither is counted without the other:
        who asks for one victim again and again must not close the door for everybody.
        """
        mailbox = address_key(f"mailbox {mailbox_of(address)}", self.keys.lasting)
        if not admission.take(tx, mailbox, now=now, window=DAY, limit=1):
            raise _Refused(Admitted(outcome=Outcome.REPEATED, until=admission.ends_at(tx, mailbox) or now))
        everybody = address_key("everybody", self.keys.lasting)
        if asked.peer and not admission.take(tx, everybody, now=now, window=HOUR, limit=self.most_an_hour):
            raise _Refused(Admitted(outcome=Outcome.FULL, until=admission.ends_at(tx, everybody) or now))

    def _reads(self, tx: Tx, address: str, digest: Digest | None, *, among_others: bool) -> Subscription | None:
        """The confirmed subscription to this digest; ``among_others``: else to another one."""
        who = people.subscriber(tx, address)
        mine = people.subscriptions_of(tx, who.id if who is not None else 0)
        known = {one.name for one in self.digests}
        read = [one for one in mine if one.state is SubscriptionState.CONFIRMED and one.digest in known]
        this = [one for one in read if digest is not None and one.digest == digest.name]
        return next(iter(this or (read if among_others else [])), None)

    def _letter(self, digest: Digest | None, reads: Subscription | None, choices: Choices, now: datetime) -> Message:
        """The question, or the reader's links; one message a digest, language and day."""
        kind = "link" if reads is not None else "confirmation"
        about = self._digest(reads.digest) if reads is not None else digest
        assert about is not None, "there is somebody to write to, or something to ask"
        language = (reads.language if reads is not None else choices.language) or about.profile.language
        key = address_key(f"{kind}:{about.name}:{language}:{now.date().isoformat()}", self.keys.lasting)
        with self.store.reading() as tx:
            kept = editions.message(tx, key)
        return kept or self.print_letter(kind, about, language, now, key, {})

    def _wish(self, tx: Tx, address: str, asked: Asked, now: datetime) -> Subscription:
        """The subscription that is asked about, made where there is none, with what is wished for it."""
        who = people.add_subscriber(tx, address, now)
        secret = self.new_secret()
        row = people.fresh(who.id, asked.digest, state=SubscriptionState.PENDING, secret=secret, now=now)
        people.add_fresh(tx, [row])
        link = people.links(tx, [who.id])[who.id, asked.digest]
        admission.wish(tx, link, columns_of(asked.choices), now)
        found = people.subscription(tx, link)
        assert found is not None
        return found

    def _row(self, link: Subscription, message: Message, now: datetime) -> dict[str, object]:
        return deliveries.plan_row(
            kind=message.kind,
            address=link.address,
            address_key=self._key(link.address),
            message_key=message.key,
            now=now,
            digest=link.digest,
            subscriber_id=link.subscriber_id,
            subscription_id=link.id,
            notice_key=f"{link.digest}:{now:%Y-%m-%dT%H:%M:%S}",
            expires_at=now + _WORTH,
        )

    def _key(self, address: str) -> str:
        return address_key(address, self.keys.lasting)

    def _digest(self, name: str) -> Digest:
        found = next((digest for digest in self.digests if digest.name == name), None)
        if found is None:
            known = ", ".join(digest.name for digest in self.digests)
            raise UsageError(f'there is no digest "{name}"', where="digest", try_=f"known are: {known}")
        return found


def network_of(peer: str) -> str:
    """Whom a limit by network holds: an IPv4 address whole, of an IPv6 address the /64.

    Behind one IPv4 address stands a household or an office, and beside it strangers. Whoever has IPv6 has at least a
    whole /64 (RFC 6177), and could ask from 2⁶⁴ addresses. What is no address (a socket file) is one network.
    """
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), 64), strict=False))


def mailbox_of(address: str) -> str:
    """Where an address's mail ends up, as far as anybody can tell: what stands behind a + is one's own, and Gmail
    passes over dots. Two people whom this takes for one wait a day for each other at most.
    """
    local, _, domain = address.rpartition("@")
    if local.startswith('"'):
        return address
    local = local.partition("+")[0] or local
    return f"{local.replace('.', '') if domain in _DOTLESS else local}@{domain}"
