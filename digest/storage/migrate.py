"""Brings a database to this program's schema, and refuses one that is newer or older than it."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, func, inspect, select

from digest.model.errors import SchemaError, StorageError
from digest.storage import deliveries, editions, entries, meta, people, sources
from digest.storage.base import metadata
from digest.storage.engine import Store

#: Every file that holds tables, so that ``metadata`` is whole wherever this is imported.
SUBJECTS = (meta, sources, entries, editions, people, deliveries)

#: Alembic keeps its context in globals, so the threads of a process take turns.
_ALEMBIC = threading.Lock()
#: PostgreSQL's advisory lock that makes processes take turns ("digest" in ASCII); SQLite's BEGIN IMMEDIATE does it
#: there.
_TURN = 0x646967657374


def current(store: Store) -> str | None:
    """The revision a database is at; None when it has no tables yet."""
    with store.reading() as tx:
        return MigrationContext.configure(tx).get_current_revision()


def head() -> str:
    found = ScriptDirectory.from_config(_config(None)).get_current_head()
    assert found is not None
    return found


def upgrade(store: Store) -> tuple[str | None, str]:
    """Migrates to this program's revision, in one transaction;

    gives (before, after). Raises SchemaError for a newer one.
    """
    before = current(store)
    _refuse_newer(store, before)
    if before != head():
        with _ALEMBIC, store.transaction() as tx:
            if not store.is_sqlite:
                tx.execute(select(func.pg_advisory_xact_lock(_TURN)))
            command.upgrade(_config(tx), "head")
    return before, head()


def ready(store: Store) -> None:
    """Builds an empty database; raises SchemaError for one that is newer or older than the program."""
    before, strangers = _look(store)
    _refuse_newer(store, before)
    if before is None:
        _refuse_foreign(store, strangers)
        upgrade(store)
    elif before != head():
        raise SchemaError(
            f"its tables are those of an older version ({before})",
            where=store.where,
            try_="make a backup (`digest db backup FILE`), then run `digest db upgrade`",
        )


def _refuse_newer(store: Store, revision: str | None) -> None:
    if revision is None:
        return
    try:
        ScriptDirectory.from_config(_config(None)).get_revision(revision)
    except CommandError as error:
        raise SchemaError(
            f"the database is newer than this program (revision {revision}, this program knows up to {head()})",
            where=store.where,
            try_="install the newest version of Digest, or restore a backup made by this one",
        ) from error


def _look(store: Store) -> tuple[str | None, frozenset[str]]:
    """(revision, tables that are named like ours), of one instant: another program may be building them."""
    with store.reading() as tx:
        revision = MigrationContext.configure(tx).get_current_revision()
        return revision, frozenset(inspect(tx).get_table_names()) & metadata.tables.keys()


def _refuse_foreign(store: Store, strangers: frozenset[str]) -> None:
    if strangers:
        raise StorageError(
            f"it has tables of the same names that Digest did not make ({', '.join(sorted(strangers)[:3])} …)",
            where=store.where,
            try_="give Digest a database of its own in database.url",
        )


def _config(tx: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = tx
    return config
