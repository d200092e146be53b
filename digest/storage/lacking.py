"""Who lacks a slot: asked of a digest's readers by the million, and written when they were served."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Text, and_, cast, func, or_, select, update

from digest.model.editions import Slot
from digest.model.people import Subscription, SubscriptionId, SubscriptionState
from digest.storage.base import Tx, among
from digest.storage.people import OWN_HOUR, linked, subscribers, subscription_from, subscriptions, wishes_from

_PREFERENCES = cast(subscriptions.c.preferences, Text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A slot that readers may lack. Who was confirmed after ``joined_until`` joined too late for it; None: nobody."""

    slot: Slot
    joined_until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Readers whose preferences fall on ``number``, by chance, of as many numbers as ``of``; and of these, where it is
    a range, whose ids are above ``after`` and up to ``until``. PostgreSQL only."""

    number: int
    of: int
    after: int = 0
    until: int | None = None


class Span(NamedTuple):
    """How many readers, and between which ids."""

    readers: int
    first: int
    last: int


def own_hours(tx: Tx, digest: str) -> tuple[tuple[str, str], ...]:
    """Each (send_at, timezone) that readers of a digest chose instead of its own; either may be ""."""
    columns = subscriptions.c.send_at, subscriptions.c.timezone
    rows = tx.execute(select(*columns).where(subscriptions.c.digest == digest, OWN_HOUR).distinct())
    return tuple(sorted((row.send_at, row.timezone) for row in rows))


def lacking(
    tx: Tx,
    digest: str,
    hour: tuple[str, str],
    *,
    usual: Due | None,
    other: Due | None,
    part: Part | None = None,
    unlike: Sequence[SubscriptionId] = (),
    after: int = 0,
    limit: int = 10_000,
) -> tuple[Subscription, ...]:
    """Confirmed readers with this (send_at, timezone) who may lack the slot that is due, in id order.

    ``usual`` is the slot of those who keep the digest's weekdays, ``other`` the newest one that weekdays of one's own
    can give. Nobody who lacks one is left out but those who prefer what a reader in ``unlike`` does; who was served is
    not even looked at. Readers with equal preferences share one read-only mapping of them.
    """
    whose = _lackers(digest, hour, usual, other)
    if whose is None:
        return ()
    query = (
        linked(preferences=_PREFERENCES, days=cast(subscriptions.c.days, Text))
        .where(*whose, *_within(part), subscriptions.c.id > after)
        .order_by(subscriptions.c.id)
        .limit(limit)
    )
    if unlike:
        like = subscriptions.alias()
        theirs = select(cast(like.c.preferences, Text)).where(among(tx, like.c.id, unlike))
        query = query.where(_PREFERENCES.not_in(theirs))
    return tuple(
        subscription_from(row, days=_days(row.days), preferences=wishes_from(row.preferences))
        for row in tx.execute(query).all()
    )


def count_lacking(
    tx: Tx, digest: str, hour: tuple[str, str], *, usual: Due | None, other: Due | None
) -> Mapping[tuple[int, ...], int]:
    """How many readers ``lacking`` gives, by the weekdays of their own; () are the digest's."""
    whose = _lackers(digest, hour, usual, other)
    if whose is None:
        return {}
    days = cast(subscriptions.c.days, Text)
    rows = tx.execute(select(days.label("days"), func.count().label("readers")).where(*whose).group_by(days))
    return {_days(row.days): row.readers for row in rows}


def span(
    tx: Tx, digest: str, hour: tuple[str, str], *, usual: Due | None, other: Due | None, part: Part
) -> Span | None:
    """How many readers ``lacking`` gives in all, and between which ids; None where there are none."""
    whose = _lackers(digest, hour, usual, other)
    if whose is None:
        return None
    row_id = subscriptions.c.id
    found = tx.execute(select(func.count(), func.min(row_id), func.max(row_id)).where(*whose, *_within(part))).one()
    return Span(*found) if found[0] else None


def _within(part: Part | None) -> list[ColumnElement[bool]]:
    """Conditions that readers of a part meet."""
    if part is None:
        return []
    within = [func.mod(func.abs(cast(func.hashtext(_PREFERENCES), BigInteger)), part.of) == part.number]
    if part.until is not None:
        within += [subscriptions.c.id > part.after, subscriptions.c.id <= part.until]
    return within


def _lackers(
    digest: str, hour: tuple[str, str], usual: Due | None, other: Due | None
) -> list[ColumnElement[bool]] | None:
    """Conditions that readers of an hour meet who may lack a slot; None where there is none to lack."""
    send_at, timezone = hour
    every_day = cast(subscriptions.c.days, Text) == "[]"
    whose: list[ColumnElement[bool]] = []
    if usual is not None:
        whose.append(and_(every_day, *_lack(usual)))
    if other is not None:
        whose.append(and_(~every_day, *_lack(other)))
    if not whose:
        return None
    return [
        subscriptions.c.digest == digest,
        subscriptions.c.state == SubscriptionState.CONFIRMED.value,
        subscriptions.c.send_at == send_at,
        subscriptions.c.timezone == timezone,
        or_(*whose),
        *([OWN_HOUR] if send_at or timezone else []),
    ]


def _lack(due: Due) -> list[ColumnElement[bool]]:
    last_at, last_date = subscriptions.c.last_slot_at, subscriptions.c.last_slot_date
    lack: list[ColumnElement[bool]] = [
        or_(last_at.is_(None), last_at < due.slot.at),
        or_(last_date == "", last_date < due.slot.local_date.isoformat()),
        or_(subscriptions.c.paused_until.is_(None), subscriptions.c.paused_until <= due.slot.local_date),
    ]
    if due.joined_until is not None:
        joined_at = subscriptions.c.confirmed_at
        lack.append(or_(joined_at.is_(None), joined_at <= due.joined_until))
    return lack


@lru_cache(maxsize=1024)
def _days(text: str) -> tuple[int, ...]:
    return tuple(json.loads(text))


def served(tx: Tx, ids: Sequence[SubscriptionId], slot_at: datetime, local_date: str) -> None:
    """Notes that a slot was published for these readers, printed or not."""
    theirs = update(subscriptions).where(among(tx, subscriptions.c.id, ids))
    tx.execute(theirs.values(last_slot_at=slot_at, last_slot_date=local_date))


class Standing(NamedTuple):
    """What decides whether a subscription is planned a mail."""

    is_confirmed: bool
    paused_until: date | None
    last_slot_at: datetime | None
    last_slot_date: str

    def lacks(self, slot: Slot) -> bool:
        """Whether no slot of this date or instant, and no later one, was published for it."""
        if self.last_slot_at is not None and self.last_slot_at >= slot.at:
            return False
        return self.last_slot_date < slot.local_date.isoformat()


def standings(tx: Tx, ids: Sequence[SubscriptionId]) -> Mapping[SubscriptionId, Standing]:
    """How subscriptions stand now; those of people who were erased do not."""
    table = subscriptions.c
    query = (
        select(table.id, table.state, table.paused_until, table.last_slot_at, table.last_slot_date)
        .join(subscribers, subscribers.c.id == table.subscriber_id)
        .where(among(tx, table.id, ids), subscribers.c.address.is_not(None))
    )
    confirmed = SubscriptionState.CONFIRMED.value
    return {
        SubscriptionId(row_id): Standing(state == confirmed, *rest) for row_id, state, *rest in tx.execute(query).all()
    }
