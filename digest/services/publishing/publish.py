"""Publishing: which slots are due for whom, one edition for readers who share profile and history, deliveries planned
with it.

Rendering happens outside transactions; the edition, its message, its deliveries and the mark that the slot was served
are written together, after the readers' history was read again. So a slot published twice is a no-op, nobody can be
skipped, and two digests at one instant cannot both print a work.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from operator import itemgetter

from digest.delivery.tokens import address_key
from digest.editions.schedule import next_slot, window_start
from digest.model.editions import Digest, Edition, EditionId, Remark, Slot
from digest.model.errors import SendingRefused
from digest.model.feeds import EntryId
from digest.model.people import SubscriberId, Subscription, SubscriptionId
from digest.rendering import remarks
from digest.services.ports import Clock, Prepare, Print, ProfileOf
from digest.services.publishing.composing import Composer, Wanted
from digest.services.publishing.due import Wishes, public_due
from digest.services.publishing.press import Press, Pressed
from digest.storage import deliveries, editions, meta, people, tastes
from digest.storage.base import Tx, batched
from digest.storage.engine import Store

#: Without a public URL there is no one-click unsubscribing; a few friends may live with the mailto form.
MOST_WITHOUT_URL = 50
#: So many digests in one mail: its List-Unsubscribe names the secret of each, on a line that may not be folded and must
#: stay within 998 bytes (RFC 5322). More go out as further mails.
MOST_JOINED = 20
#: Readers looked at and written together. In the order of their ids, so that neighbouring rows lie on one page of the
#: database; and few, for while they are written nobody else can write to SQLite.
_PAGE = 2_000
#: Editions that are printed before they are written together: they are held in memory meanwhile.
_TOGETHER = 16
#: Printed editions of which is remembered what came of them.
_KEPT = 10_000
_NOTHING: frozenset[EntryId] = frozenset()
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


#: What editions in one mail are printed by: per digest the name of the wish, and the history that matters to it.
_Key = tuple[tuple[str, frozenset[EntryId]], ...]
_Row = dict[str, int | str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """What came of one edition. ``id`` is None where there was nothing to mail."""

    slot: Slot
    key: str
    id: EditionId | None
    printed: int
    reason: tuple[Remark, ...]
    notes: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class _Written:
    """Editions that stand in the database, in the order of the digests, and the key of their mail, "" without one."""

    lines: tuple[_Line, ...]
    message: str


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
            wishes = Wishes(self.profile_of, now, insist)
            tallies: dict[Slot, _Tally] = {}
            for digest in chosen:
                self._digest(digest, composer, wishes, tallies)
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
        wishes = Wishes(self.profile_of, now, insist)
        for digest in self.digests:
            if digests is None or digest.name in digests:
                for page in self._pages(digest, wishes):
                    for reader in page:
                        wanted = wishes.of(digest, reader)
                        if wanted is not None:
                            yield reader, wanted.slot

    def _digest(self, digest: Digest, composer: Composer, wishes: Wishes, tallies: dict[Slot, _Tally]) -> None:
        written: dict[_Key, _Written] = {}
        for page in self._pages(digest, wishes):
            units = list(self._units(digest, page, wishes))
            for unit in units:
                for wanted in unit.wanted:
                    tallies.setdefault(wanted.slot, _Tally()).readers += 1
            for groups in self._groups(units, composer, written):
                self._publish(groups, composer, written, tallies)
        public = self._publish_public(digest, composer)
        if public is not None:
            tally = tallies.setdefault(public.slot, _Tally())
            tally.editions.add(public.key)
            if not tally.readers:
                with self.store.reading() as tx:
                    has_readers = people.has_readers(tx, digest.name)
                tally.reason = (
                    "It is due for none of its readers now." if has_readers else "It has no confirmed reader."
                )

    def _pages(self, digest: Digest, wishes: Wishes) -> Iterator[tuple[Subscription, ...]]:
        """Who may lack a slot, by the hours that readers chose; who was served already is not read."""
        with self.store.reading() as tx:
            hours = (("", ""), *people.own_hours(tx, digest.name))
        for hour in hours:
            usual, other = wishes.newest(digest, hour)
            after = 0
            while True:
                with self.store.reading() as tx:
                    page = people.lacking(tx, digest.name, hour, usual=usual, other=other, after=after, limit=_PAGE)
                    page = tastes.added(tx, page)
                if page:
                    yield page
                    after = page[-1].id
                if len(page) < _PAGE:
                    break

    def _units(self, digest: Digest, page: Sequence[Subscription], wishes: Wishes) -> Iterator[_Unit]:
        for reader in page:
            wanted = wishes.of(digest, reader)
            if wanted is None:
                continue
            if not reader.joined:
                yield _Unit((reader,), (wanted,))
                continue
            with self.store.reading() as tx:
                others = tastes.added(tx, people.subscriptions_of(tx, reader.subscriber_id))
            together = one_mail(self.digests, reader, wanted, others, wishes.of)
            yield _Unit(tuple(r for r, _ in together), tuple(w for _, w in together))

    def _groups(
        self, units: Sequence[_Unit], composer: Composer, written: Mapping[_Key, _Written]
    ) -> Iterator[Mapping[_Key, Sequence[_Unit]]]:
        """Units by the editions they share: same digests, slots, profiles, windows and relevant history.

        Each yield is to be written together: first all whose editions stand already, then those that are still to be
        printed, some editions at a time and those of one profile beside each other.
        """
        with self.store.reading() as tx:
            history = _history(tx, units, composer)
        names: dict[int, str] = {}
        groups: dict[_Key, list[_Unit]] = defaultdict(list)
        for unit in units:
            sent = history.get(unit.subscriber, _NOTHING)
            for wanted in unit.wanted:
                if id(wanted) not in names:
                    names[id(wanted)] = wanted.name
            groups[tuple((names[id(w)], composer.relevant(w, sent)) for w in unit.wanted)].append(unit)
        known = [key for key in groups if key in written]
        if known:
            yield {key: groups[key] for key in known}
        fresh = sorted(groups.keys() - known, key=lambda key: [name for name, _ in key])
        for some in batched(fresh, _TOGETHER):
            yield {key: groups[key] for key in some}

    def _publish(
        self,
        groups: Mapping[_Key, Sequence[_Unit]],
        composer: Composer,
        written: dict[_Key, _Written],
        tallies: Mapping[Slot, _Tally],
    ) -> None:
        """Prints what does not stand yet; then writes editions, messages, deliveries and who was served, together."""
        pressed = {
            key: self._pressed(group[0].wanted, _base(key), composer)
            for key, group in groups.items()
            if key not in written
        }
        with self.store.transaction() as tx:
            now = self.clock()
            fresh = {key: self._write(tx, one, now) for key, one in pressed.items()}
            again = _history(tx, [unit for group in groups.values() for unit in group], composer)
            stand = {key: written[key] for key in groups if key in written}
            kept = editions.kept_messages(tx, {one.message for one in stand.values()})
            # An old slot's message may have reached the end of its retention meanwhile: the next round prints it again.
            stand = {key: one for key, one in stand.items() if not one.message or one.message in kept}
            steady = [
                (
                    one,
                    # Whoever was sent something meanwhile, by another process, waits for the next round.
                    [
                        unit
                        for unit in groups[key]
                        if composer_base(composer, unit.wanted, again.get(unit.subscriber, _NOTHING)) == _base(key)
                    ],
                )
                for key, one in (*fresh.items(), *stand.items())
            ]
            planned = self._plan(tx, steady, now)
            _served(tx, steady)
        for one, _ in steady:
            for line in one.lines:
                tallies[line.slot].count(line)
        for slot, number in planned.items():
            tallies[slot].planned += number
        if len(written) + len(fresh) > _KEPT:
            written.clear()
        written.update(fresh)

    def _pressed(self, wanted: Sequence[Wanted], base: frozenset[EntryId], composer: Composer) -> Pressed:
        chain = compose_chain(composer, wanted, base)
        return self._press.run([(edition, w.digest) for edition, w in zip(chain, wanted, strict=True)])

    @property
    def _press(self) -> Press:
        return Press(store=self.store, print_edition=self.print_edition, has_public_url=self.has_public_url)

    def _write(self, tx: Tx, pressed: Pressed, now: datetime) -> _Written:
        """Writes the editions that are mailed and their messages."""
        for message in pressed.messages:
            editions.keep_message(tx, message, now)
        lines = tuple(
            _Line(
                slot=sheet.edition.slot,
                key=sheet.edition.key,
                id=editions.freeze(tx, sheet.edition).id if sheet.alone is not None else None,
                printed=sheet.edition.counts.printed,
                reason=sheet.edition.reason,
                notes=sheet.edition.notes,
            )
            for sheet in pressed.sheets
        )
        return _Written(lines, pressed.message.key if pressed.message is not None else "")

    def _plan(self, tx: Tx, steady: Sequence[tuple[_Written, Sequence[_Unit]]], now: datetime) -> Counter[Slot]:
        """Plans the deliveries; gives how many are new, by slot."""
        units = [unit for _, group in steady for unit in group]
        hashed = {unit.subscriber: address_key(unit.readers[0].address, self.key) for unit in units}
        listed = people.suppressed(tx, list(hashed.values()))
        confirmed = people.confirmed(tx, [reader.id for unit in units for reader in unit.readers])
        planned: Counter[Slot] = Counter()
        alike: dict[tuple[Slot, str], list[_Row]] = defaultdict(list)
        like: dict[tuple[Slot, str], dict[str, object]] = {}
        for one, group in steady:
            for unit in group:
                key = hashed[unit.subscriber]
                why = str(listed.get(key, ""))
                rows = [
                    (wanted, _each(reader, line, one.message, key))
                    for reader, wanted, line in zip(unit.readers, unit.wanted, one.lines, strict=True)
                    if line.id is not None and _gets(confirmed, reader, wanted.slot)
                ]
                if len(unit.wanted) > 1:
                    made = deliveries.plan_together(tx, [{**_like(wanted, why, now), **row} for wanted, row in rows])
                    planned.update(wanted.slot for wanted, _ in rows[:made])
                    continue
                for wanted, row in rows:
                    alike[wanted.slot, why].append(row)
                    if (wanted.slot, why) not in like:
                        like[wanted.slot, why] = _like(wanted, why, now)
        for (slot, why), some in alike.items():
            # In the order of their readers, as the indexes are, whatever edition they get.
            some.sort(key=itemgetter("subscriber_id"))
            planned[slot] += deliveries.plan_alike(tx, like[slot, why], some)
        return planned

    def _publish_public(self, digest: Digest, composer: Composer) -> Edition | None:
        """Freezes the digest's public edition of its own slot, even with no reader; None when that was done before."""
        with self.store.reading() as tx:
            last = editions.last_public(tx, digest.name)
            slot = public_due(digest, last, composer.as_of)
            if slot is None:
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
    editions: set[str] = field(default_factory=set[str])
    reason: str = ""
    notes: tuple[str, ...] = ()

    def count(self, line: _Line) -> None:
        if line.id is not None:
            self.editions.add(line.key)
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
    together.sort(key=lambda pair: order.index(pair[1].digest.name))
    first = next(at for at, (other, _) in enumerate(together) if other is reader) // MOST_JOINED * MOST_JOINED
    return together[first : first + MOST_JOINED]


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


