"""Making the parts of the ledger's large tables ahead of their time, and dropping them whole when it is over: taking
their rows out one by one would cost as much as writing them did.

Each is one transaction, which waits for nobody: where others are at work it is not done, and the caller comes again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import String, func, select, text

from digest.storage.base import Tx
from digest.storage.deliveries import attempts, deliveries
from digest.storage.folding import add_totals
from digest.storage.locking import lock
from digest.storage.partitions import Part, month_of, parts, tables, week_of

#: Confirmed readers from whom on parts are made: up to 140,000 rows a week and digest.
LARGE_READERS = 20_000
#: Rows of a week or month from which on it is worth a part although it began without one: more than a week of theirs.
LARGE_ROWS = 150_000
#: Such a one is moved when nobody writes to it any more: its mails are settled, and what bounces has come back.
_QUIET_FOR = timedelta(days=8)
_AHEAD = 3
_REFERS_TO = ", ".join(sorted({key.column.table.name for key in deliveries.foreign_keys} - {deliveries.name}))
#: A part is written within hours and read for months: it is looked at often while it is new.
_CARE = (
    "autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1, "
    "autovacuum_analyze_scale_factor = 0.02"
)


def wanted(tx: Tx, today: date, *, readers: int) -> tuple[Part, ...]:
    """Parts that are to be made now, ``readers`` being confirmed: for the time that is, and the next.

    Not for one that began in the rest, for its rows are being written to.
    """
    if tx.dialect.name != "postgresql" or readers < LARGE_READERS:
        return ()
    ahead: list[Part] = []
    for part in (week_of(today), month_of(today)):
        for _ in range(_AHEAD):
            ahead.append(part)
            part = part.next
    there = tables(tx)
    return tuple(part for part in ahead if part.name not in there and not _has(tx, part.rest, part.holds))


def stray(tx: Tx, today: date) -> Mapping[Part, int]:
    """Large weeks and months that stand in the rest and to which nobody writes any more, with their rows."""
    if tx.dialect.name != "postgresql":
        return {}
    found: dict[Part, int] = {}
    for parent, days, part_of in (
        (deliveries, "date_trunc('week', local_date)", week_of),
        (attempts, "date_trunc('month', timezone('UTC', started_at))", month_of),
    ):
        counted = (
            f"SELECT {days}::date AS since, count(*) AS number FROM {parent.name}_rest "  # noqa: S608  names of ours
            f"WHERE {days} IS NOT NULL GROUP BY 1 HAVING count(*) >= :large ORDER BY 1"
        )
        for row in tx.execute(text(counted), {"large": LARGE_ROWS}):
            part = part_of(row.since)
            if part.until + _QUIET_FOR <= today:
                found[part] = row.number
    return found


def foresee(source: Tx, target: Tx) -> None:
    """Makes the parts, in an empty database, that the large weeks and months of another are worth."""
    if target.dialect.name != "postgresql":
        return
    found: Counter[Part] = Counter()
    for column, part_of in ((deliveries.c.local_date, week_of), (attempts.c.started_at, month_of)):
        day = func.date(column, type_=String)
        for when, number in source.execute(select(day, func.count()).where(column.is_not(None)).group_by(day)):
            found[part_of(date.fromisoformat(str(when)))] += number
    for part, number in sorted(found.items()):
        if number >= LARGE_ROWS:
            make(target, part)


def make(tx: Tx, part: Part) -> int | None:
    """Makes a part and gives it its rows of the rest: so many. None where others are at work on the tables, or on these
    rows, or where there are such and anything is being sent: it would wait until they are moved, and lose its lease.
    """
    since, until = part.bounds
    tied = (f"{_REFERS_TO} IN SHARE ROW EXCLUSIVE MODE",) if part.of == deliveries.name else ()
    if not lock(tx, f"ONLY {part.of} IN SHARE UPDATE EXCLUSIVE MODE", f"{part.rest} IN ACCESS EXCLUSIVE MODE", *tied):
        return None
    if part.name in tables(tx):
        return 0
    if part.of == deliveries.name and _has(tx, part.rest, f"{part.holds} AND settled_at IS NULL"):
        return None
    if _has(tx, part.rest, part.holds) and _has(tx, deliveries.name, "lease <> ''"):
        return None
    tx.execute(text(f"CREATE TABLE {part.name} (LIKE {part.of} INCLUDING DEFAULTS) WITH ({_CARE})"))
    moved = (
        f"WITH gone AS (DELETE FROM {part.rest} WHERE {part.holds} RETURNING *) "  # noqa: S608
        f"INSERT INTO {part.name} SELECT * FROM gone"
    )
    number = tx.execute(text(moved)).rowcount
    tx.execute(text(f"ALTER TABLE {part.of} ATTACH PARTITION {part.name} FOR VALUES FROM ({since}) TO ({until})"))
    return number


def over(tx: Tx, before: datetime) -> tuple[Part, ...]:
    """Parts whose time ended before an instant."""
    return tuple(part for part in parts(tx) if part.until <= before.date())


def drop(tx: Tx, part: Part, before: datetime) -> int | None:
    """Drops a part, and keeps the daily totals of deliveries; gives how many rows went. None where one of them is
    younger than ``before``, not settled, or leads one that is not, and where others are at work on the tables.
    """
    if not lock(tx, f"ONLY {part.of}, {part.name}, {part.rest} IN ACCESS EXCLUSIVE MODE"):
        return None
    gone = _counted(tx, part) if part.of == attempts.name else _folded(tx, part, before)
    if gone is not None:
        tx.execute(text(f"DROP TABLE {part.name}"))
    return gone


def _counted(tx: Tx, part: Part) -> int:
    return tx.execute(text(f"SELECT count(*) FROM {part.name}")).scalar_one()  # noqa: S608


def _folded(tx: Tx, part: Part, before: datetime) -> int | None:
    """Adds a part's deliveries to the daily totals, read once, for nobody reads the ledger meanwhile."""
    columns = "digest, kind, local_date, state"
    rows = tx.execute(
        text(
            f"SELECT {columns}, count(*) AS number, count(settled_at) AS settled, max(created_at) AS newest "  # noqa: S608
            f"FROM {part.name} GROUP BY {columns}"
        )
    ).all()
    if any(row.settled < row.number or row.newest >= before for row in rows):
        return None
    # A joined mail of digests in two time zones may have rows in two parts.
    follows = f"leader_id IS NOT NULL AND leader_id IN (SELECT id FROM {part.name})"  # noqa: S608
    if _has(tx, part.of, f"{follows} AND settled_at IS NULL"):
        return None
    tx.execute(text(f"UPDATE {part.of} SET leader_id = NULL WHERE {follows}"))  # noqa: S608
    add_totals(tx, [(row.digest, row.kind, row.local_date, row.state, row.number) for row in rows])
    return sum(row.number for row in rows)


def _has(tx: Tx, name: str, where: str) -> bool:
    return tx.execute(text(f"SELECT 1 FROM {name} WHERE {where} LIMIT 1")).first() is not None  # noqa: S608
