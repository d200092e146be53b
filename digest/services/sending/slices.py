"""What a relay lets all processes send together, in slices: so many mails a second, so many a day.

A slice is taken in one short transaction and spent without the database; what is left of it at the end is given back,
and a process that dies loses no more than it held. Nothing here raises: a database that does not answer is the ledger's
trouble, which waits for it, and until it answers there is no slice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from math import inf

from digest.delivery.warmup import WarmUp
from digest.model.errors import RelayError, StorageError
from digest.services.ports import Clock
from digest.storage import relays
from digest.storage.engine import Store
from digest.storage.relays import Standing

#: So many mails of a day's plan are taken at a time, and fewer towards its end.
_MOST = 64
_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Lending:
    """Lends slices of a relay's rates (``delivery.pool.Lender``)."""

    store: Store
    place: str
    clock: Clock

    def take(self, domain: str, rate: float, back: float) -> tuple[float, float]:
        try:
            with self.store.transaction() as tx:
                return relays.take_rate(tx, self.place, domain, rate=rate, back=back, now=self.clock())
        except StorageError:
            return 0.0, _AGAIN_SECONDS

    def give_back(self, domain: str, rate: float, back: float) -> None:
        try:
            with self.store.transaction() as tx:
                relays.give_back_rate(tx, self.place, domain, rate=rate, back=back)
        except StorageError:
            return


class Quota:
    """How many mails of a relay's warm-up plan this process may still send today."""

    def __init__(self, store: Store, place: str, plan: WarmUp, clock: Clock, seconds: Callable[[], float]) -> None:
        self.plan = plan
        self._store, self._place, self._clock, self._seconds = store, place, clock, seconds
        self._left: float = 0
        self._day = date.min
        self._day_ends = -inf
        self._ask_at = -inf
        self.used_up: int | None = None
        """What today allowed, once nothing is left of it."""

    def is_left(self, now: float) -> bool:
        """Whether a mail may go; asks for a slice where there is none."""
        if now < self._day_ends and self._left > 0:
            return True
        if now < self._ask_at:
            return False
        try:
            with self._store.transaction() as tx:
                slice_, self._day = relays.take_quota(
                    tx, self._place, allowed=self.plan.allowed, most=_MOST, now=self._clock()
                )
        except StorageError:
            self._left, self._ask_at = 0, now + _AGAIN_SECONDS
            return False
        self._left = inf if slice_.limit is None else slice_.mails
        self._day_ends = now + slice_.seconds
        self._ask_at = -inf if self._left else now + _AGAIN_SECONDS
        self.used_up = None if self._left else slice_.limit
        return self._left > 0

    def spend(self) -> None:
        self._left -= 1

    def hear(self, standing: Standing) -> None:
        """Another process may have given mails back, or used the last; or a new day has begun."""
        day = standing.today
        limit = self.plan.allowed(day)
        mine = self._left if self._seconds() < self._day_ends else 0
        self.used_up = limit if limit is not None and mine + limit - standing.spent_on(day) <= 0 else None

    def give_back(self) -> None:
        """The run is over: what was taken and not sent is for the others."""
        left, self._left = self._left, 0
        if not 0 < left < inf:
            return
        try:
            with self._store.transaction() as tx:
                relays.give_back_quota(tx, self._place, int(left), self._day)
        except StorageError:
            return

    @property
    def why(self) -> RelayError | None:
        """Why no mail may go now."""
        if self.used_up is None:
            return None
        return RelayError(
            f"today's {self.used_up:,} mails of its warm-up plan are used up",
            where=self._place,
            try_="it goes on at 00:00 UTC",
        )
