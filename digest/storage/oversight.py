"""The ledger as its operator sees and changes it: counts, answers, what is uncertain, and his decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, and_, func, insert, or_, select, update

from digest.model.mail import DeliveryState
from digest.storage.base import Tx, batched
from digest.storage.bounces import bounces
from digest.storage.deliveries import addressed, attempts, deliveries, in_states


@dataclass(frozen=True, kw_only=True, slots=True)
class Which:
    """Some deliveries; what is left empty does not narrow."""

    states: tuple[str, ...] = ()
    digest: str = ""
    local_date: date | None = None
    address: str = ""


def ids(tx: Tx, which: Which, *, after: int, limit: int) -> tuple[int, ...]:
    """Ids of deliveries behind ``after``, in order."""
    found: list[int] = []
    for some in _conditions(which):
        query = select(deliveries.c.id).where(some, deliveries.c.id > after).order_by(deliveries.c.id).limit(limit)
        found += tx.execute(query).scalars()
    return tuple(sorted(found)[:limit])


def count(tx: Tx, which: Which) -> Mapping[str, int]:
    """Deliveries by state; those of ended retention are not among them."""
    counted: Counter[str] = Counter()
    for some in _conditions(which):
        for state, number in tx.execute(
            select(deliveries.c.state, func.count()).where(some).group_by(deliveries.c.state)
        ):
            counted[state] += number
    return counted


def answers(tx: Tx, which: Which) -> Iterator[Any]:
    """What the servers said and we noted: (state, code, enhanced, said, number, first), one row a different text."""
    d = deliveries.c
    kinds = (d.state, d.code, d.enhanced, d.remote, d.reason)
    for some in _conditions(which):
        yield from tx.execute(
            select(*kinds, func.count().label("number"), func.min(d.id).label("first")).where(some).group_by(*kinds)
        )


def row(tx: Tx, delivery_id: int) -> Row[Any] | None:
    """The whole row, ``tried_at`` included."""
    return tx.execute(select(deliveries).where(deliveries.c.id == delivery_id)).first()


def joined(tx: Tx, leader_id: int) -> tuple[Any, ...]:
    """The rows of one mail: (id, digest, local_date, state), the leading one first."""
    d = deliveries.c
    query = select(d.id, d.digest, d.local_date, d.state).where(or_(d.id == leader_id, d.leader_id == leader_id))
    return tuple(tx.execute(query.order_by(d.id)))


def came_back(tx: Tx, delivery_ids: Sequence[int]) -> tuple[Any, ...]:
    """What came back for deliveries: (kind, status, detail, at), oldest first."""
    b = bounces.c
    query = select(b.kind, b.status, b.detail, b.at).where(b.delivery_id.in_(list(delivery_ids)))
    return tuple(tx.execute(query.order_by(b.at)))


def uncertain(tx: Tx, which: Which, *, after: int, limit: int) -> tuple[Any, ...]:
    """Uncertain mails behind ``after``, whole rows in id order; one a joined mail."""
    (unsure,) = in_states((DeliveryState.UNCERTAIN.value,))
    query = select(deliveries).where(unsure, *_narrowed(which), deliveries.c.leader_id.is_(None))
    return tuple(tx.execute(query.where(deliveries.c.id > after).order_by(deliveries.c.id).limit(limit)))


def accepted_about(tx: Tx, delivery_id: int, *, limit: int) -> tuple[Any, ...]:
    """Accepted mails planned just before and just after one, whole rows; at most ``limit`` on either side."""
    d = deliveries.c
    taken = select(deliveries).where(d.state == DeliveryState.ACCEPTED.value, d.leader_id.is_(None))
    near = 10 * limit  # the rows between may be of any state; nobody waits for a search through all
    before = taken.where(d.id < delivery_id, d.id > delivery_id - near).order_by(d.id.desc()).limit(limit)
    after = taken.where(d.id > delivery_id, d.id < delivery_id + near).order_by(d.id).limit(limit)
    return (*tx.execute(before), *tx.execute(after))


def last_tries(tx: Tx, delivery_ids: Sequence[int]) -> Mapping[int, datetime]:
    """When each was last offered to a server, as far as the ledger still knows."""
    found: dict[int, datetime] = {}
    for some in batched(delivery_ids, 500):
        tried = select(attempts.c.delivery_id, func.max(attempts.c.started_at)).where(attempts.c.delivery_id.in_(some))
        found |= {key: at for key, at in tx.execute(tried.group_by(attempts.c.delivery_id)) if at is not None}
        rows = tx.execute(select(deliveries.c.id, deliveries.c.tried_at).where(deliveries.c.id.in_(some)))
        found |= {key: at for key, at in rows if at is not None}
    return found


def decide(tx: Tx, leader_id: int, before: DeliveryState, values: Mapping[str, object]) -> int:
    """Moves a mail, with all its rows, out of a state; gives how many rows were still in it.

    The try that left it uncertain is kept among its tries.
    """
    mine = and_(
        or_(deliveries.c.id == leader_id, deliveries.c.leader_id == leader_id), deliveries.c.state == before.value
    )
    if before is DeliveryState.UNCERTAIN:
        found = tx.execute(select(deliveries).where(mine, deliveries.c.id == leader_id)).first()
        if found is not None and found.tried_at is not None:
            tx.execute(insert(attempts).values(_as_try(found)))
    return tx.execute(update(deliveries).where(mine).values(**values, lease="", leased_until=None)).rowcount


def _as_try(found: Row[Any]) -> dict[str, object]:
    return {
        "delivery_id": found.id,
        "lease": "",
        "started_at": found.tried_at,
        "ended_at": found.settled_at,
        "outcome": DeliveryState.UNCERTAIN.value,
        "code": found.code,
        "enhanced": found.enhanced,
        "remote": found.reason or found.remote,
    }


def _conditions(which: Which) -> list[Any]:
    return [and_(of_states, *_narrowed(which)) for of_states in in_states(which.states)]


def _narrowed(which: Which) -> list[Any]:
    found: list[Any] = []
    if which.digest:
        found.append(deliveries.c.digest == which.digest)
    if which.local_date is not None:
        found.append(deliveries.c.local_date == which.local_date)
    if which.address:
        found.append(addressed(which.address))
    return found
