"""Numbers by day, for a look back of weeks: mails by outcome, who joined and left, what sources brought, how long it
took. Days are local dates for mails and days of UTC for all else. Nothing is changed.

What would need every row of a million is taken from rows that lie evenly over the time asked about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Column, Date, Table, cast, func, select

from digest.model.mail import DeliveryState
from digest.model.people import SubscriptionState
from digest.storage.base import Tx, among
from digest.storage.deliveries import HELD, IS_HELD, IS_TROUBLED, IS_WAITING, deliveries, totals
from digest.storage.editions import editions
from digest.storage.people import subscriptions
from digest.storage.rounds import rounds

#: Rows that a duration is told from; of fewer, all are taken.
SAMPLE = 8_000


def mails(tx: Tx, since: date) -> Mapping[date, Mapping[str, int]]:
    """Deliveries of editions by local date and state, those that retention has folded included.

    No index tells the accepted ones apart: they are what the others leave.
    """
    d = deliveries.c
    on = (d.local_date >= since,)
    found: dict[date, Counter[str]] = defaultdict(Counter)
    # Counted by digest, too, for so stands the index: in its order nothing has to be sorted.
    every = select(d.digest, d.local_date, func.count().label("number")).where(*on).group_by(d.digest, d.local_date)
    for row in tx.execute(every):
        found[row.local_date][DeliveryState.ACCEPTED.value] += row.number
    states = select(d.local_date, d.state, func.count().label("number")).group_by(d.local_date, d.state)
    for apart in (states.where(IS_TROUBLED, *on), states.where(IS_WAITING), states.where(IS_HELD, d.state.in_(HELD))):
        for row in tx.execute(apart):
            # A deferred mail both waits and is troubled.
            if row.local_date in found and row.state not in found[row.local_date]:
                found[row.local_date][row.state] = row.number
                found[row.local_date][DeliveryState.ACCEPTED.value] -= row.number
    t = totals.c
    folded = select(t.local_date, t.state, func.sum(t.count).label("number")).where(
        t.kind == "edition", t.local_date >= since
    )
    for row in tx.execute(folded.group_by(t.local_date, t.state)):
        found[row.local_date][row.state] += int(row.number)
    return found


def joined(tx: Tx, since: datetime) -> Mapping[date, int]:
    """Subscriptions by the day on which they were confirmed; who left and came back counts by the last time."""
    return _by_day(tx, subscriptions, subscriptions.c.confirmed_at, since)


def left(tx: Tx, since: datetime) -> Mapping[date, int]:
    """Confirmed subscriptions by the day on which they ended, as far as they have not begun again."""
    return _by_day(tx, subscriptions, subscriptions.c.left_at, since, subscriptions.c.confirmed_at.is_not(None))


def readers(tx: Tx) -> int:
    """Confirmed subscriptions now."""
    confirmed = subscriptions.c.state == SubscriptionState.CONFIRMED.value
    return tx.execute(select(func.count()).where(confirmed)).scalar_one()


def brought(tx: Tx, since: datetime) -> Mapping[tuple[date, str], int]:
    """Works that no source had shown before, by day and the source that was first."""
    day = _day_of(tx, rounds.c.at).label("day")
    query = (
        select(day, rounds.c.source_id, func.sum(rounds.c.new).label("number"))
        .where(rounds.c.at >= since, rounds.c.new > 0)
        .group_by(day, rounds.c.source_id)
    )
    return {(_date(row.day), row.source_id): int(row.number) for row in tx.execute(query)}


def delays(tx: Tx, since: datetime) -> Mapping[date, list[float]]:
    """Seconds from the slot of an edition until the server took the mail, by local date: of a sample."""
    d = deliveries.c
    accepted = (d.kind == "edition", d.state == DeliveryState.ACCEPTED.value, d.settled_at.is_not(None))
    query = (
        select(d.local_date, d.settled_at, editions.c.slot_at)
        .join(editions, editions.c.id == d.edition_id)
        .where(*accepted, *_spread(tx, deliveries, d.created_at, since))
    )
    found: dict[date, list[float]] = defaultdict(list)
    for row in tx.execute(query):
        found[row.local_date].append(max(0.0, (row.settled_at - row.slot_at).total_seconds()))
    return found


def fetches(tx: Tx, since: datetime) -> Mapping[date, list[float]]:
    """Seconds that rounds of sources took, by day: of a sample."""
    query = select(rounds.c.at, rounds.c.seconds).where(*_spread(tx, rounds, rounds.c.at, since))
    found: dict[date, list[float]] = defaultdict(list)
    for row in tx.execute(query):
        found[row.at.astimezone(UTC).date()].append(row.seconds)
    return found


def _by_day(tx: Tx, table: Table, column: Column[Any], since: datetime, *also: Any) -> Mapping[date, int]:
    day = _day_of(tx, column).label("day")
    query = select(day, func.count().label("number")).select_from(table).where(column >= since, *also).group_by(day)
    return {_date(row.day): row.number for row in tx.execute(query)}


def _day_of(tx: Tx, column: Column[Any]) -> Any:
    """The day of UTC: PostgreSQL would take that of the connection's zone."""
    return cast(func.timezone("UTC", column), Date) if tx.dialect.name == "postgresql" else func.date(column)


def _date(told: object) -> date:
    return told if isinstance(told, date) else date.fromisoformat(str(told))


def _spread(tx: Tx, table: Table, at: Column[Any], since: datetime) -> tuple[Any, ...]:
    """A condition for rows since an instant: all of them, or where there are many, so many with ids at even steps.

    Ids grow with time, so the first one is found by halving.
    """
    key = table.c.id
    # Asked one by one, each is the end of the primary key.
    low, high = (tx.execute(select(end(key))).scalar() for end in (func.min, func.max))
    if low is None or high is None:
        return (key.is_(None),)
    last = high
    while low < high:
        middle = (low + high) // 2
        row = tx.execute(select(key, at.label("at")).where(key >= middle, key <= high).order_by(key).limit(1)).first()
        if row is None or row.at >= since:
            high = middle
        else:
            low = row.id + 1
    number = last - low + 1
    if number <= SAMPLE:
        return (key >= low, at >= since)
    return (among(tx, key, [low + place * number // SAMPLE for place in range(SAMPLE)]), at >= since)
