"""Slots under way: how many readers lacked one when it was opened, who publishes which part, and what came of it.

A slot is served in cohorts: the readers whose preferences fall on a number, and last of all whoever still lacks it. So
readers who share a profile are in one place, and whoever moved from one cohort to another meanwhile is not left out. Of
preferences that very many share, a cohort may leave the rest to further ones, by ranges of ids: what they get stands by
then. A cohort's counts are written with the deliveries that they count, by its holder only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Row,
    String,
    Table,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    update,
)

from digest.model.editions import Slot
from digest.storage.base import Instant, Tx, add_missing, metadata
from digest.storage.lacking import Part

slots = Table(
    "slots",
    metadata,
    Column("digest", String(200), primary_key=True),
    Column("local_date", Date, primary_key=True),
    Column("slot_at", Instant, primary_key=True),
    Column("opened_at", Instant, nullable=False),
    Column("composed_at", Instant, nullable=False),  # as of when all its editions are composed, whoever does it
    Column("insisted", Boolean, nullable=False),  # also for readers who joined after it
    Column("cohorts", Integer, nullable=False),  # by preferences; that of this number is for whoever is left
    Column("lacked", Integer, nullable=False),
    Column("completed_at", Instant),
    Column("told", JSON, nullable=False),
)
_IS_OPEN = slots.c.completed_at.is_(None)
Index("ix_slots_open", slots.c.digest, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN)

cohorts = Table(
    "cohorts",
    metadata,
    Column("digest", String(200), primary_key=True),
    Column("local_date", Date, primary_key=True),
    Column("slot_at", Instant, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("holder", String(100), nullable=False),
    Column("until", Instant),
    Column("done_at", Instant),
    Column("counted", JSON, nullable=False),  # slot (its key with its digest) -> what came of a reader -> how many
    ForeignKeyConstraint(
        ["digest", "local_date", "slot_at"], ["slots.digest", "slots.local_date", "slots.slot_at"], ondelete="CASCADE"
    ),
)
Index("ix_cohorts_slot_at", cohorts.c.slot_at)

#: Beside what came of readers: so many of them were not among those who lacked the slot when it was opened.
CAME = "came"
Counts = Mapping[str, int]
#: Cohorts from this number on are ranges of ids; below are the others, of which there are never so many.
RANGES = 1000
#: Beside the slots in a range's counts: which readers it has.
_RANGE = ""
_NONE: Counts = {}
_KEY = ("digest", "local_date", "slot_at")


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """For whom a slot is opened, and how it is to be served."""

    now: datetime
    as_of: datetime
    """As of when its editions are composed."""
    insisted: bool
    lacked: int
    into: int
    """How many cohorts tell readers apart by preferences."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cohort:
    """A part of a slot's readers, and who serves it."""

    slot: Slot
    number: int
    of: int
    """How many are told apart by preferences; the cohort of that number is everybody who is left."""
    opened_at: datetime
    composed_at: datetime
    insisted: bool
    holder: str
    counted: Mapping[str, Counts]

    @property
    def part(self) -> Part | None:
        """Who belongs to it; None for the last one."""
        if self.number >= RANGES:
            return Part(**self.counted[_RANGE])
        return Part(number=self.number, of=self.of) if self.number < self.of else None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnderWay:
    """A slot that is not complete."""

    slot: Slot
    opened_at: datetime
    readers: int
    """Who lacked it when it was opened, and who came since."""
    served: int


def open_slot(tx: Tx, slot: Slot, opening: Opening) -> bool:
    """Opens a slot for readers who lack it; False where it was opened before."""
    values: dict[str, object] = {"lacked": opening.lacked, "cohorts": opening.into, "told": _NONE}
    if not add_missing(tx, slots, [{**_named(slot), **_opened(opening), **values}]):
        return False
    _add_cohorts(tx, slot, opening.into)
    return True


def hold_complete(tx: Tx, slot: Slot) -> bool:
    """Whether a slot is complete; then nobody else opens it again before the transaction ends."""
    done = select(slots.c.digest).where(*_is(slots, slot), slots.c.completed_at.is_not(None))
    return tx.execute(done.with_for_update()).first() is not None


def reopen(tx: Tx, slot: Slot, opening: Opening) -> None:
    """Opens a complete slot for readers who lack it since; where they are few, all are of the last cohort."""
    held = tx.execute(select(slots.c.cohorts).where(*_is(slots, slot))).scalar_one()
    last = max(held, opening.into)
    _add_cohorts(tx, slot, last)
    values = {**_opened(opening), "lacked": slots.c.lacked + opening.lacked, "cohorts": last}
    tx.execute(update(slots).where(*_is(slots, slot)).values(**values))
    again = cohorts.c.number.between(0 if opening.into else last, last)
    tx.execute(update(cohorts).where(*_is(cohorts, slot), again).values(done_at=None, holder="", until=None))


