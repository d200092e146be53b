"""Opens the database and hands out transactions; turns its failures into sentences.

SQLite: WAL, synchronous=NORMAL (a killed process loses nothing; a power cut may lose the last moments, see
docs/operating.md), foreign keys, busy timeout, and BEGIN IMMEDIATE so that a writer never fails half-way for a lock.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.pool import ConnectionPoolEntry

from digest.model.errors import ConfigError, Conflict, StorageError

BUSY_MS = 15_000
_PREPARED = "prepared_statements"


class Store:
    """The database. ``transaction()`` for writing, ``reading()`` for a consistent look that blocks nobody."""

    def __init__(self, engine: Engine, driver: Mapping[str, Any] | None = None) -> None:
        """``driver``: what each connection is opened with besides the URL, whoever opens one."""
        self.engine = engine
        self.driver_options = dict(driver or {})
        self.where = engine.url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """Commits at the end, rolls back on an exception. Raises StorageError when the database cannot be used."""
        with self._explained(), self.engine.begin() as tx:
            yield tx

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """One consistent snapshot; nothing is written."""
        with self._explained(), self.engine.connect() as connection:
            connection = connection.execution_options(digest_reading=True)
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def plainly(self) -> Generator[Connection]:
        """A transaction as the server gives it by itself, to ask what it allows; it is rolled back."""
        with self._explained(), self.engine.connect() as tx:
            yield tx

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except IntegrityError as error:
            if _MOVED in str(error.orig):
                raise explain(error, self.where) from error
            raise Conflict(f"refused by an index: {error.orig}", where=self.where) from error
        except DBAPIError as error:
            # A bare DatabaseError is SQLite's for a file that is damaged or no database; the others are faults of ours.
            if not (
                isinstance(error, OperationalError)
                or type(error) is DatabaseError
                or error.connection_invalidated
                or getattr(error.orig, "sqlstate", "") == _NO_RIGHTS
            ):
                raise
            if "deadlock detected" in str(error.orig):
                raise Conflict("two writers waited for each other", where=self.where) from error
            raise explain(error, self.where) from error

    @contextmanager
    def explained_driver(self) -> Generator[None]:
        """For whoever speaks to the driver itself: its failures as StorageError and Conflict."""
        driver = self.engine.dialect.loaded_dbapi
        try:
            yield
        except (driver.OperationalError, driver.InternalError, driver.InterfaceError) as error:
            if "deadlock detected" in str(error):
                raise Conflict("two writers waited for each other", where=self.where) from error
            raise explain(error, self.where) from error
        except driver.DatabaseError as error:
            if type(error) is not driver.DatabaseError and _MOVED not in str(error):
                raise
            raise explain(error, self.where) from error

    def close(self) -> None:
        self.engine.dispose()


def open_store(url: str, *, busy_ms: int = BUSY_MS) -> Store:
    """Opens ``sqlite:///path`` or ``postgresql://…``; of a PostgreSQL's parameters ``prepared_statements`` is ours.

    Raises ConfigError for a URL nobody can use, StorageError for a folder that is not there.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return Store(_sqlite(parsed, busy_ms))
    # psycopg has the server keep a statement that was asked five times on a connection, unless it is told otherwise.
    driver = {} if _prepares(parsed) else {"prepare_threshold": None}
    parsed = parsed.difference_update_query([_PREPARED])
    try:
        engine = create_engine(parsed, pool_size=8, max_overflow=24, pool_pre_ping=True, connect_args=driver)
        return Store(engine, driver)
    except ModuleNotFoundError as error:
        raise ConfigError(
            "PostgreSQL needs a driver that is not installed",
            where="database.url",
            try_="pip install 'digest-papers[postgres]'",
        ) from error


