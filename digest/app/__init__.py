"""The composition root: Config -> App, the one place that picks concrete parts."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from digest.app.documents import Ways, ways
from digest.app.holders import dead_holders, new_holder
from digest.app.keys import key_reader, keys_of, secret_files, signer
from digest.app.post import can_read, mailbox_of, outlet, relay, return_path
from digest.app.webhooks import Webhooks
from digest.config import Config, apply_preferences
from digest.delivery.catchall import CatchAll
from digest.delivery.exchange import Exchange, hand_over, look_in
from digest.delivery.folder import arrived
from digest.delivery.records import text_records
from digest.delivery.relay import Relay
from digest.delivery.tokens import new_secret
from digest.model.editions import Digest, Edition
from digest.model.feeds import Entry, SourceKind
from digest.model.mail import Message
from digest.model.people import Profile, Subscription
from digest.model.ranking import Evidence
from digest.ranking.categories import title_of
from digest.ranking.pool import Pool
from digest.ranking.rank import Ranking, rank_pool
from digest.ranking.semantic import Model
from digest.ranking.semantic import load as load_model
from digest.ranking.taste import lean
from digest.rendering.render import Renderer, default_template_folder
from digest.services.admission import Admission
from digest.services.archive import Archive
from digest.services.backfill import Backfill
from digest.services.catalogue import People
from digest.services.check import Checked, check
from digest.services.deliver import Deliver
from digest.services.discover import Discover
from digest.services.doctor import Doctor, Exit
from digest.services.explain import Explain
from digest.services.feedback import Feedback, Obeyed
from digest.services.glance import Overview
from digest.services.goodbye import Goodbye
from digest.services.ingest import Ingest
from digest.services.ledger import Ledger
from digest.services.meaning import Meaning
from digest.services.mydata import MyData
from digest.services.notify import Notify
from digest.services.once import Once
from digest.services.operators import Operators
from digest.services.papers import Papers
from digest.services.ports import Clock
from digest.services.preview import Preview
from digest.services.printed import Printed
from digest.services.publish import Publish
from digest.services.reconcile import Reconcile
from digest.services.refit import Refitted, refit
from digest.services.report import Report
from digest.services.roster import Roster
from digest.services.silence import Silence
from digest.services.sources import Sources
from digest.services.stamping import Keys
from digest.services.subscribe import Subscribe
from digest.services.taste import Tastes
from digest.services.tokens import Tokens
from digest.services.trends import Trends
from digest.services.understanding import understood
from digest.services.upkeep import Pruned, Upkeep
from digest.services.watch import Watch
from digest.services.welcome import Welcome
from digest.services.works import Works
from digest.sources.kinds import KINDS, installed
from digest.sources.kinds import check as check_source
from digest.sources.kinds.elsewhere import Foreign
from digest.sources.people.openalex import OPENALEX
from digest.sources.people.semanticscholar import SEMANTIC_SCHOLAR
from digest.sources.workers import Workers
from digest.storage import migrate
from digest.storage.engine import Store, open_store


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """The services of one configuration, ready to be called. ``close()`` gives everything back."""

    config: Config
    clock: Clock
    store: Store
    keys: Keys
    ways: Ways
    renderer: Renderer
    relays: tuple[Relay, ...]
    ingest: Ingest
    backfill: Backfill
    publish: Publish
    preview: Preview
    deliver: Deliver
    subscribe: Subscribe
    admission: Admission
    welcome: Welcome
    goodbye: Goodbye
    tastes: Tastes
    mydata: MyData
    archive: Archive
    notify: Notify
    feedback: Feedback
    webhooks: Webhooks
    report: Report
    overview: Overview
    trends: Trends
    explain: Explain
    silence: Silence
    works: Works
    upkeep: Upkeep
    sources: Sources
    watch: Watch
    people: People
    discover: Discover
    ledger: Ledger
    reconcile: Reconcile
    operators: Operators
    tokens: Tokens
    once: Once
    roster: Roster
    printed: Printed
    papers: Papers
    doctor: Doctor
    left_alone: set[str] = field(default_factory=set[str])
    """Handles of mails that are for a person: they stay unread, and are not fetched at every round."""

    def read_mailbox(self) -> Obeyed:
        """Acts upon the new mails of the mailbox that [inbound] names, if one is. Raises MailboxError."""
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

    def refit(self) -> Refitted | None:
        """Learns from the store's own papers where that is due and wished for."""
        return refit(self.store, self.clock()) if self.config.ranking.refit else None

    def hurry(self) -> None:
        """Sources are asked for nothing more, and a program that one of them runs is ended: we are told to stop."""
        self.ways.close()

    def category_title(self, code: str) -> str:
        return title_of(code)

    def close(self) -> None:
        self.ways.close()
        self.store.close()


