"""Preview:

the mail somebody would get, without recording anything. The same composing as publishing, so the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from digest.editions.schedule import (
    due_slot,
    is_due,
    next_mail,
    parse_instant,
    publishes_on,
    schedule_for,
    served_at,
    slot_on,
    window_start,
)
from digest.model.editions import Digest, Edition, Slot
from digest.model.errors import UsageError
from digest.model.feeds import EntryId
from digest.model.mail import Message
from digest.model.people import Profile, Subscription, SubscriptionState
from digest.rendering import remarks
from digest.rendering.message import fill, parts, segments
from digest.services.ports import Clock, Prepare, Print, ProfileOf, ReadPage
from digest.services.publishing.composing import Composer, Wanted
from digest.services.publishing.due import Wishes, public_due
from digest.services.publishing.press import Press
from digest.services.publishing.together import compose_chain, composer_base, one_mail
from digest.services.publishing.welcome import with_settings
from digest.services.readers.subscribe import Choices, columns_of
from digest.services.stamping import dead_stamps
from digest.storage import deliveries, editions, people, tastes
from digest.storage.base import storable
from digest.storage.engine import Store

_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True, kw_only=True, slots=True)
class Previewed:
    """An edition as a reader would get it. ``mail`` is None when the slot sends none; ``reason`` then says why.

    ``reason`` and ``notes`` are English, for doors.
    """

    digest: Digest
    slot: Slot
    address: str
    edition: Edition | None
    message: Message | None
    mail: bytes | None
    reason: str
    notes: tuple[str, ...] = ()
    kept: bool = False
    """These are the bytes of an edition that was printed before; templates may have changed since."""

    @property
    def html(self) -> str:
        """The mail's HTML; "" where there is no mail."""
        return parts(self.mail)[0] if self.mail is not None else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """Composes and renders for one reader."""

    store: Store
    digests: tuple[Digest, ...]
    prepare: Prepare
    print_edition: Print
    profile_of: ProfileOf
    has_public_url: bool
    read_page: ReadPage
    clock: Clock

    def run(
        self,
        digest: Digest,
        *,
        address: str = "",
        at: str = "",
        afresh: bool = False,
        profile: Profile | None = None,
        language: str = "",
    ) -> Previewed:
        """The edition of the slot due at ``at`` (an INSTANT); without one the next mail, which is that of a slot that
        has passed where it still waits to be published.

        ``afresh`` prints it with the templates of now even where its bytes are kept. ``profile`` and ``language``
        make the reader a hypothetical one, who differs in them and lacks this slot still. Raises UsageError for a bad
        instant.
        """
        reader = reader_of(self.store, digest, address)
        slot, as_of, closed = slot_for(self.store, digest, reader, at, self.clock)
        supposed = _Supposed(profile, language)
        frozen = None if supposed or closed else self._frozen(digest, reader, slot)
        if frozen is not None:
            edition, message = frozen
            message = self.print_edition((edition,), (digest,)) if afresh else message
            return self._shown(digest, slot, address, edition, message, afresh=afresh)
        reason = no_mail(digest, None if supposed else reader, slot, closed=closed)
        if reason:
            after = next_mail(digest.name, schedule_for(digest, reader), reader, as_of)
            reason += f" The next one is {after.key}." if after else ""
            return Previewed(
                digest=digest, slot=slot, address=address, edition=None, message=None, mail=None, reason=reason
            )
        return self._composed(digest, reader, slot, as_of, supposed, address=address, afresh=afresh)

    def wished(self, subscription: Subscription, choices: Choices, *, paused_until: date | None) -> Previewed:
        """The very next mail of a reader, had he chosen this: of a slot that he was not served, without the papers
        that count as sent to him. Raises InputError for choices that cannot be, UsageError for a digest that is gone.
        """
        digest = next((one for one in self.digests if one.name == subscription.digest), None)
        if digest is None:
            raise UsageError(f'there is no digest "{subscription.digest}" any more', where="digest")
        with self.store.reading() as tx:
            links = tastes.added(tx, people.subscriptions_of(tx, subscription.subscriber_id))
        mine = next((one for one in links if one.id == subscription.id), subscription)
        joined = mine.joined if choices.joined is None else choices.joined
        reader = replace(with_settings(mine, columns_of(choices)), joined=joined, paused_until=paused_until)
        slot, as_of, _ = slot_for(self.store, digest, reader, "", self.clock)
        return self._composed(digest, reader, slot, as_of, _Supposed(None, ""), address=reader.address, afresh=False)

    def _composed(
        self,
        digest: Digest,
        reader: Subscription | None,
        slot: Slot,
        as_of: datetime,
        supposed: _Supposed,
        *,
        address: str,
        afresh: bool,
    ) -> Previewed:
        """The edition of a slot, composed and printed now."""
        composer = Composer(self.store, self.prepare, as_of)
        together, sent = self._together(composer, digest, reader, slot, supposed)
        chain = compose_chain(composer, together, composer_base(composer, together, sent))
        press = Press(
            store=self.store,
            print_edition=self.print_edition,
            has_public_url=self.has_public_url,
            afresh=afresh or bool(supposed),
        )
        pressed = press.run([(edition, w.digest) for edition, w in zip(chain, together, strict=True)])
        sheet = next(one for one in pressed.sheets if one.digest.name == digest.name)
        return self._shown(
            digest, slot, address, sheet.edition, pressed.message if sheet.alone else None, afresh=afresh
        )

    def read_by(self, address: str) -> tuple[Digest, ...]:
        """The digests that an address gets, or is asked whether it wants, in the configuration's order."""
        return tuple(one for one in self.digests if reader_of(self.store, one, address) is not None)

    def guess(self, address: str) -> Digest | None:
        """The digest that somebody means who names none: the only one, or the only one that this address reads."""
        known = self.digests if len(self.digests) == 1 else self.read_by(address)
        return known[0] if len(known) == 1 else None

    def stored_html(self, key: str) -> str | None:
        """What "read on the web" shows: the HTML of a kept message, without anybody's tokens, and below it the papers
        for which the mail had no room."""
        with self.store.reading() as tx:
            message = editions.message(tx, storable(key))
            if message is None or message.kind != "edition":
                return None
            whole = {name: editions.find(tx, name) for name in {name for name, _ in message.omitted}}
        html = parts(b"".join(fill(segments(message), dead_stamps("reader@example.org"))))[0]
        known = {name: edition for name, edition in whole.items() if edition is not None}
        at = {(name, item.position): item for name, edition in known.items() for item in edition.items}
        return self.read_page(html, tuple(at[place] for place in message.omitted if place in at))

    def _together(
        self, composer: Composer, digest: Digest, reader: Subscription | None, slot: Slot, supposed: _Supposed
    ) -> tuple[tuple[Wanted, ...], frozenset[EntryId]]:
        """(the edition of the slot with those that the reader has in the same mail, what he was sent)."""
        schedule = schedule_for(digest, reader)
        since = window_start(digest, schedule, slot, served_at(digest, schedule, reader))

        def profile_of(one: Digest, link: Subscription | None) -> Profile:
            return supposed.over(self.profile_of(one, link), is_shown=one.name == digest.name)

        wanted = Wanted(digest=digest, slot=slot, profile=profile_of(digest, reader), since=since)
        if reader is None:
            return (wanted,), frozenset()
        together = [(reader, wanted)]
        with self.store.reading() as tx:
            if reader.joined:
                links = tastes.added(tx, people.subscriptions_of(tx, reader.subscriber_id))
                at = max(composer.as_of, slot.at)
                together = one_mail(self.digests, reader, wanted, links, Wishes(profile_of, at).of)
            reach = min(one.reach for _, one in together)
            sent = deliveries.history(tx, [reader.subscriber_id], composed_since=reach)
            before = sent.get(reader.subscriber_id, frozenset[int]())
            if supposed:
                rows = deliveries.listing(tx, address=reader.address, slot=(slot.local_date, digest.name))
                before -= {row.edition_id for row in rows if row.edition_id is not None}
            return tuple(one for _, one in together), composer.printed(tx, before)

    def _frozen(self, digest: Digest, reader: Subscription | None, slot: Slot) -> tuple[Edition, Message] | None:
        """What this reader was printed for the slot already, from its stored bytes."""
        if reader is None:
            return None
        with self.store.reading() as tx:
            rows = deliveries.listing(tx, address=reader.address, slot=(slot.local_date, digest.name), limit=1)
            if not rows or rows[0].edition_id is None:
                return None
            edition = editions.load(tx, rows[0].edition_id)
            message = editions.message(tx, rows[0].message_key)
        return (edition, message) if edition is not None and message is not None else None

    def _shown(
        self, digest: Digest, slot: Slot, address: str, edition: Edition, message: Message | None, *, afresh: bool
    ) -> Previewed:
        with self.store.reading() as tx:
            kept = message is not None and not afresh and editions.message(tx, message.key) is not None
        mail = message and b"".join(fill(segments(message), dead_stamps(address or "reader@example.org")))
        return Previewed(
            digest=digest,
            slot=slot,
            address=address,
            edition=edition,
            message=message,
            mail=mail,
            reason=remarks.sentences(edition.reason),
            notes=tuple(map(remarks.for_operator, edition.notes)),
            kept=kept,
        )


