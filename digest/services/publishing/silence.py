"""Why there was no mail on a day, or little in it: the digest, the reader, and source by source what came.

Asked about any day. What was frozen then is told as it was frozen; the rest is worked out as of that day's slot, from
the rounds of the sources and the ledger. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from digest.editions.schedule import (
    MOST_REACH,
    is_due,
    local_day,
    next_mail,
    publishes_on,
    schedule_for,
    served_at,
    slot_on,
    window_start,
)
from digest.model.editions import Digest, Edition, Figures, Remark, Schedule, Slot
from digest.model.errors import NotFound, UsageError
from digest.model.feeds import EntryId, Source
from digest.model.mail import Delivery, DeliveryState
from digest.model.people import Profile, Subscription, SubscriptionState
from digest.rendering import remarks
from digest.rendering.language import language_for
from digest.services.ports import Clock, Prepare, ProfileOf
from digest.services.publishing.composing import Composer, Wanted
from digest.services.status.standing import said
from digest.services.status.usual import is_short, usual_of
from digest.storage import deliveries, editions, people, tastes
from digest.storage.base import Tx
from digest.storage.engine import Store

#: Deliveries are kept for so long at least; of what was sent earlier the ledger holds totals.
_LEDGER = timedelta(days=99)
_WAITS = (DeliveryState.QUEUED, DeliveryState.LEASED, DeliveryState.SENDING, DeliveryState.DEFERRED)
#: Figures that tell how a source stood, whoever reads it.
_STOOD = ("state", "detail", "at", "since", "tries", "until")
_CAUSES = (*remarks.CAUSES, *remarks.BESIDES)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceLine:
    """What one source brought for an edition, and why not more.

    ``state`` is ok, unchanged, quiet, holiday, stale, throttled, broken, gone, idle, lost, removed or not-fetched.
    """

    id: str
    title: str
    state: str
    sentence: str
    """For the operator."""
    told: str
    """As the reader reads it, in his language."""
    since: datetime | None
    """When it began to fail."""
    tries: int
    until: datetime | None
    """How long it was left alone."""
    papers: int
    """How many it brought for the edition."""
    became: Mapping[str, int]
    """Of these: printed, already-sent, below-min-score, muted, category and so on."""
    older: int
    """Papers that it showed then, from before the days of the edition."""


#: Nothing is known of a day farther away than this, and no calendar is sure of it.
_FAR = timedelta(days=20 * 365)


@dataclass(frozen=True, kw_only=True, slots=True)
class DaySilence:
    """The answer for one digest, day and reader.

    ``verdict``: printed, short, best-of, empty, no-room, unpublished (the slot passed without Digest), to-come,
    closed (it is not published on that weekday), or paused (at the reader's own wish). ``printed`` and ``usual`` count
    papers; None where not known.
    """

    digest: str
    on: date
    slot: str | None
    address: str
    verdict: str
    printed: int | None
    usual: float | None
    sentences: tuple[str, ...]
    """For the operator: about the digest, then about the reader's own mail."""
    told: str
    """Why, in the reader's language; empty where nothing needs saying."""
    sources: tuple[SourceLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """Answers for one digest, day and reader."""

    store: Store
    configured: tuple[Source, ...]
    prepare: Prepare
    profile_of: ProfileOf
    clock: Clock

    def run(self, digest: Digest, *, address: str = "", on: str = "") -> DaySilence:
        """``on`` is a local date, today without one. Raises UsageError for a text that is none, NotFound for an address
        that never had to do with the digest.
        """
        now = self.clock()
        with self.store.reading() as tx:
            reader = _subscription(tx, digest, address)
        schedule = schedule_for(digest, reader if _is_served(reader) else None)
        day = _day(on, schedule, now)
        slot = slot_on(digest.name, schedule, day)
        if not publishes_on(schedule, day):
            whose = "for this reader" if reader is not None and reader.days else ""
            why = " ".join(filter(None, (f"{digest.title} is not published on {day:%A}s", whose)))
            return _nothing("closed", why, digest, schedule, reader, address, slot)
        case = _Case(digest=digest, schedule=schedule, reader=reader, address=address, slot=slot, now=now)
        with self.store.reading() as tx:
            frozen, public, delivery = _frozen(tx, case)
            if case.paused and delivery is None:
                assert reader is not None, "a reader paused"
                why = f"{digest.title} for {address} of {day:%A, %d %B %Y} is left out: paused until"
                why += f" {reader.paused_until:%A, %d %B %Y} at the reader's own wish"
                return _nothing("paused", why, digest, schedule, reader, address, slot)
            usual = _usual(tx, case, frozen)
        lines, reason = self._lines(case, frozen, public)
        verdict = _verdict(case, frozen, usual)
        language = language_for(self.profile_of(digest, case.served).language)
        sentences = [_about_digest(case, frozen, verdict, usual, reason, idle=not lines)]
        with self.store.reading() as tx:
            sentences += _about_reader(tx, case, frozen, delivery)
        unexplained = verdict in ("printed", "to-come", "unpublished")
        return DaySilence(
            digest=digest.name,
            on=day,
            slot=slot.key,
            address=address,
            verdict=verdict,
            printed=frozen.counts.printed if frozen else None,
            usual=usual_of(usual) if usual else None,
            sentences=tuple(sentences),
            told="" if unexplained else remarks.sentences(reason, language),
            sources=tuple(_source_line(one, language.code) for one in lines),
        )

    def _profile(self, case: _Case, frozen: Edition | None) -> Profile:
        current = self.profile_of(case.digest, case.served)
        if frozen is None:
            return current
        return frozen.profile.having(current.likes, current.dislikes)

    def _lines(
        self, case: _Case, frozen: Edition | None, public: Edition | None
    ) -> tuple[tuple[Remark, ...], tuple[Remark, ...]]:
        """(the sources' remarks, the reasons) as they were frozen, else worked out as of then."""
        kept = _of_sources(frozen)
        if frozen is not None and kept:
            return kept, frozen.reason or tuple(note for note in frozen.notes if note.key == remarks.SHORT)
        known = frozen or public
        composer = Composer(self.store, self.prepare, known.composed_at if known else min(case.now, case.slot.at))
        wanted, sent = self._wanted(case, frozen, composer)
        lines = _as_frozen(composer.lines(wanted, sent, now=case.now), public)
        if frozen is None:  # nothing was printed yet, whatever would be
            lines = tuple(replace(one, figures=_without_printed(one.figures)) for one in lines)
            return lines, composer.edition(wanted, sent).reason
        if _has_no_room(frozen):
            lines = tuple(replace(one, figures=_without_room(one.figures)) for one in lines)
        return lines, frozen.reason

    def _wanted(self, case: _Case, frozen: Edition | None, composer: Composer) -> tuple[Wanted, frozenset[EntryId]]:
        """What was to be composed, and what counted as sent before."""
        with self.store.reading() as tx:
            since = window_start(case.digest, case.schedule, case.slot, _served_before(tx, case))
            wanted = Wanted(digest=case.digest, slot=case.slot, profile=self._profile(case, frozen), since=since)
            if case.served is None:
                ids = editions.public_ids(tx, case.digest.name, composed_since=wanted.reach)
            else:
                known = deliveries.history(tx, [case.served.subscriber_id], composed_since=wanted.reach)
                ids = known.get(case.served.subscriber_id, frozenset())
            earlier = editions.composed_before(tx, ids, composer.as_of)
            if frozen is not None:
                earlier -= {frozen.id}
            return wanted, composer.printed(tx, earlier)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """What is asked."""

    digest: Digest
    schedule: Schedule
    reader: Subscription | None
    address: str
    slot: Slot
    now: datetime

    @property
    def served(self) -> Subscription | None:
        """The reader, if he got editions by then."""
        reader = self.reader
        if reader is None or not _is_served(reader):
            return None
        return None if reader.confirmed_at is not None and reader.confirmed_at > self.slot.at else reader

    @property
    def paused(self) -> bool:
        """Whether the reader wanted no mail of that day."""
        return self.served is not None and self.served.was_paused(self.slot.local_date)


def _nothing(
    verdict: str,
    why: str,
    digest: Digest,
    schedule: Schedule,
    reader: Subscription | None,
    address: str,
    slot: Slot,
) -> DaySilence:
    """A day for which nothing was to be sent, whatever there was to print."""
    after = next_mail(digest.name, schedule, reader, slot.at)
    return DaySilence(
        digest=digest.name,
        on=slot.local_date,
        slot=None,
        address=address,
        verdict=verdict,
        printed=None,
        usual=None,
        sentences=(f"{why}." + (f" The next one is of {after.local_date:%A, %d %B %Y}." if after else ""),),
        told="",
        sources=(),
    )


def _is_served(reader: Subscription | None) -> bool:
    return reader is not None and reader.state is SubscriptionState.CONFIRMED


def _subscription(tx: Tx, digest: Digest, address: str) -> Subscription | None:
    """The link of an address to a digest, also one that has ended; None without an address. Raises NotFound."""
    if not address:
        return None
    found = people.subscriber(tx, address)
    if found is None:
        raise NotFound("is not a subscriber", where=address, try_="`digest subscribers list` shows who is")
    links = tastes.added(tx, people.subscriptions_of(tx, found.id))
    reader = next((one for one in links if one.digest == digest.name), None)
    if reader is None:
        raise NotFound(
            f"is not a subscriber of {digest.name}",
            where=address,
            try_=f"`digest subscribers show {address}` shows what they read",
        )
    return reader


def _day(on: str, schedule: Schedule, now: datetime) -> date:
    if not on:
        return local_day(schedule, now)
    try:
        day = date.fromisoformat(on)
    except ValueError as error:
        raise UsageError(f"{on!r} is not a date", where="--on", try_="write 2026-05-04") from error
    if abs(day - now.date()) > _FAR:
        raise UsageError(f"{on} is too far away", where="--on", try_="name a day of these years")
    return day


def _frozen(tx: Tx, case: _Case) -> tuple[Edition | None, Edition | None, Delivery | None]:
    """(the edition that is asked about, the public one of the day, the reader's delivery).

    Nobody is mailed an empty edition that does not speak: what such a reader had is worked out again.
    """
    public = editions.public_on(tx, case.digest.name, case.slot.local_date)
    if case.reader is None:
        return public, public, None
    rows = deliveries.listing(tx, address=case.reader.address, slot=(case.slot.local_date, case.digest.name), limit=1)
    if rows and rows[0].edition_id is not None and (own := editions.load(tx, rows[0].edition_id)) is not None:
        return own, public, rows[0]
    return (None if case.served is not None else public), public, None


def _served_before(tx: Tx, case: _Case) -> datetime | None:
    """The last slot before this one: the reader's own, else the digest's. None: this one is the first."""
    digest, slot, reader = case.digest, case.slot, case.served
    if reader is None:
        before = editions.last_public_before(tx, digest.name, slot.at)
        return before.slot.at if before else None
    if reader.last_slot_at is None or reader.last_slot_at < slot.at:
        return served_at(digest, case.schedule, reader)
    # Of earlier slots his mails are kept, and the days on which the digest was published: he was served then, too.
    since = slot.at - MOST_REACH
    mails = deliveries.history(tx, [reader.subscriber_id], composed_since=since).get(reader.subscriber_id, frozenset())
    served = set(editions.slots_of(tx, mails, digest.name))
    then = replace(reader, last_slot_at=None, last_slot_date="", paused_until=None)
    for public, _ in editions.printed_publicly(tx, digest.name, since=since):
        own = slot_on(digest.name, case.schedule, public.local_date)
        if publishes_on(case.schedule, own.local_date) and is_due(
            own, then, timezone=case.schedule.timezone, insist=False
        ):
            served.add(own.at)
    return max((at for at in served if at < slot.at), default=None)


def _usual(tx: Tx, case: _Case, frozen: Edition | None) -> tuple[int, ...]:
    return editions.printed_before(tx, frozen.slot, frozen.profile_key) if frozen is not None else ()


def _of_sources(edition: Edition | None) -> tuple[Remark, ...]:
    return tuple(note for note in edition.notes if note.key == "source") if edition is not None else ()


def _as_frozen(lines: Sequence[Remark], public: Edition | None) -> tuple[Remark, ...]:
    """How the sources stood as it was frozen with the public edition, should it have been: rounds are pruned."""
    held = {note.figures.get("id"): note.figures for note in _of_sources(public)}
    return tuple(
        replace(
            one,
            figures={name: value for name, value in one.figures.items() if name not in _STOOD}
            | {name: value for name, value in held.get(one.figures.get("id"), one.figures).items() if name in _STOOD},
        )
        for one in lines
    )


def _has_no_room(edition: Edition) -> bool:
    return any(one.key == "no-room" for one in edition.reason)


def _without_room(figures: Figures) -> Figures:
    return {"no-room" if name == "printed" else name: value for name, value in figures.items()}


def _without_printed(figures: Figures) -> Figures:
    return {name: value for name, value in figures.items() if name != "printed"}


def _verdict(case: _Case, frozen: Edition | None, usual: Sequence[int]) -> str:
    if frozen is None:
        if case.slot.at > case.now:
            return "to-come"
        served = case.served
        was_served = served is not None and served.last_slot_at is not None and served.last_slot_at >= case.slot.at
        return "empty" if was_served else "unpublished"
    if _has_no_room(frozen):
        return "no-room"
    if frozen.counts.printed and frozen.reason:
        return "best-of"
    if not frozen.counts.printed:
        return "empty"
    return "short" if is_short(frozen.counts.printed, usual) else "printed"


def _about_digest(
    case: _Case, frozen: Edition | None, verdict: str, usual: Sequence[int], reason: Sequence[Remark], idle: bool
) -> str:
    title = f"{case.digest.title} for {case.address}" if case.served is not None else case.digest.title
    day = f"{case.slot.local_date:%A, %d %B %Y}"
    printed = frozen.counts.printed if frozen else 0
    papers = "1 paper" if printed == 1 else f"{printed} papers"
    why = "It reads no source." if idle else remarks.sentences(reason)
    match verdict:
        case "to-come":
            return f"{title} of {day} is due at {said(case.slot.at)}; until now: {why or 'there are papers for it'}"
        case "unpublished":
            missed = f"{title} of {day} was not published: nothing ran at {said(case.slot.at)} or after."
            return f"{missed} There was for it: {why}" if why else missed
        case "short":
            return f"{title} of {day} printed {papers}; usual are {usual_of(usual):g}."
        case "printed":
            return f"{title} of {day} printed {papers}."
        case "best-of":
            return f"{title} of {day} printed {papers}. {why}"
        case _:
            return f"{title} of {day} printed nothing. {why}"


def _about_reader(tx: Tx, case: _Case, frozen: Edition | None, delivery: Delivery | None) -> list[str]:
    """What became of the reader's own mail."""
    reader = case.reader
    if reader is None:
        held = " Its mails are held: deliveries are paused." if _is_paused(tx, case.digest) else ""
        return [held.strip()] if held else []
    if delivery is not None:
        return [_about_delivery(tx, case, delivery)]
    if reader.state is SubscriptionState.PENDING:
        return [f"{case.address} has not confirmed yet, and gets no mail."]
    if reader.state is SubscriptionState.UNSUBSCRIBED:
        return [f"{case.address} has left {case.digest.title}, and gets no mail."]
    if reader.confirmed_at is not None and reader.confirmed_at > case.slot.at:
        return [f"{case.address} joined on {said(reader.confirmed_at)}, after it."]
    if case.now - case.slot.at > _LEDGER:
        return ["What this reader was sent then is no longer kept."]
    if case.slot.at > case.now or (reader.last_slot_at is not None and reader.last_slot_at >= case.slot.at):
        return []
    return [f"{case.address} was not served yet."]


def _about_delivery(tx: Tx, case: _Case, delivery: Delivery) -> str:
    state = delivery.state
    if state in _WAITS and _is_paused(tx, case.digest):
        return f"The mail to {case.address} is held: deliveries are paused (`digest deliveries resume`)."
    why = f": {delivery.reason.rstrip('.')}" if delivery.reason else ""
    if state in _WAITS:
        return f"The mail to {case.address} still waits ({state.value}{why})."
    return f"The mail to {case.address} is {state.value}{why}."


def _is_paused(tx: Tx, digest: Digest) -> bool:
    return bool({digest.name, "*"} & set(deliveries.paused(tx)))


def _source_line(remark: Remark, language: str) -> SourceLine:
    figures = remark.figures
    return SourceLine(
        id=str(figures.get("id", "")),
        title=str(figures.get("source", "")),
        state=str(figures.get("state", "")) or "not-fetched",
        sentence=remarks.for_operator(remark),
        told=remarks.sentence(remark, language_for(language)),
        since=_at(figures, "since"),
        tries=_number(figures, "tries"),
        until=_at(figures, "until"),
        papers=_number(figures, "papers"),
        became={cause: number for cause in _CAUSES if (number := _number(figures, cause))},
        older=_number(figures, "older"),
    )


def _at(figures: Figures, key: str) -> datetime | None:
    value = figures.get(key)
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None


def _number(figures: Figures, key: str) -> int:
    value = figures.get(key, 0)
    return int(value) if isinstance(value, int | float) else 0
