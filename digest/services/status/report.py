"""What the store can tell: how everything is doing, and what is known of one work. Nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from digest.editions.schedule import due_slot, local_day, next_slot
from digest.entries.identity import alias_of
from digest.model.editions import Digest, Slot
from digest.model.errors import NotFound
from digest.model.feeds import Alias, Entry, EntryId, Sighting, VoteObservation, WorkId
from digest.model.mail import OPEN_STATES, DeliveryState, ReportKind
from digest.rendering import remarks
from digest.services.ports import Clock
from digest.services.status.hush import hushes
from digest.services.status.refitted import Refitted
from digest.services.status.refitted import last as last_refit
from digest.services.status.usual import Hush
from digest.storage import bounces, deliveries, editions, entries, likeness, meta, parting, people, slots, sources
from digest.storage.base import Tx, storable
from digest.storage.engine import Store
from digest.storage.sources import HeldSource

_WEEK = timedelta(days=7)
#: So long a slot may be under way; then somebody should look why.
_LONG = timedelta(hours=1)
_BOUNCES = (ReportKind.HARD.value, ReportKind.SOFT.value, ReportKind.COMPLAINT.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceStatus:
    """How one source is doing. ``state`` is None before its first fetch."""

    id: str
    kind: str
    state: str | None
    detail: str
    failures: int
    next_at: datetime | None
    last_ok_at: datetime | None
    last_new_at: datetime | None
    silence: str = ""
    """That it has been silent for unusually long by its own rhythm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestStatus:
    """Where one digest stands. Slots are keys, ``YYYY-MM-DD@UTC-INSTANT``; reason and notes explain a silence."""

    name: str
    title: str
    readers: int
    due_slot: str | None
    """The newest slot that was due by now; where it is newer than ``last_slot``, publishing is behind."""
    last_slot: str | None
    printed: int
    reason: str
    notes: tuple[str, ...]
    next_slot: str | None
    paused: bool
    """Its mails are held, at the operator's word."""
    paused_readers: int
    """How many of the readers want no mail today, at their own wish."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSlot:
    """A slot that is not published for everybody who lacks it."""

    digest: str
    slot: str
    since: datetime
    readers: int
    waiting: int
    """How many of the readers are still to be served."""
    is_late: bool
    """It has been open for longer than an hour."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OldestOpen:
    """The unfinished delivery that waits for longest."""

    id: int
    kind: str
    digest: str
    state: str
    created_at: datetime
    next_at: datetime
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """Everything at a glance. ``backlog`` are the deliveries that are still to be sent, the deferred ones included."""

    at: datetime
    restored: bool
    sources: tuple[SourceStatus, ...]
    digests: tuple[DigestStatus, ...]
    deliveries: Mapping[str, int]
    backlog: int
    oldest_open: OldestOpen | None
    next_delivery_at: datetime | None
    paused: tuple[str, ...]
    bounces: Mapping[str, int]
    """Reports of the last week, by kind: hard, soft, complaint."""
    suppressions: int
    suppressions_by_reason: Mapping[str, int]
    entries: int
    waiting_for_category: int
    """Papers of the last week that no source gave a category and arXiv has not told yet: digests that name categories
    leave them out."""
    refit: Refitted | None = None
    """What came of the last try to learn from one's own papers."""
    open_slots: tuple[OpenSlot, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Printing:
    """One edition that printed a work."""

    digest: str
    slot: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Resembling:
    """A work that is possibly the same; ``title_ratio`` and ``overlap`` (of the abstracts) are 0 to 1."""

    id: WorkId
    title: str
    title_ratio: float
    overlap: float


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinedWork:
    """What was a work of its own until it turned out to be this one."""

    id: WorkId
    title: str
    aliases: tuple[Alias, ...]
    at: datetime
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryReport:
    """What is known of one work."""

    id: WorkId
    title: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    first_seen_at: datetime
    published_at: datetime | None
    version: int | None
    withdrawn: bool
    links: tuple[str, ...]
    aliases: tuple[Alias, ...]
    sources: tuple[Sighting, ...]
    upvotes: int | None
    votes: tuple[VoteObservation, ...]
    printed: tuple[Printing, ...]
    joined: tuple[JoinedWork, ...]
    possibly: tuple[Resembling, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotReport:
    """What became of one slot so far, as `digest send` tells it."""

    digest: str
    slot: str | None
    editions: int
    deliveries: Mapping[str, int]
    next_slot: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Reads; never writes."""

    store: Store
    digests: tuple[Digest, ...]
    clock: Clock

    def status(self) -> Status:
        """One consistent look at everything."""
        now = self.clock()
        with self.store.reading() as tx:
            paused = deliveries.paused(tx)
            readers = people.readers_by_digest(tx)
            counted = accounting(deliveries.counts(tx))
            listed = people.count_suppressions(tx)
            silent = hushes(tx, now)
            return Status(
                at=now,
                restored=meta.get(tx, meta.RESTORED) is not None,
                sources=tuple(source_status(held, silent.get(held.source.id)) for held in sources.all_held(tx)),
                digests=tuple(digest_status(tx, one, readers.get(one.name, 0), paused, now) for one in self.digests),
                deliveries=counted,
                backlog=counted["open"] + counted["deferred"],
                oldest_open=_oldest(tx),
                next_delivery_at=deliveries.next_due(tx),
                paused=paused,
                bounces={**dict.fromkeys(_BOUNCES, 0), **bounces.count(tx, now - _WEEK)},
                suppressions=sum(listed.values()),
                suppressions_by_reason={reason.value: number for reason, number in sorted(listed.items())},
                entries=entries.count(tx),
                waiting_for_category=entries.count_without_categories(tx, since=now - _WEEK),
                refit=last_refit(tx),
                open_slots=tuple(_open_slot(one, now) for one in slots.under_way(tx)),
            )

    def slot(self, digest: Digest, now: datetime, also: Sequence[date] = ()) -> SlotReport:
        """Where the sending of a digest's newest slot stands; ``also`` are further local dates that readers elsewhere
        have reached."""
        due = due_slot(digest.name, digest.schedule, now)
        following = next_slot(digest.name, digest.schedule, now)
        counted: Counter[str] = Counter()
        printed = 0
        with self.store.reading() as tx:
            for day in {*also, *((due.local_date,) if due else ())}:
                counted.update(deliveries.counts(tx, digest=digest.name, local_date=day))
                printed += editions.count_on(tx, digest.name, day)
        return SlotReport(
            digest=digest.name,
            slot=due.key if due else None,
            editions=printed,
            deliveries=accounting(counted),
            next_slot=following.key if following else None,
        )

    def occasions(self, digest: Digest, now: datetime) -> tuple[Slot | None, Slot | None]:
        """(the newest slot of a digest that was due, the next one); None for a digest without days."""
        return due_slot(digest.name, digest.schedule, now), next_slot(digest.name, digest.schedule, now)

    def entry(self, typed: str) -> EntryReport:
        """One work by whatever names it. Raises NotFound."""
        with self.store.reading() as tx:
            found = find_entry(tx, typed)
            links = (found.url, found.pdf_url, found.code_url, found.project_url, *(s.url for s in found.sightings))
            return EntryReport(
                id=found.work,
                title=found.title,
                authors=found.authors,
                categories=found.categories,
                first_seen_at=found.first_seen_at,
                published_at=found.published_at,
                version=found.version,
                withdrawn=found.withdrawn,
                links=tuple(dict.fromkeys(link for link in links if link)),
                aliases=found.aliases,
                sources=found.sightings,
                upvotes=found.upvotes,
                votes=entries.vote_history(tx, found.id),
                printed=tuple(
                    dict.fromkeys(
                        Printing(digest=slot.digest, slot=slot.key)
                        for slot, _ in editions.printed_in(tx, entries.rows_of(tx, found.id))
                    )
                ),
                joined=tuple(
                    JoinedWork(id=part.work, title=part.title, aliases=part.aliases, at=part.at, why=part.why)
                    for part in parting.parts(tx, found.id)
                ),
                possibly=resembling(tx, found.id),
            )


def resembling(tx: Tx, entry_id: EntryId) -> tuple[Resembling, ...]:
    """The works that one is possibly the same as, the likest first."""
    pairs = likeness.likely(tx, entry_id=entry_id)
    others = {pair: pair.other_id if pair.entry_id == entry_id else pair.entry_id for pair in pairs}
    held = {entry.id: entry for entry in entries.load(tx, others.values(), texts_only=True)}
    return tuple(
        Resembling(id=held[other].work, title=held[other].title, title_ratio=pair.title_ratio, overlap=pair.overlap)
        for pair, other in others.items()
    )


def accounting(counts: Mapping[str, int]) -> dict[str, int]:
    """Deliveries by state as `send` and `status` tell them: ``planned`` is the sum of the others."""
    told = {
        state.value: counts.get(state.value, 0)
        for state in (
            DeliveryState.ACCEPTED,
            DeliveryState.REJECTED,
            DeliveryState.SUPPRESSED,
            DeliveryState.EXPIRED,
            DeliveryState.DEFERRED,
            DeliveryState.UNCERTAIN,
        )
    }
    told["open"] = sum(counts.get(state.value, 0) for state in OPEN_STATES)
    return {"planned": sum(told.values()), **told}


def find_entry(tx: Tx, typed: str) -> Entry:
    """The work that an id, URL, arXiv id or DOI names. Raises NotFound."""
    typed = storable(typed)
    alias = alias_of(typed)
    found = entries.by_alias(tx, alias) if alias is not None else None
    found = found or entries.by_work(tx, WorkId(typed.strip().lower()))
    if found is None:
        raise NotFound(
            "no source has brought this paper",
            where=typed.strip()[:200],
            try_="write an arXiv id, a DOI, a link or an id as `digest preview --json` prints it",
        )
    return found


def source_status(held: HeldSource, silent: Hush | None) -> SourceStatus:
    """How a source is; ``silent`` where it is so for unusually long."""
    return SourceStatus(
        id=held.source.id,
        kind=held.source.kind,
        state=held.state.value if held.state else None,
        detail=held.detail or ("" if held.state else "not fetched yet"),
        failures=held.failures,
        next_at=held.next_at,
        last_ok_at=held.last_ok_at,
        last_new_at=held.last_new_at,
        silence=silent.sentence if silent else "",
    )


def digest_status(tx: Tx, digest: Digest, readers: int, paused: tuple[str, ...], now: datetime) -> DigestStatus:
    """Where a digest stands; ``paused`` are the names of those that are, "*" for all."""
    last = editions.last_public(tx, digest.name) or editions.last_of(tx, digest.name)
    due = due_slot(digest.name, digest.schedule, now)
    following = next_slot(digest.name, digest.schedule, now)
    return DigestStatus(
        name=digest.name,
        title=digest.title,
        readers=readers,
        due_slot=due.key if due else None,
        last_slot=last.slot.key if last else None,
        printed=last.counts.printed if last else 0,
        reason=remarks.sentences(last.reason) if last else "It has not been published yet.",
        notes=tuple(map(remarks.for_operator, last.notes)) if last else (),
        next_slot=following.key if following else None,
        paused=digest.name in paused or "*" in paused,
        paused_readers=people.paused_readers(tx, digest.name, local_day(digest.schedule, now)),
    )


def _open_slot(one: slots.UnderWay, now: datetime) -> OpenSlot:
    return OpenSlot(
        digest=one.slot.digest,
        slot=one.slot.key,
        since=one.opened_at,
        readers=one.readers,
        waiting=one.readers - one.served,
        is_late=now - one.opened_at > _LONG,
    )


def _oldest(tx: Tx) -> OldestOpen | None:
    unfinished = [state.value for state in (*OPEN_STATES, DeliveryState.DEFERRED)]
    for one in deliveries.listing(tx, states=unfinished, limit=1):
        return OldestOpen(
            id=one.id,
            kind=one.kind,
            digest=one.digest,
            state=one.state.value,
            created_at=one.created_at,
            next_at=one.next_at,
            reason=one.reason,
        )
    return None
