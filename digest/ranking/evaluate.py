"""How good a list was, once it is known what became of the papers on it.

Takes lists, final votes and labels; gives shares from 0 to 1, and means of them with bootstrap intervals. Whatever is
drawn at random is drawn from a seed, so equal input gives equal figures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digest.ranking.text import Floats

#: Of equal width, for the calibration error.
BINS = 10
DRAWS = 2_000
SEED = 20_250_425
#: The ends of an interval that holds 95 %, in per cent.
ENDS = (2.5, 97.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean over ``count`` days or pools, and its 95 % percentile bootstrap interval."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """Papers whose probability lies between two tenths: how many, what was said of them, what came."""

    count: int
    said: float
    came: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """``error`` lies inside the band that a perfect model of these probabilities would show, or above it."""

    error: float
    low: float
    high: float
    count: int
    bins: tuple[Bin, ...]

    @property
    def inside(self) -> bool:
        """A smaller error than a perfect model usually shows is no fault."""
        return self.error <= self.high


def precision_at(order: Sequence[str], good: Collection[str], count: int) -> float:
    """The share of the first ``count`` places that hold a good one; empty places hold none."""
    return len(set(order[:count]) & set(good)) / count


def best(values: Mapping[str, float], count: int) -> frozenset[str]:
    """The names of the ``count`` largest values; equal values by name."""
    return frozenset(sorted(values, key=lambda name: (-values[name], name))[:count])


def ndcg_at(gains: Sequence[float], count: int) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002), gain / log2(place + 1).

    ``gains`` stand in the order of the list, all of them: the ideal list is made of them. NaN where all are 0.
    """
    given = np.asarray(gains, np.float64)
    ideal = _discounted(-np.sort(-given), count)
    return _discounted(given, count) / ideal if ideal > 0 else float("nan")


def total_variation(shares: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Half the sum of the differences of two distributions, each scaled to 1 in sum; 0 to 1.

    An empty list is as far from any weights as can be: 1.
    """
    printed, wanted = sum(shares.values()), sum(weights.values())
    if printed <= 0 or wanted <= 0:
        return 1.0
    names = sorted({*shares, *weights})
    return 0.5 * sum(abs(shares.get(name, 0.0) / printed - weights.get(name, 0.0) / wanted) for name in names)


def estimate(values: Sequence[float], *, seed: int = SEED) -> Estimate:
    """The mean of these values and its interval; NaN are left out. Percentile bootstrap (Efron 1979)."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return Estimate(mean=float("nan"), low=float("nan"), high=float("nan"), count=0)
    drawn = np.random.default_rng(seed).integers(0, len(known), size=(DRAWS, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), ENDS).tolist()
    return Estimate(mean=float(known.mean()), low=low, high=high, count=len(known))


def calibration(probabilities: Sequence[float], came: Sequence[bool], *, seed: int = SEED) -> Calibration:
    """Expected calibration error in ten bins (Naeini et al. 2015), beside what chance alone gives.

    For the band, outcomes are drawn from the probabilities themselves: so a perfect model would look.
    """
    said = np.asarray(probabilities, np.float64)
    outcome = np.asarray(came, np.float64)
    if not len(said):
        nothing = float("nan")
        return Calibration(error=nothing, low=nothing, high=nothing, count=0, bins=())
    places = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    chance = np.random.default_rng(seed)
    perfect = [_error(places, said, (chance.random(len(said)) < said).astype(np.float64)) for _ in range(DRAWS)]
    low, high = np.percentile(perfect, ENDS).tolist()
    sizes = np.bincount(places, minlength=BINS)
    sums, hits = (np.bincount(places, weights=values, minlength=BINS) for values in (said, outcome))
    bins = tuple(
        Bin(count=int(size), said=float(total / size), came=float(hit / size))
        for size, total, hit in zip(sizes, sums, hits, strict=True)
        if size
    )
    return Calibration(error=_error(places, said, outcome), low=low, high=high, count=len(said), bins=bins)


def _error(places: NDArray[np.int64], said: Floats, came: Floats) -> float:
    return float(np.abs(np.bincount(places, weights=said - came, minlength=BINS)).sum() / len(said))


def _discounted(gains: Floats, count: int) -> float:
    first = gains[:count]
    return float((first / np.log2(np.arange(2, len(first) + 2))).sum())
