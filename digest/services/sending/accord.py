"""What processes that send through the same relays tell each other: which the operator paused, which asked one of them
to slow down, and how far a warm-up plan is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from digest.delivery.pool import Slowing
from digest.delivery.retry import THROTTLE_SECONDS
from digest.model.errors import StorageError
from digest.services.ports import Clock
from digest.services.sending.outlets import Outlet
from digest.storage import relays
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.relays import Standing

LOOK_SECONDS = 1.0


class Accord:
    """One run's ear and voice. Nothing here raises: a database that does not answer is the ledger's trouble, which
    waits for it, and to hear and tell in the next second will do.
    """

    def __init__(self, store: Store, outlets: Sequence[Outlet], holder: str, clock: Clock) -> None:
        self._store, self._outlets, self._holder, self._clock = store, outlets, holder, clock
        self._look_at = float("-inf")
        self._news: list[Callable[[Tx], None]] = []

    def look(self, now: float) -> None:
        """Says what was noted, and hears what the others wrote; that at most once a second."""
        self.speak()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        try:
            with self._store.reading() as tx:
                found = relays.standing(tx, self._clock())
        except StorageError:
            return
        for outlet in self._outlets:
            standing = found.get(outlet.relay.place)
            if standing is not None:
                self._hear(outlet, standing, now)

    def note(self, outlet: Outlet, now: float) -> None:
        """Takes up what the others should hear of a relay, if the last try brought anything."""
        news = outlet.throttle.news(now)
        if news is not None:
            self._news.append(
                partial(
                    relays.slow,
                    place=outlet.relay.place,
                    by=self._holder,
                    rest=timedelta(seconds=news.rest),
                    connections=news.connections,
                    cause=news.cause,
                    now=self._clock(),
                )
            )

    def speak(self) -> None:
        """Writes what was noted, for the others."""
        if not self._news:
            return
        try:
            with self._store.transaction() as tx:
                for one in self._news:
                    one(tx)
        except StorageError:
            return
        self._news = []

    def _hear(self, outlet: Outlet, standing: Standing, now: float) -> None:
        outlet.paused_at = standing.paused_at
        if outlet.quota is not None:
            outlet.quota.hear(standing)
        at = standing.slowed_at
        if at is None or (outlet.heard_at is not None and at <= outlet.heard_at):
            return
        outlet.heard_at = at
        if standing.slowed_by == self._holder:
            return
        if standing.cause is None:
            if outlet.throttle.wait(now) > 0:
                outlet.throttle.free()
            return
        rest = (standing.rests_until - standing.at).total_seconds() if standing.rests_until is not None else 0.0
        if rest > 0 or standing.at - at < timedelta(seconds=THROTTLE_SECONDS):
            outlet.throttle.hear(Slowing(rest, standing.connections, standing.cause), now)
