"""The queue's tables beside ours, as far as we look into them: whether they are there, and how the calls stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text

from digest.storage.base import Tx

#: Processes that start together take turns ("queue" in ASCII).
_TURN = 0x7175657565
#: How the note on its tables begins.
_NOTE = "queue of Digest, version "
_WAITING = text("""
SELECT queue_name, count(*) FILTER (WHERE status = 'todo') AS waiting,
       count(*) FILTER (WHERE status = 'doing') AS doing,
       min(since) FILTER (WHERE status = 'todo') AS oldest
FROM procrastinate_jobs LEFT JOIN LATERAL (
    SELECT min(at) AS since FROM procrastinate_events WHERE job_id = procrastinate_jobs.id
) AS made ON true
WHERE status IN ('todo', 'doing') GROUP BY queue_name ORDER BY queue_name
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """How the calls of one kind stand."""

    work: str
    waiting: int
    doing: int
    oldest: datetime | None
    """Since when the oldest call waits."""


def are_there(tx: Tx) -> bool:
    """Whether the queue can be spoken to in this database."""
    return tx.dialect.name == "postgresql" and bool(
        tx.execute(text("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")).scalar()
    )


def version(tx: Tx) -> str | None:
    """Of which version its tables are; None where they are not there, or not by us."""
    if not are_there(tx):
        return None
    said = tx.execute(text("SELECT obj_description('procrastinate_jobs'::regclass, 'pg_class')")).scalar()
    return said.removeprefix(_NOTE) if said is not None and said.startswith(_NOTE) else None


def note_version(tx: Tx, number: str) -> None:
    """Writes onto its tables of which version they are."""
    run_script(tx, f"COMMENT ON TABLE procrastinate_jobs IS '{_NOTE}{number}'")


def waiting(tx: Tx) -> tuple[Waiting, ...]:
    """How the calls stand, by kind; none where there is no queue."""
    if not are_there(tx):
        return ()
    return tuple(
        Waiting(work=row.queue_name, waiting=row.waiting, doing=row.doing, oldest=row.oldest)
        for row in tx.execute(_WAITING)
    )


def take_turn(tx: Tx) -> None:
    """Nobody else makes or changes the queue's tables until this transaction ends."""
    tx.execute(select(func.pg_advisory_xact_lock(_TURN)))


def run_script(tx: Tx, statements: str) -> None:
    """Many statements at once, which a driver takes only without parameters."""
    driver(tx).execute(statements)


def driver(tx: Tx) -> Any:
    """The driver's connection of an open transaction: the queue writes its calls with it."""
    raw = tx.connection.driver_connection
    assert raw is not None
    return raw
