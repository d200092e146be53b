"""One run of sending: claims what is due, hands it to the sessions, and writes down what became of each mail.

Intention before action: the lease is committed before the network is touched, "the final dot is about to go" (with
consent and suppression checked once more) before the dot, the outcome after it. All of it in one thread and in groups:
one transaction settles what was answered and lets pass what is ready, and between two of them the network has its turn.
A session never has more than one mail whose dot may have gone.
"""

from __future__ import annotations

import gc
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import TypeVar

from digest.delivery.relay import Event, Exchange, Mail, Session
from digest.delivery.retry import next_attempt
from digest.model.errors import Conflict, DigestError, InputError, RelayError, StorageError
from digest.model.mail import DeliveryId, DeliveryState, Due, Message, MessageKey, Outcome, OutcomeKind, Scope
from digest.services.ports import Work
from digest.services.sending.accord import Accord
from digest.services.sending.book import Book, said
from digest.services.sending.means import Means
from digest.services.sending.outlets import Way, Ways, refusal
from digest.services.sending.packing import Packer
from digest.services.sending.waiting import Waiting
from digest.storage import editions, relays, sending
from digest.storage.base import Tx

T = TypeVar("T")
Write = Callable[[Tx], None]

#: While the reply to the dot is awaited (RFC 5321 section 4.5.3.2.6 allows ten minutes).
SENDING_LEASE = timedelta(minutes=15)
RELAY_PAUSE = timedelta(minutes=5)
_RENEW_SECONDS = 20.0  # far below any sensible lease
_AT_ONCE = 2  # tries on a fresh connection before a delivery waits, when only the connection failed
_MOST_FAULTS = 16  # in a row at one relay: then it is the relay, whichever mail it is
_LISTEN_SECONDS = 0.2
#: A group is committed when one in so many mails has answered. Of a relay nearby, whose answers come as fast as we can
#: work, a larger group costs less for each; at a distant one each mail would wait for the others of its group.
_NEAR, _FAR = 4, 8
_NEAR_SECONDS = 0.003

_NO_RELAY = RelayError("no relay can be used", where="smtp", try_="add an [smtp] section")

_runs = itertools.count(1)


