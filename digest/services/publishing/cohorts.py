"""Who lacks which slot: slots are opened for them, and served cohort by cohort.

A slot of few readers is one cohort; a large one on PostgreSQL is cut by what readers prefer, so that many workers serve
it and yet each profile is composed in one place. Where very many prefer the same, some are served there, and when what
they get stands the rest is cut into ranges of ids, so that many workers plan for them, too.
What each of a slot's readers came to is counted in the transaction that serves him, so a slot that breaks off stays
open with the rest of its readers, whoever goes on with them.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from digest.model.editions import Digest, Slot
from digest.model.people import Subscription, SubscriptionId
from digest.services.ports import Clock, Wake, Work
from digest.services.publishing.due import Dues, Hour, Wishes
from digest.storage import lacking, slots, tastes
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.lacking import Part

#: Readers looked at and written together. In the order of their ids, so that neighbouring rows lie on one page of the
#: database; and few, for while they are written nobody else can write to SQLite.
PAGE = 2_000
#: Longer than a cohort ever takes from one page to the next. A holder that is known to be dead is not waited for.
LEASE = timedelta(minutes=5)
#: A slot that fewer readers lack is not worth cutting up; of a larger one a cohort has some thousands, if it may.
_FEW = 5_000
_OF_A_COHORT = 2_500
_MOST_COHORTS = 64
#: Preferences that fewer of a page share are too rare to be counted: of them there are no thousands in one cohort.
_RARE = 0.01
#: What became of readers who lacked a slot, and did not when their turn came: by their own doing, or for the next slot
#: was due before it.
GONE = "gone"
OVERTAKEN = "overtaken"
_runs = itertools.count(1)


class Lost(Exception):
    """Somebody else has the cohort: nothing more may be written."""


@dataclass(slots=True)
class Held:
    """A cohort in our hands, and what came of its readers, by slot."""

    cohort: slots.Cohort
    counted: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    unlike: list[SubscriptionId] = field(default_factory=list[SubscriptionId])
    """Of preferences that too many share, one reader each: the others are left to ranges of ids."""
    _met: dict[int, tuple[Mapping[str, object], int]] = field(
        default_factory=dict[int, tuple[Mapping[str, object], int]]
    )

    def meet(self, page: Sequence[Subscription]) -> None:
        """Counts the readers of a page by their preferences; who shares those of too many comes in no further page."""
        part = self.cohort.part
        if part is None or part.until is not None:
            return
        # Equal preferences come as one object. It is held here, so no other can get its id.
        first = {id(one.preferences): one for one in reversed(page)}
        for key, number in Counter(id(one.preferences) for one in page).items():
            if number < _RARE * len(page):
                continue
            _, before = self._met.get(key, ({}, 0))
            self._met[key] = first[key].preferences, before + number
            if before < _OF_A_COHORT <= before + number:
                self.unlike.append(first[key].id)

    def renew(self, tx: Tx, now: datetime) -> None:
        """Begins a transaction that serves readers. Raises Lost."""
        if not slots.keep(tx, self.cohort, now + LEASE):
            raise Lost

    def count(self, tx: Tx, outcomes: Mapping[Slot, Counter[str]]) -> dict[str, Counter[str]]:
        """Writes what came of readers, with the transaction that serves them; gives the sum, ours when it is over."""
        sums = {**self.counted}
        for slot, counted in outcomes.items():
            name = slots.name_of(slot)
            sums[name] = sums.get(name, Counter()) + counted
        slots.count(tx, self.cohort, sums)
        return sums


@dataclass(frozen=True, kw_only=True, slots=True)
class Cohorts:
    """The slots of some digests."""

    store: Store
    digests: Sequence[Digest]
    holder: str
    dead: Callable[[Sequence[str]], list[str]]
    clock: Clock
    wake: Wake

    def open(self, wishes: Wishes) -> int:
        """Opens each slot that somebody lacks; gives how many. Those that are open stay as they are."""
        opened = 0
        for digest in self.digests:
            with self.store.reading() as tx:
                lacked = _lacked(tx, digest, wishes)
            for slot, readers in lacked.items():
                with self.store.transaction() as tx:
                    into = 0 if self.store.is_sqlite else cohorts_for(readers)
                    if not self._open(tx, digest, slot, readers, into, wishes):
                        continue
                    opened += 1
                    if into:
                        self.wake(tx, Work.PUBLISH)
        return opened

    def _open(self, tx: Tx, digest: Digest, slot: Slot, readers: int, into: int, wishes: Wishes) -> bool:
        opening = slots.Opening(now=self.clock(), as_of=wishes.now, insisted=wishes.insist, lacked=readers, into=into)
        if slots.open_slot(tx, slot, opening):
            return True
        if not slots.hold_complete(tx, slot):
            return False
        # Perhaps it was completed just now, and whoever we saw is served.
        again = _lacked(tx, digest, wishes).get(slot, 0)
        if again:
            slots.reopen(tx, slot, replace(opening, lacked=again))
        return bool(again)

    def take(self) -> Held | None:
        """Takes a cohort that is free; None when there is none."""
        names = [digest.name for digest in self.digests]
        with self.store.reading() as tx:
            if not slots.are_open(tx, names):
                return None
            dead = self.dead(slots.holders(tx, names))
        now = self.clock()
        with self.store.transaction() as tx:
            taken = slots.take(tx, names, holder=f"{self.holder}:{next(_runs)}", now=now, until=now + LEASE, dead=dead)
            if taken is not None and slots.are_free(tx, names, now):
                self.wake(tx, Work.PUBLISH)  # there is more than we take
        if taken is None:
            return None
        return Held(taken, {name: Counter(counts) for name, counts in taken.counted.items()})

    def give_back(self, held: Held) -> None:
        """Leaves a cohort as it is to whoever takes it next."""
        with self.store.transaction() as tx:
            slots.give_back(tx, held.cohort)

    def finish(self, held: Held, wishes: Wishes) -> None:
        """Ends a cohort of which nobody lacks the slot any more, with the last one the slot. Raises Lost."""
        slot, now = held.cohort.slot, self.clock()
        (digest,) = (one for one in self.digests if one.name == slot.digest)
        ranges = self._ranges(held, digest, wishes)
        with self.store.transaction() as tx:
            if not slots.finish(tx, held.cohort, now):
                raise Lost
            if ranges:
                slots.add_ranges(tx, slot, ranges)
                self.wake(tx, Work.PUBLISH)
            if held.cohort.part is None:
                dues = (wishes.lackers(digest, hour, slot) for hour in hours(tx, digest))
                is_current = wishes.insist or any(usual is not None for usual, _ in dues)
                slots.complete(tx, slot, now, missing=GONE if is_current else OVERTAKEN)

    def _ranges(self, held: Held, digest: Digest, wishes: Wishes) -> list[Part]:
        """Ranges of ids for whom a cohort left, each of as many readers as a cohort has."""
        part = held.cohort.part
        if part is None or not held.unlike:
            return []
        found: list[lacking.Span] = []
        with self.store.reading() as tx:
            for hour in hours(tx, digest):
                usual, other = wishes.lackers(digest, hour, held.cohort.slot)
                span = lacking.span(tx, digest.name, hour, usual=usual, other=other, part=part)
                if span is not None:
                    found.append(span)
        if not found:
            return []
        first, last = min(one.first for one in found), max(one.last for one in found)
        number = max(1, min(_MOST_COHORTS, sum(one.readers for one in found) // _OF_A_COHORT))
        ends = [first - 1 + (last + 1 - first) * place // number for place in range(number + 1)]
        return [replace(part, after=after, until=until) for after, until in itertools.pairwise(ends) if until > after]

    @property
    def are_open(self) -> bool:
        """Whether one of the slots is not complete: then others have its cohorts, if we found none to take."""
        with self.store.reading() as tx:
            return slots.are_open(tx, [digest.name for digest in self.digests])


def cohorts_for(readers: int) -> int:
    """How many cohorts tell so many readers apart; beside them is always the last one, of whoever is left."""
    return min(_MOST_COHORTS, readers // _OF_A_COHORT) if readers >= _FEW else 0


def pages(
    store: Store,
    digest: Digest,
    dues: Callable[[Hour], Dues],
    part: Part | None = None,
    unlike: Sequence[SubscriptionId] = (),
) -> Iterator[tuple[Subscription, ...]]:
    """Who may lack a slot, by the hours that readers chose; who was served already is not read. ``unlike`` may grow
    from page to page."""
    with store.reading() as tx:
        every = hours(tx, digest)
    for hour in every:
        usual, other = dues(hour)
        if usual is None and other is None:
            continue
        after = 0
        while True:
            with store.reading() as tx:
                page = lacking.lacking(
                    tx, digest.name, hour, usual=usual, other=other, part=part, unlike=unlike, after=after, limit=PAGE
                )
                page = tastes.added(tx, page)
            if page:
                yield page
                after = page[-1].id
            if len(page) < PAGE:
                break


def hours(tx: Tx, digest: Digest) -> tuple[Hour, ...]:
    """The digest's own hour, and those that its readers chose."""
    return (("", ""), *lacking.own_hours(tx, digest.name))


def _lacked(tx: Tx, digest: Digest, wishes: Wishes) -> Mapping[Slot, int]:
    """The slots that readers of a digest lack, and how many each."""
    found: Counter[Slot] = Counter()
    for hour in hours(tx, digest):
        usual, other = wishes.newest(digest, hour)
        for days, number in lacking.count_lacking(tx, digest.name, hour, usual=usual, other=other).items():
            slot = wishes.due_on(digest, hour, days)
            if slot is None:
                continue
            if days and other is not None and slot != other.slot:
                # They lack the newest that any weekdays can give; it is another question whether they lack their own.
                own = wishes.due(digest, hour, slot)
                number = lacking.count_lacking(tx, digest.name, hour, usual=None, other=own).get(days, 0)
            if number:
                found[slot] += number
    return found
