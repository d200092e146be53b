"""Claims: a source that is being fetched is kept from other processes for a few minutes, and for as long as it takes.

A claim is the source's next time, moved forward. Whoever works moves it further every minute; whoever was killed does
not, so the source is due again soon. A claim that ended or that somebody else has taken since is left as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from digest.model.errors import StorageError
from digest.model.feeds import SourceId
from digest.services.ports import Clock
from digest.storage import sources
from digest.storage.engine import Store

#: How long a source is left alone by others after its claim, or its last renewal.
LASTS = timedelta(minutes=3)
#: Seconds between renewals.
_EVERY = 60.0


class Claims:
    """What one run has claimed, beside the instants until which it is claimed."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[datetime, tuple[SourceId, ...]] = {}

    def add(self, ids: Collection[SourceId], *, until: datetime) -> None:
        """These were claimed until then."""
        with self._lock:
            self._held[until] = (*self._held.get(until, ()), *ids)

    def renew(self) -> None:
        """Moves them all further. Raises StorageError."""
        with self._lock:
            if not self._held:
                return
            until = self._clock() + LASTS
            with self._store.transaction() as tx:
                for held_until, ids in self._held.items():
                    sources.renew(tx, ids, held_until=held_until, until=until)
            self._held = {until: tuple(one for ids in self._held.values() for one in ids)}


@contextmanager
def renewed(store: Store, clock: Clock) -> Generator[Claims]:
    """Keeps sources claimed while the block runs; it says which."""
    claims = Claims(store, clock)
    done = threading.Event()

    def work() -> None:
        while not done.wait(_EVERY):
            with suppress(StorageError):  # whoever stores what was fetched tells of it; the next minute tries again
                claims.renew()

    thread = threading.Thread(target=work, name="claims", daemon=True)
    thread.start()
    try:
        yield claims
    finally:
        done.set()
        thread.join()
