"""One request at a time for each host, and a pause between them: takes a URL's host, gives a turn.

arXiv asks for one connection and three seconds between requests over all its machines (RSS, API, OAI), so hosts of
one organisation can share a turn: ``spacing`` maps a domain to its pause in seconds, its subdomains belong to it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

DEFAULT_SPACING: Mapping[str, float] = MappingProxyType({"arxiv.org": 3.0})


class _Host:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.free_at = float("-inf")


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

    @contextmanager
    def turn(self, host: str) -> Generator[None]:
        """Wait until nobody else uses the host and its pause is over; the pause counts from the end of the turn."""
        group = self.group(host)
        with self._lock:
            state = self._hosts.setdefault(group, _Host())
        with state.lock:
            wait = state.free_at - self._clock()
            if wait > 0:
                self._sleep(wait)
            try:
                yield
            finally:
                state.free_at = self._clock() + self._spacing.get(group, 0.0)