def _prepares(url: URL) -> bool:
    """Whether the server may keep statements for us: not where a pooler gives each transaction another connection."""
    said = {*url.normalized_query.get(_PREPARED, ("true",))}
    if not said <= {"true", "false"}:
        raise ConfigError(f"{_PREPARED} should be true or false", where="database.url", try_=f"{_PREPARED}=false")
    return "false" not in said


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            "is not a database URL",
            where="database.url",
            try_="write sqlite:///digest.db or postgresql://user@host/name",
        ) from error
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise ConfigError(
            f"names the database {parsed.get_backend_name()!r}, which Digest does not speak",
            where="database.url",
            try_="use sqlite:///… or postgresql://…",
        )
    return parsed


def _sqlite(url: URL, busy_ms: int) -> Engine:
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise ConfigError("needs a file", where="database.url", try_="write sqlite:///digest.db")
    if not path.parent.is_dir():
        raise StorageError("its folder does not exist", where=str(path), try_=f"create it: mkdir -p {path.parent}")
    with contextlib.suppress(OSError):  # what is there keeps its rights; what cannot be made is told by SQLite
        # Addresses and the installation's secret are in it: nobody else's to read. Its WAL gets the same rights.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        engine = create_engine(url, connect_args={"timeout": busy_ms / 1000})
    except NoSuchModuleError as error:
        raise ConfigError("names an unknown driver", where="database.url", try_="write sqlite:///digest.db") from error

    @event.listens_for(engine, "connect")
    def settings(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # we say BEGIN ourselves
        connection.execute(f"PRAGMA busy_timeout={busy_ms}")
        _write_ahead(connection, busy_ms)
        for pragma in (
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        reading = connection.get_execution_options().get("digest_reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(connection: sqlite3.Connection, busy_ms: int) -> None:
    """Switches the file to WAL, once for good. SQLite does not wait for others here, so we do."""
    until = time.monotonic() + busy_ms / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= until:
                raise
            time.sleep(0.01)
        else:
            return


#: How a database that has moved begins what it answers to every change (moved.py, shutting.py).
_MOVED = "this database has moved to "

#: SQLSTATE of a PostgreSQL whose user may not do that.
_NO_RIGHTS = "42501"

_CAUSES = (
    ("locked", "is locked by another program", "close the program that holds it, or wait; nothing was changed"),
    (
        "is full",
        "could not be written: the disk is full",
        "free some space; nothing was lost, the work goes on at the next start",
    ),
    (
        "no space left on device",
        "could not be written: the disk of its server is full",
        "free some space there; nothing was lost, the work goes on then",
    ),
    (
        "readonly",
        "cannot be written: the file or its file system is read-only",
        "check the rights of the file and of its folder",
    ),
    (
        "read-only",
        "cannot be written: the file or its file system is read-only",
        "check the rights of the file and of its folder",
    ),
    ("unable to open", "cannot be opened", "check that its folder exists and may be written by this user"),
    (
        "not a database",
        "is not a SQLite database",
        "check database.url; restore the file from a backup if it was damaged",
    ),
    ("malformed", "is damaged", "restore it from a backup made by `digest db backup`"),
    (
        "disk i/o",
        "could not be read or written: the disk failed",
        "check the disk and the file system, then start again",
    ),
)


def explain(error: Exception, where: str) -> StorageError:
    """The database's failure as a sentence with a remedy."""
    text = str(error.orig or error) if isinstance(error, DBAPIError) else str(error)
    low = text.lower()
    if _MOVED in text:
        what, _, remedy = text.partition("\n")[0].partition("; ")
        return StorageError(what, where=where, try_=remedy)
    if "password" in low or "authentication" in low:
        return StorageError("the login was refused", where=where, try_="check user and password in database.url")
    for word, what, remedy in _CAUSES:
        if word in low:
            return StorageError(what, where=where, try_=remedy)
    first = re.sub(r"\s+", " ", text).strip()[:300]
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "") == _NO_RIGHTS:
        return StorageError(
            f"its user may not do that: {first}",
            where=where,
            try_="have the owner of the database grant it, or make schema and tables this user's own",
        )
    return StorageError(
        f"the database did not answer: {first}",
        where=where,
        try_="check that it runs and can be reached, then try again",
    )
