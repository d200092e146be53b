"""Relays as all processes see them: paused by the operator, slowed by their own word, how far a warm-up plan is used,
and how much of a rate is left.

A relay is known by its place (``Relay.place``). What several machines compare, the database's clock decides; on SQLite
there is one machine, and its clock comes in as ``now``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Date,
    Float,
    Integer,
    Row,
    String,
    Table,
    Text,
    func,
    literal,
    select,
    update,
)

from digest.model.mail import DeliveryId, DeliveryState, Outcome, OutcomeKind, Scope
from digest.storage.base import Instant, Tx, add_missing, among, batched, insert, metadata
from digest.storage.deliveries import IS_HELD, deliveries
from digest.storage.sending import IS_WAITING

relays = Table(
    "relays",
    metadata,
    Column("place", String(200), primary_key=True),
    Column("paused_at", Instant),
    Column("slowed_at", Instant),  # when it last asked a process to slow down
    Column("slowed_by", String(200), nullable=False, server_default=""),  # which one; empty: the operator took it back
    Column("rests_until", Instant),
    Column("connections", Integer, nullable=False, server_default="0"),  # so many were left to that process
    Column("code", Integer),
    Column("enhanced", String(20), nullable=False, server_default=""),
    Column("remote", Text, nullable=False, server_default=""),
    Column("sender", String(320), nullable=False, server_default=""),
    Column("day", Date),  # of the warm-up plan, in UTC
    Column("spent", Integer, nullable=False, server_default="0"),  # of its mails
)
budgets = Table(
    "budgets",
    metadata,
    Column("place", String(200), primary_key=True),
    Column("domain", String(255), primary_key=True),  # of recipients; empty: all
    Column("tokens", Float, nullable=False),  # mails that may go, as of at
    Column("at", Instant, nullable=False),
)


class Standing(NamedTuple):
    """How a relay stands."""

    at: datetime
    """The clock by which all this is told."""
    paused_at: datetime | None = None
    slowed_at: datetime | None = None
    slowed_by: str = ""
    rests_until: datetime | None = None
    connections: int = 0
    cause: Outcome | None = None
    day: date | None = None
    spent: int = 0

    @property
    def today(self) -> date:
        """In UTC. A day never comes back, whatever a clock says."""
        return max(self.at.astimezone(UTC).date(), self.day or date.min)

    def spent_on(self, day: date) -> int:
        """How many mails of a warm-up plan went on a day that is not over."""
        return self.spent if self.day == day else 0


def standing(tx: Tx, now: datetime) -> Mapping[str, Standing]:
    """All relays of which something is known, by place."""
    return {row.place: _standing(row) for row in tx.execute(select(relays, _clock(tx, now).label("now")))}


def pause(tx: Tx, place: str, now: datetime) -> bool:
    """Gives it no more mails; False when it was paused."""
    _know(tx, place)
    free = update(relays).where(relays.c.place == place, relays.c.paused_at.is_(None))
    return bool(tx.execute(free.values(paused_at=_clock(tx, now))).rowcount)


def resume(tx: Tx, place: str, now: datetime) -> bool:
    """Ends a pause, and a rest too: the operator says that it is well. False when there was neither."""
    stopped = relays.c.paused_at.is_not(None) | (relays.c.rests_until > _clock(tx, now))
    freed = {"paused_at": None, "rests_until": None, "slowed_at": _clock(tx, now), "slowed_by": "", "connections": 1}
    return bool(tx.execute(update(relays).where(relays.c.place == place, stopped).values(freed)).rowcount)


def slow(tx: Tx, place: str, *, by: str, rest: timedelta, connections: int, cause: Outcome, now: datetime) -> None:
    """Remembers what a relay asked of one process, for the others. A rest is only ever lengthened."""
    _know(tx, place)
    clock = _clock(tx, now)
    values: dict[str, Any] = {
        "slowed_at": clock,
        "slowed_by": by,
        "connections": connections,
        "code": cause.code,
        "enhanced": cause.enhanced[:20],
        "remote": cause.remote[:2000],
        "sender": cause.sender[:320],
    }
    tx.execute(update(relays).where(relays.c.place == place).values(values))
    if rest > timedelta(0):
        until = tx.execute(select(clock)).scalar_one() + rest
        longer = relays.c.rests_until.is_(None) | (relays.c.rests_until < until)
        tx.execute(update(relays).where(relays.c.place == place, longer).values(rests_until=until))


class Slice(NamedTuple):
    """Mails of a warm-up plan for one process."""

    mails: int
    seconds: float
    """So long it is today."""
    limit: int | None
    """What today allows in all; None: as many as one likes."""


def take_quota(
    tx: Tx, place: str, *, allowed: Callable[[date], int | None], most: int, now: datetime
) -> tuple[Slice, date]:
    """A slice of what a warm-up plan leaves for today: at most ``most`` mails, and a quarter of the rest, so that a
    process which dies with one wastes little. Gives the day with it, for what is given back.
    """
    _know(tx, place)
    row = _locked(tx, now, relays, relays.c.place == place)
    day = max(row.now.astimezone(UTC).date(), row.day or date.min)  # as Standing.today
    seconds = (datetime.combine(day + timedelta(days=1), time(), UTC) - row.now).total_seconds()
    limit = allowed(day)
    if limit is None:
        return Slice(most, seconds, None), day
    spent = row.spent if row.day == day else 0
    left = limit - spent
    mails = max(0, min(most, max(1, left // 4), left))
    if mails or row.day != day:
        tx.execute(update(relays).where(relays.c.place == place).values(day=day, spent=spent + mails))
    return Slice(mails, seconds, limit), day


def give_back_quota(tx: Tx, place: str, mails: int, day: date) -> None:
    """Mails of a day's slice that were not sent."""
    mine = (relays.c.place == place, relays.c.day == day, relays.c.spent >= mails)
    tx.execute(update(relays).where(*mine).values(spent=relays.c.spent - mails))


