"""Claims: a source that is being fetched is kept from other processes for a few minutes, and for as long as it takes.

A claim is the source's next time, moved forward. Whoever works moves it further every minute; whoever was killed does
not, so the source is due again soon. A claim that ended or that somebody else has taken since is left as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Generator
from contextlib import contextmanager
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


@contextmanager
def renewed(store: Store, clock: Clock, ids: Collection[SourceId], *, until: datetime) -> Generator[None]:
    """Keeps sources that were claimed ``until`` an instant claimed while the block runs."""
    done = threading.Event()

    def work(held_until: datetime) -> None:
        while not done.wait(_EVERY):
            later = clock() + LASTS
            try:
                with store.transaction() as tx:
                    sources.renew(tx, ids, held_until=held_until, until=later)
            except StorageError:
                continue  # whoever stores what was fetched tells of it; the next minute tries again
            held_until = later

    if not ids:
        yield
        return
    thread = threading.Thread(target=work, args=(until,), name="claims", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
