"""What is written with an edition: its readers' deliveries, that they were served, and what came of each of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from digest.delivery.tokens import address_key
from digest.model.editions import EditionId, Remark, Slot
from digest.model.people import SubscriberId, Subscription, SubscriptionId
from digest.services.publishing.composing import Wanted
from digest.storage import deliveries, lacking, people
from digest.storage.base import Tx
from digest.storage.lacking import Standing
from digest.storage.slots import CAME

_Row = dict[str, int | str | None]
#: Of each reader one: a mail is planned, or why there is none.
PLANNED = "planned"
SUPPRESSED = "suppressed"
NOTHING = "nothing"
"""Nothing for him was in the edition."""
LEFT = "left"
PAUSED = "paused"
HAD = "had"
"""He has a delivery of that date already."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One mail to one reader: one digest, or several that the reader wishes to have together."""

    readers: tuple[Subscription, ...]
    wanted: tuple[Wanted, ...]

    @property
    def subscriber(self) -> SubscriberId:
        return self.readers[0].subscriber_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What came of one edition. ``id`` is None where there was nothing to mail."""

    slot: Slot
    id: EditionId | None
    printed: int
    reason: tuple[Remark, ...]
    notes: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Editions that stand in the database, in the order of the digests, and the key of their mail, "" without one."""

    lines: tuple[Line, ...]
    message: str


#: Editions, and who is to have them.
Steady = Sequence[tuple[Written, Sequence[Unit]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one transaction did, by slot: how many deliveries are new, and what came of the readers."""

    made: Counter[Slot]
    outcomes: Mapping[Slot, Counter[str]]


def plan(
    tx: Tx,
    steady: Steady,
    standings: Mapping[SubscriptionId, Standing],
    *,
    key: bytes,
    now: datetime,
    opened_at: datetime,
) -> Plan:
    """Plans the deliveries, and notes that their readers were served. Who was confirmed after ``opened_at`` came since
    the slot was opened."""
    hashed = {unit.subscriber: address_key(unit.readers[0].address, key) for _, group in steady for unit in group}
    listed = people.suppressed(tx, list(hashed.values()))
    made: Counter[Slot] = Counter()
    outcomes: dict[Slot, Counter[str]] = defaultdict(Counter)
    alike: dict[tuple[Slot, str], list[_Row]] = defaultdict(list)
    like: dict[tuple[Slot, str], dict[str, object]] = {}
    served: dict[Slot, list[SubscriptionId]] = defaultdict(list)
    for one, group in steady:
        for unit in group:
            address = hashed[unit.subscriber]
            why = str(listed.get(address, ""))
            rows: list[tuple[Wanted, _Row]] = []
            for reader, wanted, line in zip(unit.readers, unit.wanted, one.lines, strict=True):
                slot = wanted.slot
                served[slot].append(reader.id)
                if reader.confirmed_at is not None and reader.confirmed_at > opened_at:
                    outcomes[slot][CAME] += 1
                if none := _none(line, slot, standings.get(reader.id)):
                    outcomes[slot][none] += 1
                    continue
                rows.append((wanted, _each(reader, line, one.message, address)))
            if len(unit.wanted) > 1:
                several = deliveries.plan_together(tx, [{**_like(wanted, why, now), **row} for wanted, row in rows])
                for number, (wanted, _) in enumerate(rows):
                    made[wanted.slot] += number < several
                    outcomes[wanted.slot][_planned(why) if number < several else HAD] += 1
                continue
            for wanted, row in rows:
                alike[wanted.slot, why].append(row)
                if (wanted.slot, why) not in like:
                    like[wanted.slot, why] = _like(wanted, why, now)
    for (slot, why), some in alike.items():
        # In the order of their readers, as the indexes are, whatever edition they get.
        some.sort(key=itemgetter("subscriber_id"))
        new = deliveries.plan_alike(tx, like[slot, why], some)
        made[slot] += new
        outcomes[slot] += Counter({_planned(why): new, HAD: len(some) - new})
    for slot, ids in served.items():
        lacking.served(tx, sorted(ids), slot.at, slot.local_date.isoformat())
    return Plan(made, outcomes)


def _none(line: Line, slot: Slot, standing: Standing | None) -> str:
    """Why a reader gets no mail: also who left or paused while it was printed. "" where he gets one."""
    if standing is None or not standing.is_confirmed:
        return LEFT
    if standing.paused_until is not None and standing.paused_until > slot.local_date:
        return PAUSED
    return NOTHING if line.id is None else ""


def _planned(why: str) -> str:
    return SUPPRESSED if why else PLANNED


def _like(wanted: Wanted, suppressed: str, now: datetime) -> dict[str, object]:
    """A planned delivery of a slot, but for what ``_each`` says of one."""
    return deliveries.plan_row(
        kind="edition",
        address="",
        address_key="",
        message_key="",
        now=now,
        digest=wanted.digest.name,
        local_date=wanted.slot.local_date,
        expires_at=now + wanted.digest.expire_after,
        suppressed=suppressed,
    )


def _each(reader: Subscription, line: Line, message: str, hashed: str) -> _Row:
    return {
        "subscriber_id": reader.subscriber_id,
        "subscription_id": reader.id,
        "address": reader.address,
        "address_key": hashed,
        "edition_id": line.id,
        "message_key": message,
    }
