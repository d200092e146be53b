"""The reader's own yes, and the welcome that goes out with it: planned in the same transaction, never a second time.

The last public edition comes along, so that nobody waits. It counts as sent, and is the reader's edition of its day;
where one of its papers counts as sent already, the welcome goes without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import cast

from digest.delivery.tokens import address_key
from digest.editions.schedule import MOST_REACH, schedule_for
from digest.model.editions import About, Digest, Edition
from digest.model.mail import Message
from digest.model.people import Subscription, SubscriptionId, SubscriptionState
from digest.services.ports import Clock, PrintLetter
from digest.services.publishing.press import Press
from digest.services.stamping import CONFIRM, Keys, read_scoped
from digest.storage import admission, deliveries, editions, entries, lacking, meta, people
from digest.storage.base import Tx
from digest.storage.engine import Store

#: An older edition is no news; its papers may come in the reader's own first one.
FRESH = timedelta(days=7)
_WORTH = timedelta(days=2)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Letter:
    """A printed welcome, and the edition in it."""

    message: Message
    edition: Edition | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Welcome:
    """Lets in who says yes."""

    store: Store
    digests: tuple[Digest, ...]
    keys: Keys
    print_letter: PrintLetter
    has_public_url: bool
    clock: Clock

    def newest(self, digest: str) -> Edition | None:
        """The last public edition that printed something: what a reader would get. None before there is one."""
        with self.store.reading() as tx:
            return editions.last_printed(tx, digest)

    def confirm(self, token: str) -> Subscription | None:
        """Obeys a confirmation link: what was wished for is set, the subscription confirmed, a welcome planned.

        A second time changes nothing. None for a dead link, for who has left since and did not ask anew, and where the
        address must not be written to.
        """
        now = self.clock()
        subscription_id = read_scoped(CONFIRM, token, now.date(), self.keys.links)
        if subscription_id is None:
            return None
        with self.store.reading() as tx:
            found = people.subscription(tx, subscription_id)
            settings = admission.wished(tx, SubscriptionId(subscription_id))
        digest = next((one for one in self.digests if found is not None and one.name == found.digest), None)
        if found is None or digest is None:
            return None
        letters = [self._print(digest, with_settings(found, settings), None, now)]
        edition = self._edition_for(digest, found, now)
        if edition is not None:
            letters.insert(0, self._print(digest, with_settings(found, settings), edition, now))
        with self.store.transaction() as tx:
            # Whoever is just planning this reader an edition is waited for, or waits for us; both look at what was sent
            # only then.
            people.hold(tx, found.address)
            if people.suppressed(tx, [address_key(found.address, self.keys.lasting)]):
                return None
            held = people.subscription(tx, found.id)
            if held is None or (held.state is SubscriptionState.UNSUBSCRIBED and not admission.is_wished(tx, found.id)):
                return None  # who left after that mail is not brought back by it
            if people.set_state(tx, found.id, SubscriptionState.CONFIRMED, now):
                if settings:
                    people.choose(tx, found.id, settings)
                self._plan(tx, found, letters, now)
            admission.grant(tx, found.id)
            return people.subscription(tx, found.id)

    def _edition_for(self, digest: Digest, reader: Subscription, now: datetime) -> Edition | None:
        """The edition that a welcome may carry, as far as can be told before it is written."""
        if digest.about is About.TOPIC:
            return None  # a reader's own first edition looks back for months (schedule.window_start)
        edition = self.newest(digest.name)
        if edition is None or now - edition.slot.at > FRESH:
            return None
        with self.store.reading() as tx:
            return edition if _is_new_to(tx, reader, edition, now) else None

    def _print(self, digest: Digest, reader: Subscription, edition: Edition | None, now: datetime) -> _Letter:
        """The welcome of all who get the same one: printed once, then kept."""
        schedule = schedule_for(digest, reader)
        language = reader.language or digest.profile.language

        def letter(shown: Edition | None) -> Message:
            name = (digest.name, language, str(schedule), now.date().isoformat(), shown.key if shown else "")
            key = address_key("\n".join(("welcome", *name)), self.keys.lasting)
            with self.store.reading() as tx:
                kept = editions.message(tx, key)
            context = {"schedule": schedule, **({"edition": shown} if shown else {})}
            return kept or self.print_letter("welcome", digest, language, now, key, context)

        if edition is None:
            return _Letter(message=letter(None), edition=None)
        press = Press(
            store=self.store,
            print_edition=lambda some, _digests: letter(some[0]),
            has_public_url=self.has_public_url,
            afresh=True,
        )
        (sheet,) = press.run([(edition, digest)]).sheets
        if sheet.alone is None:
            return _Letter(message=letter(None), edition=None)
        return _Letter(message=sheet.alone, edition=sheet.edition)

    def _plan(self, tx: Tx, reader: Subscription, letters: list[_Letter], now: datetime) -> None:
        """Plans the first letter whose edition the reader may have; the last one has none."""
        fits = (one for one in letters if one.edition is None or _is_new_to(tx, reader, one.edition, now))
        letter = next(fits)
        edition = editions.freeze(tx, letter.edition) if letter.edition is not None else None
        editions.keep_message(tx, letter.message, now)
        row = deliveries.plan_row(
            kind="welcome",
            address=reader.address,
            address_key=address_key(reader.address, self.keys.lasting),
            message_key=letter.message.key,
            now=now,
            digest=reader.digest,
            subscriber_id=reader.subscriber_id,
            subscription_id=reader.id,
            notice_key=f"{reader.digest}:{now.date().isoformat()}",
            edition_id=edition.id if edition is not None else None,
            expires_at=now + _WORTH,
        )
        if deliveries.plan(tx, [row]) and edition is not None:
            lacking.served(tx, [reader.id], edition.slot.at, edition.slot.local_date.isoformat())


def with_settings(reader: Subscription, settings: Mapping[str, object]) -> Subscription:
    """A subscription as it will be with these settings (columns, as people.choose takes them)."""
    said = dict(settings)
    if "send_at" in said:
        said["send_at"] = time.fromisoformat(str(said["send_at"])) if said["send_at"] else None
    if "days" in said:
        said["days"] = tuple(cast("list[int]", said["days"]))
    return replace(reader, **said)


def _is_new_to(tx: Tx, reader: Subscription, edition: Edition, now: datetime) -> bool:
    """Whether nothing of an edition counts as sent to a reader, nor its day as served."""
    if reader.last_slot_date >= edition.slot.local_date.isoformat():
        return False
    sent_until = meta.instant(tx, meta.SENT_UNTIL)
    if sent_until is not None and edition.composed_at <= sent_until:
        return False  # who was sent what before that instant is not known
    sent = deliveries.history(tx, [reader.subscriber_id], composed_since=now - MOST_REACH)
    printed = editions.entry_ids(tx, sent.get(reader.subscriber_id, frozenset()))
    works = frozenset[int]().union(*printed.values())
    theirs = frozenset(item.entry_id for item in edition.items)
    moved = entries.roots(tx, works | theirs)
    return {moved.get(one, one) for one in works}.isdisjoint(moved.get(one, one) for one in theirs)
