"""Novelty: does the entry stand in a less crowded place than its nearest neighbours in the history?

The share is how many of its ten nearest earlier papers (TF-IDF cosine) lie closer to their own ten nearest than it
does to its own. Without enough history nothing can be said, and everybody gets half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digest.model.editions import Figure
from digest.model.people import Profile
from digest.ranking.pool import Corpus, Pool
from digest.ranking.signals.base import Column, Signal
from digest.ranking.text import Floats

NEIGHBOURS = 10
NEUTRAL = 0.5
#: Below this a neighbour is none worth naming.
NEAR = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbourhood:
    """One value a row; ``nearest`` is a row of the history, -1 where none was looked for."""

    share: Floats
    nearest: NDArray[np.int64]
    similarity: Floats


def crowding(history: Corpus) -> NDArray[np.float32]:
    """How near each earlier paper's ten nearest are, as a mean cosine; call it as ``history.once(crowding)``."""
    vectors = history.vectors.astype(np.float32)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1.0)
    return np.sort(np.partition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:], axis=1).mean(axis=1)


def neighbourhood(pool: Pool) -> Neighbourhood:
    """Every entry beside the history; call it as ``pool.once(neighbourhood)``."""
    count = len(pool.entries)
    own = np.array([pool.history.rows.get(entry.work, -1) for entry in pool.entries], np.int64)
    others = len(pool.history.entries) - 1
    if others <= NEIGHBOURS or not count:
        return Neighbourhood(
            share=np.full(count, NEUTRAL), nearest=np.full(count, -1, np.int64), similarity=np.zeros(count)
        )
    cosines = pool.vectors.astype(np.float32) @ pool.history.vectors.astype(np.float32).T
    held = np.flatnonzero(own >= 0)
    cosines[held, own[held]] = -1.0
    nearest = np.argpartition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
    near = np.take_along_axis(cosines, nearest, axis=1)
    mine = np.sort(near, axis=1).mean(axis=1)
    share = (pool.history.once(crowding)[nearest] > mine[:, None]).mean(axis=1)
    best = near.argmax(axis=1)
    rows = np.arange(count)
    return Neighbourhood(share=share, nearest=nearest[rows, best], similarity=near[rows, best].astype(np.float64))


def measure(pool: Pool, profile: Profile) -> Column:
    return Column(share=pool.once(neighbourhood).share, figures=pool.once(_figures).__getitem__)


def _figures(pool: Pool) -> tuple[Mapping[str, Figure], ...]:
    found = pool.once(neighbourhood)

    def figures(row: int) -> Mapping[str, Figure]:
        if found.nearest[row] < 0:
            return {}
        shown: dict[str, Figure] = {"share": round(float(found.share[row]), 2)}
        if found.similarity[row] >= NEAR:
            shown["neighbour"] = pool.history.entries[int(found.nearest[row])].title
            shown["similarity"] = round(float(found.similarity[row]), 2)
        return shown

    return tuple(figures(row) for row in range(len(pool.entries)))


NOVELTY = Signal(key="novelty", measure=measure)
