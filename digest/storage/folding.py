"""What becomes of deliveries after their retention: daily totals. Row by row here; whole parts: partitioning.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import and_, delete, func, select, update

from digest.storage.base import Tx, batched, insert
from digest.storage.deliveries import OPEN, attempts, deliveries, totals
from digest.storage.partitions import rest_of


def fold(tx: Tx, before: datetime, *, limit: int = 5_000) -> int:
    """Replaces settled rows older than an instant, at most ``limit``, by daily totals; gives how many went. Those of a
    part of its own stay until the whole of it goes.
    """
    rest = rest_of(tx, deliveries)
    # A row that still leads an open one must stay.
    leading = select(deliveries.c.leader_id).where(
        deliveries.c.leader_id.is_not(None), deliveries.c.state.in_([*OPEN, "deferred"])
    )
    day = func.coalesce(rest.c.local_date, func.date(rest.c.created_at))
    rows = tx.execute(
        select(rest.c.id, rest.c.digest, rest.c.kind, day.label("day"), rest.c.state)
        .where(
            rest.c.created_at < before,
            rest.c.settled_at.is_not(None),
            rest.c.state.not_in([*OPEN, "deferred"]),
            rest.c.id.not_in(leading),
        )
        .order_by(rest.c.id)
        .limit(limit)
    ).all()
    counted = Counter(tuple(row[1:]) for row in rows)
    add_totals(
        tx, [(digest, kind, _date(when), state, number) for (digest, kind, when, state), number in counted.items()]
    )
    for some in batched([row.id for row in rows], 500):
        follows = and_(deliveries.c.leader_id.is_not(None), deliveries.c.leader_id.in_(some))
        tx.execute(update(deliveries).where(follows).values(leader_id=None))
        tx.execute(delete(attempts).where(attempts.c.delivery_id.in_(some)))
        tx.execute(delete(rest).where(rest.c.id.in_(some)))
    return len(rows)


def add_totals(tx: Tx, counted: Iterable[tuple[str, str, date, str, int]]) -> None:
    """Adds to the daily totals: (digest, kind, day, state, how many)."""
    for digest, kind, day, state, number in counted:
        statement = insert(tx, totals).values(digest=digest, kind=kind, local_date=day, state=state, count=number)
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=["digest", "kind", "local_date", "state"], set_={"count": totals.c.count + number}
            )
        )


def _date(told: object) -> date:
    return told if isinstance(told, date) else date.fromisoformat(str(told))
