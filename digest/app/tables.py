"""The tables of the configured database: which revision they are of, bringing them to the program's, moving them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from digest.config import Config
from digest.services.ports import Clock
from digest.storage import migrate
from digest.storage.engine import Store, open_store

if TYPE_CHECKING:
    from digest.services.tending import parts
    from digest.services.tending.moving import Moved, Undone
    from digest.storage.copy import Progress


def schema(config: Config) -> tuple[str | None, str]:
    """(revision of the configured database, the program's); None for a database without tables."""
    with _configured(config) as store:
        return migrate.current(store), migrate.head()


def upgrade(config: Config) -> tuple[str | None, str]:
    """Brings the configured database to this program's tables; (before, after)."""
    with _configured(config) as store:
        return migrate.upgrade(store)


def take_apart(config: Config, *, clock: Clock, progress: parts.Progress | None = None) -> parts.Apart:
    """The long part of an upgrade, while old and new programs run: gives large weeks of the ledger parts of their own,
    one by one. Raises whatever ``progress`` raises; run again, it goes on with what is left.
    """
    from digest.services.tending.parts import Parts

    with _configured(config) as store:
        care = Parts(store=store, clock=clock)
        moved = care.move(progress)
        care.make_ahead()
        return moved


def move(config: Config, url: str, *, clock: Clock, progress: Progress | None = None) -> Moved:
    """Moves the configured database to a URL. Raises StorageError and UsageError, and whatever ``progress`` raises."""
    from digest.app.holders import dead_holders, new_holder
    from digest.services.tending.moving import Moving
    from digest.storage import destination

    with _configured(config) as source, destination.opened(url) as (target, where):
        moving = Moving(
            source=source, target=target, target_where=where, holder=new_holder(), dead=dead_holders, clock=clock
        )
        return moving.run(progress)


def undo_move(config: Config, *, clock: Clock) -> Undone:
    """Lets the configured database go on that was being moved, or has moved."""
    from digest.services.tending.moving import undo

    with _configured(config) as store:
        return undo(store, clock)


@contextmanager
def _configured(config: Config) -> Generator[Store]:
    store = open_store(config.database_url)
    try:
        yield store
    finally:
        store.close()
