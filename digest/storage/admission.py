"""Who asks to join, until the answer comes: how often somebody may ask, and what was wished for.

Nothing here names a person: allowances stand under keyed hashes, wishes under a subscription.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Integer, String, Table, case, delete, or_, select

from digest.model.people import SubscriberId, SubscriptionId, SubscriptionState
from digest.storage.base import Instant, Tx, insert, metadata
from digest.storage.entries import Id
from digest.storage.people import subscriptions

#: How often something was done since an instant; whether that was too often is one statement, so two processes that
#: ask at once are told different things.
allowances = Table(
    "allowances",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("since_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False, index=True),
    Column("number", Integer, nullable=False),
)

#: What somebody wished for in a form, until the address's owner says yes: a stranger's form changes nobody's settings.
wishes = Table(
    "wishes",
    metadata,
    Column("subscription_id", Id, ForeignKey("subscriptions.id"), primary_key=True, autoincrement=False),
    Column("settings", JSON, nullable=False),
    Column("asked_at", Instant, nullable=False, index=True),
)


def take(tx: Tx, key: str, *, now: datetime, window: timedelta, limit: int) -> bool:
    """Counts one more under a key; False, and nothing is counted, when ``limit`` were taken since its window began.

    A window begins with the first that is counted after the last one ended.
    """
    over = allowances.c.until_at <= now
    fresh = {"key": key, "since_at": now, "until_at": now + window, "number": 1}
    statement = insert(tx, allowances).values(fresh)
    statement = statement.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "since_at": case((over, now), else_=allowances.c.since_at),
            "until_at": case((over, now + window), else_=allowances.c.until_at),
            "number": case((over, 1), else_=allowances.c.number + 1),
        },
        where=or_(over, allowances.c.number < limit),
    )
    return tx.execute(statement).rowcount == 1


def ends_at(tx: Tx, key: str) -> datetime | None:
    """When a key's window ends; None for one that nobody counts."""
    return tx.execute(select(allowances.c.until_at).where(allowances.c.key == key)).scalar()


def wish(tx: Tx, subscription_id: SubscriptionId, settings: Mapping[str, object], now: datetime) -> None:
    """Keeps what is wished for a subscription, in place of an earlier one. ``settings`` as people.choose takes them."""
    said: dict[str, Any] = {"settings": dict(settings), "asked_at": now}
    statement = insert(tx, wishes).values(subscription_id=subscription_id, **said)
    tx.execute(statement.on_conflict_do_update(index_elements=["subscription_id"], set_=said))


def wished(tx: Tx, subscription_id: SubscriptionId) -> Mapping[str, object]:
    """What is wished for a subscription; nothing where nobody wished."""
    query = select(wishes.c.settings).where(wishes.c.subscription_id == subscription_id)
    return tx.execute(query).scalar() or {}


def is_wished(tx: Tx, subscription_id: SubscriptionId) -> bool:
    """Whether somebody asked for a subscription, and nobody said yes since."""
    query = select(wishes.c.subscription_id).where(wishes.c.subscription_id == subscription_id)
    return tx.execute(query).first() is not None


def grant(tx: Tx, subscription_id: SubscriptionId) -> None:
    """The wish came true, or will not: it is kept no longer."""
    tx.execute(delete(wishes).where(wishes.c.subscription_id == subscription_id))


def forget(tx: Tx, subscriber_id: SubscriberId) -> None:
    """Drops all that is wished for a person."""
    mine = select(subscriptions.c.id).where(subscriptions.c.subscriber_id == subscriber_id)
    tx.execute(delete(wishes).where(wishes.c.subscription_id.in_(mine)))


def unanswered(tx: Tx, before: datetime, *, limit: int) -> tuple[SubscriptionId, ...]:
    """Subscriptions for which somebody wished before an instant, and nobody said yes; the oldest first."""
    query = select(wishes.c.subscription_id).where(wishes.c.asked_at < before).order_by(wishes.c.asked_at)
    return tuple(SubscriptionId(one) for one in tx.execute(query.limit(limit)).scalars())


def never_said_yes(tx: Tx, subscription_id: SubscriptionId) -> SubscriberId | None:
    """The subscriber of a pending subscription who has no other; None for everybody else."""
    mine = select(subscriptions.c.subscriber_id).where(subscriptions.c.id == subscription_id).scalar_subquery()
    rows = tx.execute(
        select(subscriptions.c.subscriber_id, subscriptions.c.state).where(subscriptions.c.subscriber_id == mine)
    ).all()
    pending = [row.subscriber_id for row in rows if row.state == SubscriptionState.PENDING.value]
    return SubscriberId(pending[0]) if len(pending) == len(rows) == 1 else None


def prune(tx: Tx, now: datetime) -> int:
    """Drops the counters whose window is over; gives how many went."""
    return tx.execute(delete(allowances).where(allowances.c.until_at <= now)).rowcount
