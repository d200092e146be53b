"""Delivering: sends what the ledger holds, takes back what a lost sender held, sends test copies."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from digest.delivery.content import dotted, ended
from digest.delivery.relay import Mail, Relay
from digest.model.errors import DigestError, RelayError
from digest.model.mail import Envelope, Message, Outcome, Stamp
from digest.rendering.message import Segments, fill, segments, stamp_bytes
from digest.services.publishing.publish import may_send
from digest.services.sending.accord import Accord
from digest.services.sending.dispatch import Dispatch
from digest.services.sending.means import Means
from digest.services.sending.outlets import passed_over, paused
from digest.services.stamping import dead_stamps, message_id_of
from digest.storage import sending


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What one run did. ``problem`` is set when no relay could be used."""

    tried: int
    outcomes: Counter[str]
    problem: DigestError | None = None
    passed_over: tuple[RelayError, ...] = ()
    """Relays that took no more mails, and why, while another did; or all, where they are merely held."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """What became of a test copy: how it ended at ``relay``, and which relays before that could not be used."""

    outcome: Outcome
    relay: str
    passed_over: tuple[RelayError, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deliver(Means):
    """Sends what the ledger holds."""

    hand_over: Callable[[Relay, Mail], Outcome]
    """Sends one mail and waits for its end."""
    arrived: Callable[[Relay, str], bool | None]
    """Whether a mail of this Message-ID was put into a relay's folder; None where it does not tell."""
    dead: Callable[[Sequence[str]], list[str]]
    """Which lease holders are processes of this machine that are gone."""
    has_public_url: bool

    def recover(self) -> tuple[int, int]:
        """Takes back what a lost sender held: (freed, uncertain). Also ends what is too late.

        What it was writing into a folder is not uncertain: the folder tells.
        """
        now = self.clock()
        with self.store.reading() as tx:
            dead = self.dead(sending.holders(tx))
            written = [
                (relay, one)
                for relay in (outlet.relay for outlet in self.outlets if outlet.relay.path is not None)
                for one in sending.doubtful(tx, relay.place, now=now, dead=dead)
            ]
        known = [(one.id, self.arrived(relay, message_id_of(one, self.keys))) for relay, one in written]
        with self.store.transaction() as tx:
            for delivery_id, here in known:
                if here is not None:
                    sending.decide(tx, delivery_id, arrived=here, now=now, dead=dead)
            found = sending.recover(tx, now=now, dead=dead, resend=self.resend)
            sending.expire(tx, now)
        return found

    def wake(self, digests: Sequence[str] | None = None) -> None:
        """Makes what is queued due now: the operator asked. Deferred recipients keep their time."""
        with self.store.transaction() as tx:
            sending.wake(tx, self.clock(), digests)

    def copy(self, message: Message, address: str) -> Copied:
        """Sends one test copy through the first relay that can be reached, dated now and with dead tokens; nothing is
        recorded. Raises RelayError, the first relay's, when none can be reached.
        """
        # A Message-ID of its own: mail servers drop what they have seen before.
        own = hashlib.sha256(f"{message.key} {address} {self.seconds()}".encode()).hexdigest()[:32]
        stamps = {**dead_stamps(address), Stamp.MESSAGE_ID: own}
        cut = ended(_dated(segments(message), self.clock()))
        parts, wire = fill(cut, stamps), fill(dotted(cut), stamps)
        signer = self.signer()
        if signer is not None:
            signature = signer.prepare(cut).sign(stamp_bytes(stamps))
            parts, wire = (signature, *parts), (signature, *wire)
        envelope = Envelope(sender=self.return_path.address, recipient=address, size=sum(map(len, parts)))
        failed: list[RelayError] = []
        self._listen()
        for outlet in self.outlets:
            relay = outlet.relay
            if outlet.paused_at is not None and (why := outlet.held) is not None:
                failed.append(why)
                continue
            try:
                outcome = self.hand_over(relay, Mail(envelope, parts, wire))
            except RelayError as error:
                failed.append(error)
            else:
                return Copied(outcome=outcome, relay=relay.where, passed_over=tuple(failed))
        raise failed[0]

    def run(
        self,
        *,
        digests: Sequence[str] | None = None,
        stop: threading.Event | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Sent:
        """Sends until nothing is due, no relay answers, or ``stop`` is set; then every lease is given back.

        ``progress`` is told now and then how many tries have ended.
        """
        self.recover()
        with self.store.reading() as tx:
            may_send(tx, has_public_url=self.has_public_url)
        accord = self._listen()
        now = self.seconds()
        if self.outlets and not any(outlet.is_open(now) for outlet in self.outlets):
            return self._kept_waiting(now)
        run = Dispatch(self, accord, digests, stop or threading.Event(), progress)
        run.work()
        return Sent(
            tried=sum(run.outcomes.values()),
            outcomes=run.outcomes,
            problem=run.problem,
            passed_over=() if run.problem is not None else passed_over(self.outlets, self.seconds()),
        )

    def _listen(self) -> Accord:
        """Has heard what other processes, and the operator, say of the relays."""
        accord = Accord(self.store, self.outlets, self.holder, self.clock)
        accord.look(self.seconds())
        return accord

    def _kept_waiting(self, now: float) -> Sent:
        """No relay may have mails now."""
        resting = [outlet for outlet in self.outlets if not outlet.is_held]
        if not resting:
            return Sent(tried=0, outcomes=Counter(), passed_over=passed_over(self.outlets, now))
        why = next(filter(None, map(paused, resting)), None)
        told = why.what if why else "the relay asked us to slow down"
        told += f"; sending goes on in {min(outlet.throttle.wait(now) for outlet in resting) / 60:.0f} min"
        return Sent(tried=0, outcomes=Counter(), problem=RelayError(told, try_=why.try_ if why else ""))


def _dated(cut: Segments, at: datetime) -> Segments:
    """The mail with another Date (RFC 5322 section 3.6.1), which stands before the first stamp."""
    first, *rest = cut
    assert isinstance(first, bytes), "a mail begins with its Date"
    date = b"Date: " + format_datetime(at).encode()
    return (re.sub(rb"^Date: [^\r\n]*", date, first, count=1, flags=re.MULTILINE), *rest)
