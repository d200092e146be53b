"""Works whose outcome is known -> a Prior.

Takes works in any order, each with every vote count that was seen of it; gives the weights of two models: ridge
regression of ln(1 + final votes) and logistic regression of "featured later". Each is fitted in two steps: the text
first, then the text's score beside the other features; the scores for the second step come from models that did not
see the days they score, so that text is not trusted more than it deserves. Author and institution histories are walked
forward: what explains a work was known before it was first seen, and never holds its own votes.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from digest.model.errors import InputError
from digest.model.feeds import Entry, VoteObservation
from digest.model.past import FINAL_AGE
from digest.ranking.pool import tie_break
from digest.ranking.prior.features import HISTORY, OF_VOTES_ONLY, PLAIN, matrix, plain, terms
from digest.ranking.prior.growth import fit_growth
from digest.ranking.prior.judge import shipped
from digest.ranking.prior.solve import (
    Sparse,
    dense_logistic,
    dense_ridge,
    level,
    sparse,
    sparse_logistic,
    sparse_ridge,
)
from digest.ranking.prior.walk import walk
from digest.ranking.prior.weights import Head, Model, Prior, Saw, dump, load
from digest.ranking.text import Floats

#: A paper that a voting list takes later than this after its listing is rare.
UNDECIDED = timedelta(days=7)
FEWEST_VOTED = 500
FEWEST_LISTED, FEWEST_FEATURED = 2_000, 50

#: The early counts of a month are used where there are so many: fewer have no mean worth the name.
FEWEST_EARLY = 30
#: How much of an early count's distance from the mean of its month is left in the final ones, in ln(1 + votes).
EARLY_SLOPE = 0.8

#: Terms in fewer works than this are left out, and of the others all but the most frequent.
RAREST_TERM = 10
MOST_TERMS = 8_000
#: How many terms each model may keep.
KEPT_TERMS = 1_000
#: Days are cut into this many runs for the scores of the second step.
RUNS = 4
#: On the sum of squared weights; chosen by looking at listings of 25 April to May 2025 and votes of July to December.
VOTES_TEXT, VOTES_REST = 1.6, 20.0
FEATURED_TEXT, FEATURED_REST = 0.6, 20.0

#: (table, target, penalty) -> (intercept, weights)
_SparseFit = Callable[[Sparse, Floats, float], tuple[float, Floats]]
_DenseFit = Callable[[Floats, Floats, float], tuple[float, Floats]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One work of an archive or store, and what became of it.

    ``entry`` is the work as it was first seen (on a voting list, where one carried it); ``entry.votes`` is not looked
    at. ``votes`` is every count of it that any source showed, in any order, empty where it never had one. ``listed``
    is the work as a source without votes (arXiv) first listed it; None where none did: then it says nothing of
    P(featured).
    """

    entry: Entry
    votes: tuple[VoteObservation, ...] = ()
    listed: Entry | None = None


