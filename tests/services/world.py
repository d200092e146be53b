"""A small installation for the services' tests: store, sources, papers, readers, a relay that keeps what it is given.

Ranking, composing, publishing and delivering are the real ones; only printing is short.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

from digest.config import apply_preferences
from digest.delivery.pool import RateLimit, Throttle
from digest.model.editions import Digest, Edition, Schedule, WhenEmpty
from digest.model.feeds import Entry, Health, Source, SourceId, SourceState
from digest.model.mail import Envelope, Message, Outcome, OutcomeKind, Sender
from digest.model.people import Profile, Subscription, SubscriptionState
from digest.ranking.pool import Corpus, Pool
from digest.ranking.rank import rank_pool
from digest.rendering.message import Head, encode
from digest.rendering.remarks import sentences
from digest.services.deliver import Deliver
from digest.services.explain import Explain
from digest.services.feedback import Feedback
from digest.services.publish import Publish
from digest.services.report import Report
from digest.services.stamping import Keys
from digest.services.subscribe import Choices, Subscribe
from digest.services.upkeep import Upkeep
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


def prepare(papers, history, now):
    pool = Pool(papers, now=now, history=Corpus(history))
    return lambda profile: rank_pool(pool, profile)


def profile_of(digest: Digest, reader: Subscription | None) -> Profile:
    return digest.profile if reader is None else apply_preferences(digest.profile, reader.preferences)


class Relay:
    """Accepts everything and keeps (recipient, content)."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []

    def submit(self, envelope: Envelope, segments: Sequence[bytes], before_dot: Callable[[], bool]) -> Outcome:
        if not before_dot():
            return Outcome(kind=OutcomeKind.STOPPED)
        self.mails.append((envelope.recipient, b"".join(segments)))
        return Outcome(kind=OutcomeKind.ACCEPTED, code=250, remote="2.0.0 queued")

    def close(self) -> None:
        return


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
    relay: Relay = field(default_factory=Relay)

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
            connect=(lambda: self.relay,),
            connections=2,
            keys=KEYS,
            return_path="digest@example.org",
            resend=False,
            lease=timedelta(minutes=2),
            holder="host:1",
            dead=lambda holders: [],
            clock=self.clock,
            jitter=lambda: 0.5,
            has_public_url=True,
            throttle=Throttle(2),
            rates=RateLimit(None, {}),
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
        return Feedback(store=self.store, clock=self.clock)

    def send(self) -> list[tuple[str, bytes]]:
        """Publishes and delivers what is due; gives the new mails, by address."""
        before = len(self.relay.mails)
        self.publish.run(self.now)
        sent = self.deliver.run()
        assert sent.problem is None
        return sorted(self.relay.mails[before:])

    def source(self, name: str = "hf", *, first_fetched: bool = True) -> SourceId:
        """A source that was fetched without trouble."""
        with self.store.transaction() as tx:
            sources.add(tx, Source(id=SourceId(name), kind="feed", url=f"https://{name}.example/feed"))
            if first_fetched:
                health = Health(state=SourceState.OK, detail="3 new", next_at=self.now + timedelta(hours=1), failures=0)
                sources.record(
                    tx,
                    SourceId(name),
                    health,
                    now=self.now,
                    http_status=200,
                    title=f"{name.upper()} feed",
                    keys="k",
                    brought_new=True,
                    reached=True,
                )
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
