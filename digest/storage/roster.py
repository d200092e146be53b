"""People and the suppression list page by page: each page begins behind the last row of the one before, so that the
thousandth costs what the first does, and nobody is skipped or told twice while others come and go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from digest.model.people import Subscriber, Suppression
from digest.storage.base import Tx, storable
from digest.storage.people import subscriber_of, subscribers, subscriptions, suppression_of, suppressions


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Whom to list; what is left empty does not narrow. ``search`` is a part of an address."""

    digest: str = ""
    state: str = ""
    search: str = ""


def page(tx: Tx, wanted: Wanted, *, after: int, limit: int) -> tuple[Subscriber, ...]:
    """Subscribers behind an id, in id order; who was erased is none of them."""
    query = select(subscribers).where(subscribers.c.id > after, subscribers.c.address.is_not(None))
    if wanted.search:
        query = query.where(subscribers.c.address.contains(storable(wanted.search).lower(), autoescape=True))
    if wanted.digest or wanted.state:
        # Not asked for each subscriber anew: where few fit, that takes six times as long.
        links = select(subscriptions.c.subscriber_id).where(subscriptions.c.subscriber_id > after)
        if wanted.digest:
            links = links.where(subscriptions.c.digest == storable(wanted.digest))
        if wanted.state:
            links = links.where(subscriptions.c.state == wanted.state)
        query = query.where(subscribers.c.id.in_(links))
    return tuple(map(subscriber_of, tx.execute(query.order_by(subscribers.c.id).limit(limit))))


def one(tx: Tx, subscriber_id: int) -> Subscriber | None:
    query = select(subscribers).where(subscribers.c.id == subscriber_id, subscribers.c.address.is_not(None))
    row = tx.execute(query).first()
    return subscriber_of(row) if row is not None else None


def suppressed(tx: Tx, *, after: str, limit: int) -> tuple[Suppression, ...]:
    """The suppression list behind a key, in the keys' order."""
    query = select(suppressions).where(suppressions.c.key > after).order_by(suppressions.c.key).limit(limit)
    return tuple(map(suppression_of, tx.execute(query)))


def newest_suppressed(
    tx: Tx, *, search: str, before: tuple[datetime, str] | None, limit: int
) -> tuple[Suppression, ...]:
    """The suppression list, the newest first; ``search`` is a part of an address."""
    query = select(suppressions).order_by(suppressions.c.since_at.desc(), suppressions.c.key.desc()).limit(limit)
    if search:
        query = query.where(suppressions.c.address.contains(storable(search).lower(), autoescape=True))
    if before is not None:
        at, key = before
        older = suppressions.c.since_at < at
        query = query.where(older | ((suppressions.c.since_at == at) & (suppressions.c.key < storable(key))))
    return tuple(map(suppression_of, tx.execute(query)))
