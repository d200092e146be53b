"""Publishing: which slots are due for whom, one edition for readers who share profile and history, deliveries planned
with it.

Rendering happens outside transactions; the edition, its message, its deliveries and the mark that the slot was served
are written together, after the readers' history was read again. So a slot published twice is a no-op, nobody can be
skipped, and two digests at one instant cannot both print a work.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.delivery.tokens import address_key
from digest.editions.schedule import due_slot, is_due, local_day, next_slot, schedule_for, slot_on, window_start
from digest.model.editions import Digest, Edition, Slot
from digest.model.errors import SendingRefused
from digest.model.feeds import EntryId
from digest.model.mail import Message
from digest.model.people import SubscriberId, Subscription, SubscriptionId
from digest.rendering import remarks
from digest.services.composing import Composer, Wanted
from digest.services.ports import Clock, Prepare, Print, ProfileOf
from digest.services.press import Press, Pressed
from digest.storage import deliveries, editions, meta, people
from digest.storage.base import Tx
from digest.storage.engine import Store

#: Without a public URL there is no one-click unsubscribing; a few friends may live with the mailto form.
MOST_WITHOUT_URL = 50
_PAGE = 5_000
#: Longer than any publishing takes; a holder of this machine that died is known to be gone and does not wait for it.
_LEASE = timedelta(hours=1)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What one call published. ``upcoming`` tells when each digest goes out next."""

    slots: tuple[PublishedSlot, ...]
    upcoming: tuple[Slot, ...]
    busy: bool = False
    """Another process is publishing; nothing was done."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """One mail to one reader: one digest, or several that the reader wishes to have together."""

    readers: tuple[Subscription, ...]
    wanted: tuple[Wanted, ...]

    @property
    def subscriber(self) -> SubscriberId:
        return self.readers[0].subscriber_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Publish:
    """Publishes what is due."""

    store: Store
    digests: tuple[Digest, ...]
    prepare: Prepare
    print_edition: Print
    profile_of: ProfileOf
    key: bytes
    """The installation's secret, for the keyed hashes of addresses."""
    holder: str
    dead: Callable[[Sequence[str]], list[str]]
    """Which lease holders are processes of this machine that are gone."""
    has_public_url: bool
    clock: Clock
    """The ledger's time.

    A slot of the past is composed as of then, and yet is planned, sent and expires from now on.
    """

    def run(self, now: datetime, *, digests: Sequence[str] | None = None, insist: bool = False) -> Published:
        """Publishes every due slot of the named digests, or of all.

        ``insist``: also to readers who joined after the slot.
        """
        chosen = [digest for digest in self.digests if digests is None or digest.name in digests]
        upcoming = tuple(s for d in chosen if (s := next_slot(d.name, d.schedule, now)) is not None)
        with self.store.transaction() as tx:
            may_send(tx, has_public_url=self.has_public_url)
            other = meta.holder_of(tx, "publish")
            if other is not None and self.dead([other]):
                meta.give_back(tx, "publish", other)
            if not meta.take_lease(tx, "publish", self.holder, self.clock(), self.clock() + _LEASE):
                return Published(slots=(), upcoming=upcoming, busy=True)
        try:
            composer = Composer(self.store, self.prepare, now)
            tallies: dict[Slot, _Tally] = {}
            for digest in chosen:
                self._digest(digest, composer, insist, tallies)
            order = [digest.name for digest in self.digests]
            told = sorted(tallies.items(), key=lambda pair: (order.index(pair[0].digest), pair[0].at))
            return Published(slots=tuple(tally.told(slot) for slot, tally in told), upcoming=upcoming)
        finally:
            with self.store.transaction() as tx:
                meta.give_back(tx, "publish", self.holder)

    def due(
        self, now: datetime, *, digests: Sequence[str] | None = None, insist: bool = False
    ) -> Iterator[tuple[Subscription, Slot]]:
        """Whom ``run`` would serve, and with which slot; nothing changes."""
        for digest in self.digests:
            if digests is None or digest.name in digests:
                for page in self._pages(digest.name):
                    for reader in page:
                        wanted = self._wanted(digest, reader, now, insist)
                        if wanted is not None:
                            yield reader, wanted.slot

    def _digest(self, digest: Digest, composer: Composer, insist: bool, tallies: dict[Slot, _Tally]) -> None:
        has_readers = False
        for page in self._pages(digest.name):
            has_readers = True
            units = list(self._units(digest, page, composer.as_of, insist))
            for unit in units:
                for wanted in unit.wanted:
                    tallies.setdefault(wanted.slot, _Tally()).readers += 1
            for group in self._groups(units, composer):
                self._publish(group, composer, tallies)
        public = self._publish_public(digest, composer)
        if public is not None:
            tally = tallies.setdefault(public.slot, _Tally())
            tally.editions |= {public.key}
            if not tally.readers:
                tally.reason = (
                    "It is due for none of its readers now." if has_readers else "It has no confirmed reader."
                )

    def _pages(self, digest: str) -> Iterator[tuple[Subscription, ...]]:
        after = 0
        while True:
            with self.store.reading() as tx:
                page = people.readers(tx, digest, after=after, limit=_PAGE)
            if page:
                yield page
                after = page[-1].id
            if len(page) < _PAGE:
                return

    def _units(self, digest: Digest, page: Sequence[Subscription], now: datetime, insist: bool) -> Iterator[_Unit]:
        for reader in page:
            wanted = self._wanted(digest, reader, now, insist)
            if wanted is None:
                continue
            if not reader.joined:
                yield _Unit((reader,), (wanted,))
                continue
            with self.store.reading() as tx:
                others = people.subscriptions_of(tx, reader.subscriber_id)
            together = one_mail(
                self.digests, reader, wanted, others, lambda also, other: self._wanted(also, other, now, insist)
            )
            yield _Unit(tuple(r for r, _ in together), tuple(w for _, w in together))

    def _wanted(self, digest: Digest, reader: Subscription, now: datetime, insist: bool) -> Wanted | None:
        return wanted_by(digest, reader, self.profile_of, now, insist=insist)

    def _groups(self, units: Sequence[_Unit], composer: Composer) -> Iterator[list[_Unit]]:
        """Units that will share an edition: same digests, slots, profiles, windows and relevant history."""
        if not units:
            return
        history = self._history(units, composer)
        groups: dict[object, list[_Unit]] = defaultdict(list)
        for unit in units:
            sent = history[unit.subscriber]
            parts = tuple(
                (w.digest.name, w.slot, w.profile.key, w.since, composer.relevant(w, sent)) for w in unit.wanted
            )
            groups[parts].append(unit)
        yield from groups.values()

    def _history(self, units: Sequence[_Unit], composer: Composer) -> Mapping[SubscriberId, frozenset[EntryId]]:
        reach = min(wanted.reach for unit in units for wanted in unit.wanted)
        with self.store.reading() as tx:
            sent = composer.sent_to(tx, [unit.subscriber for unit in units], reach)
        return {unit.subscriber: sent.get(unit.subscriber, frozenset()) for unit in units}

    def _publish(self, group: list[_Unit], composer: Composer, tallies: Mapping[Slot, _Tally]) -> None:
        wanted = group[0].wanted
        before = self._history(group, composer)
        base = composer_base(composer, wanted, before[group[0].subscriber])
        chain = compose_chain(composer, wanted, base)
        pressed = self._press.run([(edition, w.digest) for edition, w in zip(chain, wanted, strict=True)])
        planned: Counter[str] = Counter()
        with self.store.transaction() as tx:
            again = composer.sent_to(tx, [unit.subscriber for unit in group], min(w.reach for w in wanted))
            # Whoever was sent something meanwhile, by another process, waits for the next round.
            steady = [
                unit
                for unit in group
                if composer_base(composer, wanted, again.get(unit.subscriber, frozenset())) == base
            ]
            frozen = self._freeze(tx, pressed)
            if pressed.message is not None:
                planned = self._plan(tx, steady, frozen, pressed.message, self.clock())
            for position, w in enumerate(wanted):
                ids = [unit.readers[position].id for unit in steady]
                people.served(tx, ids, w.slot.at, w.slot.local_date.isoformat())
        for edition in (sheet.edition for sheet in pressed.sheets):
            tally = tallies[edition.slot]
            if edition.slot.digest in frozen:
                tally.editions |= {edition.key}
                tally.planned += planned[edition.slot.digest]
            if edition.counts.printed == 0:
                tally.reason = remarks.sentences(edition.reason)
                tally.notes = tuple(map(remarks.for_operator, edition.notes))

    @property
    def _press(self) -> Press:
        return Press(store=self.store, print_edition=self.print_edition, has_public_url=self.has_public_url)

    def _freeze(self, tx: Tx, pressed: Pressed) -> dict[str, Edition]:
        """Writes the editions that are mailed and their messages; gives the editions by digest."""
        for message in pressed.messages:
            editions.keep_message(tx, message, self.clock())
        return {
            sheet.digest.name: editions.freeze(tx, sheet.edition) for sheet in pressed.sheets if sheet.alone is not None
        }

    def _plan(
        self, tx: Tx, units: Sequence[_Unit], frozen: Mapping[str, Edition], message: Message, now: datetime
    ) -> Counter[str]:
        """Plans the deliveries; gives how many are new, by digest."""
        keys = {unit.subscriber: address_key(unit.readers[0].address, self.key) for unit in units}
        listed = people.suppressed(tx, list(keys.values()))
        confirmed = people.confirmed(tx, [reader.id for unit in units for reader in unit.readers])
        singles: list[dict[str, object]] = []
        planned: Counter[str] = Counter()
        for unit in units:
            rows: list[dict[str, object]] = []
            for reader, wanted in zip(unit.readers, unit.wanted, strict=True):
                edition = frozen.get(wanted.digest.name)
                if edition is None or reader.id not in confirmed:
                    continue
                hashed = keys[unit.subscriber]
                rows.append(_row(reader, wanted, edition, message, hashed, str(listed.get(hashed, "")), now))
            if len(unit.wanted) == 1:
                singles += rows
            else:
                made = deliveries.plan_together(tx, rows)
                planned.update(str(row["digest"]) for row in rows[:made])
        if singles:
            planned[str(singles[0]["digest"])] += deliveries.plan(tx, singles)
        return planned

    def _publish_public(self, digest: Digest, composer: Composer) -> Edition | None:
        """Freezes the digest's public edition of its own slot, even with no reader; None when that was done before."""
        slot = due_slot(digest.name, digest.schedule, composer.as_of)
        if slot is None:
            return None
        with self.store.reading() as tx:
            last = editions.last_public(tx, digest.name)
            if last is None and slot != slot_on(
                digest.name, digest.schedule, local_day(digest.schedule, composer.as_of)
            ):
                return None  # a slot from before the first day is nobody's
            if last is not None and last.slot.at >= slot.at:
                return None
            since = window_start(digest, digest.schedule, slot, last.slot.at if last else None)
            wanted = Wanted(digest=digest, slot=slot, profile=self.profile_of(digest, None), since=since)
            printed = editions.public_ids(tx, digest.name, composed_since=wanted.reach)
            sent = composer.printed(tx, frozenset(printed))
        edition = composer.edition(wanted, sent, public=True)
        # Readers without a history may have this very one.
        (sheet,) = self._press.run([(edition, digest)]).sheets
        message = sheet.alone or self.print_edition((sheet.edition,), (digest,))
        with self.store.transaction() as tx:
            frozen = editions.freeze(tx, sheet.edition)
            editions.keep_message(tx, message, self.clock())
        return frozen


