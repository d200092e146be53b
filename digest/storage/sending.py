"""The ledger while it is being sent: leases, the gate before the dot, outcomes; and what a lost sender left behind.

Only the try that still holds the lease may settle. The rows of a mail that joins several digests move together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, or_, select, update

from digest.model.mail import Delivery, DeliveryId, DeliveryState, Outcome
from digest.model.people import SubscriptionState, SuppressionReason
from digest.storage.base import Tx, add_missing, batched
from digest.storage.deliveries import HELD, OPEN, WAITING, attempts, deliveries, delivery_of, group, part, pauses
from digest.storage.editions import editions
from digest.storage.people import subscriptions, suppressions


def recover(tx: Tx, *, now: datetime, dead: Sequence[str], resend: bool) -> tuple[int, int]:
    """Takes back what a lost sender held: (freed, uncertain).

    Leased but not sending: nothing was promised to the peer, so it is queued again. Sending: the dot may have gone,
    so it is uncertain, or with ``resend`` queued under the same Message-ID.
    """
    lost = or_(deliveries.c.leased_until < now, deliveries.c.lease.in_(list(dead)) if dead else deliveries.c.id < 0)
    freed = tx.execute(
        update(deliveries)
        .where(deliveries.c.state == DeliveryState.LEASED.value, lost)
        .values(state="queued", lease="", next_at=now)
    ).rowcount
    unsure = (deliveries.c.state == DeliveryState.SENDING.value) & lost
    after = (
        {"state": DeliveryState.QUEUED.value, "lease": "", "next_at": now}
        if resend
        else {
            "state": DeliveryState.UNCERTAIN.value,
            "lease": "",
            "settled_at": now,
            "reason": "the sender stopped between the final dot and the reply",
        }
    )
    uncertain = tx.execute(update(deliveries).where(unsure).values(**after)).rowcount
    return freed, uncertain


def holders(tx: Tx) -> tuple[str, ...]:
    """Who holds leases now."""
    return tuple(tx.execute(select(deliveries.c.lease).where(deliveries.c.state.in_(HELD)).distinct()).scalars())


def wake(tx: Tx, now: datetime, digests: Sequence[str] | None = None) -> None:
    """Makes what is queued due at once (the operator asked); deferred recipients keep their time."""
    query = update(deliveries).where(deliveries.c.state == DeliveryState.QUEUED.value, deliveries.c.next_at > now)
    if digests is not None:
        query = query.where(deliveries.c.digest.in_(list(digests)))
    tx.execute(query.values(next_at=now))


def expire(tx: Tx, now: datetime) -> int:
    """Settles what is too late to be worth sending."""
    late = tx.execute(
        update(deliveries)
        .where(deliveries.c.state.in_(WAITING), deliveries.c.expires_at < now)
        .values(state=DeliveryState.EXPIRED.value, reason="it could not be sent in time", settled_at=now)
    ).rowcount
    if late:
        part(tx, now)
    return late


def claim(
    tx: Tx, *, lease: str, now: datetime, until: datetime, limit: int, digests: Sequence[str] | None = None
) -> tuple[Delivery, ...]:
    """Leases deliveries that are due, in id order so that nothing starves, and opens a try for each."""
    paused = select(pauses.c.digest)
    follower = deliveries.alias()
    query = (
        select(deliveries)
        .where(
            deliveries.c.state.in_(WAITING),
            deliveries.c.leader_id.is_(None),
            deliveries.c.next_at <= now,
            deliveries.c.digest.not_in(paused),
            # A joined mail waits for each of its digests.
            ~select(follower.c.id)
            .where(follower.c.leader_id == deliveries.c.id, follower.c.digest.in_(paused))
            .exists(),
            ~select(pauses.c.digest).where(pauses.c.digest == "*").exists(),
        )
        .order_by(deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if digests is not None:
        query = query.where(deliveries.c.digest.in_(list(digests)))
    rows = tx.execute(query).all()
    ids = [row.id for row in rows]
    if not ids:
        return ()
    for some in batched(ids, 500):
        tx.execute(
            update(deliveries)
            .where(or_(deliveries.c.id.in_(some), deliveries.c.leader_id.in_(some)), deliveries.c.state.in_(WAITING))
            .values(state=DeliveryState.LEASED.value, lease=lease, leased_until=until)
        )
    opened = [
        {"delivery_id": i, "lease": lease, "started_at": now, "outcome": "", "enhanced": "", "remote": ""} for i in ids
    ]
    tx.execute(attempts.insert(), opened)
    return tuple(delivery_of(row) for row in rows)


def secrets_of(tx: Tx, ids: Sequence[DeliveryId]) -> Mapping[int, tuple[str, ...]]:
    """The unsubscribe secrets each mail carries, by its leading delivery: one a digest in it."""
    found: dict[int, list[str]] = defaultdict(list)
    for some in batched(ids, 500):
        query = (
            select(deliveries.c.id, deliveries.c.leader_id, subscriptions.c.secret)
            .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
            .where(or_(deliveries.c.id.in_(some), deliveries.c.leader_id.in_(some)))
            .order_by(deliveries.c.id)
        )
        for row in tx.execute(query):
            found[row.leader_id or row.id].append(row.secret)
    return {key: tuple(value) for key, value in found.items()}


def renew(tx: Tx, lease: str, until: datetime) -> None:
    """Keeps what this sender still holds; never shortens the longer lease of what awaits the reply to its dot."""
    mine = and_(deliveries.c.lease == lease, deliveries.c.state.in_(HELD), deliveries.c.leased_until < until)
    tx.execute(update(deliveries).where(mine).values(leased_until=until))


def unclaim(tx: Tx, ids: Sequence[DeliveryId], lease: str, next_at: datetime) -> None:
    """Gives back what was leased and not tried; the try that was opened is taken out again."""
    for some in batched(ids, 500):
        mine = and_(deliveries.c.lease == lease, deliveries.c.state == DeliveryState.LEASED.value)
        tx.execute(
            update(deliveries)
            .where(or_(deliveries.c.id.in_(some), deliveries.c.leader_id.in_(some)), mine)
            .values(state=DeliveryState.QUEUED.value, lease="", leased_until=None, next_at=next_at)
        )
        tx.execute(
            delete(attempts).where(
                attempts.c.delivery_id.in_(some), attempts.c.lease == lease, attempts.c.outcome == ""
            )
        )


def about_to_send(tx: Tx, delivery_id: DeliveryId, lease: str, until: datetime) -> str:
    """The last gate before the dot: commits ``sending``, or says why not (unsubscribed, suppressed, paused, lost).

    An edition needs a confirmed subscription; a notice only an address that is not suppressed.
    """
    mine = group(delivery_id)
    rows = tx.execute(
        select(deliveries, subscriptions.c.state.label("consent"), suppressions.c.reason.label("listed"))
        .outerjoin(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .outerjoin(suppressions, suppressions.c.key == deliveries.c.address_key)
        .where(mine)
    ).all()
    if not rows or any(row.lease != lease or row.state != DeliveryState.LEASED.value for row in rows):
        return "lost"
    if any(row.listed for row in rows):
        return "suppressed"
    if any(row.kind == "edition" and row.consent != SubscriptionState.CONFIRMED.value for row in rows):
        return "unsubscribed"
    names = {row.digest for row in rows} | {"*"}
    if tx.execute(select(pauses.c.digest).where(pauses.c.digest.in_(names))).first() is not None:
        return "paused"
    tx.execute(update(deliveries).where(mine).values(state=DeliveryState.SENDING.value, leased_until=until))
    return ""


def settle(
    tx: Tx,
    delivery_id: DeliveryId,
    lease: str,
    *,
    state: DeliveryState,
    outcome: Outcome | None,
    now: datetime,
    next_at: datetime | None = None,
    reason: str = "",
    counts: bool = True,
) -> bool:
    """Writes how a try ended;

    False when the lease was lost meanwhile. ``counts`` False: it was no try of this recipient.
    """
    values: dict[str, object] = {
        "state": state.value,
        "lease": "",
        "leased_until": None,
        "reason": reason,
        "code": outcome.code if outcome else None,
        "enhanced": outcome.enhanced if outcome else "",
        "remote": outcome.remote[:2000] if outcome else "",
        "settled_at": None if state.value in (*OPEN, "deferred") else now,
    }
    if next_at is not None:
        values["next_at"] = next_at
    if counts:
        values["attempts"] = deliveries.c.attempts + 1
    mine = and_(deliveries.c.lease == lease, deliveries.c.state.in_(HELD))
    if not tx.execute(update(deliveries).where(group(delivery_id), mine).values(**values)).rowcount:
        return False
    tx.execute(
        update(attempts)
        .where(attempts.c.delivery_id == delivery_id, attempts.c.lease == lease, attempts.c.outcome == "")
        .values(
            ended_at=now,
            outcome=outcome.kind.value if outcome else state.value,
            code=outcome.code if outcome else None,
            enhanced=outcome.enhanced if outcome else "",
            remote=outcome.remote[:2000] if outcome else "",
        )
    )
    return True


def suppress_recipient(tx: Tx, delivery_id: DeliveryId, *, detail: str, now: datetime) -> None:
    """Puts a delivery's address on the suppression list: it does not exist."""
    row = tx.execute(select(deliveries.c.address, deliveries.c.address_key).where(deliveries.c.id == delivery_id)).one()
    listed = {
        "key": row.address_key,
        "address": row.address,
        "reason": SuppressionReason.HARD_BOUNCE.value,
        "detail": detail,
        "since_at": now,
    }
    add_missing(tx, suppressions, [listed])


def split(tx: Tx, leader_id: DeliveryId, lease: str, now: datetime) -> None:
    """Parts a joined mail whose reader left one of its digests:

    those he left are settled, the others go out on their own.
    """
    rows = tx.execute(
        select(deliveries.c.id, subscriptions.c.state, editions.c.key)
        .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .join(editions, editions.c.id == deliveries.c.edition_id)
        .where(group(leader_id), deliveries.c.lease == lease)
    ).all()
    for row in rows:
        stays = row.state == SubscriptionState.CONFIRMED.value
        after: dict[str, object] = (
            {"state": DeliveryState.QUEUED.value, "message_key": row.key, "next_at": now}
            if stays
            else {"state": DeliveryState.SUPPRESSED.value, "reason": "unsubscribed", "settled_at": now}
        )
        tx.execute(
            update(deliveries)
            .where(deliveries.c.id == row.id)
            .values(**after, leader_id=None, lease="", leased_until=None)
        )
    tx.execute(
        update(attempts)
        .where(attempts.c.delivery_id == leader_id, attempts.c.lease == lease, attempts.c.outcome == "")
        .values(ended_at=now, outcome="stopped")
    )
