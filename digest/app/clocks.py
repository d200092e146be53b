"""Which clock counts: this machine's, or, where several share a database, the database's; and whose time zones."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from zoneinfo import TZPATH

from digest.storage import server
from digest.storage.engine import Store


def system_clock() -> datetime:
    return datetime.now(UTC)


class Agreed:
    """The database's clock, carried on by a steady one between two looks at it.

    Leases and slots of one machine are judged by others: were each to go by its own clock, one that runs five minutes
    ahead would take the mails of all the others for abandoned.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        """Now. Raises StorageError where the database was never reached."""
        if self._held is None:
            self.agree()
        assert self._held is not None
        at, steady = self._held
        return at + timedelta(seconds=time.monotonic() - steady)

    def agree(self) -> float:
        """Looks at the database's clock; gives by how many seconds ours is ahead of it. Raises StorageError."""
        with self._store.plainly() as tx:
            server.clock(tx)  # the first question of a connection takes longer
            before = time.monotonic()
            at = server.clock(tx)
            after = time.monotonic()
        self._held = at, (before + after) / 2
        return (system_clock() - self()).total_seconds()


def clock_of(store: Store) -> Agreed | None:
    """The clock that all share who use this database; None where it is one machine's."""
    return None if store.is_sqlite else Agreed(store)


def zones_version() -> str:
    """The version of the time zone database that slots are computed with: the system's comes before the package's."""
    for folder in TZPATH:
        try:
            with Path(folder, "tzdata.zi").open(encoding="ascii") as file:
                return file.readline().removeprefix("# version ").strip()
        except OSError:
            continue
    return metadata.version("tzdata")
