"""The tables of the configured database: which revision they are of, and bringing them to the program's."""

from __future__ import annotations

from digest.config import Config
from digest.storage import migrate
from digest.storage.engine import open_store


def schema(config: Config) -> tuple[str | None, str]:
    """(revision of the configured database, the program's); None for a database without tables."""
    store = open_store(config.database_url)
    try:
        return migrate.current(store), migrate.head()
    finally:
        store.close()


def upgrade(config: Config) -> tuple[str | None, str]:
    """Brings the configured database to this program's tables; (before, after)."""
    store = open_store(config.database_url)
    try:
        return migrate.upgrade(store)
    finally:
        store.close()
