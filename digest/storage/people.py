"""Subscribers, their subscriptions, and the suppression list."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Date,
    ForeignKey,
    Index,
    Row,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)

from digest.model.people import (
    Subscriber,
    SubscriberId,
    Subscription,
    SubscriptionId,
    SubscriptionState,
    Suppression,
    SuppressionReason,
)
from digest.storage.base import Instant, Tx, add_missing, among, metadata, storable
from digest.storage.entries import Id

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", Text, unique=True),  # null after an erasure: a tombstone without the person
    Column("created_at", Instant, nullable=False),
    Column("joined", Boolean, nullable=False),
    Column("erased_at", Instant),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), nullable=False),
    Column("digest", String(200), nullable=False, index=True),
    Column("state", String(20), nullable=False),
    Column("secret", String(30), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    Column("left_at", Instant),
    Column("language", String(20), nullable=False),
    Column("timezone", String(100), nullable=False),
    Column("send_at", String(5), nullable=False),
    Column("days", JSON, nullable=False),
    Column("preferences", JSON, nullable=False),
    Column("last_slot_at", Instant),
    Column("last_slot_date", String(10), nullable=False),
    Column("paused_on", Date),
    Column("paused_until", Date),
    UniqueConstraint("subscriber_id", "digest"),
)

#: Looked up, for calling an enumeration costs a tenth of a reader.
_STATES = {state.value: state for state in SubscriptionState}
#: Who chose an hour or a zone of his own. Written out, not bound, so that a database sees that the index serves.
OWN_HOUR = or_(subscriptions.c.send_at != literal_column("''"), subscriptions.c.timezone != literal_column("''"))
Index(
    "ix_subscriptions_hour",
    subscriptions.c.digest,
    subscriptions.c.timezone,
    subscriptions.c.send_at,
    sqlite_where=OWN_HOUR,
    postgresql_where=OWN_HOUR,
)
_EVER_PAUSED = subscriptions.c.paused_until.is_not(None)
Index(
    "ix_subscriptions_paused",
    subscriptions.c.digest,
    subscriptions.c.paused_until,
    sqlite_where=_EVER_PAUSED,
    postgresql_where=_EVER_PAUSED,
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("address", Text, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("detail", Text, nullable=False),
    Column("since_at", Instant, nullable=False),
)


def subscriber(tx: Tx, address: str) -> Subscriber | None:
    row = tx.execute(select(subscribers).where(subscribers.c.address == address)).first()
    return subscriber_of(row) if row is not None else None


def hold(tx: Tx, address: str) -> None:
    """Lets nobody erase an address, or plan it an edition, before the transaction ends; waits for who is just doing
    it."""
    tx.execute(select(subscribers.c.id).where(subscribers.c.address == address).with_for_update(key_share=True))


def hold_all(tx: Tx, subscriber_ids: Sequence[SubscriberId]) -> None:
    """The same of many people, in the order of their ids, so that two who want some of the same wait for each other
    and not in a circle. What is read of them afterwards is what the other one left behind."""
    if tx.dialect.name == "sqlite":
        return  # whoever writes there is alone
    mine = select(subscribers.c.id).where(among(tx, subscribers.c.id, sorted(set(subscriber_ids))))
    tx.execute(mine.order_by(subscribers.c.id).with_for_update(key_share=True)).close()


def add_subscriber(tx: Tx, address: str, now: datetime) -> Subscriber:
    """The subscriber with this address, made when there is none."""
    add_subscribers(tx, [address], now)
    held = subscriber(tx, address)
    assert held is not None
    return held


def add_subscribers(tx: Tx, addresses: Sequence[str], now: datetime) -> Mapping[str, SubscriberId]:
    """The subscribers with these addresses, made where there are none."""
    fresh = [{"address": address, "created_at": now, "joined": False, "erased_at": None} for address in addresses]
    add_missing(tx, subscribers, fresh)
    return subscriber_ids(tx, addresses)


def subscriber_ids(tx: Tx, addresses: Sequence[str]) -> Mapping[str, SubscriberId]:
    """The subscribers that there are with these addresses."""
    query = select(subscribers.c.address, subscribers.c.id).where(among(tx, subscribers.c.address, addresses))
    return {address: SubscriberId(row_id) for address, row_id in tx.execute(query)}


def set_joined(tx: Tx, subscriber_id: SubscriberId, joined: bool) -> None:
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(joined=joined))


def add_subscription(
    tx: Tx, subscriber_id: SubscriberId, digest: str, *, state: SubscriptionState, secret: str, now: datetime
) -> Subscription:
    """The link to a digest; one that was there keeps its secret and preferences and takes the new state."""
    if not add_fresh(tx, [fresh(subscriber_id, digest, state=state, secret=secret, now=now)]):
        set_state(tx, links(tx, [subscriber_id])[subscriber_id, digest], state, now)
    found = tx.execute(
        linked().where(subscriptions.c.subscriber_id == subscriber_id, subscriptions.c.digest == digest)
    ).one()
    return subscription_from(found)


def fresh(
    subscriber_id: SubscriberId, digest: str, *, state: SubscriptionState, secret: str, now: datetime
) -> dict[str, object]:
    """A subscription to add, with the digest's own settings."""
    return {
        "subscriber_id": subscriber_id,
        "digest": digest,
        "state": state.value,
        "secret": secret,
        "created_at": now,
        "confirmed_at": now if state is SubscriptionState.CONFIRMED else None,
        "language": "",
        "timezone": "",
        "send_at": "",
        "days": [],
        "preferences": {},
        "last_slot_date": "",
    }


