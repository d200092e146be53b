"""The operator's hand in the ledger: look at deliveries, try again, decide what is uncertain, pause, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from digest.model.editions import Digest
from digest.model.errors import NotFound, SendingRefused, UsageError
from digest.model.mail import OPEN_STATES, Delivery, DeliveryState
from digest.services.ports import Clock
from digest.storage import deliveries
from digest.storage.base import Tx
from digest.storage.engine import Store

#: What becomes of an uncertain delivery at the operator's word. A lost one frees its works, as an expired one does.
RESOLUTIONS = {
    "accepted": (DeliveryState.ACCEPTED, "the operator says it arrived"),
    "lost": (DeliveryState.EXPIRED, "the operator says it was lost"),
    "resend": (DeliveryState.QUEUED, "the operator wants it sent again"),
}
#: Stands for all digests.
ALL = "*"
_REFUSED = {
    DeliveryState.ACCEPTED: ("it was accepted; sending it again would send the same papers twice", ""),
    DeliveryState.LEASED: ("it is being sent now", "wait until it is settled"),
    DeliveryState.SENDING: ("it is being sent now", "wait until it is settled"),
    DeliveryState.UNCERTAIN: (
        "nobody knows whether it arrived",
        "ask the reader or the relay's log, then: digest deliveries resolve ID --as accepted, lost or resend",
    ),
    DeliveryState.EXPIRED: (
        "it has ended, and its papers are free for the next edition",
        "leave it to the next edition",
    ),
    DeliveryState.SUPPRESSED: ("its reader must not be written to", "look at `digest suppressions list`"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryRow:
    """One delivery as it is shown."""

    id: int
    kind: str
    digest: str
    address: str
    local_date: date | None
    state: str
    attempts: int
    reason: str
    code: int | None
    enhanced: str
    remote: str
    created_at: datetime
    next_at: datetime | None
    settled_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One attempt; ``outcome`` is empty while it goes on."""

    started_at: datetime
    ended_at: datetime | None
    outcome: str
    code: int | None
    enhanced: str
    remote: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryReport:
    """One delivery and everything that was tried."""

    delivery: DeliveryRow
    tries: tuple[Try, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """Looks at the ledger and, at the operator's word, changes it."""

    store: Store
    digests: tuple[Digest, ...]
    clock: Clock

    def listing(
        self, *, states: Sequence[str] = (), digest: str = "", address: str = "", limit: int = 100
    ) -> tuple[DeliveryRow, ...]:
        """The oldest first. Raises UsageError for a state that does not exist."""
        for state in states:
            if state not in tuple(DeliveryState):
                raise UsageError(
                    f'there is no state "{state}"', where="--state", try_=f"one of {', '.join(DeliveryState)}"
                )
        with self.store.reading() as tx:
            return tuple(
                _row(one) for one in deliveries.listing(tx, states=states, digest=digest, address=address, limit=limit)
            )

    def show(self, delivery_id: int) -> DeliveryReport:
        """Raises NotFound."""
        with self.store.reading() as tx:
            one = _known(tx, delivery_id)
            tries = tuple(
                Try(
                    started_at=row.started_at,
                    ended_at=row.ended_at,
                    outcome=row.outcome,
                    code=row.code,
                    enhanced=row.enhanced,
                    remote=row.remote,
                )
                for row in deliveries.tries(tx, one.leader_id or one.id)
            )
        return DeliveryReport(delivery=_row(one), tries=tries)

    def retry(self, delivery_id: int) -> DeliveryRow:
        """Makes a waiting delivery due now, a rejected one only while no later edition can hold its papers."""
        now = self.clock()
        with self.store.transaction() as tx:
            one = _known(tx, delivery_id)
            if one.state in _REFUSED:
                what, remedy = _REFUSED[one.state]
                raise SendingRefused(what, where=_where(one), try_=remedy)
            if one.state is DeliveryState.REJECTED and deliveries.later_edition(tx, one):
                raise SendingRefused(
                    "a later edition was planned for this reader, and the papers may stand in it",
                    where=_where(one),
                    try_="leave it; nothing of it is lost",
                )
            _in_time(one, now)
            deliveries.force(tx, one.leader_id or one.id, DeliveryState.QUEUED, now=now, reason="")
            return _row(_known(tx, delivery_id))

    def resolve(self, delivery_id: int, decision: str) -> DeliveryRow:
        """Settles an uncertain delivery as accepted or lost, or sends it again under the same Message-ID."""
        if decision not in RESOLUTIONS:
            raise UsageError(
                f'there is no decision "{decision}"', where="--as", try_=f"one of {', '.join(RESOLUTIONS)}"
            )
        state, reason = RESOLUTIONS[decision]
        now = self.clock()
        with self.store.transaction() as tx:
            one = _known(tx, delivery_id)
            if one.state is not DeliveryState.UNCERTAIN:
                raise SendingRefused(
                    f"it is {one.state.value}, not uncertain",
                    where=_where(one),
                    try_="only what is uncertain is resolved",
                )
            if state is DeliveryState.QUEUED:
                _in_time(one, now)
            deliveries.force(tx, one.leader_id or one.id, state, now=now, reason=reason)
            return _row(_known(tx, delivery_id))

    def pause(self, digest: str) -> bool:
        """Stops the sending of a digest, or of all; False when it was paused. What is on the wire is finished."""
        self._named(digest)
        with self.store.transaction() as tx:
            return deliveries.pause(tx, digest, self.clock())

    def resume(self, digest: str) -> bool:
        """False when it was not paused."""
        with self.store.transaction() as tx:
            return deliveries.resume(tx, digest)

    def cancel(self, digest: str) -> int:
        """Ends what waits; its papers are free again. Gives how many."""
        self._named(digest)
        with self.store.transaction() as tx:
            return deliveries.cancel(tx, digest, self.clock())

    def _named(self, digest: str) -> None:
        names = [one.name for one in self.digests]
        if digest != ALL and digest not in names:
            raise UsageError(f'there is no digest "{digest}"', where="--digest", try_=f"known are: {', '.join(names)}")


def _known(tx: Tx, delivery_id: int) -> Delivery:
    found = deliveries.one(tx, delivery_id)
    if found is None:
        raise NotFound("there is no such delivery", where=str(delivery_id), try_="`digest deliveries list` shows them")
    return found


def _in_time(one: Delivery, now: datetime) -> None:
    if one.expires_at is not None and one.expires_at < now and one.state not in OPEN_STATES:
        raise SendingRefused(
            f"its time ended at {one.expires_at:%Y-%m-%d %H:%M} UTC; it is too late to send it",
            where=_where(one),
            try_="leave it: rejected and lost papers come in the next edition",
        )


def _where(one: Delivery) -> str:
    return f"delivery {one.id}"


def _row(one: Delivery) -> DeliveryRow:
    waiting = one.state in (*OPEN_STATES, DeliveryState.DEFERRED)
    return DeliveryRow(
        id=one.id,
        kind=one.kind,
        digest=one.digest,
        address=one.address,
        local_date=one.local_date,
        state=one.state.value,
        attempts=one.attempts,
        reason=one.reason,
        code=one.code,
        enhanced=one.enhanced,
        remote=one.remote,
        created_at=one.created_at,
        next_at=one.next_at if waiting else None,
        settled_at=one.settled_at,
        expires_at=one.expires_at,
    )
