"""Serving one cohort: its readers by pages, one edition for those who share profile and history, until nobody lacks the
slot.

What is printed is printed before a transaction begins. In it the readers are held, so that nobody else plans for them,
and their history is read again: whoever was sent something meanwhile is looked at again, and nothing is printed twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from digest.model.editions import Digest, EditionId, Slot
from digest.model.errors import Conflict
from digest.model.feeds import EntryId
from digest.model.people import SubscriberId, Subscription, SubscriptionId
from digest.rendering import remarks
from digest.services.ports import Clock, Wake, Work
from digest.services.publishing.cohorts import Held, pages
from digest.services.publishing.composing import Composer, Wanted
from digest.services.publishing.due import Dues, Hour, Wishes
from digest.services.publishing.planning import Line, Plan, Unit, Written, plan
from digest.services.publishing.press import Press, Pressed
from digest.services.publishing.together import compose_chain, composer_base, one_mail
from digest.storage import editions, lacking, people, tastes
from digest.storage.base import Tx, batched
from digest.storage.engine import Store
from digest.storage.lacking import Standing

#: Editions that are printed before they are written together: they are held in memory meanwhile.
_TOGETHER = 16
#: Printed editions of which is remembered what came of them.
_KEPT = 10_000
#: How often a transaction is tried that other writers got in the way of.
_TRIES = 5
_NOTHING: frozenset[EntryId] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedSlot:
    """What came of one digest's slot."""

    digest: str
    slot: Slot
    readers: int
    """For how many the slot was due."""
    editions: int
    planned: int
    reason: str
    """Why some or all got no mail; empty when everybody has one."""
    notes: tuple[str, ...] = ()


#: What editions in one mail are printed by: per digest the name of the wish, and the history that matters to it.
EditionsKey = tuple[tuple[str, frozenset[EntryId]], ...]


