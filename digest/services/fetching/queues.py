"""Queues: work on many things at once, but one after the other where they belong together (a host's documents).

Whoever waits for a host's pause waits in its queue, not in a thread; a queue that is slow holds up no other as long as
there are threads, and there are as many as there are queues, up to a number. When few queues are left, more things can
be asked for. Batches: small results of many threads, dealt with together by one.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Queues(Generic[T]):
    """``key`` tells which queue a thing stands in, ``free_in`` how many seconds its queue has to wait after it.

    While fewer than ``few`` queues hold anything, ``more`` is asked for things, until it has none.
    """

    def __init__(
        self,
        things: Iterable[T],
        act: Callable[[T], None],
        *,
        key: Callable[[T], Hashable],
        free_in: Callable[[T], float],
        more: Callable[[], Iterable[T]] = lambda: (),
        few: int = 0,
    ) -> None:
        self._act = act
        self._key = key
        self._free_in = free_in
        self._more = more
        self._few = few
        self._is_all = not few
        self._queues: dict[Hashable, deque[T]] = {}
        #: (when it may go on, turn, queue): those that nobody works on.
        self._ready: list[tuple[float, int, Hashable]] = []
        self._working: set[Hashable] = set()
        self._turns = 0
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._add(things)

    def run(self, threads: int, name: str) -> None:
        """Ends when everything is done. What ``act`` raised first is raised here; nothing new is begun after it."""
        workers: list[threading.Thread] = []
        while True:
            for number in range(len(workers), min(threads, len(self._queues))):
                workers.append(threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True))
                workers[-1].start()
            if self._is_all:
                break
            self._ask_for_more()
        for worker in workers:
            worker.join()
        if self._failure is not None:
            raise self._failure

    def _ask_for_more(self) -> None:
        """As soon as few queues hold anything."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._failure is not None or len(self._ready) + len(self._working) < self._few
            )
        failure: BaseException | None = None
        things: list[T] = []
        try:
            things = list(self._more()) if self._failure is None else []
        except BaseException as error:
            failure = error
        with self._changed:
            self._failure = self._failure or failure
            self._is_all = not things
            self._add(things)
            self._changed.notify_all()

    def _add(self, things: Iterable[T]) -> None:
        for thing in things:
            key = self._key(thing)
            queue = self._queues.setdefault(key, deque())
            queue.append(thing)
            if len(queue) == 1 and key not in self._working:
                self._push(key, 0.0)

    def _push(self, key: Hashable, ready_at: float) -> None:
        self._turns += 1
        heapq.heappush(self._ready, (ready_at, self._turns, key))

    def _work(self) -> None:
        while (key := self._next()) is not None:
            thing = self._queues[key].popleft()
            failure: BaseException | None = None
            try:
                self._act(thing)
            except BaseException as error:
                failure = error
            wait = self._free_in(thing) if self._queues[key] and failure is None else 0.0
            with self._changed:
                self._working.remove(key)
                self._failure = self._failure or failure
                if self._queues[key]:
                    self._push(key, time.monotonic() + wait)
                self._changed.notify_all()

    def _next(self) -> Hashable | None:
        """The queue to go on with, when one may; None when there is nothing left to do."""
        with self._changed:
            while self._failure is None and (self._ready or self._working or not self._is_all):
                wait = self._ready[0][0] - time.monotonic() if self._ready else None
                if wait is not None and wait <= 0:
                    key = heapq.heappop(self._ready)[2]
                    self._working.add(key)
                    return key
                self._changed.wait(wait)
            return None


class Batches(Generic[T]):
    """``act`` gets what was put in, a little later and together, in a thread of its own."""

    def __init__(self, act: Callable[[list[T]], None], *, gap: float) -> None:
        self._act = act
        self._gap = gap
        self._waiting: list[T] = []
        self._failure: BaseException | None = None
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)
        self._thread.start()

    def put(self, thing: T) -> None:
        """Raises what ``act`` raised before."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            self._waiting.append(thing)
            self._changed.notify()

    def close(self) -> None:
        """Ends when everything is dealt with; raises what ``act`` raised."""
        self._closed.set()
        with self._changed:
            self._changed.notify()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed.is_set():
                    self._changed.wait()
                some, self._waiting = self._waiting, []
            if not some:
                return
            try:
                self._act(some)
            except BaseException as error:
                self._failure = error
                return
            self._closed.wait(self._gap)