@dataclass(frozen=True, slots=True)
class _Supposed:
    """What is other about a hypothetical reader; nothing is, when both are empty."""

    profile: Profile | None
    language: str

    def __bool__(self) -> bool:
        return self.profile is not None or bool(self.language)

    def over(self, profile: Profile, *, is_shown: bool) -> Profile:
        """A reader's profile as it would be; other digests of the same mail differ in their language only."""
        base = self.profile if self.profile is not None and is_shown else profile
        return replace(base, language=self.language or base.language)


def no_mail(digest: Digest, reader: Subscription | None, slot: Slot, *, closed: bool) -> str:
    """Why a slot's own day brings this reader no mail, whatever there is to print; "" where it does."""
    if closed:
        return f"{digest.title} is not published on {_DAYS[slot.local_date.weekday()]}."
    if reader is not None and reader.is_paused(slot.local_date):
        return f"{digest.title} is paused until {reader.paused_until:%d %B %Y}, at the reader's own wish."
    return ""


def reader_of(store: Store, digest: Digest, address: str) -> Subscription | None:
    """The subscription of an address that has not left, with what he said of papers; None for anybody else."""
    if not address:
        return None
    with store.reading() as tx:
        found = people.subscriber(tx, address)
        links = tastes.added(tx, people.subscriptions_of(tx, found.id)) if found else ()
    mine = (s for s in links if s.digest == digest.name and s.state is not SubscriptionState.UNSUBSCRIBED)
    return next(mine, None)


