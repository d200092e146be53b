"""What an operator sees at a glance, asked so that a ledger of millions answers at once: each count by the index that
holds its rows. Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, select

from digest.model.mail import DeliveryState
from digest.storage.base import Instant, Tx
from digest.storage.bounces import bounces
from digest.storage.deliveries import HELD, IS_HELD, IS_TROUBLED, IS_WAITING, deliveries
from digest.storage.people import suppressions
from digest.storage.sources import sources

#: The digest, said so that no index of all states is taken for the sake of its order.
_DIGEST: ColumnElement[str] = deliveries.c.digest.concat(literal_column("''"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """Mails of one digest and local date (None: notices) that are queued or deferred."""

    digest: str
    local_date: date | None
    state: str
    number: int
    next_at: datetime
    """When the first of them may go."""
    since: datetime
    """When the first of them was planned."""


def waiting(tx: Tx) -> tuple[Waiting, ...]:
    """All mails that wait, in groups."""
    d = deliveries.c
    query = (
        select(
            _DIGEST.label("name"),
            d.local_date,
            d.state,
            func.count().label("number"),
            func.min(d.next_at, type_=Instant).label("next_at"),
            func.min(d.created_at, type_=Instant).label("since"),
        )
        .where(IS_WAITING)
        .group_by(_DIGEST, d.local_date, d.state)
    )
    return tuple(
        Waiting(
            digest=row.name,
            local_date=row.local_date,
            state=row.state,
            number=row.number,
            next_at=row.next_at,
            since=row.since,
        )
        for row in tx.execute(query)
    )


def held(tx: Tx) -> Mapping[tuple[str, date | None], int]:
    """Mails that are on the wire, by digest and local date."""
    d = deliveries.c
    query = select(_DIGEST.label("name"), d.local_date, func.count().label("number"))
    query = query.where(IS_HELD, d.state.in_(HELD)).group_by(_DIGEST, d.local_date)
    return {(row.name, row.local_date): row.number for row in tx.execute(query)}


def newest_day(tx: Tx, digest: str) -> date | None:
    """The last local date for which mails of a digest were planned."""
    mine = (deliveries.c.digest == digest, deliveries.c.local_date.is_not(None))
    return tx.execute(select(func.max(deliveries.c.local_date)).where(*mine)).scalar()


def planned(tx: Tx, digest: str, day: date) -> int:
    """Mails of a digest and local date in the ledger, of whatever state."""
    query = select(func.count()).where(deliveries.c.digest == digest, deliveries.c.local_date == day)
    return tx.execute(query).scalar_one()


def troubled(tx: Tx, digest: str, day: date) -> Mapping[str, int]:
    """Those of a digest and local date that were not accepted and do not wait to be sent first, by state."""
    d = deliveries.c
    query = select(d.state, func.count().label("number")).where(IS_TROUBLED, d.digest == digest, d.local_date == day)
    return {row.state: row.number for row in tx.execute(query.group_by(d.state))}


def uncertain(tx: Tx) -> int:
    """How many deliveries of all days are uncertain."""
    doubtful = deliveries.c.state == DeliveryState.UNCERTAIN.value
    return tx.execute(select(func.count()).where(IS_TROUBLED, doubtful)).scalar_one()


def came_back(tx: Tx, *, limit: int) -> tuple[Any, ...]:
    """The newest reports: (delivery_id, kind, status, detail, at, address, digest).

    The last two are None for a delivery that is no longer in the ledger.
    """
    b, d = bounces.c, deliveries.c
    newest = select(bounces).order_by(b.at.desc(), b.id.desc()).limit(limit).subquery()
    query = (
        select(newest.c.delivery_id, newest.c.kind, newest.c.status, newest.c.detail, newest.c.at, d.address, d.digest)
        .join(deliveries, d.id == newest.c.delivery_id, isouter=True)
        .order_by(newest.c.at.desc(), newest.c.id.desc())
    )
    return tuple(tx.execute(query))


def suppressed(tx: Tx, *, since: datetime, limit: int) -> tuple[Any, ...]:
    """The newest entries of the suppression list: (address, reason, detail, since_at)."""
    s = suppressions.c
    query = select(s.address, s.reason, s.detail, s.since_at).where(s.since_at >= since)
    return tuple(tx.execute(query.order_by(s.since_at.desc()).limit(limit)))


def last_fetch(tx: Tx) -> datetime | None:
    """When a source was last asked."""
    return tx.execute(select(func.max(sources.c.last_fetched_at))).scalar()


def last_accepted(tx: Tx, *, among_last: int) -> datetime | None:
    """When one of the last so many mails of the ledger was accepted last; None where none of them was."""
    d = deliveries.c
    newest = select(d.state, d.settled_at).order_by(d.id.desc()).limit(among_last).subquery()
    query = select(func.max(newest.c.settled_at, type_=Instant)).where(newest.c.state == literal_column("'accepted'"))
    return tx.execute(query).scalar()
