"""The ledger's two large tables in parts, on PostgreSQL: deliveries by the week of their local date, attempts by the
month in which they began.

What has no part of its own stands in the rest: notices, which have no local date, with the key that keeps each of them
single; everything where readers are few, for there parts would only cost; and whatever comes when the part for it was
not made in time, so that a row always finds a place. SQLite has no parts. How they are made and dropped is in
partitioning.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Column, MetaData, Table, text

from digest.storage.base import Tx
from digest.storage.deliveries import attempts, deliveries

_WEEK = timedelta(days=7)
_NAME = re.compile(r"(deliveries|attempts)_(\d{4})_(\d{2})(?:_(\d{2}))?")
_REST = {
    parent: Table(f"{parent.name}_rest", MetaData(), *(Column(one.name, one.type) for one in parent.columns))
    for parent in (deliveries, attempts)
}
_CHILDREN = text("""
SELECT pg_class.relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
WHERE inhparent IN (to_regclass('deliveries'), to_regclass('attempts'))
""")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Part:
    """The rows of a table from one day to another, which is not in it; those of attempts are days in UTC."""

    of: str
    since: date
    until: date

    @property
    def name(self) -> str:
        return f"{self.of}_{self.since:{'%Y_%m_%d' if self.of == deliveries.name else '%Y_%m'}}"

    @property
    def rest(self) -> str:
        return f"{self.of}_rest"

    @property
    def bounds(self) -> tuple[str, str]:
        """As SQL has them."""
        zone = "" if self.of == deliveries.name else " 00:00:00+00"
        return f"'{self.since}{zone}'", f"'{self.until}{zone}'"

    @property
    def holds(self) -> str:
        """The condition that its rows meet, as SQL has it."""
        key = "local_date" if self.of == deliveries.name else "started_at"
        since, until = self.bounds
        return f"{key} >= {since} AND {key} < {until}"

    @property
    def next(self) -> Part:
        return week_of(self.until) if self.of == deliveries.name else month_of(self.until)


def week_of(day: date) -> Part:
    """The part of deliveries that a local date belongs to; it begins on a Monday."""
    since = day - timedelta(days=day.weekday())
    return Part(of=deliveries.name, since=since, until=since + _WEEK)


def month_of(day: date) -> Part:
    """The part of attempts that a day, in UTC, belongs to."""
    since = day.replace(day=1)
    return Part(of=attempts.name, since=since, until=(since + timedelta(days=31)).replace(day=1))


def parts(tx: Tx) -> tuple[Part, ...]:
    """The parts that there are, in order; without the rest."""
    found: list[Part] = []
    for name in tables(tx):
        if (named := _NAME.fullmatch(name)) is not None:
            _, year, month, day = named.groups()
            found.append((week_of if day else month_of)(date(int(year), int(month), int(day or 1))))
    return tuple(sorted(found))


def tables(tx: Tx) -> frozenset[str]:
    """Names of the tables that are parts of others, the rest among them."""
    return frozenset(tx.execute(_CHILDREN).scalars()) if tx.dialect.name == "postgresql" else frozenset()


def rest_of(tx: Tx, parent: Table) -> Table:
    """Where the rows are that have no part of their own; on SQLite all of them."""
    return _REST[parent] if tx.dialect.name == "postgresql" else parent
