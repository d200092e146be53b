"""The database server of a fleet: its clock, and whether it is fit for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from digest.model.errors import StorageError
from digest.storage.base import Tx
from digest.storage.engine import Store

#: The oldest PostgreSQL whose community still mends it, and on which the tests run at the latest.
LEAST_VERSION = 14
_LOOK = text("""
SELECT current_setting('server_version_num')::int / 10000 AS version,
       current_setting('server_encoding') AS encoding,
       current_user AS who,
       pg_is_in_recovery() AS recovers,
       current_setting('transaction_read_only') = 'on' AS read_only,
       current_schema() AS schema,
       has_schema_privilege(current_schema(), 'CREATE') AS may_create,
       to_regclass('procrastinate_jobs') IS NOT NULL AS has_queue,
       EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'plpgsql') AS has_plpgsql,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Connections:
    """How many connections a server gives to ordinary users, and how many are in use now."""

    most: int
    used: int


def clock(tx: Tx) -> datetime:
    """The server's clock at this moment, not at the transaction's beginning."""
    return tx.execute(text("SELECT clock_timestamp()")).scalar_one()


def look(tx: Tx) -> Row[Any]:
    """What the server is, and what it lets this user do: the columns of ``_LOOK``."""
    return tx.execute(_LOOK).one()


def connections(tx: Tx) -> Connections:
    row = look(tx)
    return Connections(most=row.most, used=row.used)


def unfit(store: Store, *, needed: int) -> tuple[StorageError, ...]:
    """Why a fleet cannot use this server, and what to do; empty when it can. ``needed`` are the connections that the
    process which asks may open. Raises StorageError when it cannot be asked.
    """
    with store.plainly() as tx:
        return tuple(_problems(look(tx), store.where, needed))


def _problems(found: Row[Any], where: str, needed: int) -> Iterator[StorageError]:
    if found.version < LEAST_VERSION:
        yield StorageError(
            f"the server is PostgreSQL {found.version}; a fleet needs {LEAST_VERSION} or newer",
            where=where,
            try_="upgrade the server (pg_upgrade keeps all that is in it)",
        )
    if found.recovers:
        yield StorageError(
            "the server is a standby in recovery and takes no writes",
            where=where,
            try_="name the primary in database.url, or promote this one and then run `digest db restored`",
        )
    elif found.read_only:
        yield StorageError(
            "the database is read-only for this user",
            where=where,
            try_="ALTER DATABASE … SET default_transaction_read_only = off, or use a user that may write",
        )
    if found.schema is None or not (found.may_create or found.has_queue):
        yield StorageError(
            "this user may not create tables there, and the queue needs some",
            where=where,
            try_="GRANT USAGE, CREATE ON SCHEMA public TO the user of database.url",
        )
    if not found.has_plpgsql:
        yield StorageError(
            "the extension plpgsql is missing, in which the queue's functions are written",
            where=where,
            try_="CREATE EXTENSION plpgsql, as a superuser",
        )
    if found.most - found.used < needed:
        yield StorageError(
            f"it gives {found.most} connections, {found.used} are in use, and this process may open {needed}",
            where=where,
            try_="raise max_connections, end what is not needed, or put a pooler between",
        )