def holders(tx: Tx, digests: Sequence[str]) -> tuple[str, ...]:
    """Who holds cohorts of these digests that are not done, in time or not."""
    query = select(cohorts.c.holder).where(cohorts.c.done_at.is_(None), cohorts.c.holder != "", _of(digests))
    return tuple(tx.execute(query.distinct()).scalars())


def are_free(tx: Tx, digests: Sequence[str], now: datetime) -> bool:
    """Whether somebody could take a cohort now."""
    query = select(cohorts.c.number).join(slots, and_(*(cohorts.c[name] == slots.c[name] for name in _KEY)))
    return tx.execute(query.where(_are_free(now, ()), _of(digests)).limit(1)).first() is not None


def _are_free(now: datetime, dead: Sequence[str]) -> ColumnElement[bool]:
    """Cohorts, beside their slots, that nobody holds and whose turn it is."""
    other = cohorts.alias()
    undone = select(other.c.number).where(
        *(other.c[name] == slots.c[name] for name in _KEY), other.c.number != slots.c.cohorts, other.c.done_at.is_(None)
    )
    return and_(
        slots.c.completed_at.is_(None),
        cohorts.c.done_at.is_(None),
        or_(cohorts.c.holder == "", cohorts.c.until <= now, cohorts.c.holder.in_(dead)),
        or_(cohorts.c.number != slots.c.cohorts, ~undone.exists()),
    )


def take(
    tx: Tx, digests: Sequence[str], *, holder: str, now: datetime, until: datetime, dead: Sequence[str] = ()
) -> Cohort | None:
    """Takes a cohort that nobody holds, or no longer, in the order of the digests: where two would print a work, it is
    the first one's. The last cohort of a slot is free only when all others are done.
    """
    found = tx.execute(
        select(slots, cohorts.c.number, cohorts.c.counted)
        .join(cohorts, and_(*(cohorts.c[name] == slots.c[name] for name in _KEY)))
        .where(_are_free(now, dead), _of(digests))
        .order_by(
            case({name: place for place, name in enumerate(digests)}, value=slots.c.digest),
            slots.c.slot_at,
            slots.c.local_date,
            cohorts.c.number,
        )
        .limit(1)
        .with_for_update(of=cohorts, skip_locked=True)
    ).first()
    if found is None:
        return None
    slot = _slot(found)
    theirs = update(cohorts).where(*_is(cohorts, slot), cohorts.c.number == found.number)
    tx.execute(theirs.values(holder=holder, until=until))
    return Cohort(
        slot=slot,
        number=found.number,
        of=found.cohorts,
        opened_at=found.opened_at,
        composed_at=found.composed_at,
        insisted=found.insisted,
        holder=holder,
        counted=found.counted,
    )


def keep(tx: Tx, cohort: Cohort, until: datetime) -> bool:
    """Renews a cohort's lease, and keeps everybody from taking it before the transaction ends; False where somebody
    else has it."""
    if tx.dialect.name == "postgresql":
        # Who stands still in the midst of it would keep the cohort, and its readers, for ever.
        tx.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '5min'")
    return _change(tx, cohort, until=until)


def count(tx: Tx, cohort: Cohort, counted: Mapping[str, Counts]) -> None:
    """Writes what came of a cohort's readers so far; it is kept already."""
    _change(tx, cohort, counted=counted)


def finish(tx: Tx, cohort: Cohort, now: datetime) -> bool:
    """Ends a cohort; False where somebody else has it."""
    return _change(tx, cohort, done_at=now, holder="", until=None)


def add_ranges(tx: Tx, slot: Slot, parts: Sequence[Part]) -> None:
    """Adds a cohort for each of these ranges of ids."""
    tx.execute(select(slots.c.digest).where(*_is(slots, slot)).with_for_update(key_share=True))  # one at a time
    greatest = tx.execute(select(func.max(cohorts.c.number)).where(*_is(cohorts, slot))).scalar_one()
    first = max(RANGES, greatest + 1)
    _add(tx, slot, {first + place: {_RANGE: asdict(part)} for place, part in enumerate(parts)})


def give_back(tx: Tx, cohort: Cohort) -> None:
    """Leaves a cohort to others as it is."""
    _change(tx, cohort, holder="", until=None)