def add_fresh(tx: Tx, rows: Sequence[Mapping[str, object]]) -> int:
    """Adds subscriptions; those that are there stay as they are. Gives how many are new."""
    return add_missing(tx, subscriptions, rows)


def links(tx: Tx, subscriber_ids: Sequence[SubscriberId]) -> Mapping[tuple[SubscriberId, str], SubscriptionId]:
    """The subscriptions of these subscribers, by subscriber and digest."""
    query = select(subscriptions.c.subscriber_id, subscriptions.c.digest, subscriptions.c.id)
    rows = tx.execute(query.where(among(tx, subscriptions.c.subscriber_id, subscriber_ids)))
    return {(SubscriberId(who), digest): SubscriptionId(row_id) for who, digest, row_id in rows}


def set_state(tx: Tx, subscription_id: SubscriptionId, state: SubscriptionState, now: datetime) -> bool:
    """Moves a subscription to a state; False when it was there already. A pause ends with it, but for a leaving, which
    may be taken back.
    """
    values: dict[str, object] = {"state": state.value}
    if state is not SubscriptionState.UNSUBSCRIBED:
        values |= {"paused_on": None, "paused_until": None}
    if state is SubscriptionState.CONFIRMED:
        values |= {"confirmed_at": now, "left_at": None}
    if state is SubscriptionState.UNSUBSCRIBED:
        values["left_at"] = now
    changed = tx.execute(
        update(subscriptions)
        .where(subscriptions.c.id == subscription_id, subscriptions.c.state != state.value)
        .values(**values)
    )
    return bool(changed.rowcount)


def left_since(tx: Tx, ids: Sequence[SubscriptionId], since: datetime) -> tuple[SubscriptionId, ...]:
    """Those of the subscriptions that were confirmed once, and left at an instant or after it."""
    query = select(subscriptions.c.id).where(
        among(tx, subscriptions.c.id, ids),
        subscriptions.c.state == SubscriptionState.UNSUBSCRIBED.value,
        subscriptions.c.confirmed_at.is_not(None),
        subscriptions.c.left_at >= since,
    )
    return tuple(map(SubscriptionId, tx.execute(query.order_by(subscriptions.c.id)).scalars()))


def take_back(tx: Tx, ids: Sequence[SubscriptionId]) -> None:
    """Undoes the leaving of subscriptions that were confirmed: since when they are stays as it was."""
    theirs = update(subscriptions).where(among(tx, subscriptions.c.id, ids))
    tx.execute(theirs.values(state=SubscriptionState.CONFIRMED.value, left_at=None))


def left_at(tx: Tx, subscriber_id: SubscriberId) -> Mapping[SubscriptionId, datetime]:
    """When a subscriber left, of those subscriptions that have ended."""
    query = select(subscriptions.c.id, subscriptions.c.left_at).where(
        subscriptions.c.subscriber_id == subscriber_id, subscriptions.c.left_at.is_not(None)
    )
    return {SubscriptionId(row.id): row.left_at for row in tx.execute(query)}


def choose(tx: Tx, subscription_id: SubscriptionId, values: Mapping[str, object]) -> None:
    """Sets language, timezone, send_at ("HH:MM" or ""), days or preferences."""
    tx.execute(update(subscriptions).where(subscriptions.c.id == subscription_id).values(**values))


def pause(tx: Tx, subscription_id: SubscriptionId, *, on: date, until: date) -> None:
    """Sets the local dates of the first mail that does not come, and of the first that comes again."""
    theirs = update(subscriptions).where(subscriptions.c.id == subscription_id)
    tx.execute(theirs.values(paused_on=on, paused_until=until))


