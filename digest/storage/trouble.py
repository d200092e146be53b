"""What the ledger says of mails that do not get through: counts of one publication, and what the other side answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from digest.model.mail import OPEN_STATES, DeliveryState
from digest.storage.base import Tx
from digest.storage.deliveries import IS_NOTICE, IS_TROUBLED, deliveries, in_states, unfolded

FAILED = (DeliveryState.REJECTED, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)
WAITING = (*OPEN_STATES, DeliveryState.DEFERRED)
#: From so many failures the most frequent answer is known well enough.
_SAMPLE = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """The mails of one digest and local date."""

    digest: str
    local_date: date
    states: Mapping[str, int]
    waits_since: datetime | None
    """When the oldest of those that are still to be sent was planned."""

    def number(self, *states: DeliveryState) -> int:
        return sum(self.states.get(state.value, 0) for state in states)


def newest(tx: Tx, digest: str, planned_since: datetime) -> Publication | None:
    """A digest's newest publication that was planned since an instant."""
    mine = (deliveries.c.kind == "edition", deliveries.c.digest == digest)
    # By the index of the days, from its end: the first row that fits is the answer.
    day = tx.execute(
        select(deliveries.c.local_date)
        .where(
            *mine,
            deliveries.c.local_date >= (planned_since - timedelta(days=2)).date(),
            deliveries.c.created_at >= planned_since,
        )
        .order_by(deliveries.c.local_date.desc())
        .limit(1)
    ).scalar()
    if day is None:
        return None
    # What was planned first has the least id.
    oldest = [
        tx.execute(
            select(deliveries.c.created_at)
            .where(
                waits,
                deliveries.c.kind == "edition",
                deliveries.c.digest.concat("") == digest,  # said so that no index of all states is taken
                deliveries.c.local_date == day,
            )
            .order_by(deliveries.c.id)
            .limit(1)
        ).scalar()
        for waits in in_states([state.value for state in WAITING])
    ]
    return Publication(
        digest=digest,
        local_date=day,
        states=unfolded(tx, digest=digest, local_date=day),
        waits_since=min((since for since in oldest if since is not None), default=None),
    )


def answer(tx: Tx, publication: Publication) -> tuple[str, int]:
    """(what the other side answers most often to what failed, how often); ("", 0) where it said nothing.

    Answers are alike by their codes: their texts name addresses.
    """
    rows = tx.execute(
        select(deliveries.c.code, deliveries.c.enhanced, deliveries.c.remote, deliveries.c.reason)
        .where(
            deliveries.c.kind == "edition",
            deliveries.c.digest == publication.digest,
            deliveries.c.local_date == publication.local_date,
            IS_TROUBLED,
            deliveries.c.state.in_([state.value for state in FAILED]),
        )
        .order_by(deliveries.c.id)
        .limit(_SAMPLE)
    ).all()
    told = [row for row in rows if row.code or row.remote or row.reason]
    if not told:
        return "", 0
    ((code, enhanced), number) = Counter((row.code, row.enhanced) for row in told).most_common(1)[0]
    first = next(row for row in told if (row.code, row.enhanced) == (code, enhanced))
    said = " ".join(str(part) for part in (code, enhanced, first.remote) if part)
    return said or first.reason, number


def was_alerted(tx: Tx, notice_key: str) -> bool:
    """Whether an alert of this key was planned."""
    query = select(deliveries.c.id).where(
        IS_NOTICE,
        deliveries.c.kind == "alert",
        deliveries.c.notice_key == notice_key,
        deliveries.c.local_date.is_(None),  # so it is looked for in one part only
    )
    return tx.execute(query.limit(1)).first() is not None
