"""Trend: how many votes a paper is on its way to, and where papers without votes stand among those.

Expected final votes are (a + v) / (a/mu + g(t)) (Gamma-Poisson with prior mean mu), g(t) = 1 - exp(-(t/tau)^k) the
share of votes seen at age t hours. The share of the points is the place among final votes, a log-logistic
distribution with fixed median and slope: the same paper gets the same points whatever it is listed with. A paper
without votes stands at half its probability of being featured, and its expected votes are those of that place.
Constants: tau, k and a are measured values of Hugging Face's daily lists, taken over and not fitted here; the
distribution comes from the lists of 2025-04-25 to 2025-11-14, mu from those of 2025-03 to 2025-11-14.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from digest.model.editions import Figure
from digest.model.feeds import Entry
from digest.model.people import Profile
from digest.ranking.featured import links_code, log_team, probabilities
from digest.ranking.pool import Pool
from digest.ranking.signals.base import Column, Signal
from digest.ranking.text import Floats

TAU_HOURS = 16.7
SHAPE = 0.58
PRIOR_STRENGTH = 0.5

#: ln(1 + mu): log-linear in what is known before the first vote.
MU_BASE = 1.80
MU_CODE = 0.30
MU_ORGANISATION = 0.25
MU_TEAM = 0.50

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


def seen_share(hours: Floats) -> Floats:
    """g(t), the share of the final votes that are in at an age of so many hours."""
    return 1.0 - np.exp(-((np.maximum(hours, 0.0) / TAU_HOURS) ** SHAPE))


def prior_mean(entry: Entry) -> float:
    """mu, the final votes to expect before any are seen."""
    log_mean = MU_BASE + MU_CODE * links_code(entry) + MU_ORGANISATION * bool(entry.institutions)
    return float(np.expm1(log_mean + MU_TEAM * log_team(entry)))


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
    mu = np.array([prior_mean(entry) for entry in pool.entries], np.float64)
    for row, entry in enumerate(pool.entries):
        if entry.upvotes is not None:
            votes[row], hours[row] = max(0, entry.upvotes), max(0.0, vote_age_hours(entry))
    voteless = np.isnan(votes)
    expected = (PRIOR_STRENGTH + votes) / (PRIOR_STRENGTH / mu + seen_share(hours))
    probability = np.full(count, np.nan)
    if voteless.any():
        probability[voteless] = probabilities(pool)[voteless]
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
