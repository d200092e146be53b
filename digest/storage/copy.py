"""Copies every row of one database into another, whichever of the two kinds each is: backups, and moving between them.

Takes a reading snapshot of the source and an open transaction of a target that has empty tables of the same revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, bindparam, func, select, text, update

from digest.storage.base import Tx, metadata

_ROWS = 1_000


def copy_all(source: Tx, target: Tx, *, leave_out: Sequence[str] = ()) -> int:
    """Copies table by table, those that are referred to first; gives how many rows went over."""
    copied = 0
    for table in metadata.sorted_tables:
        if table.name not in leave_out:
            copied += _copy(source, target, table)
            _go_on_counting(target, table)
    return copied


def _copy(source: Tx, target: Tx, table: Table) -> int:
    # A row may refer to a later one of its own table (a merged work, a joined mail), so such links are made at the end.
    own = [column.name for column in table.columns if any(key.column.table is table for key in column.foreign_keys)]
    links: list[dict[str, Any]] = []
    copied = 0
    names = table.columns.keys()
    query = select(table).execution_options(yield_per=_ROWS)
    for rows in source.execute(query).partitions():
        values = [dict(zip(names, row, strict=True)) for row in rows]
        for row in values:
            if any(row[name] is not None for name in own):
                links.append({"row_id": row["id"], **{f"to_{name}": row[name] for name in own}})
                row.update(dict.fromkeys(own))
        target.execute(table.insert(), values)
        copied += len(values)
    if links:
        linked: dict[str, Any] = {name: bindparam(f"to_{name}") for name in own}
        target.execute(update(table).where(table.c.id == bindparam("row_id")).values(**linked), links)
    return copied


def _go_on_counting(target: Tx, table: Table) -> None:
    """PostgreSQL numbers rows from a sequence that knows nothing of rows which brought their number along."""
    column = table.autoincrement_column
    if target.dialect.name != "postgresql" or column is None:
        return
    newest = target.execute(select(func.max(column))).scalar()
    if newest is not None:
        target.execute(
            text("SELECT setval(pg_get_serial_sequence(:table, :column), :newest)"),
            {"table": table.name, "column": column.name, "newest": newest},
        )
