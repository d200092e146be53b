"""Feedback: what comes back by mail, and what a provider tells. A wish to leave is obeyed and a report is counted, each
in one transaction; only then is its mail taken out of the box.

A report counts only if the token in its return path is ours, the ledger holds that delivery as sent, and the report is
about its address, where it names one. Everything else is not touched: a person may want to read it. For what a provider
tells the law is the same; only may it name a mail by its Message-ID instead, which nobody can guess either.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from digest.delivery import tokens
from digest.delivery.dsn import read_report
from digest.delivery.inbound import read_inbound
from digest.model.errors import InputError
from digest.model.mail import Bounce, Delivery, DeliveryState, Report, Reported, ReportKind
from digest.model.people import SubscriptionState, Suppression, SuppressionReason
from digest.services.ports import Clock
from digest.services.readers.subscribe import normal_address
from digest.services.stamping import Keys, message_id_of
from digest.storage import bounces, deliveries, people
from digest.storage.base import Tx
from digest.storage.engine import Store

Handle = TypeVar("Handle")
#: Secrets in one token: a mail that joins more digests than this does not exist.
_MOST_SECRETS = 50
#: States of a mail that left us, so that something can come back of it.
_SENT = (DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN)
#: Of several words about one address, the gravest counts.
_GRAVEST = (ReportKind.COMPLAINT, ReportKind.HARD, ReportKind.SOFT, ReportKind.DELAYED)


#: A Message-ID of ours; what stands right of the @ may have changed since.
_MESSAGE_ID = re.compile(r"<?([0-9a-f]{32})@[^<>\s]{1,255}>?")
#: So many mails to one address are compared with a Message-ID, and so many addresses are looked up.
_NEWEST = 200
_MOST_ADDRESSES = 5


class Heard(StrEnum):
    """What a mail was, or what a provider told."""

    LEFT = "left"
    """It asked to leave, and the person has left by it (or had before)."""
    UNKNOWN = "unknown"
    """It asked to leave with a token that nobody has."""
    HARD = "hard"
    """There is no such mailbox: the address is suppressed."""
    SOFT = "soft"
    """A mail of ours did not get through; this is counted."""
    COMPLAINT = "complaint"
    """The reader called a mail of ours spam: he is unsubscribed, and the address suppressed."""
    REPEATED = "repeated"
    """The same was reported of the same mail before."""
    NOTHING = "nothing"
    """A mail of ours is late, or was answered by a machine: nothing is to be done."""
    FOREIGN = "foreign"
    """It names a mail of ours that was not sent, or is about another address: it counts for nothing."""
    EARLY = "early"
    """It is about a mail that is being sent just now, so it must be read again."""
    UNRELATED = "unrelated"


_COUNTED = {ReportKind.HARD: Heard.HARD, ReportKind.SOFT: Heard.SOFT, ReportKind.COMPLAINT: Heard.COMPLAINT}
#: What is left in the box for a person.
_LEFT_ALONE = (Heard.UNKNOWN, Heard.FOREIGN, Heard.UNRELATED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Acted:
    """What one mail was, or one word of a provider, and what was done."""

    heard: Heard
    ended: int = 0
    """Subscriptions that ended by it."""
    suppressed: bool = False
    """Whether an address went onto the suppression list."""
    address: str = ""
    """Whose subscription or mail it is about; empty where nobody is known."""
    delivery_id: int | None = None
    """The mail that a report names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Obeyed:
    """What a round through the mailbox did: mails, but ``ended`` counts subscriptions and ``suppressed`` addresses."""

    read: int = 0
    left: int = 0
    ended: int = 0
    unknown: int = 0
    hard: int = 0
    soft: int = 0
    complaints: int = 0
    suppressed: int = 0
    repeated: int = 0
    nothing: int = 0
    foreign: int = 0
    early: int = 0
    unrelated: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Feedback:
    """Obeys mails and counts reports."""

    store: Store
    clock: Clock
    lasting: bytes
    """The key of addresses' hashes."""
    links: tuple[bytes, ...]
    """The keys of return paths."""
    soft_bounces: int = 5
    """On so many different days within ``soft_window``, and the address is suppressed."""
    soft_window: timedelta = timedelta(days=15)

    def obey(
        self,
        mails: Iterable[tuple[Handle, bytes]],
        acknowledge: Callable[[Handle], None],
        leave: Callable[[Handle], None] = lambda handle: None,
    ) -> Obeyed:
        """Reads (handle, raw mail) one by one; each that was acted upon is acknowledged after its commit, and
        ``leave`` is told of those that will never be.
        """
        read, ended, suppressed = 0, 0, 0
        tally = dict.fromkeys(Heard, 0)
        for handle, raw in mails:
            read += 1
            acted = self.one(raw)
            tally[acted.heard] += 1
            ended += acted.ended
            suppressed += acted.suppressed
            if acted.heard in _LEFT_ALONE:
                leave(handle)
            elif acted.heard is not Heard.EARLY:
                acknowledge(handle)
        return Obeyed(
            read=read,
            left=tally[Heard.LEFT],
            ended=ended,
            unknown=tally[Heard.UNKNOWN],
            hard=tally[Heard.HARD],
            soft=tally[Heard.SOFT],
            complaints=tally[Heard.COMPLAINT],
            suppressed=suppressed,
            repeated=tally[Heard.REPEATED],
            nothing=tally[Heard.NOTHING],
            foreign=tally[Heard.FOREIGN],
            early=tally[Heard.EARLY],
            unrelated=tally[Heard.UNRELATED],
        )

    def one(self, raw: bytes) -> Acted:
        """Acts upon one mail, as a mail server's pipe hands it over."""
        inbound = read_inbound(raw)
        if inbound is not None:
            return self._leave(inbound.token)
        report = read_report(raw)
        if report.kind is ReportKind.UNRELATED:
            return Acted(heard=Heard.UNRELATED)
        return self._act(self._by_path(report), report)

    def told(self, report: Report) -> Acted:
        """Acts upon what a provider told of one mail, its signature checked; the same a second time changes nothing."""
        if not any(one.kind in _COUNTED for one in report.recipients):
            return Acted(heard=Heard.NOTHING)
        named = self._by_path(report)
        return self._act(named if named is not None else self._by_message_id(report), report)

    def _by_path(self, report: Report) -> int | None:
        """The delivery that a report's return path names."""
        named = (tokens.read_return_path(path, self.links) for path in report.paths)
        return next((one for one in named if one is not None), None)

    def _by_message_id(self, report: Report) -> int | None:
        """The delivery that a report's Message-ID names, among the newest mails to the addresses it is about."""
        wanted = _MESSAGE_ID.fullmatch(report.message_id.strip().lower())
        if wanted is None:
            return None
        keys = Keys(lasting=self.lasting, links=self.links)
        with self.store.reading() as tx:
            for address in _addresses(report.recipients):
                for one in bounces.sent_to(tx, address, (*_SENT, DeliveryState.SENDING), limit=_NEWEST):
                    if message_id_of(one, keys) == wanted[1]:
                        return one.leader_id or one.id
        return None

    def _act(self, delivery_id: int | None, report: Report) -> Acted:
        if delivery_id is None:
            return Acted(heard=Heard.UNRELATED)
        with self.store.transaction() as tx:
            delivery = deliveries.one(tx, delivery_id)
            acted = self._count(tx, delivery, report)
            return replace(acted, address=delivery.address if delivery else "", delivery_id=delivery_id)

    def history(self, address: str) -> tuple[Bounce, ...]:
        """What came back from an address, the newest first."""
        with self.store.reading() as tx:
            return bounces.of_address(tx, tokens.address_key(normal_address(address), self.lasting))

    def _leave(self, token: str) -> Acted:
        now = self.clock()
        with self.store.transaction() as tx:
            secrets = [part for part in token.split(".")[:_MOST_SECRETS] if part]
            found = [one for secret in secrets if (one := people.by_secret(tx, secret)) is not None]
            ended = sum(people.set_state(tx, one.id, SubscriptionState.UNSUBSCRIBED, now) for one in found)
        address = found[0].address if found else ""
        return Acted(heard=Heard.LEFT if found else Heard.UNKNOWN, ended=ended, address=address)

    def _count(self, tx: Tx, delivery: Delivery | None, report: Report) -> Acted:
        """A report whose token is ours."""
        if delivery is not None and delivery.state is DeliveryState.SENDING:
            return Acted(heard=Heard.EARLY)
        if delivery is None or delivery.state not in _SENT or not delivery.address:
            return Acted(heard=Heard.FOREIGN)
        if report.kind is ReportKind.AUTO_REPLY:
            return Acted(heard=Heard.NOTHING)
        about = _about(delivery.address, report.recipients)
        if about is None:
            return Acted(heard=Heard.FOREIGN)
        if about.kind not in _COUNTED:
            return Acted(heard=Heard.NOTHING)
        if about.kind is ReportKind.SOFT:
            return self._soft(tx, delivery, about)
        return self._grave(tx, delivery, about)

    def _soft(self, tx: Tx, delivery: Delivery, about: Reported) -> Acted:
        new, suppressed = bounces.note_soft(
            tx,
            delivery.id,
            status=about.status,
            detail=_detail(about),
            counts=about.counts,
            now=self.clock(),
            limit=self.soft_bounces,
            window=self.soft_window,
        )
        return Acted(heard=Heard.SOFT if new else Heard.REPEATED, suppressed=suppressed)

    def _grave(self, tx: Tx, delivery: Delivery, about: Reported) -> Acted:
        """A hard bounce or a complaint: each ends the mails to this address."""
        now = self.clock()
        key = tokens.address_key(delivery.address, self.lasting)
        detail = _detail(about)
        if not bounces.note(
            tx,
            delivery.id,
            about.kind,
            address_key=key,
            status=about.status,
            detail=detail,
            counts=about.counts,
            now=now,
        ):
            return Acted(heard=Heard.REPEATED)
        ended = self._end(tx, delivery, now) if about.kind is ReportKind.COMPLAINT else 0
        reason = SuppressionReason.COMPLAINT if about.kind is ReportKind.COMPLAINT else SuppressionReason.HARD_BOUNCE
        words = f"{about.status} {detail}".strip()
        listed = Suppression(key=key, address=delivery.address, reason=reason, detail=words, since_at=now)
        return Acted(heard=_COUNTED[about.kind], ended=ended, suppressed=people.suppress(tx, listed))

    def _end(self, tx: Tx, delivery: Delivery, now: datetime) -> int:
        """Ends the subscriptions that a mail was for: one, or those of every digest that it joined."""
        ids = bounces.subscriptions_in(tx, delivery.id)
        return sum(people.set_state(tx, one, SubscriptionState.UNSUBSCRIBED, now) for one in ids)


