"""Who works: the processes of a fleet, what they do, and when each gave its last sign of life.

All of it by the database's clock, the only one that the machines of a fleet share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Column, Float, Row, String, Table, Text, delete, select

from digest.storage.base import Instant, Tx, insert, metadata

workers = Table(
    "workers",
    metadata,
    Column("holder", String(100), primary_key=True),
    Column("roles", JSON, nullable=False),
    Column("version", String(50), nullable=False),
    Column("zones", String(50), nullable=False),  # the version of its time zone database
    Column("keys", String(64), nullable=False),  # a hash of its secrets: with others it would not know our links
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("ahead", Float, nullable=False),  # seconds by which its own clock is ahead of the database's
    Column("accepted", JSON, nullable=False),  # relay -> domain -> mails it took from this process
    Column("refused_since", Instant),  # since when no relay can be used
    Column("refused", Text, nullable=False),  # and why
)

#: A worker that has said nothing for so long is taken for gone; it signs every few seconds.
SILENT = timedelta(seconds=45)
_FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """One process of a fleet."""

    holder: str
    """``host:pid:start``, as on what it leases."""
    roles: tuple[str, ...]
    version: str
    zones: str
    keys: str
    started_at: datetime
    seen_at: datetime
    ahead: float
    accepted: Mapping[str, Mapping[str, int]]
    """Relay -> domain -> mails that it took from this process."""
    refused_since: datetime | None = None
    """Since when no relay takes its mails."""
    refused: str = ""

    @property
    def name(self) -> str:
        """As people read it: machine and process."""
        return self.holder.rpartition(":")[0]


def sign(tx: Tx, worker: Worker) -> None:
    """Writes a worker's sign of life, as of ``seen_at``."""
    values = {
        "roles": list(worker.roles),
        "version": worker.version,
        "zones": worker.zones,
        "keys": worker.keys,
        "seen_at": worker.seen_at,
        "ahead": worker.ahead,
        "accepted": {relay: dict(domains) for relay, domains in worker.accepted.items()},
        "refused_since": worker.refused_since,
        "refused": worker.refused,
    }
    statement = insert(tx, workers).values(holder=worker.holder, started_at=worker.started_at, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["holder"], set_=values))


def leave(tx: Tx, holder: str) -> None:
    """It ended as it should: nobody need miss it."""
    tx.execute(delete(workers).where(workers.c.holder == holder))


def living(tx: Tx, now: datetime) -> tuple[Worker, ...]:
    """Those that gave a sign of life lately, by name."""
    query = select(workers).where(workers.c.seen_at > now - SILENT).order_by(workers.c.holder)
    return tuple(_worker(row) for row in tx.execute(query))


def lost(tx: Tx, now: datetime) -> tuple[Worker, ...]:
    """Those that fell silent within a day without saying that they leave, by name."""
    query = select(workers).where(workers.c.seen_at <= now - SILENT, workers.c.seen_at > now - _FORGOTTEN)
    return tuple(_worker(row) for row in tx.execute(query.order_by(workers.c.holder)))


def silent(tx: Tx, now: datetime, holders: Sequence[str]) -> tuple[str, ...]:
    """Those of the lease holders (``host:pid:start:run``) that are workers which fell silent."""
    gone = [one.holder for one in lost(tx, now)]
    return tuple(holder for holder in holders if any(holder.startswith(f"{one}:") for one in gone))


def prune(tx: Tx, now: datetime) -> None:
    """Forgets those that fell silent a day ago."""
    tx.execute(delete(workers).where(workers.c.seen_at <= now - _FORGOTTEN))


def without(roles: Sequence[str], some: Sequence[Worker]) -> tuple[str, ...]:
    """Those of the roles that none of the workers fills."""
    filled = {role for one in some for role in one.roles}
    return tuple(role for role in roles if role not in filled)


def _worker(row: Row[Any]) -> Worker:
    return Worker(
        holder=row.holder,
        roles=tuple(row.roles),
        version=row.version,
        zones=row.zones,
        keys=row.keys,
        started_at=row.started_at,
        seen_at=row.seen_at,
        ahead=row.ahead,
        accepted=dict(row.accepted),
        refused_since=row.refused_since,
        refused=row.refused,
    )