def subscription(tx: Tx, subscription_id: int) -> Subscription | None:
    row = tx.execute(linked().where(subscriptions.c.id == subscription_id)).first()
    return subscription_from(row) if row is not None else None


def by_secret(tx: Tx, secret: str) -> Subscription | None:
    row = tx.execute(linked().where(subscriptions.c.secret == storable(secret))).first()
    return subscription_from(row) if row is not None else None


def subscriptions_of(tx: Tx, subscriber_id: int) -> tuple[Subscription, ...]:
    rows = tx.execute(linked().where(subscriptions.c.subscriber_id == subscriber_id).order_by(subscriptions.c.id))
    return tuple(subscription_from(row) for row in rows)


def subscriptions_of_each(tx: Tx, subscriber_ids: Sequence[SubscriberId]) -> tuple[Subscription, ...]:
    """The same of many subscribers, in id order."""
    query = linked().where(among(tx, subscriptions.c.subscriber_id, subscriber_ids)).order_by(subscriptions.c.id)
    return tuple(subscription_from(row) for row in tx.execute(query))


def readers(tx: Tx, digest: str, *, after: int = 0, limit: int = 10_000) -> tuple[Subscription, ...]:
    """Confirmed subscriptions of a digest, in id order."""
    query = linked().where(
        subscriptions.c.digest == digest,
        subscriptions.c.state == SubscriptionState.CONFIRMED.value,
        subscriptions.c.id > after,
    )
    return tuple(subscription_from(row) for row in tx.execute(query.order_by(subscriptions.c.id).limit(limit)))


def has_readers(tx: Tx, digest: str) -> bool:
    query = select(subscriptions.c.id).where(
        subscriptions.c.digest == digest, subscriptions.c.state == SubscriptionState.CONFIRMED.value
    )
    return tx.execute(query.limit(1)).first() is not None


def page(tx: Tx, *, after: int = 0, limit: int = 5_000) -> tuple[Subscription, ...]:
    """Subscriptions of every state, in id order."""
    query = linked().where(subscriptions.c.id > after).order_by(subscriptions.c.id).limit(limit)
    return tuple(subscription_from(row) for row in tx.execute(query))


def everybody(
    tx: Tx, *, digest: str = "", state: str = "", search: str = "", limit: int = 100_000
) -> tuple[Subscription, ...]:
    query = linked()
    if digest:
        query = query.where(subscriptions.c.digest == digest)
    if state:
        query = query.where(subscriptions.c.state == state)
    if search:
        query = query.where(subscribers.c.address.contains(search, autoescape=True))
    return tuple(
        subscription_from(row)
        for row in tx.execute(query.order_by(subscribers.c.address, subscriptions.c.digest).limit(limit))
    )


@lru_cache(maxsize=1024)
def wishes_from(text: str) -> Mapping[str, object]:
    return MappingProxyType(json.loads(text))


def wishes(tx: Tx) -> tuple[tuple[str, Mapping[str, object]], ...]:
    """(digest, preferences) of confirmed readers who prefer something, each pair once."""
    text = cast(subscriptions.c.preferences, Text)
    query = (
        select(subscriptions.c.digest, text.label("preferences"))
        .where(subscriptions.c.state == SubscriptionState.CONFIRMED.value, text != "{}")
        .distinct()
    )
    return tuple((row.digest, wishes_from(row.preferences)) for row in tx.execute(query))


def count_readers(tx: Tx) -> int:
    """Addresses with at least one confirmed subscription."""
    query = select(func.count(subscriptions.c.subscriber_id.distinct())).where(
        subscriptions.c.state == SubscriptionState.CONFIRMED.value
    )
    return tx.execute(query).scalar_one()


def readers_by_digest(tx: Tx) -> Mapping[str, int]:
    """How many confirmed readers each digest has; digests without are absent."""
    query = (
        select(subscriptions.c.digest, func.count().label("readers"))
        .where(subscriptions.c.state == SubscriptionState.CONFIRMED.value)
        .group_by(subscriptions.c.digest)
    )
    return {row.digest: row.readers for row in tx.execute(query)}


def paused_readers(tx: Tx, digest: str, day: date) -> int:
    """How many confirmed readers of a digest want no mail of a local date."""
    query = select(func.count()).where(
        subscriptions.c.digest == digest,
        subscriptions.c.paused_until > day,
        subscriptions.c.state == SubscriptionState.CONFIRMED.value,
    )
    return tx.execute(query).scalar_one()


