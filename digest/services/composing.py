"""From the store to an edition, without recording anything: what publishing and preview have in common.

One Composer serves one instant. Pools of entries and rankings are kept while it lives, so that readers with the same
window and profile cost one ranking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.editions.compose import compose, history_key
from digest.model.editions import Digest, Edition, Figure, Remark, Selection, Slot, WhenEmpty
from digest.model.feeds import EntryId
from digest.model.people import Profile
from digest.ranking.categories import title_of
from digest.ranking.rank import Ranking
from digest.ranking.select import select
from digest.ranking.signals.topic import quiet_topics
from digest.services.evidence import gather
from digest.services.ports import Prepare
from digest.storage import deliveries, editions, entries, meta, sources
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.sources import HeldSource

#: How far back best-of looks.
BEST_OF = timedelta(days=30)
#: Publishing goes from profile to profile, and from slot to slot; what it has left behind must not fill the memory.
_KEPT_RANKINGS = 16
_KEPT_POOLS = 8
_KEPT_EDITIONS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One edition to compose: for readers of one digest, slot, profile and window."""

    digest: Digest
    slot: Slot
    profile: Profile
    since: datetime

    @property
    def reach(self) -> datetime:
        """From when on the history matters."""
        if self.digest.when_empty is WhenEmpty.BEST_OF:
            return min(self.since, self.slot.at - BEST_OF)
        return self.since

    @property
    def name(self) -> str:
        """Equal for readers who differ in their history only."""
        return "\n".join((self.digest.name, self.slot.key, self.profile.key, self.since.isoformat()))


#: The entries of one window as a profile ranks them.
_Pool = Callable[[Profile], Ranking]


