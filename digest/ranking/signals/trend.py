"""Trend: how many votes a paper is on its way to, and where papers without votes stand among those.

Expected final votes are (a + v) / (a / mu + g(t)), never below v: a Gamma-Poisson posterior whose prior weighs as much
as a votes. mu is what the prior expects before any vote, g(t) = 1 - exp(-(t/tau)^k) the share of votes seen at age t
hours, one at least; tau and k come with the prior. The share of the points is the place among final votes, a
log-logistic distribution with fixed median and slope: the same paper gets the same points whatever it is listed with. A
paper without votes stands at half its probability of being featured, and its expected votes are those of that place.
The distribution comes from the lists of 2025-04-25 to 2025-11-14.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from digest.model.editions import Figure
from digest.model.feeds import Entry
from digest.model.people import Profile
from digest.ranking.pool import Pool
from digest.ranking.prior.judge import growth_of, judge_pool
from digest.ranking.prior.weights import Growth
from digest.ranking.signals.base import Column, Signal
from digest.ranking.text import Floats

#: a: the prior weighs as much as so many votes.
STRENGTH = 0.5
#: Hours. No count is taken for younger: g says nothing there, and an age that nobody knows is nought.
YOUNGEST = 1.0

MEDIAN_VOTES = 22.0
SLOPE = 1.66
#: Where a featured paper of unknown votes stands among featured ones.
VOTELESS_PLACE = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """One value a row. ``probability`` is NaN where the paper has votes, ``votes`` and ``hours`` where it has none."""

    expected: Floats
    place: Floats
    votes: Floats
    hours: Floats
    probability: Floats


def seen_share(hours: Floats, growth: Growth) -> Floats:
    """g(t), the share of the final votes that are in at an age of so many hours."""
    return 1.0 - np.exp(-((np.maximum(hours, 0.0) / growth.tau) ** growth.shape))


def expected_votes(mu: Floats, votes: Floats, seen: Floats) -> Floats:
    """Final votes to expect where the prior expects mu and so many were counted; ``seen`` is g(t)."""
    # Hardly any votes are taken back: what a paper has it keeps, however little was expected of it.
    return np.maximum(votes, (STRENGTH + votes) / (STRENGTH / mu + seen))


def place_of(expected: Floats) -> Floats:
    """The share of featured papers that end with fewer votes."""
    safe = np.maximum(expected, 1e-9)
    return 1.0 / (1.0 + (MEDIAN_VOTES / safe) ** SLOPE)


def votes_at(place: Floats) -> Floats:
    """The inverse of ``place_of``."""
    return MEDIAN_VOTES * (place / (1.0 - place)) ** (1.0 / SLOPE)


def vote_age_hours(entry: Entry) -> float:
    """Age of the newest count: since submission to the list, else publication, else our first sight of it."""
    since = entry.submitted_at or entry.published_at or entry.first_seen_at
    return (max(vote.at for vote in entry.votes) - since).total_seconds() / 3600.0


def outlook(pool: Pool) -> Outlook:
    """Every entry's expected votes and place; call it as ``pool.once(outlook)``."""
    count = len(pool.entries)
    votes, hours = np.full(count, np.nan), np.full(count, np.nan)
    for row, entry in enumerate(pool.entries):
        if entry.upvotes is not None:
            votes[row], hours[row] = max(0, entry.upvotes), max(0.0, vote_age_hours(entry))
    voteless = np.isnan(votes)
    before = pool.once(judge_pool)
    seen = seen_share(np.maximum(hours, YOUNGEST), pool.once(growth_of))
    expected = expected_votes(before.expected, votes, seen)
    probability = np.where(voteless, before.probability, np.nan)
    expected[voteless] = votes_at(VOTELESS_PLACE * probability[voteless])
    return Outlook(expected=expected, place=place_of(expected), votes=votes, hours=hours, probability=probability)


def measure(pool: Pool, profile: Profile) -> Column:
    return Column(share=pool.once(outlook).place, figures=pool.once(_figures).__getitem__)


def _figures(pool: Pool) -> tuple[Mapping[str, Figure], ...]:
    seen = pool.once(outlook)
    rows = zip(seen.votes.tolist(), seen.hours.tolist(), seen.expected.tolist(), seen.probability.tolist(), strict=True)
    return tuple(
        {"probability": round(probability, 4)}
        if math.isnan(votes)
        else {"votes": int(votes), "hours": round(hours, 1), "expected": round(expected, 1)}
        for votes, hours, expected, probability in rows
    )


TREND = Signal(key="trend", measure=measure)
