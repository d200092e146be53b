"""A small installation for the services' tests: store, sources, papers, readers, a relay that keeps what it is given.

Ranking, composing, publishing and delivering are the real ones; only printing is short.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

from digest.config import apply_preferences
from digest.delivery.exchange import hand_over
from digest.delivery.folder import arrived
from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.relay import Event, Mail, Opened, Relay
from digest.model.editions import Digest, Edition, Schedule, WhenEmpty
from digest.model.feeds import Entry, Health, Source, SourceId, SourceState
from digest.model.mail import Message, Outcome, OutcomeKind, Sender
from digest.model.people import Profile, Subscription, SubscriptionState
from digest.ranking.pool import Pool
from digest.ranking.rank import rank_pool
from digest.rendering.message import Head, encode
from digest.rendering.remarks import sentences
from digest.services.publishing.explain import Explain
from digest.services.publishing.publish import Publish
from digest.services.readers.feedback import Feedback
from digest.services.readers.subscribe import Choices, Subscribe
from digest.services.sending.deliver import Deliver
from digest.services.sending.outlets import Outlet
from digest.services.sending.packing import ReturnPath
from digest.services.stamping import Keys
from digest.services.status.report import Report
from digest.services.tending.upkeep import Upkeep
from digest.storage import entries, sources
from digest.storage.engine import Store
from tests.storage.papers import SLOT_AT, new_paper

KEYS = Keys(lasting=b"k" * 32, links=(b"l" * 32,))
SENDER = Sender(
    from_name="Digest",
    from_address="digest@example.org",
    unsubscribe_address="leave@example.org",
    public_url="https://d.example",
)
DAILY = Digest(
    name="daily",
    title="The Daily",
    list_id="daily.example.org",
    schedule=Schedule(send_at=time(7, 30), timezone="Europe/Berlin"),
)
_secrets = itertools.count(1)


def prepare(papers, evidence, now):
    pool = Pool(papers, now=now, evidence=evidence)
    return lambda profile: rank_pool(pool, profile)


def profile_of(digest: Digest, reader: Subscription | None) -> Profile:
    return digest.profile if reader is None else apply_preferences(digest.profile, reader.preferences)


class Keeping:
    """A session that takes every mail and keeps it."""

    def __init__(self, relay: Relay, mails: list[tuple[str, bytes]], events: list[Event]) -> None:
        self.relay = relay
        self.pipelining = self.out_of_step = False
        self.round_trip = 0.0
        self.alive = True
        self.ready: Mail | None = None
        self._mails, self._events = mails, events

    @property
    def idle(self) -> bool:
        return self.ready is None

    def offer(self, mail: Mail) -> None:
        self.ready = mail
        self._events.append(Event(self, mail, None))

    def go(self, following: Mail | None = None) -> None:
        mail, self.ready = self.ready, None
        assert mail is not None and following is None
        self._mails.append((mail.envelope.recipient, b"".join(mail.parts)))
        self._events.append(Event(self, mail, Outcome(kind=OutcomeKind.ACCEPTED, code=250, remote="2.0.0 queued")))

    def stop(self) -> None:
        self.ready = None

    def close(self) -> None:
        self.alive = False


class Hall:
    """An exchange whose sessions keep what they are given."""

    def __init__(self, mails: list[tuple[str, bytes]]) -> None:
        self.opened: list[Opened] = []
        self._mails = mails
        self._events: list[Event] = []

    def open(self, relay: Relay) -> None:
        self.opened.append(Opened(relay, Keeping(relay, self._mails, self._events), None))

    def poll(self, seconds: float, gather: int = 0) -> list[Event]:
        events, self._events[:] = list(self._events), []
        return events

    def close(self) -> None:
        self.opened = []


def print_edition(editions: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
    titles = "\n".join(item.title for edition in editions for item in edition.items) or sentences(editions[0].reason)
    head = Head(sender=SENDER, date=editions[0].slot.at, listed=True, list_id=digests[0].list_id)
    key = editions[0].key if len(editions) == 1 else "+".join(edition.key[:20] for edition in editions)
    return encode(
        key=key, kind="edition", subject=digests[0].title, preheader="", html=f"<p>{titles}</p>", text=titles, head=head
    )


@dataclass
class World:
    """One installation. ``now`` is its clock."""

    store: Store
    digests: tuple[Digest, ...] = (DAILY,)
    now: datetime = SLOT_AT + timedelta(minutes=5)
    mails: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    """What was sent: (recipient, content)."""

    def clock(self) -> datetime:
        return self.now

    @property
    def publish(self) -> Publish:
        return Publish(
            store=self.store,
            digests=self.digests,
            prepare=prepare,
            print_edition=print_edition,
            profile_of=profile_of,
            key=KEYS.lasting,
            holder="host:1",
            dead=lambda holders: [],
            has_public_url=True,
            clock=self.clock,
        )

    @property
    def deliver(self) -> Deliver:
        return Deliver(
            store=self.store,
            outlets=(Outlet(relay=Relay(name="kept"), throttle=Throttle(2), rates=RateLimit(None, {})),),
            exchange=lambda: Hall(self.mails),
            hand_over=hand_over,
            arrived=arrived,
            keys=KEYS,
            return_path=ReturnPath(address="digest@example.org"),
            signer=lambda: None,
            resend=False,
            soft_bounces=5,
            soft_window=timedelta(days=15),
            lease=timedelta(minutes=2),
            holder="host:1",
            dead=lambda holders: [],
            clock=self.clock,
            jitter=lambda: 0.5,
            has_public_url=True,
            seconds=lambda: 0.0,
        )

    @property
    def subscribe(self) -> Subscribe:
        return Subscribe(
            store=self.store,
            digests=self.digests,
            keys=KEYS,
            profile_of=profile_of,
            new_secret=lambda: f"{next(_secrets):022d}",
            clock=self.clock,
        )

    @property
    def report(self) -> Report:
        return Report(store=self.store, digests=self.digests, clock=self.clock)

    @property
    def explain(self) -> Explain:
        return Explain(store=self.store, prepare=prepare, profile_of=profile_of, clock=self.clock)

    @property
    def upkeep(self) -> Upkeep:
        return Upkeep(store=self.store, digests=self.digests, clock=self.clock)

    @property
    def feedback(self) -> Feedback:
        return Feedback(store=self.store, clock=self.clock, lasting=KEYS.lasting, links=KEYS.links)

    def send(self) -> list[tuple[str, bytes]]:
        """Publishes and delivers what is due; gives the new mails, by address."""
        before = len(self.mails)
        self.publish.run(self.now)
        sent = self.deliver.run()
        assert sent.problem is None
        return sorted(self.mails[before:])

    def source(self, name: str = "hf", *, first_fetched: bool = True) -> SourceId:
        """A source that was fetched without trouble."""
        with self.store.transaction() as tx:
            sources.add(tx, Source(id=SourceId(name), kind="feed", url=f"https://{name}.example/feed"))
            if first_fetched:
                health = Health(state=SourceState.OK, detail="3 new", next_at=self.now + timedelta(hours=1), failures=0)
                held = next(one for one in sources.all_held(tx) if one.source.id == name)
                title = f"{name.upper()} feed"
                ended = sources.Ended(held=held, health=health, at=self.now, http_status=200, title=title, keys="k")
                sources.record(tx, [replace(ended, brought_new=True, reached=True)])
        return SourceId(name)

    def paper(self, number: int, *, source: str = "hf", seen_at: datetime | None = None, **changes: object) -> Entry:
        """A new work, first seen three hours before the slot unless said otherwise."""
        change = new_paper(number, source=source, seen_at=seen_at or SLOT_AT - timedelta(hours=3), **changes)
        with self.store.transaction() as tx:
            (row,) = entries.apply(tx, [change], now=self.now)
            return entries.load(tx, [row])[0]

    def reader(
        self,
        address: str = "ada@example.org",
        digest: str = "daily",
        *,
        since: datetime | None = None,
        **choices: object,
    ) -> Subscription:
        """A confirmed reader, since two weeks before the slot."""
        joined_at, self.now = self.now, since or SLOT_AT - timedelta(days=14)
        try:
            return self.subscribe.add(
                address,
                digest,
                state=SubscriptionState.CONFIRMED,
                choices=Choices(**choices),  # type: ignore[arg-type]
            )
        finally:
            self.now = joined_at


def with_profile(digest: Digest = DAILY, *, when_empty: WhenEmpty = WhenEmpty.SKIP, **profile: object) -> Digest:
    return replace(digest, profile=Profile(**profile), when_empty=when_empty)  # type: ignore[arg-type]