def erase(tx: Tx, subscriber_id: SubscriberId, now: datetime) -> None:
    """Leaves a tombstone: the row without the person; its subscriptions end and lose their settings and secrets."""
    tx.execute(update(subscribers).where(subscribers.c.id == subscriber_id).values(address=None, erased_at=now))
    for row in tx.execute(select(subscriptions.c.id).where(subscriptions.c.subscriber_id == subscriber_id)).all():
        tx.execute(
            update(subscriptions)
            .where(subscriptions.c.id == row.id)
            .values(
                state=SubscriptionState.UNSUBSCRIBED.value,
                secret=f"erased:{row.id}",
                language="",
                timezone="",
                send_at="",
                days=[],
                preferences={},
                paused_on=None,
                paused_until=None,
                left_at=now,
            )
        )


def suppress(tx: Tx, entry: Suppression) -> bool:
    """Adds to the list; False when the address was on it already."""
    return suppress_all(tx, [entry]) == 1


def suppress_all(tx: Tx, entries: Sequence[Suppression]) -> int:
    """Adds to the list; gives how many are new."""
    rows = [
        {
            "key": one.key,
            "address": one.address,
            "reason": one.reason.value,
            "detail": storable(one.detail),
            "since_at": one.since_at,
        }
        for one in entries
    ]
    return add_missing(tx, suppressions, rows)


def lift(tx: Tx, key: str) -> bool:
    return bool(tx.execute(delete(suppressions).where(suppressions.c.key == key)).rowcount)


def suppressed(tx: Tx, keys: Sequence[str]) -> Mapping[str, SuppressionReason]:
    """Those of the keys that are on the list."""
    query = select(suppressions.c.key, suppressions.c.reason).where(among(tx, suppressions.c.key, keys))
    return {row.key: SuppressionReason(row.reason) for row in tx.execute(query)}


def count_suppressions(tx: Tx) -> Mapping[SuppressionReason, int]:
    query = select(suppressions.c.reason, func.count()).group_by(suppressions.c.reason)
    return {SuppressionReason(reason): number for reason, number in tx.execute(query)}


def suppression(tx: Tx, key: str) -> Suppression | None:
    """What the list says of one address."""
    row = tx.execute(select(suppressions).where(suppressions.c.key == key)).first()
    return suppression_of(row) if row is not None else None


def suppression_list(tx: Tx, keys: Sequence[str] | None = None) -> tuple[Suppression, ...]:
    """The list, or those of the keys that are on it; the oldest first."""
    query = select(suppressions).order_by(suppressions.c.since_at, suppressions.c.key)
    rows = tx.execute(query if keys is None else query.where(among(tx, suppressions.c.key, keys)))
    return tuple(map(suppression_of, rows))


def suppression_of(row: Row[Any]) -> Suppression:
    """One row of the list."""
    return Suppression(
        key=row.key,
        address=row.address,
        reason=SuppressionReason(row.reason),
        detail=row.detail,
        since_at=row.since_at,
    )


def linked(**instead: ColumnElement[Any]) -> Select[Any]:
    """Subscriptions with their address; ``instead`` reads columns in another form."""
    columns = (instead[one.name].label(one.name) if one.name in instead else one for one in subscriptions.c)
    return (
        select(*columns, subscribers.c.address, subscribers.c.joined)
        .join(subscribers, subscribers.c.id == subscriptions.c.subscriber_id)
        .where(subscribers.c.address.is_not(None))
    )


def subscriber_of(row: Row[Any]) -> Subscriber:
    """One row of the subscribers."""
    return Subscriber(id=SubscriberId(row.id), address=row.address, created_at=row.created_at, joined=row.joined)


def subscription_from(
    row: Row[Any], *, days: tuple[int, ...] | None = None, preferences: Mapping[str, object] | None = None
) -> Subscription:
    return Subscription(
        id=SubscriptionId(row.id),
        subscriber_id=SubscriberId(row.subscriber_id),
        address=row.address,
        digest=row.digest,
        state=_STATES[row.state],
        secret=row.secret,
        created_at=row.created_at,
        confirmed_at=row.confirmed_at,
        language=row.language,
        timezone=row.timezone,
        send_at=time.fromisoformat(row.send_at) if row.send_at else None,
        days=tuple(row.days) if days is None else days,
        preferences=row.preferences if preferences is None else preferences,
        joined=row.joined,
        last_slot_at=row.last_slot_at,
        last_slot_date=row.last_slot_date,
        paused_on=row.paused_on,
        paused_until=row.paused_until,
    )
