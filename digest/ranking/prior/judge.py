"""A prior and entries -> what to expect of each before its first vote.

Takes a Prior, entries and Evidence; gives ``Judgement``: mu, the final votes to expect of a paper on a voting list, and
P(featured later). Pure numpy; a pool of 2,000 entries takes a tenth of a second once its words are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from operator import attrgetter

import numpy as np

from digest.model.errors import InputError
from digest.model.feeds import Entry
from digest.model.names import person_key
from digest.model.ranking import Evidence, Record
from digest.ranking.pool import Pool
from digest.ranking.prior.features import FEWEST_WORKS, HISTORY, PLAIN, history, matrix, plain
from digest.ranking.prior.reading import held
from digest.ranking.prior.solve import logistic, sparse
from digest.ranking.prior.weights import Growth, Head, Model, Prior, load, person_number
from digest.ranking.text import Floats, TextIndex

#: ln(1 + final votes) is kept inside: nothing is expected to end below a third of a vote, or above 1,800.
_LEAST_LOG, _MOST_LOG = 0.3, 7.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """One value a row: ``expected`` final votes on a voting list, ``probability`` (0 to 1) of reaching one."""

    expected: Floats
    probability: Floats


_NOBODY = Record()
_KNOWN: Callable[[Model], Head] = attrgetter("known")
_REMEMBERED: Callable[[Model], Head] = attrgetter("remembered")
_BLIND: Callable[[Model], Head] = attrgetter("blind")


@lru_cache(maxsize=1)
def shipped() -> Prior:
    """The prior that comes with the package."""
    return load(resources.files("digest.ranking.prior").joinpath("shipped.json").read_bytes(), name="shipped.json")


@lru_cache(maxsize=4)
def choose(body: str) -> tuple[Prior, str]:
    """The installation's own prior where there is one that can be read, else the shipped one and why ("" if none)."""
    if not body:
        return shipped(), ""
    try:
        return load(body, name="the prior in the store"), ""
    except InputError as error:
        return shipped(), str(error)


def judge_pool(pool: Pool) -> Judgement:
    """Call it as ``pool.once(judge_pool)``."""
    return judge(choose(pool.evidence.fit)[0], pool.entries, pool.evidence, pool.index)


def growth_of(pool: Pool) -> Growth:
    """How votes come in, by the pool's prior."""
    return choose(pool.evidence.fit)[0].growth


def judge(prior: Prior, entries: Sequence[Entry], evidence: Evidence, index: TextIndex | None = None) -> Judgement:
    """``index``: that of the entries' titles and abstracts, where there is one."""
    said = index or TextIndex([(entry.title, entry.abstract) for entry in entries])
    table = sparse(held(prior.vocabulary, entries, said), len(prior.vocabulary))
    own = matrix((plain(entry) for entry in entries), len(PLAIN))
    pick, past = _past(prior, entries, evidence)
    values = np.hstack((own, past))

    def value(model: Model) -> Floats:
        head = pick(model)
        return head.intercept + head.text * table.times(model.terms) + values @ head.weights

    return Judgement(
        expected=np.expm1(np.clip(value(prior.votes), _LEAST_LOG, _MOST_LOG)),
        probability=logistic(value(prior.featured)),
    )


def _past(prior: Prior, entries: Sequence[Entry], evidence: Evidence) -> tuple[Callable[[Model], Head], Floats]:
    """Which head of a model to use, and the columns of HISTORY that it asks for.

    A place that knows fewer of these authors than the prior remembers has seen too little to go by itself alone.
    """
    if not evidence.prestige:
        return _BLIND, np.zeros((len(entries), 0))
    keys = {person_key(name) for entry in entries for name in entry.authors}
    remembered = {key: prior.people[number] for key in keys if (number := person_number(key)) in prior.people}
    seen = {key: one for key in keys if (one := evidence.authors.get(key, _NOBODY)).voted}
    people = {**seen, **{key: one for key, one in remembered.items() if one.voted > seen.get(key, _NOBODY).voted}}
    enough = len(seen) > len(remembered)
    rows = (history(entry, people, evidence.institutions, fewest=1 if enough else FEWEST_WORKS) for entry in entries)
    return _KNOWN if enough else _REMEMBERED, matrix(rows, len(HISTORY))