@dataclass(slots=True)
class _Tally:
    readers: int = 0
    planned: int = 0
    editions: frozenset[str] = frozenset()
    reason: str = ""
    notes: tuple[str, ...] = ()

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


def may_send(tx: Tx, *, has_public_url: bool) -> None:
    """Raises SendingRefused for a restored copy, or for many readers without one-click unsubscribing."""
    if meta.get(tx, meta.RESTORED) is not None:
        raise SendingRefused(
            "this database is a restored backup; what was sent since the backup is not in it",
            where="database",
            try_="run `digest db restored --sent-until T`, T being when the old one last sent: "
            "works first seen before T then count as sent",
        )
    if not has_public_url and (readers := people.count_readers(tx)) > MOST_WITHOUT_URL:
        raise SendingRefused(
            f"{readers} readers and no web.public_url: they could not unsubscribe with one click",
            where="web.public_url",
            try_=f"set it to the address under which `digest run` is reachable, or stay at {MOST_WITHOUT_URL} readers",
        )


def wanted_by(
    digest: Digest, reader: Subscription, profile_of: ProfileOf, now: datetime, *, insist: bool = False
) -> Wanted | None:
    """The edition that is due for a reader; None when he lacks none."""
    schedule = schedule_for(digest, reader)
    slot = due_slot(digest.name, schedule, now)
    if slot is None or not is_due(slot, reader, timezone=schedule.timezone, insist=insist):
        return None
    since = window_start(digest, schedule, slot, reader.last_slot_at)
    return Wanted(digest=digest, slot=slot, profile=profile_of(digest, reader), since=since)


