"""Services of what is printed: ranked, composed, explained; and the printer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from digest.app.holders import dead_holders
from digest.app.parts import Parts
from digest.app.profiles import profile_of
from digest.config import Config
from digest.model.editions import Digest, Edition
from digest.model.feeds import Entry
from digest.model.mail import Message
from digest.model.people import Profile
from digest.model.ranking import Evidence
from digest.ranking.pool import Pool
from digest.ranking.rank import Ranking, rank_pool
from digest.ranking.semantic import Model
from digest.ranking.semantic import load as load_model
from digest.ranking.taste import lean
from digest.services.learning.meaning import Meaning
from digest.services.ports import Prepare
from digest.services.publishing.explain import Explain
from digest.services.publishing.preview import Preview
from digest.services.publishing.publish import Publish
from digest.services.publishing.silence import Silence
from digest.services.readers.taste import Tastes


def publish(parts: Parts) -> Publish:
    return Publish(
        store=parts.store,
        digests=parts.config.digests,
        prepare=ranks(parts),
        print_edition=partial(print_edition, parts),
        profile_of=profile_of,
        key=parts.keys.lasting,
        holder=parts.holder,
        dead=dead_holders,
        has_public_url=parts.has_public_url,
        clock=parts.clock,
    )


def preview(parts: Parts) -> Preview:
    return Preview(
        store=parts.store,
        digests=parts.config.digests,
        prepare=ranks(parts),
        print_edition=partial(print_edition, parts),
        profile_of=profile_of,
        has_public_url=parts.has_public_url,
        read_page=parts.renderer.read_page,
        clock=parts.clock,
    )


def explain(parts: Parts) -> Explain:
    return Explain(store=parts.store, prepare=ranks(parts), profile_of=profile_of, clock=parts.clock)


def silence(parts: Parts) -> Silence:
    return Silence(
        store=parts.store,
        configured=parts.config.sources,
        prepare=ranks(parts),
        profile_of=profile_of,
        clock=parts.clock,
    )


def tastes(parts: Parts) -> Tastes:
    return Tastes(store=parts.store, keys=parts.keys, lean=leanings, clock=parts.clock)


def print_edition(parts: Parts, editions: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
    return parts.renderer.edition(editions, digests, sender=parts.config.sender)


def ranks(parts: Parts) -> Prepare:
    """As `prepare`, with what the configuration adds to the evidence: a model of sentences, or no prestige."""
    config = parts.config
    meaning = Meaning(store=parts.store, load=model_reader(config))

    def rank(entries: Sequence[Entry], evidence: Evidence, now: datetime) -> Callable[[Profile], Ranking]:
        known = replace(meaning.added(evidence, entries), prestige=config.ranking.prestige)
        return prepare(entries, known, now)

    return rank


def prepare(entries: Sequence[Entry], evidence: Evidence, now: datetime) -> Callable[[Profile], Ranking]:
    """One pool of entries, ranked for as many profiles as ask."""
    pool = Pool(entries, now=now, evidence=evidence)
    return lambda profile: rank_pool(pool, profile)


def leanings(
    entries: Sequence[Entry], evidence: Evidence, now: datetime, profile: Profile
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words and the people that a profile's likes point to."""
    return lean(Pool(entries, now=now, evidence=evidence), profile)


def model_reader(config: Config) -> Callable[[], Model] | None:
    """Loads the model of sentences that is configured, raising ConfigError; None where none is."""
    if not config.ranking.semantic:
        return None
    return partial(load_model, config.ranking.semantic, config.folder)