def fit(
    examples: Iterable[Example],
    *,
    until: datetime,
    note: Callable[[str], None] = lambda _: None,
) -> Prior:
    """The prior that these works teach. Deterministic, and independent of their order.

    Nothing observed after ``until`` is used. Votes are final 72 hours after the submission to the list; works that are
    younger at their newest count teach no votes. A work listed without votes counts as not featured when seven days
    have gone by at ``until`` without one. ``note`` is told what is being done, a short sentence each (progress). Raises
    InputError where fewer than 500 works have final votes; where fewer than 2,000 listed works (50 of them featured)
    can teach P(featured), the shipped prior's model of it is taken over, and ``saw.listed`` is 0.
    """
    note("reading the histories of authors")
    # In the order of time, ties by a hash: no result depends on how the works came.
    begun = (one for one in examples if _first(one) <= until)
    seen = sorted(begun, key=lambda one: (_first(one), tie_break(one.entry.work)))
    walked = walk([(one.entry, one.listed, one.votes) for one in seen], until)
    final = np.array([_final_votes(one, until) for one in seen], np.float64)
    known = int(np.count_nonzero(~np.isnan(final)))
    if known < FEWEST_VOTED:
        raise InputError(
            f"only {known} works have final votes, and a prior needs {FEWEST_VOTED}",
            where="fit",
            try_="wait until more papers have been seen for three days; the shipped prior is used until then",
        )
    outcome = _outcomes(seen, final, until)
    voted = np.flatnonzero(~np.isnan(outcome))
    note(f"fitting votes on {len(voted)} works, {known} of them with final ones")
    votes, vote_terms = _fit_model(
        [seen[row].entry for row in voted],
        [past[voted] for past in walked.of_entry],
        outcome[voted],
        (sparse_ridge, VOTES_TEXT),
        (dense_ridge, VOTES_REST),
    )
    listed = [row for row, one in enumerate(seen) if one.listed and one.listed.first_seen_at <= until - UNDECIDED]
    labels = np.array([any(vote.at <= until for vote in seen[row].votes) for row in listed], np.float64)
    if len(listed) >= FEWEST_LISTED and labels.sum() >= FEWEST_FEATURED:
        note(f"fitting P(featured) on {len(listed)} listed works")
        featured, featured_terms = _fit_model(
            [entry for row in listed if (entry := seen[row].listed)],
            [past[listed] * [name not in OF_VOTES_ONLY for name in HISTORY] for past in walked.of_listed],
            labels,
            (sparse_logistic, FEATURED_TEXT),
            (dense_logistic, FEATURED_REST),
        )
    else:
        listed, labels = [], np.zeros(0)
        featured, featured_terms = shipped().featured, shipped().vocabulary
    vocabulary = tuple(sorted({*vote_terms, *featured_terms}))
    prior = Prior(
        saw=_saw(seen, until, known, len(listed), int(labels.sum())),
        vocabulary=vocabulary,
        votes=_spread(votes, vote_terms, vocabulary),
        featured=_spread(featured, featured_terms, vocabulary),
        growth=fit_growth([(one.entry, one.votes) for one in seen], final, until),
        people=walked.people,
    )
    # What is kept is rounded: what was fitted must not say more than what can be read back.
    return load(dump(prior))


def _first(one: Example) -> datetime:
    return min(one.entry.first_seen_at, one.listed.first_seen_at) if one.listed else one.entry.first_seen_at


def _final_votes(one: Example, until: datetime) -> float:
    """The newest count, where it was seen late enough; else NaN."""
    newest = _newest(one, until)
    since = one.entry.submitted_at or one.entry.published_at or one.entry.first_seen_at
    return max(0, newest[1]) if newest and newest[0] - since >= FINAL_AGE else float("nan")


def _newest(one: Example, until: datetime) -> tuple[datetime, int] | None:
    return max(((vote.at, vote.upvotes) for vote in one.votes if vote.at <= until), default=None)


def _outcomes(seen: Sequence[Example], final: Floats, until: datetime) -> Floats:
    """ln(1 + final votes) of each work, known or guessed; NaN where nothing is known.

    A work that was counted only while young stands among those of its month as it will among the final ones, though
    less far from the middle. By month, as a list is read at one hour for some time and at another later.
    """
    outcome = np.log1p(final)
    middle = float(np.nanmean(outcome))
    early: defaultdict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    for row in np.flatnonzero(np.isnan(final)).tolist():
        if newest := _newest(seen[row], until):
            early[newest[0].year, newest[0].month].append((row, math.log1p(max(0, newest[1]))))
    for counted in early.values():
        if len(counted) >= FEWEST_EARLY:
            mean = sum(count for _, count in counted) / len(counted)
            for row, count in counted:
                outcome[row] = max(0.0, middle + EARLY_SLOPE * (count - mean))
    return outcome


def _saw(seen: Sequence[Example], until: datetime, votes: int, listed: int, featured: int) -> Saw:
    last = min(until, max(_first(one) for one in seen))
    return Saw(first=_first(seen[0]).date(), last=last.date(), votes=votes, listed=listed, featured=featured)


