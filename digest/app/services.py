"""App: every service of one configuration, put together when it is first asked for."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from digest.app.clocks import Agreed, clock_of, system_clock, zones_version
from digest.app.parts import Parts
from digest.config import Config
from digest.services.ports import Clock
from digest.services.stamping import Keys
from digest.sources.kinds import check, installed
from digest.storage import migrate, moved
from digest.storage.engine import Store, open_store

if TYPE_CHECKING:
    from digest.app.webhooks import Webhooks
    from digest.rendering.render import Renderer
    from digest.services.access.once import Once
    from digest.services.access.operators import Operators
    from digest.services.access.tokens import Tokens
    from digest.services.archive.archive import Archive
    from digest.services.archive.papers import Papers
    from digest.services.archive.printed import Printed
    from digest.services.fetching.backfill import Backfill
    from digest.services.fetching.catalogue import People
    from digest.services.fetching.discover import Discover
    from digest.services.fetching.ingest import Ingest
    from digest.services.fetching.sources import Sources
    from digest.services.fetching.watch import Watch
    from digest.services.publishing.explain import Explain
    from digest.services.publishing.preview import Preview
    from digest.services.publishing.publish import Publish
    from digest.services.publishing.silence import Silence
    from digest.services.publishing.welcome import Welcome
    from digest.services.readers.admission import Admission
    from digest.services.readers.feedback import Feedback, Obeyed
    from digest.services.readers.goodbye import Goodbye
    from digest.services.readers.mydata import MyData
    from digest.services.readers.roster import Roster
    from digest.services.readers.subscribe import Subscribe
    from digest.services.readers.taste import Tastes
    from digest.services.sending.deliver import Deliver
    from digest.services.sending.ledger import Ledger
    from digest.services.sending.notify import Notify
    from digest.services.sending.reconcile import Reconcile
    from digest.services.sending.relays import Relays
    from digest.services.status.fleet import Fleet
    from digest.services.status.glance import Overview
    from digest.services.status.refitted import Refitted
    from digest.services.status.report import Report
    from digest.services.status.trends import Trends
    from digest.services.tending.crew import Crew
    from digest.services.tending.doctor import Doctor
    from digest.services.tending.upkeep import Pruned, Upkeep
    from digest.services.tending.works import Works


@dataclass(frozen=True, kw_only=True)
class App:
    """The services of one configuration. ``close()`` gives everything back.

    A command needs few of them, and importing all takes longer than most commands do: each is made when it is first
    asked for. A process that lives long makes all at its start (`ready`), lest it read the code of a later version;
    or those in ``needs``, where some are named.
    """

    parts: Parts
    needs: tuple[str, ...] = ()
    left_alone: set[str] = field(default_factory=set[str])
    """Handles of mails that are for a person: they stay unread, and are not fetched at every round."""

    @property
    def config(self) -> Config:
        return self.parts.config

    @property
    def clock(self) -> Clock:
        return self.parts.clock

    @property
    def store(self) -> Store:
        return self.parts.store

    @property
    def keys(self) -> Keys:
        return self.parts.keys

    @property
    def renderer(self) -> Renderer:
        return self.parts.renderer

    @cached_property
    def webhooks(self) -> Webhooks:
        return self.parts.webhooks

    # Fetching.

    @cached_property
    def ingest(self) -> Ingest:
        from digest.app.fetching import ingest

        return ingest(self.parts)

    @cached_property
    def backfill(self) -> Backfill:
        from digest.app.fetching import backfill

        return backfill(self.parts)

    @cached_property
    def people(self) -> People:
        from digest.app.fetching import people

        return people(self.parts)

    @cached_property
    def discover(self) -> Discover:
        from digest.app.fetching import discover

        return discover(self.parts)

    # Publishing.

    @cached_property
    def publish(self) -> Publish:
        from digest.app.publishing import publish

        return publish(self.parts)

    @cached_property
    def preview(self) -> Preview:
        from digest.app.publishing import preview

        return preview(self.parts)

    @cached_property
    def explain(self) -> Explain:
        from digest.app.publishing import explain

        return explain(self.parts)

    @cached_property
    def silence(self) -> Silence:
        from digest.app.publishing import silence

        return silence(self.parts)

    @cached_property
    def tastes(self) -> Tastes:
        from digest.app.publishing import tastes

        return tastes(self.parts)

    # Sending.

    @cached_property
    def deliver(self) -> Deliver:
        from digest.app.sending import deliver

        return deliver(self.parts)

    @cached_property
    def ledger(self) -> Ledger:
        from digest.app.sending import ledger

        return ledger(self.parts)

    @cached_property
    def relays(self) -> Relays:
        from digest.app.sending import relays

        return relays(self.parts)

    @cached_property
    def reconcile(self) -> Reconcile:
        from digest.app.sending import reconcile

        return reconcile(self.parts)

    @cached_property
    def feedback(self) -> Feedback:
        from digest.app.sending import feedback

        return feedback(self.parts)

    @cached_property
    def notify(self) -> Notify:
        from digest.app.sending import notify

        return notify(self.parts)

    # Readers.

    @cached_property
    def subscribe(self) -> Subscribe:
        from digest.app.readers import subscribe

        return subscribe(self.parts)

    @cached_property
    def admission(self) -> Admission:
        from digest.app.readers import admission

        return admission(self.parts)

    @cached_property
    def welcome(self) -> Welcome:
        from digest.app.readers import welcome

        return welcome(self.parts)

    @cached_property
    def goodbye(self) -> Goodbye:
        from digest.app.readers import goodbye

        return goodbye(self.parts)

    @cached_property
    def mydata(self) -> MyData:
        from digest.app.readers import mydata

        return mydata(self.parts, self.subscribe, self.tastes)

    # Operating.

    @cached_property
    def doctor(self) -> Doctor:
        from digest.app.operating import doctor

        return doctor(self.parts, self.admission, self.fleet)

    @cached_property
    def sources(self) -> Sources:
        from digest.services.fetching.sources import Sources

        return Sources(store=self.store, configured=self.config.sources, clock=self.clock)

    @cached_property
    def watch(self) -> Watch:
        from digest.services.fetching.watch import Watch

        return Watch(store=self.store, configured=self.config.sources, clock=self.clock)

    @cached_property
    def works(self) -> Works:
        from digest.services.tending.works import Works

        return Works(store=self.store, clock=self.clock)

    @cached_property
    def papers(self) -> Papers:
        from digest.services.archive.papers import Papers

        return Papers(store=self.store)

    @cached_property
    def printed(self) -> Printed:
        from digest.services.archive.printed import Printed

        return Printed(store=self.store)

    @cached_property
    def roster(self) -> Roster:
        from digest.services.readers.roster import Roster

        return Roster(store=self.store, lasting=self.keys.lasting)

    @cached_property
    def archive(self) -> Archive:
        from digest.services.archive.archive import Archive

        return Archive(
            store=self.store,
            digests=self.config.digests,
            publisher=self.config.sender.from_name,
            public_url=self.config.sender.public_url,
        )

    @cached_property
    def report(self) -> Report:
        from digest.services.status.report import Report

        return Report(store=self.store, digests=self.config.digests, clock=self.clock)

    @cached_property
    def overview(self) -> Overview:
        from digest.services.status.glance import Overview

        return Overview(store=self.store, digests=self.config.digests, clock=self.clock)

    @cached_property
    def trends(self) -> Trends:
        from digest.services.status.trends import Trends

        return Trends(store=self.store, clock=self.clock)

    @cached_property
    def upkeep(self) -> Upkeep:
        from digest.services.tending.upkeep import Upkeep

        return Upkeep(store=self.store, digests=self.config.digests, clock=self.clock)

    @cached_property
    def operators(self) -> Operators:
        from digest.app.operating import operators

        return operators(self.parts)

    @cached_property
    def crew(self) -> Crew:
        from digest.app.sending import accepted
        from digest.services.tending.crew import Crew

        return Crew(
            store=self.store,
            keys=self.keys.mark,
            holder=self.parts.holder,
            zones=zones_version(),
            ahead=self.agree,
            accepted=lambda: accepted(self.deliver),
            clock=self.clock,
        )

    @cached_property
    def fleet(self) -> Fleet:
        from digest.services.status.fleet import Fleet

        return Fleet(store=self.store, keys=self.keys.mark, clock=self.clock)

    @cached_property
    def tokens(self) -> Tokens:
        from digest.services.access.tokens import Tokens

        return Tokens(store=self.store, new_secret=lambda: secrets.token_bytes(32), clock=self.clock)

    @cached_property
    def once(self) -> Once:
        from digest.services.access.once import Once

        return Once(
            store=self.store, lasting=self.keys.lasting, new_holder=lambda: secrets.token_hex(16), clock=self.clock
        )

    def agree(self) -> float:
        """Looks at the clock that all share; gives by how many seconds this machine's is ahead of it."""
        return self.clock.agree() if isinstance(self.clock, Agreed) else 0.0

    def ready(self) -> App:
        """Itself, with every service made that it needs."""
        every = (name for name, value in vars(type(self)).items() if isinstance(value, cached_property))
        for name in self.needs or every:
            getattr(self, name)
        return self

    def read_mailbox(self) -> Obeyed:
        """Acts upon the new mails of the mailbox that [inbound] names, if one is. Raises MailboxError."""
        from digest.app.post import mailbox_of
        from digest.services.readers.feedback import Obeyed

        box = mailbox_of(self.config)
        if box is None:
            return Obeyed()
        try:
            return self.feedback.obey(box.unread(self.left_alone), box.acknowledge, self.left_alone.add)
        finally:
            box.close()

    def prune(self) -> Pruned:
        """Drops what the configured retention no longer keeps."""
        kept = self.config.retention
        return self.upkeep.prune(
            retention_days=kept.days, deliveries_days=kept.deliveries_days, soft_window=self.config.delivery.soft_window
        )

    @cached_property
    def refit(self) -> Callable[[], Refitted | None]:
        """Learns from the store's own papers where that is due and wished for; gives what came of it."""
        from digest.services.learning.refit import refit

        return lambda: refit(self.store, self.clock()) if self.config.ranking.refit else None

    def hurry(self) -> None:
        """Sources are asked for nothing more, and a program that one of them runs is ended: we are told to stop."""
        self.parts.close()

    def category_title(self, code: str) -> str:
        from digest.ranking.categories import title_of

        return title_of(code)

    def close(self) -> None:
        self.parts.close()
        self.store.close()


def build(config: Config, *, clock: Clock = system_clock, check_schema: bool = True) -> App:
    """Opens the database (building an empty one). Raises ConfigError for a source that its kind does not understand,
    and as the store does. The system's clock gives way to the one that all processes of a database share."""
    kinds = installed()
    for source, place in zip(config.sources, config.source_places, strict=True):
        check(source, kinds, where=place)
    store = open_store(config.database_url)
    if check_schema:
        migrate.ready(store)
        moved.refuse(store)
    if clock is system_clock:
        clock = clock_of(store) or clock
    return App(parts=Parts(config=config, clock=clock, store=store, kinds=kinds))
