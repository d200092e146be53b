"""Why a paper was printed for a reader, or left out: the same composing as publishing, asked about one work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digest.editions.schedule import due_slot, schedule_for, served_at, window_start
from digest.model.editions import Digest, Edition, Selection, Slot, WhenEmpty
from digest.model.feeds import Entry, EntryId, WorkId
from digest.model.people import Subscription
from digest.ranking.explain import why
from digest.ranking.rank import Ranking
from digest.ranking.select import select
from digest.services.ports import Clock, Prepare, ProfileOf
from digest.services.publishing.composing import Composer, Wanted
from digest.services.publishing.fate import Fate, Verdict
from digest.services.publishing.preview import no_mail, reader_of, slot_for
from digest.services.status.report import find_entry
from digest.storage import deliveries, editions, entries, likeness, meta, sources
from digest.storage.base import Tx
from digest.storage.engine import Store

_NO_ROOM = "It was chosen, but the mail had no room for it; it stays unsent and may stand in the next one."


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedPart:
    """A share of the score with its English sentence."""

    key: str
    points: int
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """What became of a work in one edition.

    ``verdict`` is printed, sent, withdrawn, other-source, counted-as-sent, outside-window, muted, nobody-followed,
    off-topic, liked, disliked, below-min-score, category, category-unknown, per-category, max-items, no-room or
    no-edition. ``score`` is None for a paper that was not ranked.
    """

    id: WorkId
    title: str
    digest: str
    slot: str
    address: str
    verdict: str
    sentence: str
    category: str = ""
    score: int | None = None
    parts: tuple[ExplainedPart, ...] = ()
    possibly_same: tuple[WorkId, ...] = ()
    """Works that may be this one; the likest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explain:
    """Answers for one work, digest, reader and instant."""

    store: Store
    prepare: Prepare
    profile_of: ProfileOf
    clock: Clock

    def run(self, typed: str, digest: Digest, *, address: str = "", at: str = "") -> Explained:
        """``typed`` is any id, URL, arXiv id or DOI; without ``at`` about the reader's newest edition, else the next.

        Raises NotFound, and UsageError for a bad instant.
        """
        with self.store.reading() as tx:
            entry = find_entry(tx, typed)
            others = _possibly_same(tx, entry)
        reader = reader_of(self.store, digest, address)
        slot, as_of, closed = slot_for(self.store, digest, reader, at, self.clock)
        if not at and reader is not None:
            due = due_slot(digest.name, schedule_for(digest, reader), as_of)
            slot = due if due is not None and self._frozen(reader, due) is not None else slot
        printed = reader is not None and not closed and self._frozen(reader, slot) is not None
        none = "" if printed else no_mail(digest, reader, slot, closed=closed)
        found = Verdict("no-edition", none) if none else self._judge(entry, digest, reader, slot, as_of)
        return Explained(
            id=entry.work,
            title=entry.title,
            digest=digest.name,
            slot=slot.key,
            address=address,
            verdict=found.name,
            sentence=" ".join(
                (found.sentence, *(f"It is possibly the same as “{o.title}” ({o.work})." for o in others))
            ),
            category=found.category,
            score=found.score,
            parts=tuple(ExplainedPart(key=part.key, points=part.points, why=why(part)) for part in found.parts),
            possibly_same=tuple(other.work for other in others),
        )

    def _frozen(self, reader: Subscription, slot: Slot) -> Edition | None:
        """The edition this reader was printed for a slot."""
        with self.store.reading() as tx:
            rows = deliveries.listing(tx, address=reader.address, slot=(slot.local_date, slot.digest), limit=1)
            return editions.load(tx, rows[0].edition_id) if rows and rows[0].edition_id is not None else None

    def _judge(self, entry: Entry, digest: Digest, reader: Subscription | None, slot: Slot, as_of: datetime) -> Verdict:
        frozen = self._frozen(reader, slot) if reader is not None else None
        with self.store.reading() as tx:
            sent = _sent(tx, entry, reader, slot)
            if sent is not None:
                return sent
        if frozen is not None:
            as_of = frozen.composed_at
        schedule = schedule_for(digest, reader)
        since = window_start(digest, schedule, slot, served_at(digest, schedule, reader))
        wanted = Wanted(digest=digest, slot=slot, profile=self.profile_of(digest, reader), since=since)
        composer = Composer(self.store, self.prepare, as_of)
        since, fresh, selection = self._choose(composer, wanted, reader, frozen)
        one = next((one for one in fresh if one.entry.id == entry.id), None)
        if one is not None:
            found = Fate(fresh, selection, wanted.profile).of(one)
            if found.name == "printed" and frozen is not None and _was_cut(frozen, entry, selection):
                return replace(found, name="no-room", sentence=_NO_ROOM)
            return found
        with self.store.reading() as tx:
            return _absent(tx, entry, digest, since, as_of)

    def _choose(
        self, composer: Composer, wanted: Wanted, reader: Subscription | None, frozen: Edition | None
    ) -> tuple[datetime, Ranking, Selection]:
        """(window's start, candidates, selection) of the edition, by the same steps as Composer.

        Of one that was printed already, only what was sent before it counts as sent.
        """
        sent: frozenset[EntryId] = frozenset()
        if reader is not None:
            with self.store.reading() as tx:
                known = deliveries.history(tx, [reader.subscriber_id], composed_since=wanted.reach)
                before = known.get(reader.subscriber_id, frozenset())
                if frozen is not None:
                    before = frozenset(edition_id for edition_id in before if edition_id < frozen.id)
                sent = composer.printed(tx, before)

        def choose(since: datetime) -> tuple[datetime, Ranking, Selection]:
            fresh = composer.ranked(wanted, since).without(sent)
            return since, fresh, select(fresh, wanted.profile, about=wanted.digest.about)

        found = choose(wanted.since)
        if not found[2].printed and wanted.digest.when_empty is WhenEmpty.BEST_OF:
            older = choose(wanted.reach)
            return older if older[2].printed else found
        return found


