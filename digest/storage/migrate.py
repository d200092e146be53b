"""Brings a database to this program's schema, and refuses one that is newer or older than it.

Migrations are the numbered files of migrations/versions. Alembic runs them and is imported only then: its tenth of a
second would be paid by every command.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, func, inspect, select, table

from digest.model.errors import SchemaError, StorageError
from digest.storage import (
    access,
    admission,
    authorships,
    backfills,
    bounces,
    catalogue,
    deliveries,
    desk,
    editions,
    embeddings,
    entries,
    fits,
    hosts,
    likeness,
    meta,
    people,
    relays,
    rounds,
    slots,
    sources,
    tastes,
    terms,
    workers,
)
from digest.storage.base import metadata
from digest.storage.engine import Store

if TYPE_CHECKING:
    from alembic.config import Config

#: Every file that holds tables, so that ``metadata`` is whole wherever this is imported.
SUBJECTS = (
    meta,
    sources,
    rounds,
    backfills,
    catalogue,
    entries,
    authorships,
    likeness,
    terms,
    embeddings,
    fits,
    editions,
    people,
    tastes,
    deliveries,
    bounces,
    admission,
    access,
    desk,
    workers,
    hosts,
    relays,
    slots,
)

#: Alembic keeps its context in globals, so the threads of a process take turns.
_ALEMBIC = threading.Lock()
#: PostgreSQL's advisory lock that makes processes take turns ("digest" in ASCII); SQLite's BEGIN IMMEDIATE does it
#: there.
_TURN = 0x646967657374
_MIGRATIONS = Path(__file__).parent / "migrations"
#: The revision whose program, and each later one, may go on with the tables as they are now: all migrations since only
#: add. One that takes something away goes out a version after the last program that needs it.
OLDEST = "0010"
#: Where alembic writes the revision.
_VERSION = table("alembic_version", column("version_num"))


def current(store: Store) -> str | None:
    """The revision a database is at; None when it has no tables yet."""
    with store.reading() as tx:
        return _revision(tx)


def head() -> str:
    """The revision of this program."""
    return max(_known())


def upgrade(store: Store) -> tuple[str | None, str]:
    """Migrates to this program's revision, in one transaction;

    gives (before, after). Raises SchemaError for a newer one.
    """
    before = current(store)
    _refuse_newer(store, before)
    if before is None or before < head():
        from alembic import command

        with _ALEMBIC, store.transaction() as tx:
            if not store.is_sqlite:
                tx.execute(select(func.pg_advisory_xact_lock(_TURN)))
            command.upgrade(_config(tx), "head")
            meta.put(tx, meta.WORKS_WITH, OLDEST)
    return before, head()


def ready(store: Store) -> None:
    """Builds an empty database; raises SchemaError for one that is newer or older than the program."""
    before, strangers = _look(store)
    _refuse_newer(store, before)
    if before is None:
        _refuse_foreign(store, strangers)
        upgrade(store)
    elif before < head():
        raise SchemaError(
            f"its tables are those of an older version ({before})",
            where=store.where,
            try_="copy it (while nothing runs, or with the version before), then run `digest db upgrade`",
        )


def _refuse_newer(store: Store, revision: str | None) -> None:
    """A newer database is refused, unless its newer migrations only added to what this program knows: during an upgrade
    two versions run side by side.
    """
    if revision is not None and revision not in _known():
        with store.reading() as tx:
            oldest = meta.get(tx, meta.WORKS_WITH)
        if oldest is not None and oldest <= head():
            return
        raise SchemaError(
            f"the database is newer than this program (revision {revision}, this program knows up to {head()})",
            where=store.where,
            try_="install the newest version of Digest, or restore a backup made by this one",
        )


@cache
def _known() -> frozenset[str]:
    """The revisions of this program: the numbers before the names of their files."""
    return frozenset(file.name.partition("_")[0] for file in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _revision(tx: Connection) -> str | None:
    if not inspect(tx).has_table(_VERSION.name):
        return None
    return tx.execute(select(_VERSION.c.version_num)).scalar()


def _look(store: Store) -> tuple[str | None, frozenset[str]]:
    """(revision, tables that are named like ours), of one instant: another program may be building them."""
    with store.reading() as tx:
        return _revision(tx), frozenset(inspect(tx).get_table_names()) & metadata.tables.keys()


def _refuse_foreign(store: Store, strangers: frozenset[str]) -> None:
    if strangers:
        raise StorageError(
            f"it has tables of the same names that Digest did not make ({', '.join(sorted(strangers)[:3])} …)",
            where=store.where,
            try_="give Digest a database of its own in database.url",
        )


def _config(tx: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = tx
    return config