def _about(address: str, said: Sequence[Reported]) -> Reported | None:
    """What a report says about an address: the gravest word about it, or about nobody by name; None when it is about
    others only.
    """
    mine = [
        one
        for one in said
        if not (one.final or one.original) or any(_same(name, address) for name in (one.original, one.final) if name)
    ]
    return min(mine, key=lambda one: _GRAVEST.index(one.kind), default=None)


def _addresses(said: Sequence[Reported]) -> tuple[str, ...]:
    """The first few addresses of a report, as we keep addresses."""
    found: list[str] = []
    for name in [one.final for one in said][:_MOST_ADDRESSES]:
        with contextlib.suppress(InputError):
            found.append(normal_address(name))
    return tuple(dict.fromkeys(found))


def _same(named: str, address: str) -> bool:
    """Whether a report's address is ours, however it spells case, domain (U-labels) and plus (RFC 3461's xtext)."""
    wanted = tokens.normal_address(address)
    for spelled in (named, named.replace("+2B", "+").replace("+3D", "=")):
        if tokens.normal_address(spelled) == wanted:
            return True
    try:
        return normal_address(named) == wanted
    except InputError:
        return False


def _detail(about: Reported) -> str:
    return f"{about.text} ({about.remote_mta})" if about.remote_mta else about.text
