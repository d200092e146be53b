"""Publishing: which slots are due for whom, one edition for readers who share profile and history, deliveries planned
with it.

Rendering happens outside transactions; the edition, its message, its deliveries and the mark that the slot was served
are written together, after the readers' history was read again while nobody else may plan for them. So a slot published
twice is a no-op, nobody can be skipped, and two digests at one instant cannot both print a work; one process or many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from digest.editions.schedule import next_slot, window_start
from digest.model.editions import Digest, Edition, Slot
from digest.model.errors import Conflict, SendingRefused, StorageError
from digest.model.people import Subscription
from digest.services.ports import Clock, Prepare, Print, ProfileOf, Wake, nobody
from digest.services.publishing.cohorts import Cohorts, Lost, pages
from digest.services.publishing.composing import Composer, Wanted
from digest.services.publishing.due import Wishes, public_due
from digest.services.publishing.planning import Written
from digest.services.publishing.press import Press
from digest.services.publishing.serving import EditionsKey, PublishedSlot, Serving, Tally
from digest.storage import editions, meta, moved, people, slots
from digest.storage.base import Tx
from digest.storage.engine import Store

#: Without a public URL there is no one-click unsubscribing; a few friends may live with the mailto form.
MOST_WITHOUT_URL = 50
#: While one worker of a fleet lately looked for slots that are due, no other needs to.
_LOOK = timedelta(seconds=30)
#: While one composes a public edition, nobody else needs to.
_PUBLIC = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What one call published. ``upcoming`` tells when each digest goes out next."""

    slots: tuple[PublishedSlot, ...]
    upcoming: tuple[Slot, ...]
    busy: bool = False
    """Another process is publishing, too: not all of it is done."""


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

    wake: Wake = nobody

    def run(self, now: datetime, *, digests: Sequence[str] | None = None, insist: bool = False) -> Published:
        """Publishes every due slot of the named digests, or of all.

        ``insist``: also to readers who joined after the slot.
        """
        chosen = self._chosen(digests)
        upcoming = tuple(s for d in chosen if (s := next_slot(d.name, d.schedule, now)) is not None)
        self._may_send()
        cohorts = self._cohorts(chosen)
        cohorts.open(Wishes(self.profile_of, now, insist))
        published = self._serve(cohorts, now, Event())
        return Published(slots=published, upcoming=upcoming, busy=cohorts.are_open)

    def open_due(self, now: datetime) -> int:
        """For a worker of a fleet: opens what is due, unless another one looked lately; gives how many slots."""
        self._may_send()
        with self.store.transaction() as tx:
            if not meta.take_lease(tx, "slots", self.holder, self.clock(), self.clock() + _LOOK):
                return 0
        return self._cohorts(self.digests).open(Wishes(self.profile_of, now))

    def work(self, now: datetime, stop: Event) -> tuple[PublishedSlot, ...]:
        """For a worker of a fleet: serves cohorts of open slots until none is free; gives what came of those."""
        self._may_send()
        return self._serve(self._cohorts(self.digests), now, stop)

    def due(
        self, now: datetime, *, digests: Sequence[str] | None = None, insist: bool = False
    ) -> Iterator[tuple[Subscription, Slot]]:
        """Whom ``run`` would serve, and with which slot; nothing changes."""
        wishes = Wishes(self.profile_of, now, insist)
        for digest in self._chosen(digests):
            for page in pages(self.store, digest, lambda hour, one=digest: wishes.newest(one, hour)):
                for reader in page:
                    wanted = wishes.of(digest, reader)
                    if wanted is not None:
                        yield reader, wanted.slot

    def _chosen(self, names: Sequence[str] | None) -> list[Digest]:
        return [digest for digest in self.digests if names is None or digest.name in names]

    def _may_send(self) -> None:
        with self.store.reading() as tx:
            may_send(tx, has_public_url=self.has_public_url)

    def _cohorts(self, digests: Sequence[Digest]) -> Cohorts:
        return Cohorts(
            store=self.store,
            digests=digests,
            holder=self.holder,
            dead=self.dead,
            clock=self.clock,
            wake=self.wake,
        )

    def _serve(self, cohorts: Cohorts, now: datetime, stop: Event) -> tuple[PublishedSlot, ...]:
        tallies: dict[Slot, Tally] = defaultdict(Tally)
        composer = Composer(self.store, self.prepare, now)
        wishes = Wishes(self.profile_of, now)
        written: dict[EditionsKey, Written] = {}
        while not stop.is_set() and (held := cohorts.take()) is not None:
            cohort = held.cohort
            if composer.as_of != cohort.composed_at:
                composer = Composer(self.store, self.prepare, cohort.composed_at)
            # A slot that was insisted on is served as of then; any other as of now, for its next one may be due.
            at = cohort.composed_at if cohort.insisted else max(now, cohort.composed_at)
            if (wishes.now, wishes.insist) != (at, cohort.insisted):
                wishes = Wishes(self.profile_of, at, cohort.insisted)
            (digest,) = self._chosen([cohort.slot.digest])
            if cohort.part is None or cohort.part.until is None:
                written = {}  # only ranges of ids may want what a cohort before them did
            serving = Serving(
                store=self.store,
                digests=self.digests,
                digest=digest,
                held=held,
                press=self._press,
                composer=composer,
                wishes=wishes,
                key=self.key,
                clock=self.clock,
                wake=self.wake,
                tallies=tallies,
                written=written,
            )
            try:
                if serving.run(stop):
                    cohorts.finish(held, wishes)
                else:
                    cohorts.give_back(held)
            except Lost:
                continue
            except BaseException:
                with suppress(StorageError):  # then its lease runs out
                    cohorts.give_back(held)
                raise
        for digest in cohorts.digests:
            self._public(digest, composer, now, tallies)
        order = [digest.name for digest in self.digests]
        told = sorted(tallies.items(), key=lambda pair: (order.index(pair[0].digest), pair[0].at))
        return tuple(tally.told(slot) for slot, tally in told)

    @property
    def _press(self) -> Press:
        return Press(store=self.store, print_edition=self.print_edition, has_public_url=self.has_public_url)

    def _public(self, digest: Digest, composer: Composer, now: datetime, tallies: Mapping[Slot, Tally]) -> None:
        """Freezes a digest's public edition, once its slot is complete."""
        with self.store.reading() as tx:
            slot = public_due(digest, editions.last_public(tx, digest.name), now)
            if slot is None or slots.is_open(tx, slot):
                return
            as_of = slots.composed_at(tx, slot) or now
        with self.store.transaction() as tx:
            name, at = f"public {digest.name}", self.clock()
            if not meta.take_lease(tx, name, self.holder, at, at + _PUBLIC):
                return
        try:
            if composer.as_of != as_of:
                composer = Composer(self.store, self.prepare, as_of)
            public = self._publish_public(digest, composer)
        except Conflict:
            return  # another process was quicker
        finally:
            with self.store.transaction() as tx:
                meta.give_back(tx, name, self.holder)
        if public is None:
            return
        tally = tallies[public.slot]
        tally.editions.add(public.id)
        if not tally.readers:
            with self.store.reading() as tx:
                has_readers = people.has_readers(tx, digest.name)
            tally.reason = "It is due for none of its readers now." if has_readers else "It has no confirmed reader."

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


def may_send(tx: Tx, *, has_public_url: bool) -> None:
    """Raises SendingRefused for a database that moves or has moved, for a restored copy, or for many readers without
    one-click unsubscribing.
    """
    if (mark := moved.mark_of(tx)) is not None:
        raise SendingRefused(mark.what, where="database", try_=mark.remedy)
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
