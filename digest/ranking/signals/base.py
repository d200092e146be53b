"""What a signal is: a share from 0 to 1 of every entry of a pool, and the figures it was computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from digest.model.editions import Figure
from digest.model.people import Profile
from digest.ranking.pool import Pool
from digest.ranking.text import Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One share a row of the pool; ``figures(row)`` is asked only for the parts that somebody looks at."""

    share: Floats
    figures: Callable[[int], Mapping[str, Figure]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """``key`` names the part of the score and the field of Weights that gives its share."""

    key: str
    measure: Callable[[Pool, Profile], Column]