def complete(tx: Tx, slot: Slot, now: datetime, missing: str) -> Counts:
    """Ends a slot: everybody who lacked it when it was opened, or came since, was served, or is told apart.

    Gives the sum, in which ``readers`` is that of all others; ``missing`` names what became of those who lacked it and
    did not any more when their turn came.
    """
    lacked = tx.execute(select(slots.c.lacked).where(*_is(slots, slot))).scalar_one()
    told = tally(tx, slot)
    came = told.pop(CAME, 0)
    # Who chose this hour after the slot was opened came, too, and is seen by there being more than there were.
    readers = max(lacked + came, sum(told.values()))
    if left := readers - sum(told.values()):
        told[missing] = left
    tx.execute(update(slots).where(*_is(slots, slot)).values(completed_at=now, told={"readers": readers, **told}))
    return {"readers": readers, **told}


def tally(tx: Tx, slot: Slot) -> Counter[str]:
    """What came of a slot's readers so far, wherever they were served: a mail of several digests is of one cohort."""
    found: Counter[str] = Counter()
    for counted in tx.execute(select(cohorts.c.counted).where(cohorts.c.slot_at == slot.at)).scalars():
        found.update(counted.get(name_of(slot), {}))
    return found


def is_open(tx: Tx, slot: Slot) -> bool:
    query = select(slots.c.digest).where(*_is(slots, slot), slots.c.completed_at.is_(None))
    return tx.execute(query).first() is not None


def composed_at(tx: Tx, slot: Slot) -> datetime | None:
    """As of when a slot's editions are composed; None for one that nobody lacked."""
    return tx.execute(select(slots.c.composed_at).where(*_is(slots, slot))).scalar()


def are_open(tx: Tx, digests: Sequence[str]) -> bool:
    """Whether one of these digests has a slot that is not complete."""
    query = select(slots.c.digest).where(slots.c.completed_at.is_(None), slots.c.digest.in_(digests))
    return tx.execute(query.limit(1)).first() is not None


def under_way(tx: Tx) -> tuple[UnderWay, ...]:
    """The slots that are not complete, the oldest first."""
    query = select(slots).where(slots.c.completed_at.is_(None)).order_by(slots.c.slot_at, slots.c.digest)
    found: list[UnderWay] = []
    for row in tx.execute(query).all():
        told = tally(tx, _slot(row))
        readers = row.lacked + told.pop(CAME, 0)
        served = sum(told.values())
        found.append(UnderWay(slot=_slot(row), opened_at=row.opened_at, readers=max(readers, served), served=served))
    return tuple(found)


def told_of(tx: Tx, slot: Slot) -> Counts | None:
    """What came of a slot; None while it is not complete."""
    query = select(slots.c.told).where(*_is(slots, slot), slots.c.completed_at.is_not(None))
    return tx.execute(query).scalar()


def prune(tx: Tx, before: date) -> int:
    """Drops slots of before a date with their cohorts; gives how many went."""
    tx.execute(delete(cohorts).where(cohorts.c.local_date < before))
    return tx.execute(delete(slots).where(slots.c.local_date < before)).rowcount


def name_of(slot: Slot) -> str:
    """A slot's name in counts; instants and dates are not enough, for a mail may be of several digests."""
    return f"{slot.digest} {slot.key}"


def _named(slot: Slot) -> dict[str, object]:
    return dict(zip(_KEY, (slot.digest, slot.local_date, slot.at), strict=True))


def _is(table: Table, slot: Slot) -> list[Any]:
    return [table.c[name] == value for name, value in _named(slot).items()]


def _of(digests: Sequence[str]) -> Any:
    return cohorts.c.digest.in_(digests)


def _slot(row: Row[Any]) -> Slot:
    return Slot(digest=row.digest, local_date=row.local_date, at=row.slot_at)


def _opened(opening: Opening) -> dict[str, object]:
    return {
        "opened_at": opening.now,
        "composed_at": opening.as_of,
        "insisted": opening.insisted,
        "completed_at": None,
    }


def _add_cohorts(tx: Tx, slot: Slot, last: int) -> None:
    _add(tx, slot, dict.fromkeys(range(last + 1), _NONE))


def _add(tx: Tx, slot: Slot, counted: Mapping[int, object]) -> None:
    """Adds those cohorts, by number, that are not there, with these counts."""
    each: dict[str, object] = {**_named(slot), "holder": "", "until": None, "done_at": None}
    add_missing(tx, cohorts, [{**each, "number": number, "counted": counts} for number, counts in counted.items()])


def _change(tx: Tx, cohort: Cohort, **values: object) -> bool:
    mine = (cohorts.c.number == cohort.number, cohorts.c.holder == cohort.holder, cohorts.c.done_at.is_(None))
    changed = tx.execute(update(cohorts).where(*_is(cohorts, cohort.slot), *mine).values(**values))
    return bool(changed.rowcount)
