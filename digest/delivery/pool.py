"""How much may be sent now: connections (growing while that helps, fewer after a relay asked us to slow down, none
while it refuses everything), and mails a second. Pure: seconds of some steady clock come in as ``now``. Not locked:
whoever shares one between threads holds a lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from digest.delivery.retry import OPERATOR_SECONDS, THROTTLE_SECONDS
from digest.model.mail import Outcome, OutcomeKind, Scope

#: So many hang-ups in a row, with nothing accepted between them, are taken as being asked to stop.
HANG_UPS = 3
#: So many refusals in a row by the same code, with nothing accepted between them, are not about the readers.
REFUSALS = 20
#: Throughput is measured over at least so many seconds …
WINDOW = 0.1
#: … and so many accepted mails of each connection.
SAMPLE = 2
#: More connections that bring less than this share of the throughput before are taken back. (Well below one: on a busy
#: machine a tenth of a second says little.)
WORSE = 0.5
#: So often in a row it must have been worse, for a machine has other things to do at times.
SLOW = 3
#: Seconds until more connections are tried again.
REST = 10.0
#: So many seconds without an accepted mail: there was nothing to send, and so nothing to measure. (A relay may well
#: look at each mail for some seconds.)
IDLE = 60.0
#: A slice of a rate that was not sent for so many seconds is given back, or it would come on top of a later one.
SLICE_SECONDS = 1.0


class Slowing(NamedTuple):
    """What a relay asked of one process, as the others hear it."""

    rest: float
    """Seconds from now in which nothing is sent."""
    connections: int
    cause: Outcome


class Throttle:
    """How many connections a relay may have now.

    Begins with ``start`` and doubles up to ``connections`` as long as mails go out no slower for it (hill climbing:
    what made it worse is taken back, and growing rests). Throttled: none for as long as the outcome says, then one, and
    one more after each ``step`` accepted mails. A 421 that names no reason halves them. Refused the same way
    ``REFUSALS`` times in a row: none for an hour, then one, and the first such refusal stops it again.
    """

    def __init__(self, connections: int, *, step: int = 50, start: int = 4) -> None:
        self._most = connections
        self._step = step
        self._allowed = min(start, connections)
        self._paused_until = float("-inf")
        self._cause: Outcome | None = None
        self._hang_ups = 0
        self._refusals = 0
        self._refused: tuple[int | None, str] = (None, "")
        self._patience = REFUSALS
        self._careful = False
        """After trouble: one connection more after each step, however fast."""
        self._news: Outcome | None = None
        """What cut or paused it last, if that was not asked for yet."""
        self._climb = _Climb()
        self._count = 0
        """Mails accepted since the last look."""
        self._look_at = self._stride()
        self._last = float("-inf")

    def allowed(self, now: float) -> int:
        """Connections that may be open now; 0 while sending pauses."""
        return 0 if now < self._paused_until else self._allowed

    def wait(self, now: float) -> float:
        """Seconds until anything may be sent."""
        return max(0.0, self._paused_until - now)

    @property
    def cause(self) -> Outcome | None:
        """What led to the last pause; None after the next accepted mail."""
        return self._cause

    def news(self, now: float) -> Slowing | None:
        """What others who use the relay should hear; each is told once."""
        cause, self._news = self._news, None
        return None if cause is None else Slowing(self.wait(now), self._allowed, cause)

    def hear(self, slowing: Slowing, now: float) -> None:
        """The relay asked that of another process, over whose connections it sees us, too."""
        if slowing.rest > 0:
            self._pause(now + slowing.rest, slowing.cause)
        elif slowing.connections < self._allowed:
            self._shrink(slowing.connections)
        self._news = None

    def free(self) -> None:
        """Ends a pause, for somebody says that its cause is mended; one connection shows whether it is."""
        self._paused_until, self._cause = float("-inf"), None
        self._shrink(1)

    def on_outcome(self, outcome: Outcome, now: float, backlog: bool = True) -> None:
        """Learn from how a try ended. ``backlog``: other mails wait, so connections are what sending lacks."""
        if outcome.kind is not OutcomeKind.ACCEPTED:
            self._not_accepted(outcome, now)
            return
        # Some thousand times a second: all else happens at every so many mails.
        if now - self._last > IDLE or not backlog:
            self._climb.forget()
            self._count = 0
        self._last = now
        self._count += 1
        self._refusals = self._hang_ups = 0
        if self._cause is not None:
            self._cause, self._patience = None, REFUSALS
        if self._count >= self._look_at:
            self._look(now)

    def _look(self, now: float) -> None:
        """So many more were accepted: may there be more connections?"""
        count, self._count = self._count, 0
        if self._careful:
            self._allowed = min(self._allowed + 1, self._most)
            self._careful = self._allowed < self._most
            self._climb.forget()
        else:
            self._allowed = self._climb.after(count, now, self._allowed, self._most)
        self._look_at = self._stride()

    def _stride(self) -> int:
        return self._step if self._careful else self._allowed

    def _not_accepted(self, outcome: Outcome, now: float) -> None:
        if outcome.kind is OutcomeKind.DEFERRED and outcome.scope is Scope.RELAY:
            if outcome.retry_after is not None:
                self._pause(now + outcome.retry_after, outcome)
            elif outcome.code == 421:
                self._hang_up(outcome, now)
        elif outcome.kind is OutcomeKind.REJECTED or outcome.scope is Scope.MESSAGE:
            self._refuse(outcome, now)

    def _refuse(self, outcome: Outcome, now: float) -> None:
        """A refusal for good, or one that is ours to mend. An address that does not exist says nothing about us."""
        if outcome.suppress or outcome.code is None:
            return
        said = (outcome.code, outcome.enhanced)
        self._refusals = self._refusals + 1 if said == self._refused else 1
        self._refused = said
        if self._refusals >= self._patience:
            self._pause(now + OPERATOR_SECONDS, outcome)
            self._patience = 1

    def _hang_up(self, outcome: Outcome, now: float) -> None:
        self._hang_ups += 1
        self._news = outcome
        self._shrink(max(1, self._allowed // 2))
        if self._hang_ups >= HANG_UPS:
            self._pause(now + THROTTLE_SECONDS, outcome)

    def _pause(self, until: float, cause: Outcome) -> None:
        # Several connections hear of one throttling; it is the same pause, only ever lengthened.
        if until > self._paused_until:
            self._paused_until, self._cause = until, cause
            self._news = cause
        self._shrink(1)
        self._hang_ups = self._refusals = 0

    def _shrink(self, connections: int) -> None:
        self._allowed = connections
        self._careful = connections < self._most
        self._count = 0
        self._look_at = self._stride()
        self._climb.forget()


class _Climb:
    """Whether more connections bring more: throughput before and after each step, measured while there is a backlog."""

    __slots__ = ("_before", "_count", "_is_new", "_rest_until", "_since", "_slow")

    def __init__(self) -> None:
        self._rest_until = float("-inf")
        self.forget()

    def forget(self) -> None:
        """Start to measure anew, and judge no step by what was measured before."""
        self._since: float | None = None
        self._count = 0
        self._before: tuple[int, float] | None = None
        """Connections and mails a second before the last step."""
        self._slow = 0
        """How often in a row it was worse since."""
        self._is_new = False
        """The last step's connections are just being opened: what goes out meanwhile judges nothing."""

    def after(self, count: int, now: float, allowed: int, most: int) -> int:
        """How many connections there may be, now that ``count`` more mails were accepted over ``allowed``."""
        if self._since is None:
            self._since = now
            return allowed
        self._count += count
        seconds = now - self._since
        if seconds < WINDOW or self._count < (1 if self._is_new else SAMPLE) * allowed:
            return allowed
        rate = self._count / seconds
        self._since, self._count = now, 0
        if self._is_new:
            self._is_new = False
            return allowed
        return self._step(rate, now, allowed, most)

    def _step(self, rate: float, now: float, allowed: int, most: int) -> int:
        if self._before is not None:
            fewer, rate_before = self._before
            if rate < WORSE * rate_before:
                self._slow += 1
                if self._slow < SLOW:
                    return allowed
                self._before, self._slow = None, 0
                self._rest_until = now + REST
                return fewer
        self._before, self._slow = None, 0
        if allowed >= most or now < self._rest_until:
            return allowed
        self._before, self._is_new = (allowed, rate), True
        return min(2 * allowed, most)