def system_clock() -> datetime:
    return datetime.now(UTC)


def build(config: Config, *, clock: Clock = system_clock, check_schema: bool = True) -> App:
    """Opens the database (building an empty one) and puts the services together."""
    kinds = installed()
    for source, place in zip(config.sources, config.source_places, strict=True):
        check_source(source, kinds, where=place)
    store = open_store(config.database_url)
    if check_schema:
        migrate.ready(store)
    keys = keys_of(store, config)
    asking = ways(config, clock)
    fetcher, fetch = asking.fetcher, asking.fetch
    workers = Workers()
    renderer = make_renderer(config)
    webhooks = Webhooks(config, fetcher.fetch, clock)
    relays = tuple(relay(settings, number, len(config.relays)) for number, settings in enumerate(config.relays, 1))
    holder = new_holder()
    public = bool(config.sender.public_url)
    meaning = Meaning(store=store, load=_model_reader(config))

    def ranks(entries: Sequence[Entry], evidence: Evidence, now: datetime) -> Callable[[Profile], Ranking]:
        known = replace(meaning.added(evidence, entries), prestige=config.ranking.prestige)
        return prepare(entries, known, now)

    def print_edition(editions: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
        return renderer.edition(editions, digests, sender=config.sender)

    def print_alert(at: datetime, key: str, context: Mapping[str, object]) -> Message:
        return renderer.notice(
            "alert", sender=config.sender, digest=None, language="en", date=at, key=key, context=context
        )

    def print_letter(
        kind: str, digest: Digest, language: str, at: datetime, key: str, context: Mapping[str, object]
    ) -> Message:
        return renderer.notice(
            kind, sender=config.sender, digest=digest, language=language, date=at, key=key, context=context
        )

    def print_question(name: str, language: str, at: datetime, key: str) -> Message:
        digest = config.digest(name)
        return print_letter("confirmation", digest, language or digest.profile.language, at, key, {})

    subscribe = Subscribe(
        store=store,
        digests=config.digests,
        keys=keys,
        profile_of=profile_of,
        new_secret=lambda: new_secret(secrets.token_bytes(16)),
        clock=clock,
    )
    tastes = Tastes(store=store, keys=keys, lean=leanings, clock=clock)
    admission = Admission(
        store=store,
        digests=config.digests,
        keys=keys,
        print_letter=print_letter,
        new_secret=lambda: new_secret(secrets.token_bytes(16)),
        public_url=config.sender.public_url,
        most_an_hour=config.web.joins_per_hour,
        clock=clock,
    )
    return App(
        config=config,
        clock=clock,
        store=store,
        keys=keys,
        ways=asking,
        renderer=renderer,
        relays=relays,
        ingest=Ingest(
            store=store,
            configured=config.sources,
            kinds=kinds,
            fetch=fetch,
            clock=clock,
            jitter=random.random,
            arxiv_api=config.fetch.arxiv_api,
            queue=fetcher.queue,
            free_in=fetcher.free_in,
            hang_up=fetcher.hang_up,
            elsewhere=partial(workers.call, understood),
            dismiss=workers.close,
        ),
        backfill=Backfill(
            store=store,
            configured=config.sources,
            kinds=kinds,
            fetch=fetch,
            clock=clock,
            arxiv_api=config.fetch.arxiv_api,
            queue=fetcher.queue,
            hang_up=fetcher.hang_up,
        ),
        publish=Publish(
            store=store,
            digests=config.digests,
            prepare=ranks,
            print_edition=print_edition,
            profile_of=profile_of,
            key=keys.lasting,
            holder=holder,
            dead=dead_holders,
            has_public_url=public,
            clock=clock,
        ),
        preview=Preview(
            store=store,
            digests=config.digests,
            prepare=ranks,
            print_edition=print_edition,
            profile_of=profile_of,
            has_public_url=public,
            read_page=renderer.read_page,
            clock=clock,
        ),
        deliver=Deliver(
            store=store,
            outlets=tuple(map(outlet, relays, config.relays)),
            exchange=Exchange,
            hand_over=hand_over,
            arrived=arrived,
            keys=keys,
            return_path=return_path(config),
            signer=lambda: signer(config, clock),
            resend=config.delivery.uncertain == "resend",
            soft_bounces=config.delivery.soft_bounces,
            soft_window=config.delivery.soft_window,
            holder=holder,
            lease=config.delivery.lease,
            dead=dead_holders,
            clock=clock,
            jitter=random.random,
            has_public_url=public,
            seconds=time.monotonic,
        ),
        subscribe=subscribe,
        admission=admission,
        welcome=Welcome(
            store=store,
            digests=config.digests,
            keys=keys,
            print_letter=print_letter,
            has_public_url=public,
            clock=clock,
        ),
        goodbye=Goodbye(store=store, digests=config.digests, key=keys.lasting, print_letter=print_letter, clock=clock),
        tastes=tastes,
        mydata=MyData(
            store=store,
            digests=config.digests,
            keys=keys,
            leanings=tastes.leanings,
            erase_address=subscribe.erase,
            print_letter=print_letter,
            public_url=config.sender.public_url,
            clock=clock,
        ),
        archive=Archive(
            store=store,
            digests=config.digests,
            publisher=config.sender.from_name,
            public_url=config.sender.public_url,
        ),
        notify=Notify(
            store=store,
            digests=config.digests,
            alerts_to=config.mail.alerts_to,
            print_alert=print_alert,
            key=keys.lasting,
            clock=clock,
        ),
        feedback=Feedback(
            store=store,
            clock=clock,
            lasting=keys.lasting,
            links=keys.links,
            soft_bounces=config.delivery.soft_bounces,
            soft_window=config.delivery.soft_window,
        ),
        webhooks=webhooks,
        report=Report(store=store, digests=config.digests, clock=clock),
        overview=Overview(store=store, digests=config.digests, clock=clock),
        trends=Trends(store=store, clock=clock),
        explain=Explain(store=store, prepare=ranks, profile_of=profile_of, clock=clock),
        silence=Silence(store=store, configured=config.sources, prepare=ranks, profile_of=profile_of, clock=clock),
        works=Works(store=store, clock=clock),
        upkeep=Upkeep(store=store, digests=config.digests, clock=clock),
        sources=Sources(store=store, configured=config.sources, clock=clock),
        watch=Watch(store=store, configured=config.sources, clock=clock),
        people=People(
            store=store,
            digests=config.digests,
            catalogues=tuple(one for one in (OPENALEX, SEMANTIC_SCHOLAR) if one.name in config.catalogues),
            fetch=fetcher.fetch,
            clock=clock,
        ),
        discover=Discover(kinds=kinds, fetch=fetch, clock=clock),
        ledger=Ledger(
            store=store,
            digests=config.digests,
            keys=keys,
            return_path=return_path(config),
            host=config.sender.from_address.rpartition("@")[2],
            folders=tuple(relay.place for relay in relays if relay.path is not None),
            clock=clock,
        ),
        reconcile=Reconcile(store=store, keys=keys, host=config.sender.from_address.rpartition("@")[2], clock=clock),
        operators=Operators(
            store=store,
            known=config.operators,
            lasting=keys.lasting,
            public_url=config.sender.public_url,
            new_secret=lambda: new_secret(secrets.token_bytes(16)),
            clock=clock,
        ),
        tokens=Tokens(store=store, new_secret=lambda: secrets.token_bytes(32), clock=clock),
        once=Once(store=store, lasting=keys.lasting, new_holder=lambda: secrets.token_hex(16), clock=clock),
        roster=Roster(store=store, lasting=keys.lasting),
        printed=Printed(store=store),
        papers=Papers(store=store),
        doctor=Doctor(
            store=store,
            digests=config.digests,
            configured=config.sources,
            sender=config.sender,
            template_problems=renderer.problems,
            exits=tuple(
                Exit(where=relay.where, is_server=relay.path is None, look_in=partial(look_in, relay))
                for relay in relays
            ),
            is_ours=lambda form: admission.age_of(form) is not None,
            fetch=fetch,
            kinds=kinds,
            foreign=kinds.foreign,
            print_edition=print_edition,
            print_question=print_question,
            text_records=text_records,
            signing=tuple(key_reader(settings, config) for settings in config.signing),
            read_inbox=lambda: can_read(config),
            bounces_to=config.mail.bounces_to,
            webhooks=webhooks.states,
            secrets=lambda: tuple(secret_files(config)),
            load_model=_model_reader(config),
            clock=clock,
        ),
    )


def check_sources(
    config: Config | None, inputs: Sequence[str], *, kind: str = "", allow_private: bool = False, clock: Clock
) -> tuple[Checked, ...]:
    """What would be taken from these files and URLs; needs no database, and no configuration either."""
    asking = ways(config, clock)
    try:
        return check(inputs, asking.fetch, kind=kind, allow_private=allow_private, kinds=installed())
    finally:
        asking.close()


def source_kinds() -> tuple[tuple[SourceKind, ...], tuple[Foreign, ...]]:
    """(our own kinds, those of other packages), for `digest sources kinds`."""
    return tuple(KINDS.values()), installed().foreign()


def schema(config: Config) -> tuple[str | None, str]:
    """(revision of the configured database, the program's); None for a database without tables."""
    store = open_store(config.database_url)
    try:
        return migrate.current(store), migrate.head()
    finally:
        store.close()


def upgrade(config: Config) -> tuple[str | None, str]:
    """Brings the configured database to this program's tables; (before, after)."""
    store = open_store(config.database_url)
    try:
        return migrate.upgrade(store)
    finally:
        store.close()


def catch_all() -> CatchAll:
    """A small SMTP server inside this process that keeps every mail, for `digest demo`."""
    return CatchAll()


def make_renderer(config: Config) -> Renderer:
    return Renderer(template_folders(config), inliner=config.mail.inliner)


def template_folders(config: Config) -> tuple[Path, ...]:
    """The operator's own templates before ours."""
    own = (config.mail.templates,) if config.mail.templates else ()
    return (*own, default_template_folder())


def _model_reader(config: Config) -> Callable[[], Model] | None:
    """Loads the model of sentences that is configured, raising ConfigError; None where none is."""
    if not config.ranking.semantic:
        return None
    return partial(load_model, config.ranking.semantic, config.folder)


def prepare(entries: Sequence[Entry], evidence: Evidence, now: datetime) -> Callable[[Profile], Ranking]:
    """One pool of entries, ranked for as many profiles as ask."""
    pool = Pool(entries, now=now, evidence=evidence)
    return lambda profile: rank_pool(pool, profile)


def leanings(
    entries: Sequence[Entry], evidence: Evidence, now: datetime, profile: Profile
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words and the people that a profile's likes point to."""
    return lean(Pool(entries, now=now, evidence=evidence), profile)


def profile_of(digest: Digest, reader: Subscription | None) -> Profile:
    """The digest's preferences with the reader's own over them, and what he said of papers."""
    if reader is None:
        return digest.profile
    base = apply_preferences(digest.profile, reader.preferences, where=f"preferences of {reader.address or 'a reader'}")
    language = reader.language or digest.profile.language
    return replace(base, language=language).having(reader.likes, reader.dislikes)