def _history(tx: Tx, units: Iterable[_Unit], composer: Composer) -> Mapping[int, frozenset[EntryId]]:
    """What the readers were sent, as far back as their editions look; who was sent nothing is absent."""
    by_reach: dict[datetime, list[SubscriberId]] = defaultdict(list)
    for unit in units:
        by_reach[min(wanted.reach for wanted in unit.wanted)].append(unit.subscriber)
    found: dict[int, frozenset[EntryId]] = {}
    for reach, readers in by_reach.items():
        found.update(composer.sent_to(tx, readers, reach))
    return found


def _base(key: _Key) -> frozenset[EntryId]:
    return _NOTHING.union(*(relevant for _, relevant in key))


def _served(tx: Tx, steady: Sequence[tuple[_Written, Sequence[_Unit]]]) -> None:
    ids: dict[Slot, list[SubscriptionId]] = defaultdict(list)
    for one, group in steady:
        for position, line in enumerate(one.lines):
            ids[line.slot] += [unit.readers[position].id for unit in group]
    for slot, some in ids.items():
        people.served(tx, sorted(some), slot.at, slot.local_date.isoformat())


def _gets(confirmed: Mapping[SubscriptionId, date | None], reader: Subscription, slot: Slot) -> bool:
    """Whether a reader wants a slot's mail still: who left or paused while it was printed does not."""
    until = confirmed.get(reader.id)
    return reader.id in confirmed and (until is None or until <= slot.local_date)


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


def _each(reader: Subscription, line: _Line, message: str, hashed: str) -> _Row:
    return {
        "subscriber_id": reader.subscriber_id,
        "subscription_id": reader.id,
        "address": reader.address,
        "address_key": hashed,
        "edition_id": line.id,
        "message_key": message,
    }