def slot_for(
    store: Store, digest: Digest, reader: Subscription | None, at: str, clock: Clock
) -> tuple[Slot, datetime, bool]:
    """(slot, as of when, whether the digest does not go out that day): due at an INSTANT, without one the next mail's.

    Raises UsageError for a text that is no instant.
    """
    if at:
        return slot_at(digest, reader, at)
    now = clock()
    waiting = _waiting(store, digest, reader, now)
    if waiting is not None:
        return waiting, now, False
    schedule = schedule_for(digest, reader)
    following = next_mail(digest.name, schedule, reader, now)
    while following is not None and reader is not None and following.local_date.isoformat() <= reader.last_slot_date:
        following = next_mail(digest.name, schedule, reader, following.at)  # one a day, whatever hour was chosen since
    assert following is not None
    return following, now, False


def slot_at(digest: Digest, reader: Subscription | None, at: str) -> tuple[Slot, datetime, bool]:
    """(the slot due at an INSTANT, as of when, whether the digest does not go out that day).

    Raises UsageError for a text that is no instant.
    """
    schedule = schedule_for(digest, reader)
    try:
        instant, bare = parse_instant(at, schedule)
    except ValueError as error:
        raise UsageError(
            f"{at!r} is not an instant",
            where="--at",
            try_="write 2026-05-04, 2026-05-04T07:30 or 2026-05-04T05:30Z",
        ) from error
    if bare:
        slot = slot_on(digest.name, schedule, date.fromisoformat(at))
        return slot, slot.at, not publishes_on(schedule, slot.local_date)
    due = due_slot(digest.name, schedule, instant)
    assert due is not None
    return due, instant, False


def _waiting(store: Store, digest: Digest, reader: Subscription | None, now: datetime) -> Slot | None:
    """The slot that has passed and would be published now: for a reader, else for the digest."""
    if reader is None:
        with store.reading() as tx:
            return public_due(digest, editions.last_public(tx, digest.name), now)
    schedule = schedule_for(digest, reader)
    due = due_slot(digest.name, schedule, now)
    if due is None or reader.state is not SubscriptionState.CONFIRMED:
        return None
    return due if is_due(due, reader, timezone=schedule.timezone, insist=False) else None