def take_rate(tx: Tx, place: str, domain: str, *, rate: float, back: float, now: datetime) -> tuple[float, float]:
    """A slice of a rate: (mails, 0.0), or (0.0, the seconds until there is one again).

    A token bucket that holds a second's worth. A slice is a quarter of that, and at least one mail, so that nobody asks
    for each mail. ``back`` are mails of an earlier slice that were not sent.
    """
    size, slice_ = max(1.0, rate), max(1.0, rate // 4)
    at = (budgets.c.place == place) & (budgets.c.domain == domain)
    fresh = {"place": place, "domain": domain, "tokens": size, "at": _clock(tx, now)}
    row = _locked(tx, now, budgets, at)
    if row is None:
        tx.execute(insert(tx, budgets).values(fresh).on_conflict_do_nothing())
        row = _locked(tx, now, budgets, at)
    passed = max(0.0, (row.now - row.at).total_seconds())
    tokens = min(size, row.tokens + passed * rate + back)
    # A waiter who comes exactly in time must not be sent away for a rounding error.
    enough = tokens >= slice_ - 1e-6
    left = max(0.0, tokens - slice_) if enough else tokens
    tx.execute(update(budgets).where(at).values(tokens=left, at=max(row.at, row.now)))
    return (slice_, 0.0) if enough else (0.0, (slice_ - tokens) / rate)


def give_back_rate(tx: Tx, place: str, domain: str, *, rate: float, back: float) -> None:
    """Mails of a slice that were not sent."""
    at = (budgets.c.place == place) & (budgets.c.domain == domain)
    full = max(1.0, rate)
    least = func.least if tx.dialect.name == "postgresql" else func.min
    tx.execute(update(budgets).where(at).values(tokens=least(full, budgets.c.tokens + back)))


def bound(tx: Tx) -> Mapping[str, int]:
    """How many open mails may go to one place only, by place."""
    rows = select(deliveries.c.relay, func.count().label("number")).where(IS_WAITING, deliveries.c.relay != "")
    return {row.relay: row.number for row in tx.execute(rows.group_by(deliveries.c.relay))}


def on_the_wire(tx: Tx, holder: str) -> int:
    """How many mails a process holds whose final dot may have gone."""
    mine = (IS_HELD, deliveries.c.lease.startswith(f"{holder}:", autoescape=True), deliveries.c.leader_id.is_(None))
    sending = deliveries.c.state == DeliveryState.SENDING.value
    return tx.execute(select(func.count()).select_from(deliveries).where(*mine, sending)).scalar_one()


def note_wait(tx: Tx, ids: Collection[DeliveryId], lease: str, reason: str) -> None:
    """Tells of leased mails why they do not go now."""
    for some in batched(ids, 500):
        mine = (among(tx, deliveries.c.id, some), deliveries.c.lease == lease)
        tx.execute(update(deliveries).where(*mine).values(reason=reason[:500]))


def _clock(tx: Tx, now: datetime) -> ColumnElement[datetime]:
    """The clock that all who share the database go by. PostgreSQL's goes on while a transaction is open."""
    if tx.dialect.name == "postgresql":
        return func.clock_timestamp(type_=Instant())
    return literal(now, Instant())


def _know(tx: Tx, place: str) -> None:
    add_missing(tx, relays, [{"place": place}])


def _locked(tx: Tx, now: datetime, table: Table, which: ColumnElement[bool]) -> Any:
    """A row that nobody else changes before the transaction ends, with the clock read while it is ours."""
    held = select(table).where(which).with_for_update().cte("held")
    return tx.execute(select(held, _clock(tx, now).label("now"))).one_or_none()


def _standing(row: Row[Any]) -> Standing:
    cause = Outcome(
        kind=OutcomeKind.DEFERRED,
        scope=Scope.RELAY,
        code=row.code,
        enhanced=row.enhanced,
        remote=row.remote,
        sender=row.sender,
    )
    return Standing(
        at=row.now,
        paused_at=row.paused_at,
        slowed_at=row.slowed_at,
        slowed_by=row.slowed_by,
        rests_until=row.rests_until,
        connections=row.connections,
        cause=cause if row.slowed_by else None,
        day=row.day,
        spent=row.spent,
    )