class Lender(Protocol):
    """Slices of rates that several processes share. Neither raises: who cannot ask gets nothing for a second."""

    def take(self, domain: str, rate: float, back: float) -> tuple[float, float]:
        """(mails that may go, 0.0), or (0.0, seconds until it is worth asking again). ``domain`` empty: to all.

        ``back``: mails of the slice before that did not go.
        """
        ...

    def give_back(self, domain: str, rate: float, back: float) -> None:
        """Mails of a slice that will not go."""
        ...


class RateLimit:
    """Mails a second, over all and for single recipient domains: token buckets that hold one second's worth.

    With a lender each bucket is one of many that share the rate, and holds only the slice that was lent to it.
    """

    def __init__(self, rate: float | None, domain_rates: Mapping[str, float], lender: Lender | None = None) -> None:
        rates = {domain.casefold(): each for domain, each in domain_rates.items()}
        if lender is None:
            self._overall = None if rate is None else _Bucket(rate)
            self._domains = {domain: _Bucket(each) for domain, each in rates.items()}
        else:
            self._overall = None if rate is None else _Lent("", rate, lender)
            self._domains = {domain: _Lent(domain, each, lender) for domain, each in rates.items()}
        self.limits = self._overall is not None or bool(self._domains)

    def wait(self, now: float) -> float:
        """Seconds until a mail may go to anybody."""
        return 0.0 if self._overall is None else self._overall.wait(now)

    def take(self, address: str, now: float) -> float:
        """0.0, and one mail to ``address`` is counted; or the seconds to wait before asking again, and none is."""
        if not self.limits:
            return 0.0
        domain = self._domains.get(address.rpartition("@")[2].casefold())
        buckets = [bucket for bucket in (self._overall, domain) if bucket is not None]
        wait = max((bucket.wait(now) for bucket in buckets), default=0.0)
        if wait <= 0.0:
            for bucket in buckets:
                bucket.take()
            return 0.0
        return wait

    def give_back(self) -> None:
        """The run is over: what was lent and did not go is for the others."""
        for bucket in (self._overall, *self._domains.values()):
            if isinstance(bucket, _Lent):
                bucket.give_back()


class _Lent:
    """The slice of a shared rate that this process holds."""

    def __init__(self, domain: str, rate: float, lender: Lender) -> None:
        self._domain = domain
        self._rate = rate
        self._lender = lender
        self._level = 0.0
        self._ask_at = float("-inf")
        """Not before that is there a new slice; for a level above zero: then it is old."""

    def wait(self, now: float) -> float:
        """Seconds until a mail may go; asks for a slice where there is none."""
        if now < self._ask_at:
            if self._level >= 1.0:
                return 0.0
            if self._level <= 0.0:
                return self._ask_at - now
        back, self._level = self._level, 0.0
        self._level, wait = self._lender.take(self._domain, self._rate, back)
        self._ask_at = now + (SLICE_SECONDS if self._level else wait)
        return 0.0 if self._level else wait

    def take(self) -> None:
        self._level -= 1.0
        if self._level <= 0.0:
            self._ask_at = float("-inf")

    def give_back(self) -> None:
        back, self._level, self._ask_at = self._level, 0.0, float("-inf")
        if back > 0.0:
            self._lender.give_back(self._domain, self._rate, back)


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
