"""What a run of sending writes down: how each try ended, and what goes back to the queue; in groups, and persistently.

Nothing is forgotten before it is written: while something of a sent mail is owed, a database that restarts is waited
for.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from digest.delivery.retry import is_soft
from digest.model.errors import Conflict, StorageError
from digest.model.mail import DeliveryId, DeliveryState, Due, Outcome
from digest.services.sending.means import Means
from digest.storage import bounces, sending
from digest.storage.base import Tx
from digest.storage.lane import Accepted, Lane

T = TypeVar("T")
Write = Callable[[Tx], None]

#: A database that restarts is waited for: what was sent must not be forgotten for a moment's trouble.
_DATABASE_WAITS = (0.05, 0.2, 0.5, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0)


class Book:
    """The ledger's side of a run."""

    def __init__(self, means: Means, lease: str, gone: Collection[DeliveryId]) -> None:
        """``gone``: the mails whose content was sent and whose end is not known yet."""
        self.outcomes: Counter[str] = Counter()
        self.lease = lease
        self.is_deaf = False
        """The database does not answer."""
        self.requeued = False
        """Something went back to the queue that is due at once; the caller takes note and clears it."""
        self._means = means
        self._gone = gone
        self._lane = Lane(means.store, lease)
        self._accepted: list[Accepted] = []
        self._writes: list[Write] = []
        """How other tries ended, to be written with the next group."""

    @property
    def owes(self) -> bool:
        """Whether something is to be written."""
        return bool(self._accepted or self._writes)

    def accept(self, due: Due, outcome: Outcome) -> None:
        """The relay took a mail that is not joined."""
        self._accepted.append(Accepted(due, outcome.code, outcome.enhanced, outcome.remote[:2000]))

    def give_back(self, ids: Sequence[DeliveryId], pause: timedelta = timedelta(0)) -> None:
        """What was leased and not sent is free again, after a pause."""
        next_at = self._means.clock() + pause
        self._writes.append(lambda tx: sending.unclaim(tx, ids, self.lease, next_at))
        self.requeued = self.requeued or pause <= timedelta(0)

    def split(self, due: Due) -> None:
        """Its reader left one of the digests it joins."""
        now = self._means.clock()
        self._writes.append(lambda tx: sending.split(tx, due.id, self.lease, now))
        self.requeued = True

    def write(self) -> None:
        """Writes all but what was accepted, which goes with ``group``; each is forgotten only when it is written."""
        writes = self._writes
        if writes:
            self.persist(lambda tx: [write(tx) for write in writes])
            self._writes = []

    def group(self, ready: Sequence[Due], *, now: datetime, until: datetime, relay: str) -> frozenset[DeliveryId]:
        """Settles what was accepted, and commits ``sending`` for what is ready; gives those that may go."""
        accepted = self._accepted
        kept, passed = self._persistently(lambda: self._lane.group(accepted, ready, now=now, until=until, relay=relay))
        self._accepted = []
        self.count("accepted", kept)
        self.count("lost", len(accepted) - kept)
        return passed

    def close(self) -> None:
        self._lane.close()

    def settle(
        self,
        due: Due,
        state: DeliveryState,
        outcome: Outcome | None,
        *,
        reason: str = "",
        next_in: timedelta | None = None,
        counts: bool = True,
        bound: bool = False,
    ) -> None:
        now = self._means.clock()
        next_at = now + next_in if next_in is not None else None

        def settle(tx: Tx) -> None:
            kept = sending.settle(
                tx,
                due.id,
                self.lease,
                state=state,
                outcome=outcome,
                now=now,
                next_at=next_at,
                reason=reason,
                counts=counts,
                bound=bound or bool(due.relay),
            )
            if kept and outcome is not None and state is DeliveryState.REJECTED:
                self._note_refusal(tx, due, outcome, now)
            self.outcomes[state.value if kept else "lost"] += 1

        self._writes.append(settle)
        if state is DeliveryState.QUEUED:
            self.requeued = True

    def _note_refusal(self, tx: Tx, due: Due, outcome: Outcome, now: datetime) -> None:
        """What a refusal for good says about the address."""
        if outcome.suppress:
            sending.suppress_recipient(tx, due.id, detail=said(outcome), now=now)
        elif is_soft(outcome.enhanced, outcome.remote, outcome.code):
            bounces.note_soft(
                tx,
                due.id,
                status=outcome.enhanced,
                detail=outcome.remote,
                now=now,
                limit=self._means.soft_bounces,
                window=self._means.soft_window,
            )

    def persist(self, work: Callable[[Tx], T]) -> T:
        """One transaction, made as persistently as the others."""

        def once() -> T:
            with self._means.store.transaction() as tx:
                return work(tx)

        return self._persistently(once)

    def _persistently(self, once: Callable[[], T]) -> T:
        """While there is something of a sent mail to write down, a database that does not answer is waited for."""
        owes = (self._gone or self._accepted or self._writes) and not self.is_deaf
        for wait in (*_DATABASE_WAITS, None):
            before = self.outcomes.copy()
            try:
                return once()
            except (StorageError, Conflict) as error:
                self.outcomes = before
                # Two writers who waited for each other: the next time they will not.
                passes = owes or (isinstance(error, Conflict) and wait in _DATABASE_WAITS[:3])
                if wait is None or not passes:
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable")

    def count(self, told: str, number: int) -> None:
        if number:
            self.outcomes[told] += number


def said(outcome: Outcome) -> str:
    head = " ".join(str(part) for part in (outcome.code, outcome.enhanced) if part)
    return f"{head} {outcome.remote}".strip()[:500]
