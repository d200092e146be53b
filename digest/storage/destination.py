"""The database that another one is to be moved into: opened, and looked at for whether it can take it.

Every reason against is a sentence with a remedy, and none of them names a password.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import func, inspect, literal, make_url, select, text, true, union_all
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from digest.model.errors import Conflict, DigestError, StorageError, UsageError
from digest.storage import meta, migrate, partitions, server
from digest.storage.base import Tx, metadata
from digest.storage.copy import OF_PROCESSES
from digest.storage.engine import Store, open_store
from digest.storage.moved import mark_of

#: A server that is out of reach is waited for no longer.
_CONNECT_SECONDS = 10
#: The queue makes its tables beside ours; what stands in them is calls, never the truth.
_QUEUE = "procrastinate_"
_REVISION = "alembic_version"
#: What is written into ``meta`` as soon as there are tables.
_OF_THE_TABLES = (meta.WORKS_WITH,)
_WHICH = text("""
SELECT pg_postmaster_start_time(), (SELECT oid FROM pg_database WHERE datname = current_database()), current_schema()
""")


def shown(url: URL) -> str:
    """A URL as it may be told to anybody: without its password, a file with its whole path."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{Path(url.database or '').absolute()}"
    query = {name: value for name, value in url.query.items() if "password" not in name and name != "connect_timeout"}
    return url.set(drivername="postgresql", query=query)._replace(password=None).render_as_string(hide_password=False)


@contextmanager
def opened(given: str) -> Generator[tuple[Store, str]]:
    """(the store, its URL as it may be told). A file that was made for it goes again where nothing came into it.

    Raises UsageError for what is no URL of a database, and StorageError as ``told`` does.
    """
    url = _parsed(given)
    where = shown(url)
    file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
    is_new = file is not None and not file.exists()
    with told(where):
        store = open_store(url.render_as_string(hide_password=False))
    try:
        yield store, where
    finally:
        blank = file if file is not None and is_new and _is_blank(store) else None
        store.close()
        if blank is not None:
            for end in ("", "-wal", "-shm", "-journal"):
                blank.with_name(blank.name + end).unlink(missing_ok=True)


def _parsed(given: str) -> URL:
    try:
        url = make_url(given if "://" in given else f"sqlite:///{given}")
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        # Its own words may hold all of what was given.
        raise UsageError(
            "this is not the URL of a database",
            where="URL",
            try_="write postgresql://user@host/name or sqlite:////folder/digest.db",
        ) from None
    if backend == "sqlite":
        return url
    if "@" in (url.host or ""):
        raise UsageError(
            "there is an @ in its user or password", where="URL", try_="write it as %40, or keep it in ~/.pgpass"
        )
    query = dict(url.query)
    if password := query.pop("password", None):
        # Where nothing else ever looks for it, it would be told with the rest.
        url = url.set(password=password if isinstance(password, str) else password[-1])
    return url.set(query={"connect_timeout": str(_CONNECT_SECONDS), **query})


@contextmanager
def told(where: str, store: Store | None = None) -> Generator[None]:
    """What goes wrong at the destination, with its URL as it may be told. Raises StorageError and ConfigError."""
    try:
        yield
    except DBAPIError as error:
        raise _sentence(error, where) from error
    except Conflict as error:
        raise StorageError(
            f"it does not take what the old one holds: {error.what}",
            where=where,
            try_="nothing was changed; `digest doctor` may say what is wrong with the old one",
        ) from error
    except DigestError as error:
        if store is not None and error.where != store.where:
            raise
        error.where = where
        if error.what == "the login was refused":
            error.try_ = "check user and password in the URL (or ~/.pgpass), and that the server lets this user in"
        elif "does not exist" in error.what and (role := re.search(r'(role|database) "', error.what)):
            program = "createuser" if role[1] == "role" else "createdb --encoding=UTF8"
            error.try_ = f"check the URL, or make the {role[1]}: {program}"
        raise


