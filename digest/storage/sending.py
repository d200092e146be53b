"""The ledger while it is being sent: leases, the gate before the dot, outcomes; and what a lost sender left behind.

Only the try that still holds the lease may settle. The rows of a mail that joins several digests move together. What a
sender does with most mails, passing the gate and being accepted, is in lane.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import starmap
from typing import Any

from sqlalchemy import ColumnElement, Row, String, and_, exists, func, insert, or_, select, update

from digest.model.mail import Delivery, DeliveryId, DeliveryState, Due, Outcome
from digest.model.people import SubscriptionState, SuppressionReason
from digest.storage.base import Tx, add_missing, among, batched
from digest.storage.deliveries import (
    EARLIER,
    HELD,
    IS_HELD,
    IS_WAITING,
    OPEN,
    WAITING,
    attempts,
    deliveries,
    delivery_of,
    ended,
    group,
    part,
    pauses,
)
from digest.storage.editions import editions
from digest.storage.people import subscriptions, suppressions

_FOLLOWS = deliveries.c.leader_id.is_not(None)


def recover(tx: Tx, *, now: datetime, dead: Sequence[str], resend: bool) -> tuple[int, int]:
    """Takes back what a lost sender held: (freed, uncertain).

    Leased but not sending: nothing was promised to the peer, so it is queued again. Sending: the dot may have gone,
    so it is uncertain, or with ``resend`` queued under the same Message-ID, for the same relay.
    """
    lost = _lost(now, dead)
    free: dict[str, object] = {"state": DeliveryState.QUEUED.value, "lease": "", "leased_until": None, "next_at": now}
    leased = _unlocked(tx, and_(IS_HELD, deliveries.c.state == DeliveryState.LEASED.value, lost))
    freed = tx.execute(update(deliveries).where(_these(tx, leased)).values(**free)).rowcount if leased else 0
    sending = _unlocked(tx, _sending_lost(now, dead))
    if not sending:
        return freed, 0
    unsure = _these(tx, sending)
    why = "the sender stopped between the final dot and the reply"
    if resend:
        _note_tries(tx, unsure, now, "uncertain", why)
        after = free
    else:
        after = {
            "state": DeliveryState.UNCERTAIN.value,
            "lease": "",
            "leased_until": None,
            "settled_at": now,
            "attempts": deliveries.c.attempts + 1,
            "reason": why,
        }
    return freed, tx.execute(update(deliveries).where(unsure).values(**after)).rowcount


def _unlocked(tx: Tx, which: ColumnElement[bool]) -> Sequence[Row[Any, Any]]:
    """(id, local_date) of what no open transaction has locked, locked now: a sender that stands still in the midst of
    one is not waited for.
    """
    found = select(deliveries.c.id, deliveries.c.local_date).where(which)
    return tx.execute(found.with_for_update(skip_locked=True)).all()


def _these(tx: Tx, rows: Sequence[Row[Any, Any]]) -> ColumnElement[bool]:
    """Deliveries by (id, local_date): only the parts are looked into that these days belong to (partitions.py)."""
    ids = among(tx, deliveries.c.id, [row.id for row in rows])
    days = [row.local_date for row in rows if row.local_date is not None]
    if tx.dialect.name != "postgresql":
        return ids
    undated = deliveries.c.local_date.is_(None)
    return and_(ids, or_(deliveries.c.local_date.between(min(days), max(days)), undated) if days else undated)


def _lost(now: datetime, dead: Sequence[str]) -> ColumnElement[bool]:
    lost = deliveries.c.leased_until < now
    return or_(lost, deliveries.c.lease.in_(list(dead))) if dead else lost


def _sending_lost(now: datetime, dead: Sequence[str]) -> ColumnElement[bool]:
    return and_(IS_HELD, deliveries.c.state == DeliveryState.SENDING.value, _lost(now, dead))


def doubtful(tx: Tx, place: str, *, now: datetime, dead: Sequence[str]) -> tuple[Delivery, ...]:
    """What a lost sender was sending to a place; one row a mail."""
    query = select(deliveries).where(_sending_lost(now, dead), deliveries.c.relay == place)
    return tuple(delivery_of(row) for row in tx.execute(query.where(deliveries.c.leader_id.is_(None))))


def decide(tx: Tx, delivery_id: DeliveryId, *, arrived: bool, now: datetime, dead: Sequence[str]) -> None:
    """Ends the doubt about what a lost sender was sending: it arrived, or it is queued again."""
    after: dict[str, object] = {"lease": "", "leased_until": None}
    if arrived:
        after |= {"state": DeliveryState.ACCEPTED.value, "settled_at": now, "attempts": deliveries.c.attempts + 1}
    else:
        after |= {"state": DeliveryState.QUEUED.value, "next_at": now, "relay": ""}
    tx.execute(update(deliveries).where(group(delivery_id), _sending_lost(now, dead)).values(**after))


def holders(tx: Tx) -> tuple[str, ...]:
    """Who holds leases now."""
    return tuple(tx.execute(select(deliveries.c.lease).where(IS_HELD).distinct()).scalars())


def wake(tx: Tx, now: datetime, digests: Sequence[str] | None = None) -> None:
    """Makes what is queued due at once (the operator asked); deferred recipients keep their time."""
    query = update(deliveries).where(
        IS_WAITING, deliveries.c.state == DeliveryState.QUEUED.value, deliveries.c.next_at > now
    )
    if digests is not None:
        query = query.where(deliveries.c.digest.in_(list(digests)))
    tx.execute(query.values(next_at=now))


def expire(tx: Tx, now: datetime) -> int:
    """Settles what is too late to be worth sending."""
    late = tx.execute(
        update(deliveries)
        .where(IS_WAITING, deliveries.c.expires_at < now)
        .values(**ended(DeliveryState.EXPIRED, "it could not be sent in time", now))
    ).rowcount
    if late:
        part(tx, now)
    return late


def claim(
    tx: Tx,
    *,
    lease: str,
    now: datetime,
    until: datetime,
    limit: int,
    digests: Sequence[str] | None = None,
    after: int = 0,
) -> tuple[Due, ...]:
    """Leases deliveries that are due, in id order so that nothing starves; those behind the id ``after``."""
    due = _due(tx, now, digests, after)
    if due is None:
        return ()
    wanted = select(deliveries.c.id, deliveries.c.local_date).where(due).order_by(deliveries.c.id).limit(limit)
    first = tx.execute(wanted.with_for_update(skip_locked=True)).all()
    if not first:
        return ()
    leased = {"state": DeliveryState.LEASED.value, "lease": lease, "leased_until": until, "tried_at": now}
    secret = select(subscriptions.c.secret).where(subscriptions.c.id == deliveries.c.subscription_id)
    day = func.coalesce(deliveries.c.local_date, func.date(deliveries.c.created_at)).cast(String(10))
    rows = tx.execute(
        update(deliveries)
        .where(_these(tx, first))
        .values(**leased)
        .returning(  # as Due has them
            deliveries.c.id,
            deliveries.c.kind,
            deliveries.c.address,
            deliveries.c.message_key,
            deliveries.c.subscriber_id,
            deliveries.c.subscription_id,
            day,
            deliveries.c.attempts,
            deliveries.c.relay,
            func.coalesce(secret.scalar_subquery(), ""),
        )
    ).all()
    found = sorted(starmap(Due, rows))
    joined = _followers(tx, [one.id for one in found], leased)
    if joined:
        found = [one._replace(secrets=joined[one.id], joined=True) if one.id in joined else one for one in found]
    return tuple(found)


def _due(tx: Tx, now: datetime, digests: Sequence[str] | None, after: int) -> ColumnElement[bool] | None:
    """What may be sent now; None when all sending is paused."""
    found = and_(
        IS_WAITING,
        deliveries.c.id > after,
        deliveries.c.leader_id.is_(None),
        deliveries.c.next_at <= now,
        or_(deliveries.c.expires_at.is_(None), deliveries.c.expires_at >= now),
    )
    if digests is not None:
        found &= deliveries.c.digest.in_(list(digests))
    paused = tx.execute(select(pauses.c.digest)).scalars().all()
    if "*" in paused:
        return None
    if paused:
        follower = deliveries.alias()
        # A joined mail waits for each of its digests.
        waits = exists().where(
            follower.c.leader_id.is_not(None),
            follower.c.leader_id == deliveries.c.id,
            follower.c.digest.in_(paused),
        )
        found &= and_(deliveries.c.digest.not_in(paused), ~waits)
    return found


def _followers(tx: Tx, ids: Sequence[int], leased: Mapping[str, object]) -> Mapping[int, str]:
    """Leases the further rows of joined mails; gives the secrets of all rows of each, by its leading delivery."""
    found: dict[int, list[str]] = defaultdict(list)
    between = and_(_FOLLOWS, deliveries.c.leader_id.between(ids[0], ids[-1]))
    if tx.execute(select(deliveries.c.id).where(between).limit(1)).first() is None:
        return {}
    for some in batched(ids, 500):
        mine = and_(_FOLLOWS, deliveries.c.leader_id.in_(some))
        tx.execute(update(deliveries).where(mine, deliveries.c.state.in_(WAITING)).values(**leased))
        secrets = (
            select(deliveries.c.id, deliveries.c.leader_id, subscriptions.c.secret)
            .join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
            .where(or_(deliveries.c.id.in_(some), mine))
            .order_by(deliveries.c.id)
        )
        leaders = {row.leader_id for row in tx.execute(secrets) if row.leader_id is not None}
        for row in tx.execute(secrets):
            if (leader := row.leader_id or row.id) in leaders:
                found[leader].append(row.secret)
    return {key: ".".join(value) for key, value in found.items()}


def renew(tx: Tx, lease: str, until: datetime) -> None:
    """Keeps what this sender still holds; never shortens the longer lease of what awaits the reply to its dot."""
    mine = and_(IS_HELD, deliveries.c.lease == lease, deliveries.c.leased_until < until)
    tx.execute(update(deliveries).where(mine).values(leased_until=until))


def unclaim(tx: Tx, ids: Sequence[DeliveryId], lease: str, next_at: datetime) -> None:
    """Gives back what was leased and has surely not been sent, though it may have passed the gate."""
    for some in batched(ids, 500):
        these = or_(deliveries.c.id.in_(some), and_(_FOLLOWS, deliveries.c.leader_id.in_(some)))
        mine = and_(these, deliveries.c.lease == lease)
        free = {"state": DeliveryState.QUEUED.value, "lease": "", "leased_until": None, "next_at": next_at}
        sends = deliveries.c.state == DeliveryState.SENDING.value
        tx.execute(update(deliveries).where(mine, sends).values(**free, relay=""))
        tx.execute(update(deliveries).where(mine, deliveries.c.state == DeliveryState.LEASED.value).values(**free))


def refused_at_gate(tx: Tx, delivery_id: DeliveryId, lease: str) -> str:
    """Why the gate does not let a mail pass: unsubscribed, suppressed, paused or lost; empty when it would."""
    rows = tx.execute(
        select(deliveries, subscriptions.c.state.label("consent"), suppressions.c.reason.label("listed"))
        .outerjoin(subscriptions, subscriptions.c.id == deliveries.c.subscription_id)
        .outerjoin(suppressions, suppressions.c.key == deliveries.c.address_key)
        .where(group(delivery_id))
    ).all()
    if not rows or any(row.lease != lease or row.state not in HELD for row in rows):
        return "lost"
    if any(row.listed for row in rows):
        return "suppressed"
    if any(row.kind == "edition" and row.consent != SubscriptionState.CONFIRMED.value for row in rows):
        return "unsubscribed"
    names = {row.digest for row in rows} | {"*"}
    if tx.execute(select(pauses.c.digest).where(pauses.c.digest.in_(names))).first() is not None:
        return "paused"
    return ""


def gate_joined(tx: Tx, delivery_id: DeliveryId, lease: str, *, now: datetime, until: datetime, relay: str) -> str:
    """The gate for a joined mail, whose rows pass together: empty when it may go, else why not."""
    mine = and_(group(delivery_id), deliveries.c.lease == lease, deliveries.c.state.in_(HELD))
    # Asked in the statement that lets it pass: between two, a lease can be lost, and somebody can leave.
    passed = tx.execute(
        update(deliveries)
        .where(mine, ~_is_barred(delivery_id, lease))
        .values(state=DeliveryState.SENDING.value, leased_until=until, tried_at=now, relay=relay)
    ).rowcount
    return "" if passed else refused_at_gate(tx, delivery_id, lease) or "lost"


def _is_barred(leader: DeliveryId, lease: str) -> ColumnElement[bool]:
    """Whether one row of a joined mail may not go: it is lost, its reader left, is not to be written to, or it is
    paused.
    """
    row = deliveries.alias()
    lost = or_(row.c.lease != lease, row.c.state.not_in(HELD))
    confirmed = func.coalesce(subscriptions.c.state, "") == SubscriptionState.CONFIRMED.value
    rows = (
        select(row.c.id)
        .outerjoin(subscriptions, subscriptions.c.id == row.c.subscription_id)
        .where(or_(row.c.id == leader, row.c.leader_id == leader))
    )
    return or_(
        rows.where(or_(lost, and_(row.c.kind == "edition", ~confirmed))).exists(),
        rows.join(suppressions, suppressions.c.key == row.c.address_key).exists(),
        rows.join(pauses, or_(pauses.c.digest == row.c.digest, pauses.c.digest == "*")).exists(),
    )


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
    bound: bool = False,
) -> bool:
    """Writes how a try ended; False when the lease was lost meanwhile.

    ``counts`` False: it was no try of this recipient. ``bound``: it is unknown whether the relay took it at this try or
    an earlier one, so only that relay may be offered it again, and it does not end as undelivered.
    """
    mine = and_(group(delivery_id), deliveries.c.lease == lease, deliveries.c.state.in_(HELD))
    goes_on = state.value in (*OPEN, DeliveryState.DEFERRED.value)
    if goes_on and outcome is not None:
        _note_tries(tx, and_(mine, deliveries.c.id == delivery_id), now, outcome.kind.value, reason, outcome)
    if bound and not goes_on and state is not DeliveryState.ACCEPTED:
        state, reason = DeliveryState.UNCERTAIN, f"{reason}; {EARLIER}"
    values: dict[str, object] = {
        "state": state.value,
        "lease": "",
        "leased_until": None,
        "reason": reason,
        "code": outcome.code if outcome else None,
        "enhanced": outcome.enhanced if outcome else "",
        "remote": outcome.remote[:2000] if outcome else "",
        "settled_at": None if goes_on else now,
    }
    if next_at is not None:
        values["next_at"] = next_at
    if counts:
        values["attempts"] = deliveries.c.attempts + 1
    if goes_on and not bound:
        values["relay"] = ""
    return bool(tx.execute(update(deliveries).where(mine).values(**values)).rowcount)


def _note_tries(
    tx: Tx, which: ColumnElement[bool], now: datetime, kind: str, reason: str, outcome: Outcome | None = None
) -> None:
    """Remembers tries that did not end their delivery; the one that does is told by the delivery itself."""
    rows = tx.execute(
        select(deliveries.c.id, deliveries.c.lease, deliveries.c.tried_at).where(
            which, deliveries.c.leader_id.is_(None)
        )
    ).all()
    if rows:
        tx.execute(
            insert(attempts),
            [
                {
                    "delivery_id": row.id,
                    "lease": row.lease,
                    "started_at": row.tried_at or now,
                    "ended_at": now,
                    "outcome": kind,
                    "code": outcome.code if outcome else None,
                    "enhanced": outcome.enhanced if outcome else "",
                    "remote": outcome.remote[:2000] if outcome else reason,
                }
                for row in rows
            ],
        )


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
            else ended(DeliveryState.SUPPRESSED, "unsubscribed", now)
        )
        tx.execute(
            update(deliveries)
            .where(deliveries.c.id == row.id, deliveries.c.lease == lease)
            .values({**after, "leader_id": None, "lease": "", "leased_until": None})
        )
