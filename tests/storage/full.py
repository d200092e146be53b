"""A store in which every table has rows, of values that are easily lost between two kinds of databases."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Float, Integer, LargeBinary, SmallInteger, Table, select, update

from digest.storage import rows
from digest.storage.base import Instant, Tx, metadata
from digest.storage.copy import OF_PROCESSES
from digest.storage.engine import Store

_TEXTS = (
    "",
    "plain",
    "Grüße – ‘ü’",
    "日本語 \U0001f9ea",
    "tab\t, line\n, \\N and \\.",
    'it\'s "quoted"; 100 % :x',
    " \r ",
)
#: Nobody works in such a store.
_HELD_BY = ("lease", "holder")
_TREES: tuple[object, ...] = (
    None,
    {},
    [],
    {"z": 1, "a": [True, None, 1.5, -0.0, 1e300], "b": {"ü": "\u0000 \\ \n"}},
    ["x", {"long": "y" * 3_000}],
)
_FLOATS = (0.0, 0.1, 1.0, 1e15, 1e16, 1.5e-7, -123456.789, 2.0**60)
_INSTANTS = (
    datetime(2026, 5, 4, 7, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, 0, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 5, 4, 7, 30, 0, 120_000, tzinfo=UTC),
)


def fill(store: Store, *, each: int = 7, seed: int = 1) -> None:
    """Puts so many rows into every table but those of processes; rows of one table refer to later ones, too."""
    chance = random.Random(seed)
    with store.transaction() as tx:
        rows.foreseen(tx)
        for table in metadata.sorted_tables:
            if table.name in OF_PROCESSES:
                continue
            held = [
                {column.name: _value(column, n, chance, each) for column in table.columns} for n in range(1, each + 1)
            ]
            tx.execute(table.insert(), held)
            _refer_to_later_rows(tx, table, each)
        if store.is_sqlite:
            return
        for table in metadata.sorted_tables:  # as if the rows had been numbered by the database itself
            if table.autoincrement_column is not None and table.name not in OF_PROCESSES:
                name = tx.exec_driver_sql(
                    f"SELECT pg_get_serial_sequence('{table.name}', '{table.autoincrement_column.name}')"
                ).scalar()
                if name is not None:
                    tx.exec_driver_sql(f"SELECT setval('{name}', {each})")


def dump(store: Store) -> dict[str, list[str]]:
    """All rows of all tables that move, as the program reads them, in one order."""
    with store.reading() as tx:
        return {
            table.name: sorted(map(repr, map(tuple, tx.execute(select(table)))))
            for table in metadata.sorted_tables
            if table.name not in OF_PROCESSES
        }


def _value(column: Column[Any], number: int, chance: random.Random, each: int) -> object:
    key = next(iter(column.foreign_keys), None)
    if key is not None:
        if key.column.table is column.table:
            return None
        return _key(key.column, number)
    if column.primary_key or _is_unique(column):
        return _key(column, number)
    if column.name in _HELD_BY:
        return ""
    if column.nullable and not chance.randrange(4):
        return None
    return _some(column, chance)


def _is_unique(column: Column[Any]) -> bool:
    table = column.table
    assert isinstance(table, Table)
    together = [*table.constraints, *(index for index in table.indexes if index.unique)]
    return any(column.name in one.columns for one in together if type(one).__name__ in ("UniqueConstraint", "Index"))


def _key(column: Column[Any], number: int) -> object:
    match column.type:
        case Integer():
            return number
        case Date():
            return date(2026, 5, number)
        case Instant():
            return datetime(2026, 5, 4, tzinfo=UTC) + timedelta(microseconds=number)
        case _:
            return f"k{number}"[: getattr(column.type, "length", None) or 100]


def _some(column: Column[Any], chance: random.Random) -> object:
    match column.type:
        case JSON():
            return chance.choice(_TREES)
        case Boolean():
            return chance.random() < 0.5
        case Float():
            return chance.choice(_FLOATS)
        case Instant():
            return chance.choice(_INSTANTS)
        case Date():
            return date(2026, 2, 28) + timedelta(days=chance.randrange(700))
        case LargeBinary():
            return chance.choice((b"", bytes(range(256)), chance.randbytes(3_000)))
        case SmallInteger():
            return chance.randrange(-2, 3)
        case Integer():
            return chance.choice((0, 1, -1, 2**31 - 1, -(2**31)))
        case _:
            return chance.choice(_TEXTS)[: getattr(column.type, "length", None) or 10_000]


def _refer_to_later_rows(tx: Tx, table: Table, each: int) -> None:
    for column in table.columns:
        if any(key.column.table is table for key in column.foreign_keys):
            (first,) = tx.execute(select(table.c.id).order_by(table.c.id).limit(1)).scalars()
            tx.execute(update(table).where(table.c.id == first).values({column.name: each}))