def one_mail(
    digests: Sequence[Digest],
    reader: Subscription,
    wanted: Wanted,
    others: Sequence[Subscription],
    want: Callable[[Digest, Subscription], Wanted | None],
) -> list[tuple[Subscription, Wanted]]:
    """An edition and those of the reader's other digests that share its instant and so its mail, as configured."""
    together = [(reader, wanted)]
    for other in others:
        also = next((d for d in digests if d.name == other.digest and d.name != wanted.digest.name), None)
        if also is None or other.state != reader.state:
            continue
        theirs = want(also, other)
        if theirs is not None and theirs.slot.at == wanted.slot.at:
            together.append((other, theirs))
    order = [digest.name for digest in digests]
    return sorted(together, key=lambda pair: order.index(pair[1].digest.name))


def composer_base(composer: Composer, wanted: Sequence[Wanted], sent: frozenset[EntryId]) -> frozenset[EntryId]:
    """All of a reader's history that matters to these editions."""
    base: frozenset[EntryId] = frozenset()
    for one in wanted:
        base |= composer.relevant(one, sent)
    return base


def compose_chain(composer: Composer, wanted: Sequence[Wanted], sent: frozenset[EntryId]) -> list[Edition]:
    """Several digests of one instant: each leaves out what the ones before it print.

    What was frozen for others with this profile and history is taken as it is: a joined mail must print what its
    editions say.
    """
    chain: list[Edition] = []
    for one in wanted:
        edition = composer.frozen(composer.edition(one, sent))
        sent |= {item.entry_id for item in edition.items}
        chain.append(edition)
    return chain


def _row(
    reader: Subscription,
    wanted: Wanted,
    edition: Edition,
    message: Message,
    hashed: str,
    listed: str,
    now: datetime,
) -> dict[str, object]:
    return deliveries.plan_row(
        kind="edition",
        address=reader.address,
        address_key=hashed,
        message_key=message.key,
        now=now,
        digest=wanted.digest.name,
        subscriber_id=reader.subscriber_id,
        subscription_id=SubscriptionId(reader.id),
        local_date=wanted.slot.local_date,
        edition_id=edition.id,
        expires_at=now + wanted.digest.expire_after,
        suppressed=listed,
    )