@dataclass(slots=True)
class Composer:
    """Composes editions as of one instant."""

    store: Store
    prepare: Prepare
    as_of: datetime
    _pools: dict[object, _Pool] = field(default_factory=dict[object, _Pool])
    _ids: dict[object, frozenset[EntryId]] = field(default_factory=dict[object, frozenset[EntryId]])
    _rankings: dict[object, Ranking] = field(default_factory=dict[object, Ranking])
    _held: dict[object, tuple[HeldSource, ...]] = field(default_factory=dict[object, tuple[HeldSource, ...]])
    _titles: dict[str, str] = field(default_factory=dict[str, str])
    _printed: dict[int, frozenset[int]] = field(default_factory=dict[int, frozenset[int]])

    def relevant(self, wanted: Wanted, sent: frozenset[EntryId]) -> frozenset[EntryId]:
        """Which of the sent works matter to this edition: readers who agree on them can share it."""
        if not sent:
            return frozenset()
        ids = self._ids_of(wanted.digest, wanted.since) & sent
        if wanted.reach < wanted.since:
            ids |= self._ids_of(wanted.digest, wanted.reach) & sent
        return ids

    def edition(self, wanted: Wanted, sent: frozenset[EntryId], *, public: bool = False) -> Edition:
        """The edition for readers who were sent ``sent``. Its id is 0 until it is frozen."""
        pool = self._pool(wanted.digest, wanted.since)
        selection, already = self._choose(wanted, pool, wanted.since, sent)
        reason: tuple[Remark, ...] = ()
        notes: tuple[Remark, ...] = ()
        if not selection.printed:
            held = self._sources(wanted.digest)
            notes = tuple(_state_of(one) for one in held)
            reason = (_why_empty(selection, already, held),)
            if wanted.digest.when_empty is WhenEmpty.BEST_OF:
                older = self._pool(wanted.digest, wanted.reach)
                best, sent_of_older = self._choose(wanted, older, wanted.reach, sent)
                if best.printed:
                    selection, already = best, sent_of_older
                    reason = (*reason, Remark(key="best-of", figures={"days": BEST_OF.days}))
        elif quiet := self._quiet_topics(wanted, pool):
            notes = (Remark(key="quiet-topics", figures={"topics": quiet}),)
        return compose(
            slot=wanted.slot,
            profile=wanted.profile,
            history=history_key(wanted.since, self.relevant(wanted, sent)),
            composed_at=self.as_of,
            selection=selection,
            already_sent=already,
            title_of=title_of,
            source_titles=lambda source: self._titles.get(source, source),
            reason=reason,
            notes=notes,
            public=public,
        )

    def frozen(self, edition: Edition) -> Edition:
        """The edition as it was frozen before for readers with the same profile and history, else as it is."""
        with self.store.reading() as tx:
            return editions.find(tx, edition.key) or edition

    def sent_to(self, tx: Tx, subscriber_ids: Sequence[int], since: datetime) -> Mapping[int, frozenset[EntryId]]:
        """Per subscriber the works that count as sent, in any digest, by the rows they have now."""
        by_reader = deliveries.history(tx, subscriber_ids, composed_since=since)
        printed = self._printed_in(tx, frozenset(by_reader.values()))
        return {reader: printed[sent_editions] for reader, sent_editions in by_reader.items()}

    def printed(self, tx: Tx, edition_ids: frozenset[int]) -> frozenset[EntryId]:
        """The works these editions printed; a merged one is named by the row that survived."""
        return self._printed_in(tx, frozenset({edition_ids}))[edition_ids]

    def _printed_in(self, tx: Tx, sets: frozenset[frozenset[int]]) -> Mapping[frozenset[int], frozenset[EntryId]]:
        """The works that each of these sets of editions printed."""
        needed = frozenset[int]().union(*sets)
        if len(self._printed) > _KEPT_EDITIONS:
            self._printed.clear()
        missing = needed - self._printed.keys()
        if missing:
            found = editions.entry_ids(tx, missing)
            self._printed |= {i: found.get(i, frozenset()) for i in missing}
        moved = entries.roots(tx, frozenset[int]().union(*(self._printed[i] for i in needed)))
        return {
            some: frozenset(EntryId(moved.get(work, work)) for i in some for work in self._printed[i]) for some in sets
        }

    def ranked(self, wanted: Wanted, since: datetime) -> Ranking:
        """All entries of the window as this profile ranks them."""
        return self._ranked(wanted, self._pool(wanted.digest, since), since)

    def _quiet_topics(self, wanted: Wanted, pool: _Pool) -> tuple[str, ...]:
        """The reader's topics that nothing in the window is near."""
        return quiet_topics(self._ranked(wanted, pool, wanted.since).pool, wanted.profile)

    def _choose(self, wanted: Wanted, pool: _Pool, since: datetime, sent: frozenset[EntryId]) -> tuple[Selection, int]:
        """(what is printed, how many of the window were sent already)."""
        ranked = self._ranked(wanted, pool, since)
        fresh = ranked.without(sent)
        return select(fresh, wanted.profile), len(ranked) - len(fresh)

    def _ranked(self, wanted: Wanted, pool: _Pool, since: datetime) -> Ranking:
        key = (wanted.digest.sources, since, wanted.profile.key)
        if key not in self._rankings:
            if len(self._rankings) >= _KEPT_RANKINGS:
                self._rankings.clear()
            self._rankings[key] = pool(wanted.profile)
        return self._rankings[key]

    def _pool(self, digest: Digest, since: datetime) -> _Pool:
        key = (digest.sources, since)
        if key not in self._pools:
            if len(self._pools) >= _KEPT_POOLS:
                self._pools.pop(next(iter(self._pools)))
            with self.store.reading() as tx:
                found = entries.in_window(tx, since=since, until=self.as_of, source_ids=digest.sources)
                evidence = gather(tx, found, self.as_of)
                sent_until = meta.instant(tx, meta.SENT_UNTIL)
                self._titles = {held.source.id: held.title or held.source.id for held in sources.all_held(tx)}
            if sent_until is not None:
                # A restored database does not know what was sent after its backup: all that is older counts as sent.
                found = tuple(entry for entry in found if entry.first_seen_at >= sent_until)
            found = tuple(entry for entry in found if not entry.withdrawn)
            self._pools[key] = self.prepare(found, evidence, self.as_of)
            self._ids[key] = frozenset(entry.id for entry in found)
        return self._pools[key]

    def _ids_of(self, digest: Digest, since: datetime) -> frozenset[EntryId]:
        key = (digest.sources, since)
        if key not in self._ids:
            self._pool(digest, since)
        return self._ids[key]

    def _sources(self, digest: Digest) -> tuple[HeldSource, ...]:
        """What the digest reads from, as it stands now."""
        if digest.sources not in self._held:
            with self.store.reading() as tx:
                held = sources.all_held(tx)
            self._held[digest.sources] = tuple(
                one for one in held if not digest.sources or one.source.id in digest.sources
            )
        return self._held[digest.sources]


def _why_empty(selection: Selection, already: int, held: Sequence[HeldSource]) -> Remark:
    """What explains an edition without papers."""
    if not selection.candidates and not selection.muted:
        if already:
            return Remark(key="all-sent")
        return Remark(key="nothing-new" if not held or any(one.last_ok_at for one in held) else "nothing-read")
    causes = Counter(why for _, why in selection.left_out)
    causes["muted"] += len(selection.muted)
    figures: dict[str, Figure] = {why: number for why, number in sorted(causes.items()) if number}
    return Remark(key="unfit", figures=figures)


def _state_of(held: HeldSource) -> Remark:
    """How a source that brought nothing stands."""
    return Remark(
        key="source",
        figures={
            "source": held.title or held.source.id,
            "state": held.state.value if held.state else "",
            "kind": held.source.kind,
            "detail": held.detail,
        },
    )
