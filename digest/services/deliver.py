"""Delivering: leases what is due, sends it over several connections, and writes down what became of each mail.

Intention before action: the lease and an open try are committed before the network is touched, "the final dot is
about to go" (with consent and suppression checked once more) before the dot, the outcome after it. Every write goes
through one writer thread that commits in groups.
"""

from __future__ import annotations

import hashlib
import itertools
import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.relay import Session
from digest.delivery.retry import next_attempt
from digest.model.errors import DigestError, InputError, RelayError
from digest.model.mail import Delivery, DeliveryState, Envelope, Message, Outcome, OutcomeKind, Scope, Stamp
from digest.rendering.message import Segments, fill, segments
from digest.services.ports import Clock
from digest.services.publish import may_send
from digest.services.stamping import Keys, dead_stamps, stamps_for
from digest.storage import editions, sending
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.writer import Writer

#: While the reply to the dot is awaited (RFC 5321 section 4.5.3.2.6 allows ten minutes).
SENDING_LEASE = timedelta(minutes=15)
_RENEW_SECONDS = 20.0  # far below any sensible lease
_RELAY_PAUSE = timedelta(minutes=5)
_AT_ONCE = 2  # tries on a fresh connection before a delivery waits, when only the connection failed
_MESSAGES = 64

_runs = itertools.count(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What one run did. ``problem`` is set when no relay could be used."""

    tried: int
    outcomes: Counter[str]
    problem: DigestError | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Deliver:
    """Sends what the ledger holds."""

    store: Store
    connect: tuple[Callable[[], Session], ...]
    """The relays in order of preference."""
    connections: int
    keys: Keys
    return_path: str
    resend: bool
    """Policy for uncertain deliveries: send again under the same Message-ID."""
    holder: str
    lease: timedelta
    """Renewed while its mail is on the wire; a sender that says nothing for this long has lost its mails."""
    dead: Callable[[Sequence[str]], list[str]]
    """Which lease holders are processes of this machine that are gone."""
    clock: Clock
    jitter: Callable[[], float]
    has_public_url: bool
    throttle: Throttle
    """What the relay has asked of us lives longer than one run."""
    rates: RateLimit
    seconds: Callable[[], float]
    """A steady clock."""

    def recover(self) -> tuple[int, int]:
        """Takes back what a lost sender held: (freed, uncertain). Also ends what is too late."""
        now = self.clock()
        with self.store.transaction() as tx:
            dead = self.dead(sending.holders(tx))
            found = sending.recover(tx, now=now, dead=dead, resend=self.resend)
            sending.expire(tx, now)
        return found

    def wake(self, digests: Sequence[str] | None = None) -> None:
        """Makes what is queued due now: the operator asked. Deferred recipients keep their time."""
        with self.store.transaction() as tx:
            sending.wake(tx, self.clock(), digests)

    def copy(self, message: Message, address: str) -> Outcome:
        """Sends one test copy through the first relay, with dead tokens; nothing is recorded. Raises RelayError."""
        # A Message-ID of its own: mail servers drop what they have seen before.
        own = hashlib.sha256(f"{message.key} {address} {self.seconds()}".encode()).hexdigest()[:32]
        stamped = fill(segments(message), {**dead_stamps(address), Stamp.MESSAGE_ID: own})
        session = self.connect[0]()
        try:
            envelope = Envelope(sender=self.return_path, recipient=address, size=sum(len(part) for part in stamped))
            return session.submit(envelope, stamped, lambda: True)
        finally:
            session.close()

    def run(
        self,
        *,
        digests: Sequence[str] | None = None,
        stop: threading.Event | None = None,
        progress: Callable[[Delivery, str], None] | None = None,
    ) -> Sent:
        """Sends until nothing is due, no relay answers, or ``stop`` is set; then every lease is given back."""
        self.recover()
        with self.store.reading() as tx:
            may_send(tx, has_public_url=self.has_public_url)
        wait = self.throttle.wait(self.seconds())
        if wait > 0:
            told = RelayError(f"the relay asked us to slow down; sending goes on in {wait / 60:.0f} min")
            return Sent(tried=0, outcomes=Counter(), problem=told)
        crew = _Crew(self, digests, stop or threading.Event(), progress)
        return crew.work()


@dataclass(slots=True)
class _Crew:
    """One run: a feeder that claims, and workers that each hold a connection."""

    service: Deliver
    digests: Sequence[str] | None
    stop: threading.Event
    progress: Callable[[Delivery, str], None] | None
    lease: str = ""
    outcomes: Counter[str] = field(default_factory=Counter[str])
    problem: DigestError | None = None
    _jobs: queue.Queue[Delivery | None] = field(default_factory=lambda: queue.Queue[Delivery | None]())
    _broken: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _busy: int = 0
    """Mails claimed and not settled yet, queued ones included."""
    _drops: Counter[int] = field(default_factory=Counter[int])
    _secrets: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    _messages: dict[str, Segments] = field(default_factory=dict[str, Segments])
    _writer: Writer = field(init=False)

    def work(self) -> Sent:
        self.lease = f"{self.service.holder}:{next(_runs)}"
        self._writer = Writer(self.service.store)
        try:
            self._send()
        finally:
            self._writer.close()
        return Sent(tried=sum(self.outcomes.values()), outcomes=self.outcomes, problem=self.problem)

    def _send(self) -> None:
        size = self.service.connections
        batch = self._claim(size * 8)
        workers = [
            threading.Thread(target=self._worker, args=(n,), name=f"send-{n}", daemon=True)
            for n in range(min(size, len(batch)))
        ]
        for worker in workers:
            worker.start()
        try:
            self._feed(batch, workers)
        finally:
            self._ended.set()
            for _ in workers:
                self._jobs.put(None)
            for worker in workers:
                worker.join()
            self._return_rest()

    def _feed(self, batch: tuple[Delivery, ...], workers: Sequence[threading.Thread]) -> None:
        """Keeps the queue filled and the leases fresh until nothing is due and everybody is idle."""
        waited = 0.0
        while True:
            with self._lock:
                self._busy += len(batch)
            for delivery in batch:
                self._jobs.put(delivery)
            while not self._jobs.empty():
                if self._over(workers):
                    return
                waited = self._wait(waited)
            if self._over(workers):
                return
            # Asked before the claim: a mail whose connection broke may be queued again between the two.
            unfinished = self._unfinished()
            batch = self._claim(self.service.connections * 8)
            if not batch:
                if not unfinished:
                    return
                waited = self._wait(waited)

    def _wait(self, waited: float) -> float:
        step = 0.02
        self.stop.wait(step)
        if waited + step < min(_RENEW_SECONDS, self.service.lease.total_seconds() / 4):
            return waited + step
        until = self.service.clock() + self.service.lease
        self._writer.call(lambda tx: sending.renew(tx, self.lease, until))
        return 0.0

    def _unfinished(self) -> bool:
        with self._lock:
            return self._busy > 0

    def _over(self, workers: Sequence[threading.Thread]) -> bool:
        return self.stop.is_set() or self._broken.is_set() or not any(worker.is_alive() for worker in workers)

    def _claim(self, limit: int) -> tuple[Delivery, ...]:
        now = self.service.clock()

        def claim(tx: Tx) -> tuple[Delivery, ...]:
            found = sending.claim(
                tx, lease=self.lease, now=now, until=now + self.service.lease, limit=limit, digests=self.digests
            )
            self._secrets |= sending.secrets_of(tx, [one.id for one in found])
            return found

        return self._writer.call(claim)

    def _return_rest(self) -> None:
        """Gives back what was leased and not tried."""
        rest: list[Delivery] = []
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                rest.append(job)
        if not rest:
            return
        pause = _RELAY_PAUSE if self.problem is not None else timedelta(0)
        next_at = self.service.clock() + pause
        self._writer.call(lambda tx: sending.unclaim(tx, [one.id for one in rest], self.lease, next_at))

    def _worker(self, number: int) -> None:
        session: Session | None = None
        try:
            while not (self.stop.is_set() or self._broken.is_set()):
                if number and self._allowed() <= number:
                    # The relay wants fewer connections: this one rests, the first always works.
                    session = _closed(session)
                    if self._ended.wait(0.2):
                        return
                    continue
                job = self._jobs.get()
                if job is None:
                    return
                try:
                    session = self._one(job, session)
                finally:
                    with self._lock:
                        self._busy -= 1
        except Exception as error:
            # A fault of ours must not look like a finished run: the leases expire, the next run goes on, the cause is
            # told.
            self._fail(error if isinstance(error, DigestError) else RelayError(f"sending stopped: {error!r}"))
            if not isinstance(error, DigestError):
                raise
        finally:
            if session is not None:
                session.close()

    def _one(self, delivery: Delivery, session: Session | None) -> Session | None:
        """Sends one mail; gives the connection to go on with, or None when it is spent."""
        if session is not None and not session.alive:
            session = _closed(session)
        if not self._await_rate(delivery.address):
            self._jobs.put(delivery)
            return session
        try:
            session = session or self._connect()
        except RelayError as error:
            self._jobs.put(delivery)
            self._fail(error)
            return None
        content = self._content(delivery)
        if content is None:
            gone = "its message is no longer kept"
            self._settle(delivery, DeliveryState.EXPIRED, None, reason=gone)
            return session
        gate = ""

        def before_dot() -> bool:
            nonlocal gate
            until = self.service.clock() + SENDING_LEASE
            gate = self._writer.call(lambda tx: sending.about_to_send(tx, delivery.id, self.lease, until))
            return not gate

        try:
            stamped = fill(content, stamps_for(delivery, self._secrets.get(delivery.id, ()), self.service.keys))
        except InputError as error:
            # One address that cannot be printed must not hold up all the others behind it.
            self._settle(delivery, DeliveryState.REJECTED, None, reason=str(error))
            return session
        envelope = Envelope(
            sender=self.service.return_path, recipient=delivery.address, size=sum(len(part) for part in stamped)
        )
        outcome = session.submit(envelope, stamped, before_dot)
        if outcome.kind is OutcomeKind.STOPPED:
            self._stopped(delivery, gate)
            session.close()
            return None
        with self._lock:
            self.service.throttle.on_outcome(outcome, self.service.seconds())
        self._record(delivery, outcome)
        if outcome.scope is Scope.RELAY or outcome.kind is OutcomeKind.UNCERTAIN:
            session.close()
            return None
        return session

    def _allowed(self) -> int:
        with self._lock:
            return self.service.throttle.allowed(self.service.seconds())

    def _await_rate(self, address: str) -> bool:
        """Waits until one more mail may go to this domain; False when the run was stopped meanwhile."""
        while not self.stop.is_set():
            with self._lock:
                wait = self.service.rates.take(address, self.service.seconds())
            if wait <= 0:
                return True
            self.stop.wait(min(wait, 1.0))
        return False

    def _connect(self) -> Session:
        failure = RelayError("no relay is configured", where="smtp", try_="add an [smtp] section")
        for connect in self.service.connect:
            try:
                return connect()
            except RelayError as error:
                failure = error
        raise failure

    def _fail(self, error: DigestError) -> None:
        with self._lock:
            self.problem = self.problem or error
        self._broken.set()

    def _content(self, delivery: Delivery) -> Segments | None:
        held = self._messages.get(delivery.message_key)
        if held is None:
            with self.service.store.reading() as tx:
                message = editions.message(tx, delivery.message_key)
            if message is None:
                return None
            held = segments(message)
            if len(self._messages) >= _MESSAGES:
                self._messages.clear()
            self._messages[delivery.message_key] = held
        return held

    def _record(self, delivery: Delivery, outcome: Outcome) -> None:
        now = self.service.clock()
        match outcome.kind:
            case OutcomeKind.ACCEPTED:
                self._settle(delivery, DeliveryState.ACCEPTED, outcome)
            case OutcomeKind.REJECTED:
                self._settle(delivery, DeliveryState.REJECTED, outcome, reason=_said(outcome))
            case OutcomeKind.UNCERTAIN if not self.service.resend:
                self._settle(delivery, DeliveryState.UNCERTAIN, outcome, reason="the final dot was sent, no reply came")
            case OutcomeKind.UNCERTAIN:
                self._settle(
                    delivery, DeliveryState.DEFERRED, outcome, next_in=_RELAY_PAUSE, reason="no reply to the dot"
                )
            case _ if (
                outcome.scope is Scope.RELAY and outcome.retry_after is None and self._drops[delivery.id] < _AT_ONCE
            ):
                self._drops[delivery.id] += 1
                self._settle(delivery, DeliveryState.QUEUED, outcome, next_in=timedelta(0), counts=False)
            case _ if outcome.scope is Scope.RELAY:
                # A mail at which the relay hangs up each time waits longer and longer, or it would keep back all.
                throttled = outcome.retry_after is not None
                tries = delivery.attempts + (0 if throttled else 1)
                due = next_attempt(tries, now, outcome, self.service.jitter())
                self._settle(
                    delivery,
                    DeliveryState.DEFERRED,
                    outcome,
                    next_in=due - now,
                    counts=not throttled,
                    reason=_said(outcome),
                )
                self._fail(RelayError(f"the relay refused for now: {_said(outcome)}", try_="it is tried again later"))
            case _:
                due = next_attempt(delivery.attempts + 1, now, outcome, self.service.jitter())
                self._settle(delivery, DeliveryState.DEFERRED, outcome, next_in=due - now, reason=_said(outcome))

    def _settle(
        self,
        delivery: Delivery,
        state: DeliveryState,
        outcome: Outcome | None,
        *,
        reason: str = "",
        next_in: timedelta | None = None,
        counts: bool = True,
    ) -> None:
        now = self.service.clock()
        next_at = now + next_in if next_in is not None else None

        def settle(tx: Tx) -> bool:
            kept = sending.settle(
                tx,
                delivery.id,
                self.lease,
                state=state,
                outcome=outcome,
                now=now,
                next_at=next_at,
                reason=reason,
                counts=counts,
            )
            if kept and outcome is not None and outcome.suppress:
                sending.suppress_recipient(tx, delivery.id, detail=_said(outcome), now=now)
            return kept

        kept = self._writer.call(settle)
        told = state.value if kept else "lost"
        with self._lock:
            self.outcomes[told] += 1
        if self.progress is not None:
            self.progress(delivery, told)

    def _stopped(self, delivery: Delivery, gate: str) -> None:
        """The gate before the dot said no."""
        now = self.service.clock()
        match gate:
            case "unsubscribed":
                self._writer.call(lambda tx: sending.split(tx, delivery.id, self.lease, now))
            case "suppressed":
                self._settle(delivery, DeliveryState.SUPPRESSED, None, reason="the address is on the suppression list")
                return
            case "paused":
                self._settle(delivery, DeliveryState.QUEUED, None, next_in=timedelta(0), counts=False)
                return
            case _:
                gate = "lost"  # the lease is somebody else's now
        with self._lock:
            self.outcomes[gate] += 1


def _closed(session: Session | None) -> None:
    if session is not None:
        session.close()


def _said(outcome: Outcome) -> str:
    head = " ".join(str(part) for part in (outcome.code, outcome.enhanced) if part)
    return f"{head} {outcome.remote}".strip()[:500]