@dataclass(slots=True)
class Tally:
    """What one call did for a slot, of however many cohorts."""

    readers: int = 0
    planned: int = 0
    editions: set[EditionId] = field(default_factory=set[EditionId])
    reason: str = ""
    notes: tuple[str, ...] = ()

    def count(self, line: Line, readers: int) -> None:
        self.readers += readers
        if line.id is not None:
            self.editions.add(line.id)
        if not line.printed:
            self.reason = remarks.sentences(line.reason)
            self.notes = tuple(map(remarks.for_operator, line.notes))

    def told(self, slot: Slot) -> PublishedSlot:
        return PublishedSlot(
            digest=slot.digest,
            slot=slot,
            readers=self.readers,
            editions=len(self.editions),
            planned=self.planned,
            reason=self.reason,
            notes=self.notes,
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """What one transaction wrote: editions that are new, which of the old ones cannot be mailed any more, and who had
    which of them."""

    fresh: Mapping[EditionsKey, Written]
    gone: Set[EditionsKey]
    steady: Sequence[tuple[Written, Sequence[Unit]]]
    plan: Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """Serves a cohort that is ours."""

    store: Store
    digests: Sequence[Digest]
    digest: Digest
    """Whose slot it is; a reader may wish others of ``digests`` in the same mail."""
    held: Held
    press: Press
    composer: Composer
    wishes: Wishes
    key: bytes
    clock: Clock
    wake: Wake
    tallies: Mapping[Slot, Tally]
    written: dict[EditionsKey, Written]
    """What stands already, as far as it is known; what is written is added."""

    def run(self, stop: Event) -> bool:
        """Serves them, but for those whom it leaves to others; False where it was told to stop before. Raises Lost."""
        slot, part = self.held.cohort.slot, self.held.cohort.part

        def dues(hour: Hour) -> Dues:
            return self.wishes.lackers(self.digest, hour, slot)

        waits = True
        while waits:
            waits = False
            for page in pages(self.store, self.digest, dues, part, self.held.unlike):
                self.held.meet(page)
                for groups in self._groups(list(self._units(page))):
                    if stop.is_set():
                        return False
                    waits |= self._publish(groups)
        return True

    def _units(self, page: Sequence[Subscription]) -> Iterator[Unit]:
        for reader in page:
            wanted = self.wishes.of(self.digest, reader)
            if wanted is None or wanted.slot != self.held.cohort.slot:
                continue
            if not reader.joined:
                yield Unit((reader,), (wanted,))
                continue
            with self.store.reading() as tx:
                others = tastes.added(tx, people.subscriptions_of(tx, reader.subscriber_id))
            together = one_mail(self.digests, reader, wanted, others, self.wishes.of)
            yield Unit(tuple(r for r, _ in together), tuple(w for _, w in together))

    def _groups(self, units: Sequence[Unit]) -> Iterator[Mapping[EditionsKey, Sequence[Unit]]]:
        """Units by the editions they share: same digests, slots, profiles, windows and relevant history.

        Each yield is to be written together: first all whose editions stand already, then those that are still to be
        printed, some editions at a time and those of one profile beside each other.
        """
        with self.store.reading() as tx:
            history = _history(tx, units, self.composer)
        names: dict[int, str] = {}
        groups: dict[EditionsKey, list[Unit]] = defaultdict(list)
        for unit in units:
            sent = history.get(unit.subscriber, _NOTHING)
            for wanted in unit.wanted:
                if id(wanted) not in names:
                    names[id(wanted)] = wanted.name
            groups[tuple((names[id(w)], self.composer.relevant(w, sent)) for w in unit.wanted)].append(unit)
        known = [key for key in groups if key in self.written]
        if known:
            yield {key: groups[key] for key in known}
        fresh = sorted(groups.keys() - known, key=lambda key: [name for name, _ in key])
        for some in batched(fresh, _TOGETHER):
            yield {key: groups[key] for key in some}

    def _publish(self, groups: Mapping[EditionsKey, Sequence[Unit]]) -> bool:
        """Prints what does not stand yet, and writes it; whether somebody was left for another look."""
        step = self._tried(groups)
        for one, group in step.steady:
            for line in one.lines:
                self.tallies[line.slot].count(line, len(group))
        for slot, number in step.plan.made.items():
            self.tallies[slot].planned += number
        if len(self.written) + len(step.fresh) > _KEPT:
            self.written.clear()
        for key in step.gone:
            self.written.pop(key, None)
        self.written.update(step.fresh)
        return sum(map(len, groups.values())) > sum(len(group) for _, group in step.steady)

    def _tried(self, groups: Mapping[EditionsKey, Sequence[Unit]]) -> _Step:
        """Two writers may wait for each other, or freeze the same edition: then what the other one froze is printed."""
        left = _TRIES
        while True:
            left -= 1
            fresh = groups.keys() - self.written.keys()
            pressed = {key: self._pressed(group[0].wanted, _base(key)) for key, group in groups.items() if key in fresh}
            try:
                return self._write(groups, pressed)
            except Conflict:
                if not left:
                    raise

    def _write(self, groups: Mapping[EditionsKey, Sequence[Unit]], pressed: Mapping[EditionsKey, Pressed]) -> _Step:
        """Editions, messages, deliveries, who was served and what came of them: one transaction. Raises Lost."""
        units = [unit for group in groups.values() for unit in group]
        with self.store.transaction() as tx:
            now = self.clock()
            self.held.renew(tx, now)
            people.hold_all(tx, [unit.subscriber for unit in units])
            standings = lacking.standings(tx, [reader.id for unit in units for reader in unit.readers])
            again = _history(tx, units, self.composer)

            fresh = {key: self._freeze(tx, one, now) for key, one in pressed.items()}
            stand = {key: self.written[key] for key in groups if key not in fresh}
            kept = editions.kept_messages(tx, {one.message for one in stand.values()})
            # An old slot's message may have reached the end of its retention meanwhile: it is printed again.
            gone = {key for key, one in stand.items() if one.message and one.message not in kept}
            steady = [
                (one, [unit for unit in groups[key] if self._is_steady(unit, _base(key), standings, again)])
                for key, one in (*fresh.items(), *stand.items())
                if key not in gone
            ]
            done = plan(tx, steady, standings, key=self.key, now=now, opened_at=self.held.cohort.opened_at)
            counted = self.held.count(tx, done.outcomes)
            if done.made:
                self.wake(tx, Work.DELIVER)
        self.held.counted = counted
        return _Step(fresh, gone, steady, done)

    def _is_steady(
        self,
        unit: Unit,
        base: frozenset[EntryId],
        standings: Mapping[SubscriptionId, Standing],
        history: Mapping[int, frozenset[EntryId]],
    ) -> bool:
        """Whether nobody served or sent this reader something meanwhile that matters here."""
        for reader, wanted in zip(unit.readers, unit.wanted, strict=True):
            standing = standings.get(reader.id)
            if standing is not None and not standing.lacks(wanted.slot):
                return False
        return composer_base(self.composer, unit.wanted, history.get(unit.subscriber, _NOTHING)) == base

    def _pressed(self, wanted: Sequence[Wanted], base: frozenset[EntryId]) -> Pressed:
        chain = compose_chain(self.composer, wanted, base)
        return self.press.run([(edition, w.digest) for edition, w in zip(chain, wanted, strict=True)])

    def _freeze(self, tx: Tx, pressed: Pressed, now: datetime) -> Written:
        """Writes the editions that are mailed and their messages."""
        for message in pressed.messages:
            editions.keep_message(tx, message, now)
        lines = tuple(
            Line(
                slot=sheet.edition.slot,
                id=editions.freeze(tx, sheet.edition).id if sheet.alone is not None else None,
                printed=sheet.edition.counts.printed,
                reason=sheet.edition.reason,
                notes=sheet.edition.notes,
            )
            for sheet in pressed.sheets
        )
        return Written(lines, pressed.message.key if pressed.message is not None else "")


def _history(tx: Tx, units: Iterable[Unit], composer: Composer) -> Mapping[int, frozenset[EntryId]]:
    """What the readers were sent, as far back as their editions look; who was sent nothing is absent."""
    by_reach: dict[datetime, list[SubscriberId]] = defaultdict(list)
    for unit in units:
        by_reach[min(wanted.reach for wanted in unit.wanted)].append(unit.subscriber)
    found: dict[int, frozenset[EntryId]] = {}
    for reach, readers in by_reach.items():
        found.update(composer.sent_to(tx, readers, reach))
    return found


def _base(key: EditionsKey) -> frozenset[EntryId]:
    return _NOTHING.union(*(relevant for _, relevant in key))
