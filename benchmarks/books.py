"""What a PostgreSQL was made to do: processor time, log, rows and transactions so far, and what its tables occupy.

Its processor time stands in /proc, so it must run on this machine. Does I/O.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields

import psycopg
from prepared import PostgreSQL

#: A connection that rests writes its statistics so many seconds late.
_LATE = 10.5
_SIZES = """
SELECT coalesce(pg_partition_root(oid), oid)::regclass::text, sum(pg_table_size(oid)), sum(pg_indexes_size(oid))
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
GROUP BY 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """Sums since the server, or the database, was made; the difference of two is what came between them."""

    cpu: float
    """Seconds."""
    log_bytes: float
    rows: float
    """Inserted, updated or deleted."""
    transactions: float

    def since(self, earlier: Books) -> Books:
        return Books(**{one.name: getattr(self, one.name) - getattr(earlier, one.name) for one in fields(self)})


def books(database: psycopg.Connection, server: PostgreSQL, *, settle: bool = False) -> Books:
    """As of now; ``settle`` waits until its statistics (rows and transactions) are as late as that."""
    cpu = server.cpu()
    log = database.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    if settle:
        time.sleep(_LATE)
    did = database.execute(
        "SELECT tup_inserted + tup_updated + tup_deleted, xact_commit FROM pg_stat_database"
        " WHERE datname = current_database()"
    ).fetchone()
    assert log is not None and did is not None
    return Books(cpu=cpu, log_bytes=float(log[0]), rows=float(did[0]), transactions=float(did[1]))


def sizes(database: psycopg.Connection) -> dict[str, tuple[int, int]]:
    """Bytes of each table and of its indexes; of a table in parts, of all parts that hold anything."""
    return {name: (int(heap), int(index)) for name, heap, index in database.execute(_SIZES).fetchall()}


def clients(database: psycopg.Connection) -> int:
    """Connections to the database besides this one."""
    row = database.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    ).fetchone()
    assert row is not None
    return int(row[0])