def refuse_unfit(store: Store, where: str) -> None:
    """Raises StorageError for a server that cannot hold us: too old, not UTF-8, read-only, no rights."""
    if store.is_sqlite:
        return
    with store.plainly() as tx:
        found = server.look(tx)
        theirs = [
            name
            for name in _tables(tx) & metadata.tables.keys()
            if not tx.execute(text("SELECT has_table_privilege(:name, 'INSERT')"), {"name": name}).scalar()
        ]
    if found.version < server.LEAST_VERSION:
        raise StorageError(
            f"the server is PostgreSQL {found.version}, and Digest needs {server.LEAST_VERSION} or newer",
            where=where,
            try_="upgrade the server, or name another one",
        )
    if found.encoding != "UTF8":
        raise StorageError(
            f"the database is kept in {found.encoding}, which does not hold all names and titles",
            where=where,
            try_="make one in UTF-8: createdb --encoding=UTF8 --template=template0 NAME",
        )
    if found.read_only:
        raise StorageError("it may only be read", where=where, try_="name the primary, or a user that may write")
    if found.schema is None or not found.may_create or theirs:
        raise _no_rights(found.who, where)


def refuse_same(source: Store, target: Store, where: str) -> None:
    """Raises UsageError where both are one database, by whatever name."""
    if _which(source) == _which(target):
        raise UsageError(
            "this is the database that is in use", where=where, try_="name another one, which is still empty"
        )


def refuse_occupied(store: Store, where: str, ours: str) -> None:
    """Raises StorageError where tables of others, or rows, are; not for what a move from ``ours`` left unfinished."""
    with store.reading() as tx:
        strangers = sorted(_tables(tx) - metadata.tables.keys())
        revision = migrate.current(store) if metadata.tables.keys() & _tables(tx) else None
        held = {} if revision is None else _held(tx, ours) if revision == migrate.head() else {"": 0}
    if strangers:
        raise StorageError(
            f"it has tables that Digest did not make: {_some(strangers)}",
            where=where,
            try_="give Digest a database of its own: createdb --encoding=UTF8 NAME",
        )
    if "" in held:
        raise StorageError(
            f"it has tables of another version of Digest ({revision}; this one has {migrate.head()})",
            where=where,
            try_="name an empty database; what holds nothing worth keeping can be dropped and made anew",
        )
    if held:
        raise StorageError(
            f"it is not empty: {_some([f'{rows} in {name}' for name, rows in held.items()])}",
            where=where,
            try_="name an empty database; what holds nothing worth keeping can be dropped and made anew",
        )


def _held(tx: Tx, ours: str) -> dict[str, int]:
    """Rows by table, but for what a fresh installation has: a secret, and who has it open."""
    mark = mark_of(tx)
    if mark is not None and mark.other == ours:
        return {}
    fresh = meta.meta.c.key.in_([meta.SECRET, *_OF_THE_TABLES])
    there = (
        select(literal(table.name)).where(select(table).where(~fresh if table is meta.meta else true()).exists())
        for table in metadata.sorted_tables
        if table.name not in OF_PROCESSES
    )
    found = [metadata.tables[name] for name in tx.execute(union_all(*there)).scalars()]
    return {table.name: tx.execute(select(func.count()).select_from(table)).scalar_one() for table in found}


def _is_blank(store: Store) -> bool:
    with store.reading() as tx:
        there = [metadata.tables[name] for name in _tables(tx) & metadata.tables.keys()]
        said = select(meta.meta).where(meta.meta.c.key.not_in(_OF_THE_TABLES))
        rows = [said if table is meta.meta else select(table) for table in there]
        return not any(tx.execute(some.limit(1)).first() for some in rows)


def _tables(tx: Tx) -> set[str]:
    there = set(inspect(tx).get_table_names()) - partitions.tables(tx)
    return {name for name in there if name != _REVISION and not name.startswith(_QUEUE)}


def _which(store: Store) -> tuple[Any, ...]:
    if store.is_sqlite:
        file = Path(store.engine.url.database or "").stat()
        return file.st_dev, file.st_ino
    with store.plainly() as tx:
        return tuple(tx.execute(_WHICH).one())


def _sentence(error: DBAPIError, where: str) -> StorageError:
    said = re.sub(r"\s+", " ", str(error.orig)).strip()[:300]
    if getattr(error.orig, "sqlstate", "") == "42501":
        return _no_rights("this user", where)
    return StorageError(
        f"it does not take what it is given: {said}",
        where=where,
        try_="nothing was changed; check the URL, and report it when the URL is right",
    )


def _no_rights(who: str, where: str) -> StorageError:
    return StorageError(
        f"{who} may not make tables there, or not write to those that are there",
        where=where,
        try_="make it this user's own: ALTER DATABASE … OWNER TO …, or GRANT CREATE ON SCHEMA public TO …",
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
