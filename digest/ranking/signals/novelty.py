"""Novelty: does the entry stand in a less crowded place than its nearest neighbours in the history?

The share is how many of its ten nearest earlier papers lie closer to their own ten nearest than it does to its own.
Near is the cosine of BM25 weights of stems (shelf.py); stems that every tenth paper has are left out of the products,
they would add little to any of them. Without enough history nothing can be said, and everybody gets half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digest.model.editions import Figure
from digest.model.people import Profile
from digest.ranking.axes import spans
from digest.ranking.pool import Pool
from digest.ranking.shelf import Rows, Shelf, shelf_of
from digest.ranking.signals.base import Column, Signal
from digest.ranking.text import Floats

NEIGHBOURS = 10
NEUTRAL = 0.5
#: Below this a neighbour is none worth naming.
NEAR = 0.15
#: Stems in a larger part of all papers say nothing of nearness; in a few papers any stem does.
COMMON = 0.1
FEW = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbourhood:
    """One value a row; ``nearest`` is a row of the history, -1 where none was looked for."""

    share: Floats
    nearest: NDArray[np.int64]
    similarity: Floats


def neighbourhood(pool: Pool) -> Neighbourhood:
    """Every entry beside the history; call it as ``pool.once(neighbourhood)``."""
    count, earlier = len(pool.entries), len(pool.history.entries)
    share, similarity = np.full(count, NEUTRAL), np.zeros(count)
    nearest = np.full(count, -1, np.int64)
    if earlier <= NEIGHBOURS + 1 or not count:
        return Neighbourhood(share=share, nearest=nearest, similarity=similarity)
    shelf = pool.once(shelf_of)
    themselves = {count + row: row for row in range(earlier)}
    crowding = np.array([near.mean() for _, near in _neighbours(shelf, themselves)])
    # A candidate that is held already is not its own neighbour.
    held = {row: pool.history.rows.get(entry.work, -1) for row, entry in enumerate(pool.entries)}
    for row, (rows, near) in enumerate(_neighbours(shelf, held)):
        share[row] = (crowding[rows] > near.mean()).mean()
        nearest[row], similarity[row] = rows[near.argmax()], near.max()
    return Neighbourhood(share=share, nearest=nearest, similarity=similarity)


def _neighbours(shelf: Shelf, papers: Mapping[int, int]) -> Iterator[tuple[Rows, Floats]]:
    """Of each paper the nearest rows of the history and their cosines; the mapping gives the row that is itself."""
    earlier = shelf.papers - shelf.candidates
    posted, rows, values = _postings(shelf)
    starts, stems, weights = shelf.by_paper
    for paper, itself in papers.items():
        own = slice(int(starts[paper]), int(starts[paper + 1]))
        places = spans(posted, stems[own])
        products = values[places] * np.repeat(weights[own], posted[stems[own] + 1] - posted[stems[own]])
        cosines = np.bincount(rows[places], weights=products, minlength=earlier)
        if itself >= 0:
            cosines[itself] = -1.0
        nearest = np.argpartition(cosines, -NEIGHBOURS)[-NEIGHBOURS:]
        nearest.sort()
        yield nearest, np.round(cosines[nearest], 9).astype(np.float64)


def _postings(shelf: Shelf) -> tuple[Rows, Rows, Floats]:
    """Where each stem starts, rows of the history, values: of stems that are not too common."""
    sizes = np.diff(shelf.unit.starts)
    kept = np.repeat(sizes <= max(FEW, COMMON * shelf.papers), sizes) & (shelf.unit.papers >= shelf.candidates)
    starts = np.append(0, np.cumsum(kept))[shelf.unit.starts]
    return starts, shelf.unit.papers[kept].astype(np.int64) - shelf.candidates, shelf.unit.values[kept]


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
