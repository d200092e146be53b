"""Your data: all that is kept of one person, to be seen, carried off and erased, by the operator or by the person.

The links in other mails open none of it, for mails are forwarded. By the link to the preferences one may only ask that
a mail be sent, to the address itself; what that mail links to opens the data for a day, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from digest.delivery.tokens import address_key
from digest.model.editions import Digest
from digest.model.errors import NotFound
from digest.model.mail import Bounce, Delivery, Message
from digest.model.people import Subscriber, SubscriberId, Subscription, Suppression, Taste
from digest.services.ports import Clock, PrintLetter
from digest.services.readers.admission import DAY
from digest.services.readers.subscribe import normal_address
from digest.services.stamping import DATA, PREFERENCES, Keys, read_scoped
from digest.storage import admission, bounces, deliveries, desk, editions, people, tastes
from digest.storage.base import Tx
from digest.storage.engine import Store

#: The words and the people that a reader's likes point to (`Tastes.leanings`).
Leanings = Callable[[SubscriberId], tuple[tuple[str, ...], tuple[str, ...]]]
#: More than anybody has: deliveries are kept for months, not for ever.
_ALL = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptSubscription:
    """One subscription with its settings; empty ones are the digest's own. Its secret is not told."""

    address: str
    digest: str
    state: str
    language: str
    timezone: str
    send_at: str
    paused_until: date | None
    days: tuple[int, ...]
    """Weekdays, Monday 0."""
    joined: bool
    preferences: Mapping[str, object]
    created_at: datetime
    confirmed_at: datetime | None
    left_at: datetime | None
    last_slot: str | None
    """Local date of the newest edition that was published for this reader, ISO."""
    wished: Mapping[str, object]
    """Settings that were asked for in a form, and wait for the confirmation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptTry:
    """One try to hand a mail over. ``outcome`` is empty where none was noted."""

    started_at: datetime
    ended_at: datetime | None
    outcome: str
    code: int | None
    answer: str
    """What the mail server said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptDelivery:
    """One mail, and what became of it."""

    id: int
    kind: str
    digest: str
    local_date: date | None
    """Of an edition."""
    state: str
    reason: str
    created_at: datetime
    settled_at: datetime | None
    read: str
    """Where an edition stands on the web; empty where it does not."""
    code: int | None
    answer: str
    """What the mail server said at last."""
    tries: tuple[KeptTry, ...]
    """Those that did not end it: of most mails there are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptTaste:
    """What was said of one paper: 1, more like this; -1, less."""

    id: str
    title: str
    url: str
    value: int
    day: date


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptDeed:
    """What an operator did about this person, by the desk or the API."""

    at: datetime
    deed: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptSuppression:
    """Why an address must not be written to, and since when."""

    reason: str
    since_at: datetime
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """All that is kept of one person; ``plain.as_json`` makes a document of it."""

    address: str
    since_at: datetime
    subscriptions: tuple[KeptSubscription, ...]
    suppressed: KeptSuppression | None
    bounces: tuple[Bounce, ...]
    tastes: tuple[KeptTaste, ...]
    leans_on: Mapping[str, tuple[str, ...]]
    """The words and people that the tastes point to: worked out, not kept."""
    deeds: tuple[KeptDeed, ...]
    deliveries: tuple[KeptDelivery, ...]
    """Oldest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MyData:
    """Shows, tells how to get, and erases what is kept of a person."""

    store: Store
    digests: tuple[Digest, ...]
    keys: Keys
    leanings: Leanings
    erase_address: Callable[[str], None]
    print_letter: PrintLetter
    public_url: str
    clock: Clock

    def of(self, address: str) -> Kept:
        """All that is kept of an address. Raises NotFound."""
        spelt = normal_address(address)
        with self.store.reading() as tx:
            who = people.subscriber(tx, spelt)
            if who is None:
                raise NotFound("is not a subscriber", where=spelt, try_="`digest subscribers list` shows who is")
            hashed = self._key(spelt)
            kept = Kept(
                address=spelt,
                since_at=who.created_at,
                subscriptions=_subscriptions(tx, who),
                suppressed=_suppression(people.suppression(tx, hashed)),
                bounces=bounces.of_address(tx, hashed, limit=_ALL),
                tastes=tuple(map(_taste, tastes.said_by(tx, who.id))),
                leans_on={},
                deeds=tuple(
                    KeptDeed(at=one.at, deed=one.deed, detail=one.detail)
                    for one in desk.read_deeds(tx, limit=_ALL, about=f"subscriber {who.id}")
                ),
                deliveries=self._deliveries(tx, spelt),
            )
        words, leans = self.leanings(who.id)
        return replace(kept, leans_on={"words": words, "people": leans})

    def ask(self, token: str) -> bool:
        """Plans a mail with a link to the data, to the address of whom a preferences link is for: one in 24 hours, and
        none to who must not be written to. Gives only whether the link is one: who forwarded a mail is told nothing.
        """
        now = self.clock()
        reader = self._behind(PREFERENCES, token)
        digest = next((one for one in self.digests if reader is not None and one.name == reader.digest), None)
        if reader is None:
            return False
        digest = digest or self.digests[0]  # one that is gone from the configuration: its readers may ask still
        message = self._letter(digest, reader, now)
        with self.store.transaction() as tx:
            people.hold(tx, reader.address)
            if people.subscription(tx, reader.id) is None or people.suppressed(tx, [self._key(reader.address)]):
                return True
            if not admission.take(tx, self._window(reader.address), now=now, window=DAY, limit=1):
                return True
            editions.keep_message(tx, message, now)
            row = deliveries.plan_row(
                kind="data",
                address=reader.address,
                address_key=self._key(reader.address),
                message_key=message.key,
                now=now,
                digest=digest.name,
                subscriber_id=reader.subscriber_id,
                subscription_id=reader.id,
                notice_key=f"{now:%Y-%m-%dT%H:%M:%S}",
                expires_at=now + DAY,
            )
            deliveries.plan(tx, [row])
        return True

    def opened(self, token: str) -> Subscription | None:
        """Whose data a link opens; None where it is forged, older than 24 hours, or of somebody who was erased."""
        reader = self._behind(DATA, token)
        if reader is None:
            return None
        with self.store.reading() as tx:
            ends_at = admission.ends_at(tx, self._window(reader.address))
        now = self.clock()
        if ends_at is None or now >= ends_at:
            return None
        # The mail of an earlier asking is of an earlier day, and opens nothing again.
        known = read_scoped(DATA, token, now.date(), self.keys.links, since=(ends_at - DAY).date())
        return reader if known is not None else None

    def erase(self, token: str) -> bool:
        """Takes out the person whose data a link opens; False where it opens none."""
        reader = self.opened(token)
        if reader is None:
            return False
        self.erase_address(reader.address)
        return True

    def _behind(self, purpose: str, token: str) -> Subscription | None:
        subscription_id = read_scoped(purpose, token, self.clock().date(), self.keys.links)
        if subscription_id is None:
            return None
        with self.store.reading() as tx:
            return people.subscription(tx, subscription_id)

    def _letter(self, digest: Digest, reader: Subscription, now: datetime) -> Message:
        """One message a digest, language and day."""
        language = reader.language or digest.profile.language
        key = address_key(f"data:{digest.name}:{language}:{now.date().isoformat()}", self.keys.lasting)
        with self.store.reading() as tx:
            kept = editions.message(tx, key)
        return kept or self.print_letter("data", digest, language, now, key, {})

    def _deliveries(self, tx: Tx, address: str) -> tuple[KeptDelivery, ...]:
        found = deliveries.listing(tx, address=address, limit=_ALL)
        tries = deliveries.tries_of(tx, [one.id for one in found])
        return tuple(
            KeptDelivery(
                id=one.id,
                kind=one.kind,
                digest=one.digest,
                local_date=one.local_date,
                state=one.state.value,
                reason=one.reason,
                created_at=one.created_at,
                settled_at=one.settled_at,
                read=self._read(one),
                code=one.code,
                answer=one.remote,
                tries=tuple(
                    KeptTry(
                        started_at=row.started_at,
                        ended_at=row.ended_at,
                        outcome=row.outcome,
                        code=row.code,
                        answer=row.remote,
                    )
                    for row in tries.get(one.id, ())
                ),
            )
            for one in found
        )

    def _read(self, one: Delivery) -> str:
        return f"{self.public_url}/read/{one.message_key}" if self.public_url and one.kind == "edition" else ""

    def _window(self, address: str) -> str:
        """What the mails to an address are counted by; a link opens its page for as long as its count lasts."""
        return address_key(f"data {address}", self.keys.lasting)

    def _key(self, address: str) -> str:
        return address_key(address, self.keys.lasting)


