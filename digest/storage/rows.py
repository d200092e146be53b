"""The rows of a table as plain values, alike whichever of the two databases they stand in.

Numbers, texts, bytes and None, as SQLite holds them: an instant is a text in UTC, truth is 0 or 1, and JSON is the very
text that was written. Read one after the other in the order of the primary key, so that memory does not grow with a
table, and written by the fastest way that each database has.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Float,
    Integer,
    LargeBinary,
    Table,
    Text,
    cast,
    func,
    select,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from digest.storage.base import Instant, Tx

Plain = tuple[Any, ...]

#: Rows that are asked for together; fewer where one may be a whole mail.
_NARROW, _WIDE = 2_000, 50
#: How long an instant's text is in the one form that it has here: 2026-05-04 07:30:00.000000.
_INSTANT = 26
_SUM_BYTES = 16
#: For a SQLite file that is written: else each row of a large table reads anew the parts of indices that it goes into.
_CACHE_KB = 65_536


class Sum:
    """How many rows there are, and a checksum of them that does not depend on their order."""

    __slots__ = ("_fixes", "_total", "rows")

    def __init__(self, table: Table) -> None:
        self.rows = 0
        self._total = 0
        self._fixes = [(at, fix) for at, column in enumerate(table.columns) if (fix := _fix(column)) is not None]

    def add(self, row: Plain) -> None:
        if self._fixes:
            fixed = list(row)
            for at, fix in self._fixes:
                if fixed[at] is not None:
                    fixed[at] = fix(fixed[at])
            row = tuple(fixed)
        digested = blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=_SUM_BYTES).digest()
        self._total += int.from_bytes(digested, "big")
        self.rows += 1

    @property
    def checksum(self) -> str:
        return f"{self._total % 2 ** (8 * _SUM_BYTES):0{2 * _SUM_BYTES}x}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and (self.rows, self.checksum) == (other.rows, other.checksum)

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def read(tx: Tx, table: Table) -> Iterator[Plain]:
    """Every row, in the order of the primary key and of the table's columns."""
    wide = any(isinstance(column.type, (LargeBinary, JSON)) for column in table.columns)
    query = (
        select(*(_plain(tx, column) for column in table.columns))
        .order_by(*table.primary_key.columns)
        .execution_options(yield_per=_WIDE if wide else _NARROW)
    )
    for rows in tx.execute(query).partitions():
        yield from map(tuple, rows)


def write(tx: Tx, table: Table, rows: Iterable[Plain]) -> None:
    """Adds rows as ``read`` gives them."""
    quoted = tx.dialect.identifier_preparer
    into = quoted.format_table(table)
    names = ", ".join(map(quoted.format_column, table.columns))
    driver: Any = tx.connection.driver_connection
    if tx.dialect.name == "postgresql":
        statement = f"COPY {into} ({names}) FROM STDIN"
        with _layered(tx, statement), driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    else:
        places = ", ".join("?" * len(table.columns))
        statement = f"INSERT INTO {into} ({names}) VALUES ({places})"  # noqa: S608  names of ours, quoted
        with _layered(tx, statement):
            driver.executemany(statement, rows)


def foreseen(tx: Tx) -> None:
    """Prepares a transaction for ``write``: instants are in UTC, and rows may precede those that they refer to."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
    else:
        tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        tx.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KB}")


@contextmanager
def _layered(tx: Tx, statement: str) -> Generator[None]:
    """The driver's failures as those of the layer above it, which the store explains."""
    driver = tx.dialect.loaded_dbapi
    try:
        yield
    except driver.Error as error:
        raise DBAPIError.instance(statement, None, error, driver.Error, dialect=tx.dialect) from error


def _plain(tx: Tx, column: Column[Any]) -> ColumnElement[Any]:
    found: ColumnElement[Any] = column
    if tx.dialect.name == "postgresql":
        match column.type:
            case Instant():
                found = func.to_char(func.timezone("UTC", column), "YYYY-MM-DD HH24:MI:SS.US")
            case Date():
                found = func.to_char(column, "YYYY-MM-DD")
            case Boolean():
                found = cast(column, Integer)
            case JSON():
                found = cast(column, Text)
            case _:
                pass
    return type_coerce(found, NullType())


def _fix(column: Column[Any]) -> Callable[[Any], Any] | None:
    """What makes two spellings of one value the same; None where there is but one."""
    match column.type:
        case Instant():
            return _instant
        case Float():
            return _float
        case LargeBinary():
            return _bytes
        case _:
            return None


def _instant(text: str) -> str:
    if len(text) == _INSTANT:
        return text
    at = datetime.fromisoformat(text)
    return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None).isoformat(" ", "microseconds")


def _float(value: float) -> float:
    """SQLite keeps no sign of a zero."""
    return float(value) + 0.0


def _bytes(value: bytes) -> bytes:
    """What stands for a whole mail: its text would be four times as long."""
    return blake2b(value, digest_size=_SUM_BYTES).digest()
