"""Vote counts at known ages beside final ones -> how votes come in: g(t) = 1 - exp(-(t / tau)^shape).

Takes works with their counts; gives the pair of constants with the smallest mean distance of ln g(t) from the logarithm
of the share seen. Ages count by octave, each octave alike: most counts are of one age, the hour of reading a list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from digest.model.feeds import Entry, VoteObservation
from digest.ranking.prior.weights import Growth
from digest.ranking.text import Floats

#: The issue's measured constants, where there are too few counts to fit others.
USUAL = Growth(tau=16.7, shape=0.58)
FEWEST_COUNTS = 500
#: A share of fewer votes is mostly chance. The counts are chosen by what was seen, not by what came of it: those that
#: ended with many votes are those that grew most, and what is asked is how a paper with so many will go on.
FEWEST_SEEN = 10

#: Hours. Counts at younger ages are few and scatter by more than the curve bends; at older ones all is in.
_YOUNGEST, _OLDEST = 3.0, 72.0
_TAUS = (6.0, 8.0, 10.0, 12.0, 14.0, 16.7, 20.0, 24.0, 30.0)
_SHAPES = (0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.70, 0.80)


def fit_growth(works: Sequence[tuple[Entry, tuple[VoteObservation, ...]]], final: Floats, until: datetime) -> Growth:
    """``final`` holds the final votes of each work, NaN where they are not known."""
    counts = [
        (hours, math.log((vote.upvotes + 0.5) / (end + 0.5)))
        for (entry, votes), end in zip(works, final.tolist(), strict=True)
        if entry.submitted_at and not math.isnan(end)
        for vote in votes
        if vote.at <= until
        and vote.upvotes >= FEWEST_SEEN
        and _YOUNGEST <= (hours := (vote.at - entry.submitted_at).total_seconds() / 3600.0) <= _OLDEST
    ]
    if len(counts) < FEWEST_COUNTS:
        return USUAL
    hours, shares = np.array(counts, np.float64).T
    octaves = np.floor(np.log2(hours)).astype(np.int64)
    weights = 1.0 / np.bincount(octaves)[octaves]

    def distance(growth: Growth) -> float:
        expected = np.log(-np.expm1(-((hours / growth.tau) ** growth.shape)))
        return float(weights @ np.abs(shares - expected))

    return min((Growth(tau=tau, shape=shape) for tau in _TAUS for shape in _SHAPES), key=distance)
