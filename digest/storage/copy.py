"""Copies every row of one database into another, whichever of the two kinds each is: backups, and moving between them.

Takes a reading snapshot of the source and an open transaction of a target that has empty tables of the same revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Table, func, literal, select, text, union_all
from sqlalchemy.exc import DBAPIError

from digest.model.errors import StorageError
from digest.storage import partitioning, rows
from digest.storage.base import Tx, metadata
from digest.storage.engine import explain
from digest.storage.meta import meta
from digest.storage.rows import Plain, Sum

#: Is told now and then: what is done with which table, with how many rows of how many.
Progress = Callable[[str, str, int, int], None]
#: Tables of processes that run: in another database they would hold what nobody holds.
OF_PROCESSES = ("leases", "workers")
_TOLD_EVERY = 5_000


def copy_all(source: Tx, target: Tx, *, leave_out: Sequence[str] = (), progress: Progress | None = None) -> int:
    """Copies table by table, those that are referred to first; gives how many rows went over."""
    _ready(source, target)
    return sum(_copy(source, target, table, progress).rows for table in _tables(leave_out))


def copy_surely(source: Tx, target: Tx, *, leave_out: Sequence[str] = (), progress: Progress | None = None) -> None:
    """The same, and reads every table of the target again.

    Raises StorageError where the two differ in the number of rows or in their checksum.
    """
    _ready(source, target)
    for table in _tables(leave_out):
        given = _copy(source, target, table, progress)
        if target.dialect.name == "postgresql":
            target.exec_driver_sql(f"ANALYZE {target.dialect.identifier_preparer.format_table(table)}")
        taken = Sum(table)
        for row in _told(rows.read(target, table), "checked", table, given.rows, progress):
            taken.add(row)
        if taken != given:
            raise StorageError(
                f"what arrived is not what was sent: {given.rows} rows with the checksum {given.checksum} were read, "
                f"{taken.rows} with {taken.checksum} stand in the new database",
                where=f"table {table.name}",
                try_="nothing was changed; try another server or disk, and report it when it happens again",
            )


def counted(tx: Tx, *, leave_out: Sequence[str] = ()) -> dict[str, int]:
    """How many rows each table holds."""
    each = (select(literal(table.name), func.count()).select_from(table) for table in _tables(leave_out))
    return {row[0]: row[1] for row in tx.execute(union_all(*each))}


def clear(target: Tx) -> None:
    """Takes out all rows, those that refer to others first."""
    for table in reversed(metadata.sorted_tables):
        target.execute(table.delete())


def _ready(source: Tx, target: Tx) -> None:
    """What a new database says of itself gives way to what the source says."""
    target.execute(meta.delete())
    partitioning.foresee(source, target)
    rows.foreseen(target)


def _tables(leave_out: Sequence[str]) -> Iterator[Table]:
    return (table for table in metadata.sorted_tables if table.name not in leave_out)


def _copy(source: Tx, target: Tx, table: Table, progress: Progress | None) -> Sum:
    """Gives the sum of what was read."""
    held = source.execute(select(func.count()).select_from(table)).scalar_one() if progress is not None else 0
    given = Sum(table)

    def passing() -> Iterator[Plain]:
        try:
            for row in _told(rows.read(source, table), "copied", table, held, progress):
                given.add(row)
                yield row
        except DBAPIError as error:
            # Else it would look like a failure of the target, to which these rows are handed.
            raise explain(error, source.engine.url.render_as_string(hide_password=True)) from error

    rows.write(target, table, passing())
    _go_on_counting(source, target, table)
    return given


def _told(read: Iterator[Plain], what: str, table: Table, held: int, progress: Progress | None) -> Iterator[Plain]:
    if progress is None:
        yield from read
        return
    progress(what, table.name, 0, held)
    for number, row in enumerate(read, 1):
        yield row
        if not number % _TOLD_EVERY:
            progress(what, table.name, number, held)


def _go_on_counting(source: Tx, target: Tx, table: Table) -> None:
    """A number that was given once is not given again, also where the row that had it is gone."""
    column = table.autoincrement_column
    if column is None:
        return
    newest = max(_counted(source, table, column.name), target.execute(select(func.max(column))).scalar() or 0)
    if not newest:
        return
    names = {"table": table.name, "column": column.name, "newest": newest}
    if target.dialect.name == "postgresql":
        target.execute(text("SELECT setval(pg_get_serial_sequence(:table, :column), :newest)"), names)
    elif _never_again(table):
        target.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), names)
        target.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :newest)"), names)


def _counted(source: Tx, table: Table, column: str) -> int:
    """The last number that the database itself gave, where it keeps it."""
    if source.dialect.name == "postgresql":
        sequence = source.execute(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column}
        ).scalar()
        if sequence is None:
            return 0
        query = f"SELECT last_value, is_called FROM {sequence}"  # noqa: S608  as the server quoted it
        last, is_called = source.exec_driver_sql(query).one()
        return last if is_called else 0
    if not _never_again(table):
        return 0
    kept = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    return source.execute(kept, {"name": table.name}).scalar() or 0


def _never_again(table: Table) -> bool:
    """Whether SQLite keeps the last number of this table (AUTOINCREMENT)."""
    return bool(table.dialect_options["sqlite"]["autoincrement"])
