"""The ledger: every mail we plan, every try, and what became of it. How one is sent is in sending.py.

queued -> leased -> sending -> accepted | deferred | rejected | uncertain; before the dot also suppressed or expired.
One row an edition, reader and local date; one a notice, address and key. Only the try that still holds the lease may
settle.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    and_,
    case,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
    update,
)

from digest.model.editions import EditionId
from digest.model.mail import OPEN_STATES, SENT_STATES, Delivery, DeliveryId, DeliveryState, MessageKey
from digest.model.people import SubscriberId, SubscriptionId
from digest.storage.base import Instant, Tx, add_alike, add_missing, among, batched, insert, metadata
from digest.storage.editions import counts_as, editions, items
from digest.storage.entries import Id
from digest.storage.people import subscribers, suppressions

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("digest", String(200), nullable=False),
    Column("subscriber_id", Id, ForeignKey("subscribers.id")),
    Column("subscription_id", Id, ForeignKey("subscriptions.id")),
    Column("address", Text, nullable=False),
    Column("address_key", String(64), nullable=False),
    Column("local_date", Date),
    Column("notice_key", String(200), nullable=False),
    Column("edition_id", Id, ForeignKey("editions.id"), index=True),
    Column("message_key", String(64), nullable=False),
    Column("leader_id", Id),
    Column("state", String(20), nullable=False),
    Column("lease", String(100), nullable=False),
    Column("leased_until", Instant),
    Column("next_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("code", Integer),
    Column("enhanced", String(20), nullable=False),
    Column("remote", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("tried_at", Instant),
    Column("relay", String(200), nullable=False, server_default=""),
    sqlite_autoincrement=True,
    # A table that is in parts (partitions.py) has no key without what parts it, and nothing can refer to its rows.
    postgresql_partition_by="RANGE (local_date)",
)
deliveries.primary_key.ddl_if(dialect="sqlite")
deliveries.append_constraint(ForeignKeyConstraint(["leader_id"], ["deliveries.id"]).ddl_if(dialect="sqlite"))
Index("ix_deliveries_id", deliveries.c.id).ddl_if(dialect="postgresql")

_IS_EDITION = deliveries.c.kind == "edition"
Index(
    "uq_deliveries_edition",
    deliveries.c.digest,
    deliveries.c.subscriber_id,
    deliveries.c.local_date,
    unique=True,
    sqlite_where=_IS_EDITION,
    postgresql_where=_IS_EDITION,
)
Index(
    "uq_deliveries_notice",
    deliveries.c.kind,
    deliveries.c.address,
    deliveries.c.notice_key,
    unique=True,
    sqlite_where=deliveries.c.kind != "edition",
).ddl_if(dialect="sqlite")  # on PostgreSQL the part that holds all notices has one alike
Index("ix_deliveries_day", deliveries.c.digest, deliveries.c.local_date)
Index("ix_deliveries_reader", deliveries.c.subscriber_id, deliveries.c.edition_id)


def _some(name: str, where: ColumnElement[bool], *columns: Column[Any]) -> None:
    """An index of the rows that are still looked for by it; the settled millions cost it nothing."""
    Index(name, *columns, sqlite_where=where, postgresql_where=where)


#: Written out, not bound: a database uses such an index only where it can see that the query asks for no more.
IS_WAITING = deliveries.c.state.in_([literal_column("'queued'"), literal_column("'deferred'")])
IS_HELD = deliveries.c.lease != literal_column("''")
IS_NOTICE = deliveries.c.kind != literal_column("'edition'")
# Said by what it is not, for SQLite builds a list of more than two anew for each row that changes.
IS_TROUBLED = and_(
    *[deliveries.c.state != literal_column(f"'{state}'") for state in ("accepted", "queued", "leased", "sending")]
)
_some("ix_deliveries_waiting", IS_WAITING, deliveries.c.id)
_some("ix_deliveries_held", IS_HELD, deliveries.c.lease)
_some(
    "ix_deliveries_troubled",
    IS_TROUBLED,
    deliveries.c.digest,
    deliveries.c.local_date,
    deliveries.c.state,
)
_some("ix_deliveries_leader_id", deliveries.c.leader_id.is_not(None), deliveries.c.leader_id)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("delivery_id", Id, nullable=False, index=True),
    Column("lease", String(100), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", String(20), nullable=False),
    Column("code", Integer),
    Column("enhanced", String(20), nullable=False),
    Column("remote", Text, nullable=False),
    postgresql_partition_by="RANGE (started_at)",
)
attempts.primary_key.ddl_if(dialect="sqlite")
attempts.append_constraint(
    ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], ondelete="CASCADE").ddl_if(dialect="sqlite")
)

pauses = Table(
    "pauses",
    metadata,
    Column("digest", String(200), primary_key=True),  # "*" stands for all
    Column("since_at", Instant, nullable=False),
)

#: What is left of delivery rows after their retention: daily counts.
totals = Table(
    "delivery_totals",
    metadata,
    Column("digest", String(200), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("local_date", Date, primary_key=True),
    Column("state", String(20), primary_key=True),
    Column("count", Integer, nullable=False),
)

#: Said of what ends and yet may have been delivered.
EARLIER = "an earlier try may have arrived"
OPEN = [s.value for s in OPEN_STATES]
WAITING = [DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value]
HELD = [DeliveryState.LEASED.value, DeliveryState.SENDING.value]
#: As the index of the troubled ones has them.
TROUBLED = ["rejected", "suppressed", "expired", "deferred", "uncertain"]
_SENT = [s.value for s in SENT_STATES]


def plan_row(
    *,
    kind: str,
    address: str,
    address_key: str,
    message_key: str,
    now: datetime,
    digest: str = "",
    subscriber_id: SubscriberId | None = None,
    subscription_id: SubscriptionId | None = None,
    local_date: date | None = None,
    notice_key: str = "",
    edition_id: EditionId | None = None,
    leader_id: int | None = None,
    expires_at: datetime | None = None,
    suppressed: str = "",
) -> dict[str, object]:
    """A row to plan.

    ``suppressed`` names why the address must not be written to; such a row is settled from the start.
    """
    state = DeliveryState.SUPPRESSED if suppressed else DeliveryState.QUEUED
    return {
        "kind": kind,
        "digest": digest,
        "subscriber_id": subscriber_id,
        "subscription_id": subscription_id,
        "address": address,
        "address_key": address_key,
        "local_date": local_date,
        "notice_key": notice_key,
        "edition_id": edition_id,
        "message_key": message_key,
        "leader_id": leader_id,
        "state": state.value,
        "lease": "",
        "next_at": now,
        "expires_at": expires_at,
        "attempts": 0,
        "reason": suppressed,
        "enhanced": "",
        "remote": "",
        "created_at": now,
        "settled_at": now if suppressed else None,
    }


def plan(tx: Tx, rows: Sequence[Mapping[str, object]]) -> int:
    """Plans deliveries; those planned before are left as they are. Gives how many are new."""
    return add_missing(tx, deliveries, rows)


def plan_alike(tx: Tx, row: Mapping[str, object], each: Sequence[Mapping[str, int | str | None]]) -> int:
    """Plans many deliveries that are ``row`` but for what ``each`` says of one: ids, address, message, edition."""
    shared = {name: value for name, value in row.items() if not each or name not in each[0]}
    return add_alike(tx, deliveries, shared, each)


def plan_together(tx: Tx, rows: Sequence[dict[str, object]]) -> int:
    """Plans the rows of one joined mail: the first leads. A row that exists already drops out of the group."""
    leader: int | None = None
    added = 0
    for row in rows:
        statement = insert(tx, deliveries).values(**{**row, "leader_id": leader}).on_conflict_do_nothing()
        made = tx.execute(statement.returning(deliveries.c.id)).scalar()
        if made is not None:
            added += 1
            leader = leader if leader is not None else made
    return added


def history(tx: Tx, subscriber_ids: Sequence[int], *, composed_since: datetime) -> Mapping[int, frozenset[int]]:
    """Per subscriber the editions that count as sent, of any digest, composed since an instant."""
    sent: dict[int, set[int]] = defaultdict(set)
    query = (
        select(deliveries.c.subscriber_id, deliveries.c.edition_id)
        .join(editions, editions.c.id == deliveries.c.edition_id)
        .where(
            among(tx, deliveries.c.subscriber_id, sorted(set(subscriber_ids))),
            deliveries.c.state.in_(_SENT),
            editions.c.composed_at >= composed_since,
        )
    )
    for subscriber_id, edition_id in tx.execute(query).all():
        sent[subscriber_id].add(edition_id)
    alike: dict[frozenset[int], frozenset[int]] = {}  # thousands were sent the same: one set serves them all
    found = {key: frozenset(value) for key, value in sent.items()}
    return {key: alike.setdefault(value, value) for key, value in found.items()}


def sent_with(tx: Tx, subscriber_id: int, entry_ids: Sequence[int]) -> tuple[tuple[Delivery, datetime], ...]:
    """(delivery, its edition's slot) of what counts as sent to a subscriber and printed one of these rows, oldest
    first.
    """
    ids = list(entry_ids)
    printed = select(items.c.entry_id).where(items.c.edition_id == editions.c.id, items.c.entry_id.in_(ids)).exists()
    counted = (
        select(counts_as.c.entry_id)
        .where(counts_as.c.edition_id == editions.c.id, counts_as.c.entry_id.in_(ids))
        .exists()
    )
    query = (
        select(deliveries, editions.c.slot_at)
        .join(editions, editions.c.id == deliveries.c.edition_id)
        .where(deliveries.c.subscriber_id == subscriber_id, deliveries.c.state.in_(_SENT), or_(printed, counted))
        .order_by(deliveries.c.id)
    )
    return tuple((delivery_of(row), row.slot_at) for row in tx.execute(query))


def needed_messages(tx: Tx) -> frozenset[str]:
    """Keys of the messages that an unfinished delivery may still send, with the single ones behind a joined mail."""
    found: set[str] = set()
    for waits in in_states([*OPEN, DeliveryState.DEFERRED.value, DeliveryState.UNCERTAIN.value]):
        alone = select(editions.c.key).join(deliveries, deliveries.c.edition_id == editions.c.id).where(waits)
        found.update(tx.execute(select(deliveries.c.message_key).where(waits).distinct()).scalars())
        found.update(tx.execute(alone.distinct()).scalars())
    return frozenset(found)


def counts(
    tx: Tx, *, digest: str = "", local_date: date | None = None, ids: Sequence[int] | None = None
) -> Mapping[str, int]:
    """Deliveries by state; what retention has folded into daily totals is included unless ids are named."""
    if ids is not None:
        found: Counter[str] = Counter()
        of_ids = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        for some in batched(ids, 500):
            for state, number in tx.execute(of_ids.where(deliveries.c.id.in_(some))):
                found[state] += number
        return found
    found = Counter(unfolded(tx, digest=digest, local_date=local_date))
    folded = select(totals.c.state, func.sum(totals.c.count)).group_by(totals.c.state)
    if digest:
        folded = folded.where(totals.c.digest == digest)
    if local_date is not None:
        # A notice has no date of its own; its total stands under the day it was planned.
        folded = folded.where(totals.c.local_date == local_date, totals.c.kind == "edition")
    for state, number in tx.execute(folded):
        found[state] += int(number)
    return found


def unfolded(tx: Tx, *, digest: str = "", local_date: date | None = None) -> Mapping[str, int]:
    """Deliveries that stand in the ledger, by state.

    Nearly all of them are accepted, and no index tells these apart. So all are counted in the index of the days, the
    others in the indexes that hold them, and the accepted ones are what is left: in one statement, for else a mail
    that is settled meanwhile would be counted twice or not at all.
    """
    state = deliveries.c.state
    listed: list[ColumnElement[bool]] = []
    apart: list[ColumnElement[bool]] = []
    if digest:
        listed.append(deliveries.c.digest == digest)
        # The same, said so that no index of all states is thought to be of use.
        apart.append(deliveries.c.digest.concat("") == digest)
    if local_date is not None:
        listed.append(deliveries.c.local_date == local_date)
        apart.append(deliveries.c.local_date == local_date)
    states = select(state, func.count()).group_by(state)
    counted = tx.execute(
        union_all(
            select(literal_column("''", String), func.count(deliveries.c.id)).where(*listed),
            states.where(IS_TROUBLED, *listed),
            states.where(IS_WAITING, state == DeliveryState.QUEUED.value, *apart),
            states.where(IS_HELD, state.in_(HELD), *apart),
        )
    )
    found = {str(name): int(number) for name, number in counted}
    every = found.pop("")
    found[DeliveryState.ACCEPTED.value] = every - sum(found.values())
    return found


def listing(
    tx: Tx,
    *,
    states: Sequence[str] = (),
    digest: str = "",
    address: str = "",
    slot: tuple[date, str] | None = None,
    local_date: date | None = None,
    after: int = 0,
    limit: int = 100,
    newest: bool = False,
) -> tuple[Delivery, ...]:
    """Deliveries by id, oldest first (``newest``: the newest first), those behind ``after``."""
    some = deliveries.c.id > after
    if digest:
        # With states, said so that no index of all states is taken.
        some &= (deliveries.c.digest.concat("") if states else deliveries.c.digest) == digest
    if address:
        some &= addressed(address)
    if slot is not None:
        some &= and_(deliveries.c.local_date == slot[0], deliveries.c.digest == slot[1])
    if local_date is not None:
        some &= deliveries.c.local_date == local_date
    order = deliveries.c.id.desc() if newest else deliveries.c.id.asc()
    found: list[Row[Any]] = []
    for of_states in in_states(states):
        found += tx.execute(select(deliveries).where(of_states, some).order_by(order).limit(limit))
    found.sort(key=lambda row: row.id, reverse=newest)
    return tuple(delivery_of(row) for row in found[:limit])


def in_states(states: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    """Conditions that together mean these states (none: every state), each one a search in the index that holds them.

    A database finds a partial index by its own condition only, so that stands beside the states, written out.
    """
    if not states:
        return (true(),)
    left = list(dict.fromkeys(states))
    found: list[ColumnElement[bool]] = []
    for members, condition in (
        (WAITING, IS_WAITING),
        (HELD, IS_HELD),
        (TROUBLED, IS_TROUBLED),
    ):
        if here := [state for state in left if state in members]:
            found.append(and_(condition, deliveries.c.state.in_(here)))
            left = [state for state in left if state not in members]
    return (*found, deliveries.c.state.in_(left)) if left else tuple(found)


def addressed(address: str) -> ColumnElement[bool]:
    """To this address: found by its reader, or among the few that have none (alerts)."""
    reader = select(subscribers.c.id).where(subscribers.c.address == address).scalar_subquery()
    of_reader = or_(deliveries.c.subscriber_id == reader, deliveries.c.subscriber_id.is_(None))
    return and_(deliveries.c.address == address, of_reader)


def one(tx: Tx, delivery_id: int) -> Delivery | None:
    row = tx.execute(select(deliveries).where(deliveries.c.id == delivery_id)).first()
    return delivery_of(row) if row is not None else None


def tries(tx: Tx, delivery_id: int) -> tuple[Row[Any], ...]:
    """The attempts of a delivery, oldest first: started_at, ended_at, outcome, code, enhanced, remote."""
    return tuple(tx.execute(select(attempts).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.id)))


def tries_of(tx: Tx, ids: Sequence[int]) -> Mapping[int, Sequence[Row[Any]]]:
    """The attempts of deliveries, as ``tries`` gives those of one."""
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    query = select(attempts).where(among(tx, attempts.c.delivery_id, ids))
    for row in tx.execute(query.order_by(attempts.c.id)):
        found[row.delivery_id].append(row)
    return found


def is_suppressed(tx: Tx, delivery_id: int) -> bool:
    """Whether a delivery's address is on the suppression list."""
    listed = suppressions.c.key == deliveries.c.address_key
    query = select(deliveries.c.id).join(suppressions, listed).where(deliveries.c.id == delivery_id)
    return tx.execute(query).first() is not None


def later_edition(tx: Tx, delivery: Delivery) -> bool:
    """Whether this reader has a newer edition planned or sent (its works may stand in it)."""
    query = select(deliveries.c.id).where(
        _IS_EDITION, deliveries.c.subscriber_id == delivery.subscriber_id, deliveries.c.id > delivery.id
    )
    return tx.execute(query.limit(1)).first() is not None


def force(tx: Tx, delivery_id: int, state: DeliveryState, *, now: datetime, reason: str) -> None:
    """The operator's word: moves a delivery and its group to a state."""
    done = state is not DeliveryState.QUEUED
    # What waits may be bound to a relay that has it already, perhaps; what was refused for certain is free again.
    bound = case((deliveries.c.state.in_(WAITING), deliveries.c.relay), else_="")
    tx.execute(
        update(deliveries)
        .where(group(DeliveryId(delivery_id)))
        .values(
            state=state.value,
            reason=reason,
            next_at=now,
            lease="",
            leased_until=None,
            settled_at=now if done else None,
            relay=bound,
        )
    )


def pause(tx: Tx, digest: str, now: datetime) -> bool:
    return add_missing(tx, pauses, [{"digest": digest, "since_at": now}]) == 1


def resume(tx: Tx, digest: str) -> bool:
    return bool(tx.execute(delete(pauses).where(pauses.c.digest == digest)).rowcount)


def paused(tx: Tx) -> tuple[str, ...]:
    return tuple(tx.execute(select(pauses.c.digest).order_by(pauses.c.digest)).scalars())


def ended(state: DeliveryState, reason: str, now: datetime) -> dict[str, Any]:
    """How a row that waits is ended: as ``state``, or where an earlier try may have arrived as uncertain, for then its
    works count as sent.
    """
    doubted = deliveries.c.relay != ""  # a row that waits is bound to a relay for no other reason
    return {
        "state": case((doubted, DeliveryState.UNCERTAIN.value), else_=state.value),
        "reason": case((doubted, f"{reason}; {EARLIER}"), else_=reason),
        "lease": "",
        "leased_until": None,
        "settled_at": now,
    }


def cancel(tx: Tx, digest: str, now: datetime) -> int:
    """Ends what waits of a digest ("*": of all); its works are free again. What is on the wire finishes."""
    query = update(deliveries).where(deliveries.c.state.in_([*WAITING, DeliveryState.LEASED.value]))
    if digest != "*":
        query = query.where(deliveries.c.digest == digest)
    number = tx.execute(query.values(**ended(DeliveryState.EXPIRED, "cancelled", now))).rowcount
    if number and digest != "*":
        part(tx, now)
    return number


def doubt_open(tx: Tx, now: datetime) -> int:
    """After a restore nobody knows whether what was open has been sent meanwhile: it becomes uncertain."""
    doubted = tx.execute(
        update(deliveries)
        .where(deliveries.c.state.in_([*OPEN, DeliveryState.DEFERRED.value]))
        .values(
            state=DeliveryState.UNCERTAIN.value,
            lease="",
            leased_until=None,
            settled_at=now,
            reason="open in the backup this database was restored from",
        )
    )
    return doubted.rowcount


def next_due(tx: Tx) -> datetime | None:
    """When the next waiting delivery may go."""
    return tx.execute(select(func.min(deliveries.c.next_at)).where(IS_WAITING)).scalar()


def forget_address(tx: Tx, subscriber_id: SubscriberId, now: datetime) -> None:
    """Ends what waits for a subscriber and takes the address out of the ledger."""
    mine = deliveries.c.subscriber_id == subscriber_id
    tx.execute(
        update(deliveries)
        .where(mine, deliveries.c.state.in_([*WAITING, DeliveryState.LEASED.value]))
        .values(state=DeliveryState.SUPPRESSED.value, reason="erased", lease="", settled_at=now)
    )
    # Two who were asked at one instant and are erased must not be taken for one.
    tx.execute(update(deliveries).where(mine, IS_NOTICE).values(notice_key=cast(deliveries.c.id, String)))
    tx.execute(update(deliveries).where(mine).values(address="", remote=""))
    of_mine = select(deliveries.c.id).where(mine)
    tx.execute(update(attempts).where(attempts.c.delivery_id.in_(of_mine)).values(remote=""))


def part(tx: Tx, now: datetime) -> None:
    """Parts joined mails of which a share has ended: what still waits goes out on its own."""
    share, other = deliveries.alias(), deliveries.alias()
    waits = [*WAITING, DeliveryState.LEASED.value]
    joined = func.coalesce(share.c.leader_id, share.c.id)
    broken = (
        select(joined)
        .join(other, or_(other.c.id == share.c.leader_id, other.c.leader_id == share.c.id))
        .where(share.c.state.in_(waits), other.c.settled_at.is_not(None))
    )
    for leader in tx.execute(broken.distinct()).scalars().all():
        rows = tx.execute(
            select(deliveries.c.id, deliveries.c.state, editions.c.key)
            .join(editions, editions.c.id == deliveries.c.edition_id)
            .where(group(leader))
        ).all()
        for row in rows:
            after: dict[str, object] = {"leader_id": None}
            if row.state in waits:
                after |= {"message_key": row.key, "next_at": now, "lease": "", "leased_until": None}
                after["state"] = DeliveryState.QUEUED.value
            tx.execute(update(deliveries).where(deliveries.c.id == row.id).values(**after))


def group(delivery_id: DeliveryId) -> ColumnElement[bool]:
    return or_(deliveries.c.id == delivery_id, deliveries.c.leader_id == delivery_id)


def delivery_of(row: Row[Any]) -> Delivery:
    return Delivery(
        id=DeliveryId(row.id),
        kind=row.kind,
        address=row.address,
        state=DeliveryState(row.state),
        message_key=MessageKey(row.message_key),
        digest=row.digest,
        subscriber_id=SubscriberId(row.subscriber_id) if row.subscriber_id is not None else None,
        subscription_id=SubscriptionId(row.subscription_id) if row.subscription_id is not None else None,
        local_date=row.local_date,
        notice_key=row.notice_key,
        edition_id=EditionId(row.edition_id) if row.edition_id is not None else None,
        leader_id=DeliveryId(row.leader_id) if row.leader_id is not None else None,
        created_at=row.created_at,
        next_at=row.next_at,
        expires_at=row.expires_at,
        attempts=row.attempts,
        reason=row.reason,
        code=row.code,
        enhanced=row.enhanced,
        remote=row.remote,
        settled_at=row.settled_at,
    )
