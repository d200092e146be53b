"""Keeps others from writing, and tells who works: for as long as a transaction is open, or for good in a database that
has moved.

The second is done by triggers, so that a process which still has the old one open cannot write where nobody will look.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from digest.model.errors import StorageError
from digest.storage.base import Tx, metadata
from digest.storage.deliveries import IS_HELD, deliveries
from digest.storage.locking import lock
from digest.storage.meta import leases

_NAME = "digest_moved"
#: SQLSTATE of class 55, "not in a state for that": a driver calls it operational.
_STATE = "55000"


def hold(tx: Tx, where: str) -> None:
    """Nobody else writes until this transaction ends; reading goes on. Raises StorageError when others do not let go.

    On SQLite every writing transaction does so from its beginning.
    """
    if tx.dialect.name != "postgresql":
        return
    tables = ", ".join(map(tx.dialect.identifier_preparer.format_table, metadata.sorted_tables))
    for limit in ("idle_in_transaction_session_timeout", "statement_timeout"):
        _run(tx, f"SET LOCAL {limit} = 0")  # one of two databases waits while the other is read
    if not lock(tx, f"{tables} IN SHARE ROW EXCLUSIVE MODE"):
        raise StorageError(
            "others write to it again and again, or are moving it",
            where=where,
            try_="stop what uses it (`digest run`, `digest web`, workers), then try again",
        )


def shut(tx: Tx, why: str) -> None:
    """From this transaction's end on the database refuses every change of a row, with this sentence."""
    quoted = "'" + why.replace("'", "''") + "'"
    if tx.dialect.name == "postgresql":
        _run(
            tx,
            f"CREATE FUNCTION {_NAME}() RETURNS trigger LANGUAGE plpgsql AS $refuse$ BEGIN "
            f"RAISE EXCEPTION USING MESSAGE = {quoted}, ERRCODE = '{_STATE}'; END $refuse$",
        )
    for table in metadata.sorted_tables:
        name = tx.dialect.identifier_preparer.format_table(table)
        if tx.dialect.name == "postgresql":
            _run(
                tx,
                f"CREATE TRIGGER {_NAME} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {name} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {_NAME}()",
            )
            continue
        for deed in ("INSERT", "UPDATE", "DELETE"):
            _run(
                tx,
                f"CREATE TRIGGER {_NAME}_{table.name}_{deed.lower()} BEFORE {deed} ON {name} "
                f"BEGIN SELECT RAISE(ABORT, {quoted}); END",
            )


def reopen(tx: Tx) -> None:
    """Lets it be written to again, also within this transaction."""
    if tx.dialect.name == "postgresql":
        # Its triggers go with it.
        _run(tx, f"DROP FUNCTION IF EXISTS {_NAME}() CASCADE")
        return
    for table in metadata.sorted_tables:
        for deed in ("insert", "update", "delete"):
            _run(tx, f"DROP TRIGGER IF EXISTS {_NAME}_{table.name}_{deed}")


def at_work(tx: Tx, now: datetime) -> dict[str, str]:
    """Who holds a lease that is not over, and what for: deliveries, or what any other table says is held."""
    does: dict[str, str] = {}
    for table in metadata.sorted_tables:
        if {"holder", "until"} <= {*table.columns.keys()}:
            named = table.c.name if table is leases else literal(table.name)
            held = select(table.c.holder, named).where(table.c.until > now, table.c.holder != "").distinct()
            for holder, name in tx.execute(held):
                does[holder] = "is publishing" if name.startswith("publish") else f"works on {name}"
    sending = select(deliveries.c.lease).where(IS_HELD, deliveries.c.leased_until >= now).distinct()
    return does | dict.fromkeys(tx.execute(sending).scalars(), "is sending")


def _run(tx: Tx, statement: str) -> Any:
    # A URL holds colons and percent signs, which are no parameters here.
    return tx.execution_options(no_parameters=True).exec_driver_sql(statement)
