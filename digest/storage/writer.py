"""One thread that commits many small writes together.

On SQLite every commit takes the one write lock; commits a mail from sixteen connections would make each other (and a
reader's one-click request) wait. So writers hand over a function, wait, and get its result once the group is
committed. Between two groups the thread leaves a gap for others.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from digest.storage.base import Tx
from digest.storage.engine import Store

T = TypeVar("T")
_Job = tuple[Callable[[Tx], Any], "Future[Any]"]

GROUP_SECONDS = 0.005
GAP_SECONDS = 0.0005
GROUP_MOST = 256


class Writer:
    """``call(fn)`` runs ``fn(tx)`` in the next group's transaction and returns when that is committed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[Tx], T]) -> T:
        future: Future[T] = Future()
        self._jobs.put((function, future))
        return future.result()

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            ending = self._collect(group)
            self._commit(group)
            if ending:
                return
            time.sleep(GAP_SECONDS)

    def _collect(self, group: list[_Job]) -> bool:
        """Adds what is waiting already; True when the writer was told to end."""
        deadline = time.monotonic() + GROUP_SECONDS
        while len(group) < GROUP_MOST and time.monotonic() < deadline:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return False
            if job is None:
                return True
            group.append(job)
        return False

    def _commit(self, group: list[_Job]) -> None:
        try:
            with self._store.transaction() as tx:
                results = [function(tx) for function, _ in group]
        except BaseException as error:
            if len(group) == 1:
                group[0][1].set_exception(error)
                return
            # One bad write must not take the others down with it: each gets a transaction of its own.
            for job in group:
                self._commit([job])
            return
        for (_, future), result in zip(group, results, strict=True):
            future.set_result(result)
