"""What came back: one row a delivery and kind, so that a report that comes twice counts once, whatever came between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Boolean, Column, Index, String, Table, Text, UniqueConstraint, delete, func, select, update

from digest.model.mail import Bounce, Delivery, DeliveryId, DeliveryState, ReportKind
from digest.model.people import SubscriptionId, Suppression, SuppressionReason
from digest.storage import people
from digest.storage.base import Instant, Tx, add_missing, metadata, storable
from digest.storage.deliveries import addressed, deliveries, delivery_of, group
from digest.storage.entries import Id

bounces = Table(
    "bounces",
    metadata,
    Column("id", Id, primary_key=True),
    Column("delivery_id", Id, nullable=False),  # no reference: the row outlives its delivery's retention
    Column("kind", String(20), nullable=False),
    Column("address_key", String(64), nullable=False),
    Column("status", String(20), nullable=False),
    Column("detail", Text, nullable=False),
    Column("counts", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("delivery_id", "kind"),
)
Index("ix_bounces_address_key", bounces.c.address_key, bounces.c.at)
Index("ix_bounces_at", bounces.c.at)

#: Of a server's words.
_MOST_DETAIL = 500


def note(
    tx: Tx,
    delivery_id: int,
    kind: ReportKind,
    *,
    address_key: str,
    status: str,
    detail: str,
    counts: bool,
    now: datetime,
) -> bool:
    """Keeps a report; False when the same was said of this delivery before."""
    row: dict[str, object] = {
        "delivery_id": delivery_id,
        "kind": kind.value,
        "address_key": address_key,
        "status": status[:20],
        "detail": storable(detail)[:_MOST_DETAIL],
        "counts": counts,
        "at": now,
    }
    return add_missing(tx, bounces, [row]) == 1


def note_soft(
    tx: Tx,
    delivery_id: int,
    *,
    status: str,
    detail: str,
    now: datetime,
    limit: int,
    window: timedelta,
    counts: bool = True,
) -> tuple[bool, bool]:
    """Keeps that a delivery did not get through; at the ``limit``-th different day (UTC) within ``window`` its address
    is suppressed. Gives (noted, suppressed): the same is noted once, and nothing of a delivery that is not there.
    """
    row = tx.execute(
        select(deliveries.c.address, deliveries.c.address_key).where(deliveries.c.id == delivery_id)
    ).first()
    if row is None or not row.address:
        return False, False
    key = row.address_key
    new = note(
        tx,
        delivery_id,
        ReportKind.SOFT,
        address_key=key,
        status=status,
        detail=detail,
        counts=counts,
        now=now,
    )
    if not new or not counts:
        return new, False
    days = soft_days(tx, key, now - window)
    if days < limit:
        return True, False
    said = f"{days} soft bounces in {window.days} days; the last: {status} {storable(detail)[:_MOST_DETAIL]}"
    listed = Suppression(
        key=key, address=row.address, reason=SuppressionReason.SOFT_BOUNCE, detail=" ".join(said.split()), since_at=now
    )
    return True, people.suppress(tx, listed)


def soft_days(tx: Tx, address_key: str, since: datetime) -> int:
    """On how many different days (UTC) an address had a soft bounce that counts."""
    query = select(bounces.c.at).where(
        bounces.c.address_key == address_key,
        bounces.c.kind == ReportKind.SOFT.value,
        bounces.c.counts.is_(True),
        bounces.c.at > since,
    )
    return len({at.astimezone(UTC).date() for at in tx.execute(query).scalars()})


def sent_to(tx: Tx, address: str, states: Sequence[DeliveryState], *, limit: int) -> tuple[Delivery, ...]:
    """The newest mails to an address in some states."""
    some = (addressed(address), deliveries.c.state.in_([state.value for state in states]))
    # Not by the id alone, or a database reads the whole ledger backwards instead of what one reader has.
    newest = (deliveries.c.id + 0).desc()
    return tuple(map(delivery_of, tx.execute(select(deliveries).where(*some).order_by(newest).limit(limit))))


def subscriptions_in(tx: Tx, delivery_id: DeliveryId) -> tuple[SubscriptionId, ...]:
    """The subscriptions that a mail was for: one, or those of all digests it joined, or none (an alert)."""
    query = select(deliveries.c.subscription_id).where(group(delivery_id), deliveries.c.subscription_id.is_not(None))
    return tuple(SubscriptionId(one) for one in tx.execute(query.order_by(deliveries.c.id)).scalars())


def forgive(tx: Tx, address_key: str) -> None:
    """What came back until now counts no longer; it is still known, so that a repeated report changes nothing."""
    tx.execute(update(bounces).where(bounces.c.address_key == address_key).values(counts=False))


def forget(tx: Tx, address_key: str) -> None:
    """Takes a person's words out; that something came back stays, and when."""
    tx.execute(
        update(bounces)
        .where(bounces.c.address_key == address_key)
        .values(detail="", status="", address_key="", counts=False)
    )


def of_address(tx: Tx, address_key: str, *, limit: int = 20) -> tuple[Bounce, ...]:
    """What came back from an address, the newest first."""
    query = select(bounces).where(bounces.c.address_key == address_key)
    return tuple(
        Bounce(
            delivery_id=DeliveryId(row.delivery_id),
            kind=ReportKind(row.kind),
            status=row.status,
            detail=row.detail,
            counts=row.counts,
            at=row.at,
        )
        for row in tx.execute(query.order_by(bounces.c.at.desc(), bounces.c.id.desc()).limit(limit))
    )


def count(tx: Tx, since: datetime) -> Mapping[str, int]:
    """How many came back since an instant, by kind; kinds of which none came are absent."""
    query = select(bounces.c.kind, func.count().label("number")).where(bounces.c.at >= since).group_by(bounces.c.kind)
    return {row.kind: row.number for row in tx.execute(query.order_by(bounces.c.kind))}


def prune(tx: Tx, before: datetime) -> int:
    """Drops what came back before an instant; gives how many rows went."""
    return tx.execute(delete(bounces).where(bounces.c.at < before)).rowcount