class Dispatch:
    """One run. ``work`` until nothing is due, no relay can be used, or ``stop`` is set."""

    def __init__(
        self,
        service: Means,
        accord: Accord,
        digests: Sequence[str] | None,
        stop: threading.Event,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.problem: DigestError | None = None
        self._service = service
        self._digests = digests
        self._stop = stop
        self._progress = progress
        self._lease = f"{service.holder}:{next(_runs)}"
        self._ways = Ways(service.outlets)
        self._accord = accord
        self._packer = Packer(self._message, service.keys, service.return_path, service.signer())
        self._exchange: Exchange
        self._waiting = Waiting(self._ways)
        """Leased, and not yet offered."""
        self._flying: dict[DeliveryId, Mail] = {}
        """Offered, and not yet ended."""
        self._gone: set[DeliveryId] = set()
        """Of these, those whose content was sent."""
        self._book = Book(service, self._lease, self._gone)
        self._round_trip = inf
        """Seconds to the nearest relay and back."""
        self._idle: list[Session] = []
        self._ready: list[tuple[Session, Mail]] = []
        self._after = 0
        self._dry = False
        """Nothing more was due when it was last asked."""
        self._drops: Counter[DeliveryId] = Counter()
        self._renewed = service.seconds()
        self._broken = False

    @property
    def outcomes(self) -> Counter[str]:
        """How many tries ended in which way."""
        return self._book.outcomes

    def work(self) -> None:
        self._exchange = self._service.exchange()
        # What is there now stays: the collector need not look through it again and again while mails come and go.
        gc.freeze()
        try:
            while self._round():
                pass
        except (StorageError, Conflict) as error:
            # What cannot be written down is not sent; what was sent and not written down, the next run finds uncertain.
            self._stand_still(error)
            self._book.is_deaf = True
        finally:
            self._end()
            gc.unfreeze()

    def _round(self) -> bool:
        now = self._service.seconds()
        self._renew(now)
        self._accord.look(now)
        if self._over():
            if not self._gone:
                return False
        else:
            self._refill(now)
            if self._is_done():
                return False
            self._staff(now)
            self._hand_out(now)
        flying = len(self._flying)
        gather = flying // (_NEAR if self._round_trip < _NEAR_SECONDS else _FAR)
        for event in self._exchange.poll(self._patience(now), gather):
            self._hear(event)
        if self._exchange.opened:
            self._welcome()
        self._commit()
        return True

    def _over(self) -> bool:
        return self._broken or self._stop.is_set()

    def _is_done(self) -> bool:
        waiting = self._waiting or any(way.bound for way in self._ways.all)
        return self._is_dry and not (waiting or self._flying or self._book.owes)

    def _patience(self, now: float) -> float:
        """How long to listen at most."""
        if self._book.owes:
            return 0.0
        if self._idle:
            wakes_at = min(self._waiting.wakes_at, self._ways.wakes_at(now))
            return min(_LISTEN_SECONDS, max(0.001, wakes_at - now))
        return _LISTEN_SECONDS

    def _renew(self, now: float) -> None:
        lease = self._service.lease
        if now - self._renewed < min(_RENEW_SECONDS, lease.total_seconds() / 4):
            return
        self._renewed = now
        self._after = 0  # what was deferred may be due again
        until = self._service.clock() + lease
        self._book.persist(lambda tx: sending.renew(tx, self._lease, until))

    # What is due

    def _refill(self, now: float) -> None:
        most = sum(way.room(now) for way in self._ways.all)
        if len(self._waiting) >= max(16, most) or (self._is_dry and self._flying):
            return
        if self._book.owes:
            self._commit()  # what goes back to the queue must be there before it is asked
        self._book.requeued = False
        found = self._claim(min(2048, max(64, 16 * most)))
        if not found and self._after:
            self._after = 0
            found = self._claim(64)
        self._dry = not found
        # A row may come back that is still here, if the lease was lost and freed in between.
        here = self._flying.keys() | set(self._waiting.ids)
        self._waiting.add(one for one in found if one.id not in here)
        if found:
            self._after = found[-1].id

    @property
    def _is_dry(self) -> bool:
        return self._dry and not self._book.requeued

    def _claim(self, limit: int) -> tuple[Due, ...]:
        now = self._service.clock()
        until = now + self._service.lease

        def claim(tx: Tx) -> tuple[Due, ...]:
            found = sending.claim(
                tx, lease=self._lease, now=now, until=until, limit=limit, digests=self._digests, after=self._after
            )
            if len(found) == limit:
                self._service.call_others(tx, Work.DELIVER)  # there is more than we take
            return found

        return self._book.persist(claim)

    def _take(self, way: Way, now: float) -> Mail | None:
        """The next mail for this way, packed; None when none may go now."""
        while (due := self._next(way, now)) is not None:
            wait = way.outlet.rates.take(due.address, now)
            if wait > 0:
                # At least a moment: a wait that is lost in rounding would bring it back at once, again and again.
                if not self._waiting.put_aside(due, now + max(wait, 0.001)):
                    return None
                continue
            try:
                mail = self._packer.pack(due)
            except InputError as error:
                # One address that cannot be printed must not hold up all the others behind it.
                self._book.settle(due, DeliveryState.REJECTED, None, reason=str(error))
                continue
            except (StorageError, Conflict):
                self._waiting.put_first(due)
                raise
            if mail is None:
                self._book.settle(due, DeliveryState.EXPIRED, None, reason="its message is no longer kept")
                continue
            if not way.is_simple:
                self._ways.took(way, due, now)
            return mail
        return None

    def _next(self, way: Way, now: float) -> Due | None:
        """What this way should take, if the relay and its share let it take anything."""
        if way.is_simple:
            return self._waiting.next(way, now)
        if not (way.bound or (way.takes and self._waiting and self._ways.turn(way, now))):
            return None
        return self._waiting.next(way, now) if way.is_free(now) else None

    # The ways out

    def _staff(self, now: float) -> None:
        self._ways.choose(now)
        if not self._ways.taking:
            if not self._ways.only_held:
                self._stand_still(self._ways.problem or _NO_RELAY)
            elif not self._flying:  # what is on the wire is finished
                self._stand_still(None)
            return
        mails = len(self._waiting) + len(self._flying)
        for way in self._ways.taking:
            way.staff(self._exchange, now, mails)
        for other in self._ways.all:
            if other.bound and other.usable(now):
                other.staff(self._exchange, now, len(other.bound))
            elif other.bound:
                self._hold(other)

    def _hold(self, way: Way) -> None:
        """Gives back what can only go where nothing goes now."""
        ids = [one.id for one in way.bound]
        if (why := way.outlet.held) is not None:
            told = f"it may only go to {way.outlet.relay.place}: {why.what}"
            self._book.persist(partial(relays.note_wait, ids=ids, lease=self._lease, reason=told))
        way.bound.clear()
        self._book.give_back(ids, RELAY_PAUSE)

    def _welcome(self) -> None:
        opened, self._exchange.opened = self._exchange.opened, []
        for relay, session, error in opened:
            way = self._ways.of(relay)
            way.opening -= 1
            if session is not None:
                way.is_proven = True
                way.sessions.append(session)
                self._idle.append(session)
                self._round_trip = min(self._round_trip, session.round_trip)
            elif error is not None:
                way.refused(error)
                if way.down is not None and not self._ways.any_usable(self._service.seconds()):
                    self._stand_still(error)

    def _hand_out(self, now: float) -> None:
        # Where several share, each goes on as far as the others have come.
        while self._hand_round(now) and self._ways.is_shared:
            pass

    def _hand_round(self, now: float) -> bool:
        """Each idle session in turn; whether any took a mail."""
        # One that told of two mails at once stands there twice.
        idle, self._idle = dict.fromkeys(self._idle), []
        before = len(self._flying)
        for session in idle:
            way = self._ways.of(session.relay)
            if not session.alive:
                self._leave(way, session)
            elif way.down is not None or len(way.sessions) > way.room(now):
                session.close()
                self._leave(way, session)
            elif not self._offer(session, way, now):
                self._idle.append(session)
        return len(self._flying) > before

    def _offer(self, session: Session, way: Way, now: float) -> bool:
        """Gives an idle session its next mail; False when there is none for it."""
        while way.down is None and (mail := self._take(way, now)) is not None:
            refused = session.offer(mail)
            if refused is None:
                self._flying[mail.about.id] = mail
                return True
            self._ended(mail, refused, way)
        return False

    @staticmethod
    def _leave(way: Way, session: Session) -> None:
        if session in way.sessions:
            way.sessions.remove(session)
        if session.out_of_step:
            way.outlet.plain = True

    # What happens

    def _hear(self, event: Event) -> None:
        session, mail, outcome = event
        if outcome is None:
            assert mail is not None
            self._ready.append((session, mail))
            return
        way = self._ways.of(session.relay)
        now = self._service.seconds()
        way.outlet.throttle.on_outcome(outcome, now, self._waiting.is_backlog)
        if outcome.kind is not OutcomeKind.ACCEPTED:
            self._accord.note(way.outlet, now)
        if mail is not None:
            if session.out_of_step and mail.about.id not in self._gone:
                self._put_back(mail.about)
            else:
                self._ended(mail, outcome, way)
        if not session.alive:
            self._leave(way, session)
        elif session.idle:
            self._idle.append(session)

    def _ended(self, mail: Mail, outcome: Outcome, way: Way) -> None:
        """Decides what an outcome means for its delivery; it is written with the next group."""
        due: Due = mail.about
        self._flying.pop(due.id, None)
        self._gone.discard(due.id)
        if outcome.kind is OutcomeKind.ACCEPTED:
            way.faults = 0
            way.outlet.count(due.address)
        match outcome.kind:
            case OutcomeKind.ACCEPTED if not due.joined:
                self._book.accept(due, outcome)
            case OutcomeKind.ACCEPTED:
                self._book.settle(due, DeliveryState.ACCEPTED, outcome)
            case OutcomeKind.REJECTED:
                self._book.settle(due, DeliveryState.REJECTED, outcome, reason=said(outcome))
            case OutcomeKind.UNCERTAIN if not self._service.resend:
                self._book.settle(due, DeliveryState.UNCERTAIN, outcome, reason="the final dot was sent, no reply came")
            case OutcomeKind.UNCERTAIN:
                self._book.settle(
                    due,
                    DeliveryState.DEFERRED,
                    outcome,
                    next_in=max(RELAY_PAUSE, self._wait(due, outcome, 1)),
                    reason="no reply to the dot",
                    bound=True,
                )
            case _ if outcome.scope is Scope.RELAY:
                self._relay_trouble(due, outcome, way)
            case _:
                self._book.settle(
                    due, DeliveryState.DEFERRED, outcome, next_in=self._wait(due, outcome, 1), reason=said(outcome)
                )

    def _relay_trouble(self, due: Due, outcome: Outcome, way: Way) -> None:
        """The connection or the relay failed, and nothing was said of this recipient."""
        way.faults += 1
        if outcome.retry_after is None and self._drops[due.id] < _AT_ONCE and way.faults <= _MOST_FAULTS:
            self._drops[due.id] += 1
            self._book.settle(due, DeliveryState.QUEUED, outcome, next_in=timedelta(0), counts=False)
            return
        error = refusal(outcome, way.outlet.relay.where)
        way.down = way.down or error
        if not due.relay and self._ways.any_usable(self._service.seconds()):
            # Another relay takes it: this one refused it for certain.
            self._book.settle(due, DeliveryState.QUEUED, outcome, next_in=timedelta(0), counts=False)
            return
        # A mail at which the relay hangs up each time waits longer and longer, or it would keep back all.
        counts = outcome.retry_after is None
        wait = self._wait(due, outcome, 1 if counts else 0)
        self._book.settle(due, DeliveryState.DEFERRED, outcome, next_in=wait, counts=counts, reason=said(outcome))
        if not self._ways.any_usable(self._service.seconds()):
            self._stand_still(error)

    def _wait(self, due: Due, outcome: Outcome, more: int) -> timedelta:
        now = self._service.clock()
        return next_attempt(due.attempts + more, now, outcome, self._service.jitter()) - now

    # What is written down

    def _commit(self) -> None:
        """One group: settles what ended, and passes what is ready through the gate; then its content goes."""
        ready = [(session, mail) for session, mail in self._ready if session.ready is mail]
        self._ready = []
        if ready and (self._over() or any(self._ways.of(s.relay).down for s, _ in ready)):
            ready = self._held_back(ready)
        if not (ready or self._book.owes):
            return
        now = self._service.clock()
        self._book.write()
        refused = self._pass(ready, now)
        if self._progress is not None:
            self._progress(sum(self.outcomes.values()))
        self._let_go(ready, refused)

    def _pass(self, ready: Sequence[tuple[Session, Mail]], now: datetime) -> dict[DeliveryId, str]:
        """Settles what was accepted, and commits ``sending`` for what is ready; gives what must not go, and why."""
        until = now + SENDING_LEASE
        refused: dict[DeliveryId, str] = {}
        single: dict[str, list[Due]] = {}
        for session, mail in ready:
            place = session.relay.place
            if not mail.about.joined:
                single.setdefault(place, []).append(mail.about)
            elif why := self._book.persist(
                partial(
                    sending.gate_joined,
                    delivery_id=mail.about.id,
                    lease=self._lease,
                    now=now,
                    until=until,
                    relay=place,
                )
            ):
                refused[mail.about.id] = why
        for place, dues in single.items() or (("", []),):
            passed = self._book.group(dues, now=now, until=until, relay=place)
            for due in dues if len(passed) < len(dues) else ():
                if due.id not in passed:
                    refused[due.id] = self._book.persist(
                        partial(sending.refused_at_gate, delivery_id=due.id, lease=self._lease)
                    )
        return {one: why or "lost" for one, why in refused.items()}

    def _let_go(self, ready: Sequence[tuple[Session, Mail]], refused: dict[DeliveryId, str]) -> None:
        now = self._service.seconds()
        passed: list[tuple[Session, Mail, Mail | None]] = []
        goes_on: dict[Way, bool] = {}
        for session, mail in ready:
            due: Due = mail.about
            way = self._ways.of(session.relay)
            if due.id in refused:
                session.stop()
                self._stopped(due, refused[due.id])
                self._rest(session, way)
                continue
            if way not in goes_on:
                goes_on[way] = not self._over() and len(way.sessions) <= way.room(now)
            following = None
            if goes_on[way] and session.pipelining and not self._broken:
                try:
                    following = self._take(way, now)
                except (StorageError, Conflict) as error:
                    self._stand_still(error)  # and yet those that passed the gate go
            passed.append((session, mail, following))
        # Packed first and written then: each of the two keeps the processor's caches warm for itself.
        for session, mail, following in passed:
            self._gone.add(mail.about.id)
            unfit = session.go(following)
            if following is None:
                continue
            if unfit is None:
                self._flying[following.about.id] = following
            else:
                self._ended(following, unfit, self._ways.of(session.relay))

    def _held_back(self, ready: Sequence[tuple[Session, Mail]]) -> list[tuple[Session, Mail]]:
        """Keeps back what is ready where no more is to be sent; gives the others."""
        rest: list[tuple[Session, Mail]] = []
        for session, mail in ready:
            way = self._ways.of(session.relay)
            if self._over() or way.down is not None:
                session.stop()
                self._put_back(mail.about)
                self._rest(session, way)
            else:
                rest.append((session, mail))
        return rest

    def _rest(self, session: Session, way: Way) -> None:
        if session.alive:
            self._idle.append(session)
        else:
            self._leave(way, session)

    def _put_back(self, due: Due, pause: timedelta = timedelta(0)) -> None:
        """Gives back what was leased and not sent."""
        self._flying.pop(due.id, None)
        self._book.give_back([due.id], pause)

    def _stopped(self, due: Due, why: str) -> None:
        """The gate before the dot said no."""
        self._flying.pop(due.id, None)
        if why == "suppressed":
            self._book.settle(due, DeliveryState.SUPPRESSED, None, reason="the address is on the suppression list")
        elif why == "paused":
            self._book.settle(due, DeliveryState.QUEUED, None, next_in=timedelta(0), counts=False)
            self._shelve()
        else:
            if why == "unsubscribed":
                self._book.split(due)
            else:
                self._put_back(due)  # nothing, where the lease is another's by now
            self._book.count(why, 1)

    def _shelve(self) -> None:
        """Gives back all that is not yet offered, for sending was paused: what may still go is claimed again."""
        if ids := self._waiting.clear():
            self._book.give_back(ids)

    def _stand_still(self, error: DigestError | None) -> None:
        """No more mails in this run. Without an error: it is as the operator wants it."""
        self.problem = self.problem or error
        self._broken = True

    def _message(self, key: str) -> Message | None:
        with self._service.store.reading() as tx:
            return editions.message(tx, MessageKey(key))

    def _end(self) -> None:
        """Writes down what is known, says goodbye, and gives back what was leased and not sent."""
        self._broken = True
        try:
            self._commit()
            rest = self._waiting.ids + [one for one in self._flying if one not in self._gone]
            next_at = self._service.clock() + (RELAY_PAUSE if self.problem is not None else timedelta(0))
            self._book.persist(lambda tx: sending.unclaim(tx, rest, self._lease, next_at))
        except (StorageError, Conflict) as error:
            self._stand_still(error)
        finally:
            self._book.close()
            self._exchange.close()
            self._accord.speak()
            for way in self._ways.all:
                way.outlet.give_back()