def _subscriptions(tx: Tx, who: Subscriber) -> tuple[KeptSubscription, ...]:
    left = people.left_at(tx, who.id)
    return tuple(
        kept_subscription(one, left.get(one.id), admission.wished(tx, one.id))
        for one in people.subscriptions_of(tx, who.id)
    )


def kept_subscription(
    one: Subscription, left_at: datetime | None = None, wished: Mapping[str, object] | None = None
) -> KeptSubscription:
    """A subscription as it is shown: everything but the secret."""
    return KeptSubscription(
        address=one.address,
        digest=one.digest,
        state=one.state.value,
        language=one.language,
        timezone=one.timezone,
        send_at=one.send_at.strftime("%H:%M") if one.send_at else "",
        paused_until=one.paused_until,
        days=one.days,
        joined=one.joined,
        preferences=one.preferences,
        created_at=one.created_at,
        confirmed_at=one.confirmed_at,
        left_at=left_at,
        last_slot=one.last_slot_date or None,
        wished=wished or {},
    )


def _taste(one: Taste) -> KeptTaste:
    return KeptTaste(id=one.work, title=one.title, url=one.url, value=one.value, day=one.day)


def _suppression(listed: Suppression | None) -> KeptSuppression | None:
    if listed is None:
        return None
    return KeptSuppression(reason=listed.reason.value, since_at=listed.since_at, detail=listed.detail)
