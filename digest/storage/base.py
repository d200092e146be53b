"""What all tables share:

naming conventions, an instant that is always aware UTC, and insert-or-ignore on both databases.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    MetaData,
    Table,
    any_,
    bindparam,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")

#: An open transaction. Storage functions take it and leave it open.
Tx = Connection

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


_COUNTED = {"preserve_rowcount": True}


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite has no zones, so it holds naive UTC there; a naive value is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def insert(tx: Tx, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, for the database at hand."""
    statement = (postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert)(table)
    # Without this, PostgreSQL's count of a single row is thrown away with the key that SQLAlchemy asks back.
    return statement.execution_options(**_COUNTED)


def add_missing(tx: Tx, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Inserts the rows whose keys are not there yet; gives how many that were."""
    if not rows:
        return 0
    added = 0
    for some in batched(rows, 1000):
        result = tx.execute(insert(tx, table).on_conflict_do_nothing(), [dict(row) for row in some])
        added += max(result.rowcount, 0)
    return added


def add_alike(
    tx: Tx, table: Table, shared: Mapping[str, object], rows: Sequence[Mapping[str, int | str | None]]
) -> int:
    """``add_missing`` for thousands of rows that differ in a few numbers and texts only; ``shared`` are their other
    columns.

    What is shared stands in the statement itself, so that it is not converted and bound again for every row.
    """
    if not rows:
        return 0
    if tx.dialect.name == "postgresql":
        return _add_copied(tx, table, shared, rows)
    values = {name: literal(value, table.c[name].type, literal_execute=True) for name, value in shared.items()}
    varying = {name: bindparam(name, None, table.c[name].type) for name in rows[0]}
    statement = insert(tx, table).values({**values, **varying}).on_conflict_do_nothing()
    compiled = statement.compile(dialect=tx.dialect, compile_kwargs={"render_postcompile": True})
    given = [tuple(row[name] for name in compiled.positiontup or ()) for row in rows]
    return max(tx.exec_driver_sql(compiled.string, given, _COUNTED).rowcount, 0)


def _add_copied(
    tx: Tx, table: Table, shared: Mapping[str, object], rows: Sequence[Mapping[str, int | str | None]]
) -> int:
    """``add_alike`` by COPY, into a table of this transaction's own: a third of what an INSERT a row costs."""
    copied, create = _beside(table, tuple(rows[0]))
    tx.exec_driver_sql(create)
    driver = tx.dialect.loaded_dbapi
    connection: Any = tx.connection.driver_connection
    try:
        with connection.cursor() as cursor, cursor.copy(f"COPY {copied.name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(tuple(row.values()))
    except driver.Error as error:
        # As if it had come through the layer that we went round.
        raise DBAPIError.instance("COPY", None, error, driver.Error, dialect=tx.dialect) from error
    values = {name: literal(value, table.c[name].type) for name, value in shared.items()}
    fresh = insert(tx, table).from_select([*values, *copied.c.keys()], select(*values.values(), *copied.c))
    added = tx.execute(fresh.on_conflict_do_nothing()).rowcount
    tx.exec_driver_sql(f"DROP TABLE {copied.name}")
    return max(added, 0)


@lru_cache
def _beside(table: Table, names: tuple[str, ...]) -> tuple[Table, str]:
    """A temporary table of some of the columns of another, and the statement that makes it."""
    columns = [Column(name, table.c[name].type) for name in names]
    made = Table(f"{table.name}_to_add", MetaData(), *columns, prefixes=["TEMPORARY"])
    return made, str(CreateTable(made).compile(dialect=postgresql.dialect()))


def add_pairs(tx: Tx, table: Table, pairs: Collection[tuple[int | str, int]]) -> None:
    """``add_missing`` for thousands of rows of a table that has two columns only.

    Given in order, they touch each page of a large table once.
    """
    if not pairs:
        return
    if tx.dialect.name == "postgresql":
        columns = zip(table.c, zip(*pairs, strict=True), strict=True)
        rows = select(*(func.unnest(cast(list(values), ARRAY(column.type))) for column, values in columns))
        tx.execute(insert(tx, table).from_select(list(table.c), rows).on_conflict_do_nothing())
        return
    statement = insert(tx, table).values({column: bindparam(column.name) for column in table.c})
    # As tuples to the driver: two numbers would cost more to be looked up by name than to be written.
    tx.exec_driver_sql(str(statement.on_conflict_do_nothing().compile(dialect=tx.dialect)), list(pairs))


def among(tx: Tx, column: ColumnElement[Any], values: Collection[int] | Collection[str]) -> ColumnElement[bool]:
    """``column IN (values)`` with one parameter for all of them: thousands of parameters cost more than the search."""
    if tx.dialect.name == "postgresql":
        return column == any_(cast(list(values), ARRAY(column.type)))
    each = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(each.c.value))


def storable(text: str) -> str:
    """What somebody typed, without what no database takes (NUL, halves of surrogate pairs); it then matches nothing."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Tuples of at most ``size``: databases limit the number of parameters in a statement."""
    rest = iter(items)
    while some := tuple(islice(rest, size)):
        yield some
