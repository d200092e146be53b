"""From the store to an edition, without recording anything: what publishing and preview have in common.

One Composer serves one instant. Pools of entries and rankings are kept while it lives, so that readers with the same
window and profile cost one ranking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from digest.editions.compose import compose, history_key
from digest.model.editions import About, Digest, Edition, Remark, Selection, Slot, WhenEmpty
from digest.model.feeds import Entry, EntryId, SourceId
from digest.model.people import Profile, Say
from digest.ranking.about import NOBODY_FOLLOWED, OFF_TOPIC
from digest.ranking.categories import title_of
from digest.ranking.rank import Ranking
from digest.ranking.select import select
from digest.ranking.signals.topic import quiet_topics
from digest.services.fetching.cards import Known, cards_of
from digest.services.learning.evidence import gather
from digest.services.ports import Prepare
from digest.services.status.standing import Standing, carried, counts, remark, standings
from digest.services.status.usual import ENOUGH, is_short, usual_of
from digest.storage import deliveries, editions, entries, meta, sources
from digest.storage.base import Tx
from digest.storage.engine import Store

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
    _aside: dict[object, Mapping[SourceId, Counter[str]]] = field(
        default_factory=dict[object, Mapping[SourceId, Counter[str]]]
    )
    _standings: dict[object, tuple[Standing, ...]] = field(default_factory=dict[object, tuple[Standing, ...]])
    _titles: dict[str, str] = field(default_factory=dict[str, str])
    _printed: dict[int, frozenset[int]] = field(default_factory=dict[int, frozenset[int]])
    _known: dict[object, Known] = field(default_factory=dict[object, Known])

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
        since = wanted.since
        pool = self._pool(wanted.digest, since)
        selection, already = self._choose(wanted, pool, since, sent)
        reason: tuple[Remark, ...] = ()
        notes: tuple[Remark, ...] = ()
        if not selection.printed:
            notes = self.lines(wanted, sent)
            reason = (self._why_empty(wanted, selection, already),)
            if wanted.digest.when_empty is WhenEmpty.BEST_OF:
                older = self._pool(wanted.digest, wanted.reach)
                best, sent_of_older = self._choose(wanted, older, wanted.reach, sent)
                if best.printed:
                    selection, already, since = best, sent_of_older, wanted.reach
                    reason = (*reason, Remark(key="best-of", figures={"days": BEST_OF.days}))
        elif quiet := self._quiet_topics(wanted, pool):
            notes = (Remark(key="quiet-topics", figures={"topics": quiet}),)
        if not reason and (usual := self._usual(wanted, selection.printed)) is not None:
            short = Remark(key="short", figures={"printed": selection.printed, "usual": usual})
            notes = (*notes, short, *self.lines(wanted, sent))
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
            cards=(
                cards_of(self.store, self.ranked(wanted, since).pool, wanted.profile, selection, self._known)
                if wanted.digest.about is About.AUTHORS and selection.printed
                else ()
            ),
            public=public,
        )

    def lines(self, wanted: Wanted, sent: frozenset[EntryId], *, now: datetime | None = None) -> tuple[Remark, ...]:
        """Source by source what came for this edition, and what became of it. ``now``: of a day of the past, from when
        it is told."""
        pool = self._pool(wanted.digest, wanted.since)
        selection, _ = self._choose(wanted, pool, wanted.since, sent)
        ranking = self._ranked(wanted, pool, wanted.since)
        found = counts(ranking, selection, self.as_of)
        for source_id, aside in self._aside[wanted.digest.sources, wanted.since].items():
            found[source_id] = found.get(source_id, Counter()) + aside
        return tuple(
            remark(one, found.get(one.source_id, Counter()))
            for one in self._sources(wanted.digest, wanted.since, now or self.as_of)
        )

    def _usual(self, wanted: Wanted, printed: int) -> float | None:
        """How many papers such an edition has as a rule, where this one has far fewer and that is to be said: to the
        reader who wishes it, and to the operator of the digest's own edition."""
        own, profile = wanted.digest.profile, wanted.profile
        if profile.explain != Say.SHORT and profile.key != own.key:
            return None
        with self.store.reading() as tx:
            before = editions.printed_before(tx, wanted.slot, profile.key)
            if len(before) < ENOUGH and _without_taste(profile) == _without_taste(own):
                # His likes change the key of a profile every time; what he is printed is still the digest.
                before = editions.printed_before(tx, wanted.slot, own.key)
        return usual_of(before) if is_short(printed, before) else None

    def _why_empty(self, wanted: Wanted, selection: Selection, already: int) -> Remark:
        """What explains an edition without papers."""
        causes = Counter(why for _, why in selection.left_out)
        causes["muted"] += len(selection.muted)
        if (+causes).keys() == {OFF_TOPIC}:
            return Remark(key="quiet-topics", figures={"topics": wanted.profile.topics})
        if (+causes).keys() == {NOBODY_FOLLOWED}:
            return Remark(key="quiet-people", figures={"papers": causes[NOBODY_FOLLOWED]})
        if figures := {why: number for why, number in sorted(causes.items()) if number}:
            return Remark(key="unfit", figures=figures)
        if already:
            return Remark(key="all-sent")
        aside = self._aside[wanted.digest.sources, wanted.since]
        if any(counted["counted-as-sent"] for counted in aside.values()):
            return Remark(key="restored")
        stood = self._sources(wanted.digest, wanted.since, self.as_of)
        return Remark(key="nothing-new" if not stood or any(one.was_read for one in stood) else "nothing-read")

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
        return select(fresh, wanted.profile, about=wanted.digest.about), len(ranked) - len(fresh)

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
            old: tuple[Entry, ...] = ()
            if sent_until is not None:
                # A restored database does not know what was sent after its backup: all that is older counts as sent.
                found, old = _parted(found, lambda entry: entry.first_seen_at >= sent_until)
            found, withdrawn = _parted(found, lambda entry: not entry.withdrawn)
            self._aside[key] = carried({"counted-as-sent": old, "withdrawn": withdrawn}, self.as_of)
            self._pools[key] = self.prepare(found, evidence, self.as_of)
            self._ids[key] = frozenset(entry.id for entry in found)
        return self._pools[key]

    def _ids_of(self, digest: Digest, since: datetime) -> frozenset[EntryId]:
        key = (digest.sources, since)
        if key not in self._ids:
            self._pool(digest, since)
        return self._ids[key]

    def _sources(self, digest: Digest, since: datetime, now: datetime) -> tuple[Standing, ...]:
        """How what the digest reads from stood at this composer's instant."""
        key = (digest.sources, since, now)
        if key not in self._standings:
            with self.store.reading() as tx:
                self._standings[key] = standings(tx, digest.sources, since=since, at=self.as_of, now=now)
        return self._standings[key]


def _parted(some: Sequence[Entry], fits: Callable[[Entry], bool]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """(what fits, what does not)."""
    return tuple(entry for entry in some if fits(entry)), tuple(entry for entry in some if not fits(entry))


def _without_taste(profile: Profile) -> Profile:
    return replace(profile, likes=(), dislikes=())
