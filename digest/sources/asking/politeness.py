"""One request at a time for each host, and a pause between them: takes a URL's host, gives a turn.

arXiv asks for one connection and three seconds between requests over all its machines (RSS, API, OAI), so hosts of
one organisation can share a turn: ``spacing`` maps a domain to its pause in seconds, its subdomains belong to it. A
host that says that its budget is used up rests until it is filled again; one that did not answer in time rests too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

#: arXiv: info.arxiv.org/help/api/tou.html. Semantic Scholar: one request a second. NCBI: three a second without a key.
DEFAULT_SPACING: Mapping[str, float] = MappingProxyType(
    {"arxiv.org": 3.0, "api.semanticscholar.org": 1.0, "ncbi.nlm.nih.gov": 0.34}
)
#: A host that rests no longer than this is waited for.
PATIENCE = 10.0


class Resting(Exception):
    """The host asked to be left alone, or was too ``slow``, and rests for longer than a request should wait."""

    def __init__(self, seconds: float, *, slow: bool) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.slow = slow


class _Host:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.free_at = float("-inf")
        self.rests_until = float("-inf")
        self.slow = False


class Turns:
    """Gives turns; ``clock`` in seconds and ``sleep`` are arguments so that tests need not wait."""

    def __init__(
        self,
        spacing: Mapping[str, float] = DEFAULT_SPACING,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._spacing = dict(spacing)
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
        state = self._state(self.group(host))
        until = self._clock() + seconds
        if until > state.rests_until:
            state.rests_until, state.slow = until, slow

    def free_in(self, host: str) -> float:
        """Seconds until a turn could begin, as far as pauses go; 0 for a host that rests too long to be waited for."""
        state = self._state(self.group(host))
        now = self._clock()
        rests = state.rests_until - now
        return max(0.0, state.free_at - now, rests if rests <= PATIENCE else 0.0)

    @contextmanager
    def turn(self, host: str) -> Generator[None]:
        """Wait until nobody else uses the host and its pause is over; the pause counts from the end of the turn.

        Raises Resting.
        """
        group = self.group(host)
        state = self._state(group)
        with state.lock:
            rests = state.rests_until - self._clock()
            if rests > PATIENCE:
                raise Resting(rests, slow=state.slow)
            wait = max(rests, state.free_at - self._clock())
            if wait > 0:
                self._sleep(wait)
            try:
                yield
            finally:
                state.free_at = self._clock() + self._spacing.get(group, 0.0)

    def _state(self, group: str) -> _Host:
        with self._lock:
            return self._hosts.setdefault(group, _Host())