def _sent(tx: Tx, entry: Entry, reader: Subscription | None, slot: Slot) -> Verdict | None:
    """What the ledger says: printed in this very edition, or sent in an earlier one of any digest."""
    if reader is None:
        return None
    rows = frozenset(entries.rows_of(tx, entry.id))
    for delivery, slot_at in deliveries.sent_with(tx, reader.subscriber_id, sorted(rows)):
        if delivery.edition_id is None or (edition := editions.load(tx, delivery.edition_id)) is None:
            continue
        known = editions.printed_for(tx, delivery.edition_id, rows)
        item = next((item for item in edition.items if item.entry_id in known), None)
        if item is None:
            continue
        version = f"as v{item.version}, " if item.version is not None else ""
        place = f"number {item.position} of {edition.counts.printed}, with a score of {item.score}"
        if (delivery.digest, delivery.local_date) == (slot.digest, slot.local_date):
            return Verdict("printed", f"It was printed as {place}.", item.category, item.score, item.parts)
        if slot_at <= slot.at:
            day = f"{edition.slot.local_date:%d %B %Y}"
            ledger = f"{delivery.state.value}, delivery {delivery.id}"
            said = f"It was sent in {delivery.digest} of {day} {version or 'as '}{place} ({ledger})."
            return Verdict("sent", said, item.category, item.score, item.parts)
    return None


def _was_cut(frozen: Edition, entry: Entry, selection: Selection) -> bool:
    """Whether a paper that was chosen is not in the edition, which had to become smaller (see press)."""
    printed = {item.entry_id for item in frozen.items}
    return entry.id not in printed and len(printed) < selection.printed


def _possibly_same(tx: Tx, entry: Entry) -> tuple[Entry, ...]:
    pairs = likeness.likely(tx, entry_id=entry.id, limit=3)
    ids = [pair.other_id if pair.entry_id == entry.id else pair.entry_id for pair in pairs]
    found = {other.id: other for other in entries.load(tx, ids, texts_only=True)}
    return tuple(found[id_] for id_ in ids if id_ in found)


def _absent(tx: Tx, entry: Entry, digest: Digest, since: datetime, as_of: datetime) -> Verdict:
    """Why a work was not even ranked."""
    if entry.withdrawn:
        return Verdict("withdrawn", "Its authors withdrew it.")
    if entry.first_seen_at > as_of:
        return Verdict("outside-window", f"It was first seen at {_said(entry.first_seen_at)}, after this edition.")
    if entry.first_seen_at <= since:
        days = max(1, round((as_of - since) / timedelta(days=1)))
        said = (
            f"It was first seen at {_said(entry.first_seen_at)}; this edition goes back {days} days, to {_said(since)}."
        )
        return Verdict("outside-window", said)
    sent_until = meta.instant(tx, meta.SENT_UNTIL)
    if sent_until is not None and entry.first_seen_at < sent_until:
        said = f"It was first seen before {_said(sent_until)}; after the restore all works up to then count as sent."
        return Verdict("counted-as-sent", said)
    titles = {held.source.id: held.title or held.source.id for held in sources.all_held(tx)}
    carried = ", ".join(dict.fromkeys(titles.get(seen.source_id, seen.source_id) for seen in entry.sightings))
    return Verdict(
        "other-source", f"Only sources that {digest.title} does not read carried it then: {carried or 'none'}."
    )


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
