"""How papers are ranked here: with the model of sentences that is configured, if one is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from digest.config import Config
from digest.model.feeds import Entry
from digest.model.people import Profile
from digest.model.ranking import Evidence
from digest.ranking.pool import Pool
from digest.ranking.rank import Ranking, rank_pool
from digest.ranking.semantic import Model
from digest.ranking.semantic import load as load_model
from digest.ranking.taste import lean
from digest.services.learning.meaning import Meaning
from digest.services.ports import Prepare
from digest.storage.engine import Store


def ranks(store: Store, config: Config) -> Prepare:
    """Ranks one pool of entries for as many profiles as ask. What calls it shares one model, for it is large."""
    meaning = Meaning(store=store, load=model_reader(config))

    def prepare(entries: Sequence[Entry], evidence: Evidence, now: datetime) -> Callable[[Profile], Ranking]:
        known = replace(meaning.added(evidence, entries), prestige=config.ranking.prestige)
        pool = Pool(entries, now=now, evidence=known)
        return lambda profile: rank_pool(pool, profile)

    return prepare


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
