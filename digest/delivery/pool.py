"""How much may be sent now: connections after a relay asked us to slow down, and mails a second. Pure: seconds of some
steady clock come in as ``now``. Not locked: whoever shares one between threads holds a lock.
"""

from __future__ import annotations

from collections.abc import Mapping

from digest.delivery.retry import THROTTLE_SECONDS
from digest.model.mail import Outcome, OutcomeKind, Scope

#: So many hang-ups in a row, with nothing accepted between them, are taken as being asked to stop.
HANG_UPS = 3


class Throttle:
    """How many connections a relay may have now.

    Throttled: none for ten minutes, then one, and one more after each ``step`` accepted mails. A 421 that names no
    reason halves them.
    """

    def __init__(self, connections: int, *, step: int = 50) -> None:
        self._most = connections
        self._step = step
        self._allowed = connections
        self._paused_until = float("-inf")
        self._accepted = 0
        self._hang_ups = 0

    def allowed(self, now: float) -> int:
        """Connections that may be open now; 0 while the relay has asked us to stop."""
        return 0 if now < self._paused_until else self._allowed

    def wait(self, now: float) -> float:
        """Seconds until anything may be sent."""
        return max(0.0, self._paused_until - now)

    def on_outcome(self, outcome: Outcome, now: float) -> None:
        """Learn from how a try ended."""
        if outcome.kind is OutcomeKind.ACCEPTED:
            self._hang_ups = 0
            self._grow()
        elif outcome.kind is OutcomeKind.DEFERRED and outcome.scope is Scope.RELAY:
            if outcome.retry_after is not None:
                self._pause(now + outcome.retry_after)
            elif outcome.code == 421:
                self._hang_up(now)

    def _grow(self) -> None:
        if self._allowed == self._most:
            return
        self._accepted += 1
        if self._accepted >= self._step:
            self._accepted = 0
            self._allowed += 1

    def _hang_up(self, now: float) -> None:
        self._hang_ups += 1
        self._accepted = 0
        self._allowed = max(1, self._allowed // 2)
        if self._hang_ups >= HANG_UPS:
            self._pause(now + THROTTLE_SECONDS)

    def _pause(self, until: float) -> None:
        # Several connections hear of one throttling; it is the same pause, only ever lengthened.
        self._paused_until = max(self._paused_until, until)
        self._allowed = 1
        self._accepted = 0
        self._hang_ups = 0


class RateLimit:
    """Mails a second, over all and for single recipient domains: token buckets that hold one second's worth."""

    def __init__(self, rate: float | None, domain_rates: Mapping[str, float]) -> None:
        self._overall = None if rate is None else _Bucket(rate)
        self._domains = {domain.casefold(): _Bucket(each) for domain, each in domain_rates.items()}

    def take(self, address: str, now: float) -> float:
        """0.0, and one mail to ``address`` is counted; or the seconds to wait before asking again, and none is."""
        domain = self._domains.get(address.rpartition("@")[2].casefold())
        buckets = [bucket for bucket in (self._overall, domain) if bucket is not None]
        wait = max((bucket.wait(now) for bucket in buckets), default=0.0)
        if wait <= 0.0:
            for bucket in buckets:
                bucket.take()
            return 0.0
        return wait


class _Bucket:
    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._size = max(1.0, rate)
        self._level = self._size
        self._at: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until a mail may go."""
        if self._at is not None:
            self._level = min(self._size, self._level + max(0.0, now - self._at) * self._rate)
        self._at = now
        # A waiter that comes back exactly on time must not be sent away for a rounding error.
        return 0.0 if self._level >= 1.0 - 1e-9 else (1.0 - self._level) / self._rate

    def take(self) -> None:
        self._level -= 1.0
