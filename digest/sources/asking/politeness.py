"""One request at a time for each host, and a pause between them: takes a URL's host, gives a turn.

arXiv asks for one connection and three seconds between requests over all its machines (RSS, API, OAI), so hosts of
one organisation can share a turn: ``spacing`` maps a domain to its pause in seconds, its subdomains belong to it. A
host that says that its budget is used up rests until it is filled again; one that did not answer in time rests too.
Where several processes ask, a ``Fleet`` keeps all of this for them together: turns, pauses and rests of every host.
Only how much longer a rest becomes that the host leaves open is counted by each for itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Protocol

#: arXiv: info.arxiv.org/help/api/tou.html. Semantic Scholar: one request a second. NCBI: three a second without a key.
DEFAULT_SPACING: Mapping[str, float] = MappingProxyType(
    {"arxiv.org": 3.0, "api.semanticscholar.org": 1.0, "ncbi.nlm.nih.gov": 0.34}
)
#: A host that rests no longer than this is waited for.
PATIENCE = 10.0
#: So long other processes are waited for; then whoever asks comes again later, for nobody knows how many they are.
_QUEUES = 120.0
#: The first and the longest moment between two looks whether another process has left a host.
_MOMENT, _LONGEST_MOMENT = 0.02, 0.5


class Resting(Exception):
    """The host asked to be left alone, or was too ``slow``, and rests for longer than a request should wait.

    ``busy``: others of the fleet ask it one after the other, and have not let us in.
    """

    def __init__(self, seconds: float, *, slow: bool = False, busy: bool = False) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.slow = slow
        self.busy = busy


class Fleet(Protocol):
    """Turns of all processes together; each call is by the name of a group, and one at a time for each group."""

    def take(self, host: str) -> tuple[float, float, bool] | None:
        """A turn: (seconds of rest, seconds of pause, rests for being slow); None while another process has it."""
        ...

    def leave(self, host: str) -> None:
        """Ends the turn."""
        ...

    def pause(self, host: str, seconds: float) -> None:
        """Nobody asks for so long from now."""
        ...

    def rest(self, host: str, seconds: float, *, slow: bool) -> None:
        """The host is left alone for so long from now."""
        ...


class _Host:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.free_at = float("-inf")
        self.rests_until = float("-inf")
        self.slow = False


class Turns:
    """Gives turns; ``clock`` in seconds and ``sleep`` are arguments so that tests need not wait.

    ``sleep`` gives something true where it was cut short, because nothing is asked any more. Without a ``fleet`` we are
    alone.
    """

    def __init__(
        self,
        spacing: Mapping[str, float] = DEFAULT_SPACING,
        *,
        fleet: Fleet | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._spacing = dict(spacing)
        self._fleet = fleet
        self._clock = clock
        self._sleep = sleep
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def group(self, host: str) -> str:
        """The domain of ``spacing`` that the host belongs to, else the host itself."""
        host = host.lower().rstrip(".")
        return next((domain for domain in self._spacing if host == domain or host.endswith("." + domain)), host)

    def rest(self, host: str, seconds: float, *, slow: bool = False) -> None:
        """Leave a host alone for so long from now; ``slow`` if it did not ask for that."""
        group = self.group(host)
        state = self._state(group)
        until = self._clock() + seconds
        if until > state.rests_until:
            state.rests_until, state.slow = until, slow
        if self._fleet is not None:
            self._fleet.rest(group, seconds, slow=slow)

    def free_in(self, host: str) -> float:
        """Seconds until a turn could begin, as far as pauses go; 0 for a host that rests too long to be waited for."""
        state = self._state(self.group(host))
        now = self._clock()
        rests = state.rests_until - now
        return max(0.0, state.free_at - now, rests if rests <= PATIENCE else 0.0)

    @contextmanager
    def turn(self, host: str) -> Generator[None]:
        """Wait until nobody else uses the host and its pause is over; the pause counts from the end of the turn.

        Raises Resting, and what a fleet raises.
        """
        group = self.group(host)
        state = self._state(group)
        with state.lock:
            if self._fleet is not None:
                self._take(self._fleet, group, state)
            try:
                rests = state.rests_until - self._clock()
                if rests > PATIENCE:
                    raise Resting(rests, slow=state.slow)
                wait = max(rests, state.free_at - self._clock())
                if wait > 0:
                    self._sleep(wait)
                self._pause(group, state)  # should we be killed in our turn, the next one knows of it
                try:
                    yield
                finally:
                    self._pause(group, state)
            finally:
                if self._fleet is not None:
                    self._fleet.leave(group)

    def _take(self, fleet: Fleet, group: str, state: _Host) -> None:
        """Waits until no other process uses the host, and learns what they know of it."""
        until = self._clock() + _QUEUES
        moment = _MOMENT
        while (found := fleet.take(group)) is None:
            if self._clock() >= until or self._sleep(moment):
                raise Resting(PATIENCE, busy=True)
            moment = min(2 * moment, _LONGEST_MOMENT)
        rests, pause, state.slow = found
        now = self._clock()
        state.rests_until, state.free_at = now + rests, now + pause

    def _pause(self, group: str, state: _Host) -> None:
        """Between one request and the next."""
        seconds = self._spacing.get(group, 0.0)
        state.free_at = self._clock() + seconds
        if self._fleet is not None and seconds:
            self._fleet.pause(group, seconds)

    def _state(self, group: str) -> _Host:
        with self._lock:
            return self._hosts.setdefault(group, _Host())