def _fit_model(
    entries: Sequence[Entry],
    pasts: Sequence[Floats],
    target: Floats,
    text_fit: tuple[_SparseFit, float],
    rest_fit: tuple[_DenseFit, float],
) -> tuple[Model, tuple[str, ...]]:
    """A model and its own terms; ``entries`` stand in the order of time, ``pasts`` are those of ``Walked``."""
    documents, vocabulary = _cut([terms(entry) for entry in entries])
    kept, weights = _fit_text(documents, len(vocabulary), target, text_fit)
    own_terms = tuple(vocabulary[int(number)] for number in kept)
    scores = np.zeros(len(entries))
    edges: list[int] = np.linspace(0, len(entries), RUNS + 1).astype(int).tolist()
    for start, end in pairwise(edges):
        others = [*documents[:start], *documents[end:]]
        chosen, parts = _fit_text(others, len(vocabulary), np.delete(target, np.s_[start:end]), text_fit)
        scores[start:end] = _only(documents[start:end], chosen, len(vocabulary)).times(parts)
    own = matrix((plain(entry) for entry in entries), len(PLAIN))
    known, remembered, blind = (
        _fit_head(np.column_stack((scores, own, *past)), target, rest_fit) for past in (*([one] for one in pasts), [])
    )
    return Model(terms=weights, known=known, remembered=remembered, blind=blind), own_terms


def _fit_head(table: Floats, target: Floats, how: tuple[_DenseFit, float]) -> Head:
    """The first column is the text's score. The level is that of the newer half: how much a list takes drifts."""
    solve, penalty = how
    intercept, weights = solve(table, target, penalty)
    if solve is dense_logistic:
        newer = table[len(table) // 2 :] @ weights
        intercept = level(newer, target[len(table) // 2 :], intercept)
    return Head(intercept=intercept, text=float(weights[0]), weights=weights[1:])


def _cut(texts: Sequence[frozenset[str]]) -> tuple[list[NDArray[np.int64]], tuple[str, ...]]:
    """The terms of each text as numbers, and the terms: those that are neither rare nor beyond the limit."""
    counts = Counter(term for text in texts for term in text)
    common = [term for term, count in counts.items() if count >= RAREST_TERM]
    common.sort(key=lambda term: (-counts[term], term))
    vocabulary = tuple(sorted(common[:MOST_TERMS]))
    numbers = {term: number for number, term in enumerate(vocabulary)}
    return [np.array(sorted(numbers[term] for term in text if term in numbers), np.int64) for text in texts], vocabulary


def _fit_text(
    documents: Sequence[NDArray[np.int64]], width: int, target: Floats, how: tuple[_SparseFit, float]
) -> tuple[NDArray[np.int64], Floats]:
    """(numbers of the terms that are kept, their weights): all are fitted, the strongest kept and fitted again."""
    solve, penalty = how
    table = sparse(documents, width)
    _, weights = solve(table, target, penalty)
    share = table.column_counts() / max(1, table.count)
    strength = np.abs(weights) * np.sqrt(share * (1.0 - share))
    kept = np.sort(np.argsort(-strength, kind="stable")[:KEPT_TERMS])
    _, again = solve(_only(documents, kept, width), target, penalty)
    return kept, again


def _only(documents: Sequence[NDArray[np.int64]], kept: NDArray[np.int64], width: int) -> Sparse:
    """The rows with only these terms, numbered anew."""
    renumbered = np.full(width, -1, np.int64)
    renumbered[kept] = np.arange(len(kept))
    return sparse([(new := renumbered[one])[new >= 0] for one in documents], len(kept))


def _spread(model: Model, own: tuple[str, ...], vocabulary: tuple[str, ...]) -> Model:
    """The model over the vocabulary that both share."""
    given = dict(zip(own, model.terms.tolist(), strict=True))
    weights = np.array([given.get(term, 0.0) for term in vocabulary], np.float64)
    return replace(model, terms=weights)
