"""Novelty: does the entry stand in a less crowded place than its nearest neighbours in the history?

The share is how many of its ten nearest earlier papers lie closer to their own ten nearest than it does to its own.
Near is the cosine of BM25 weights of stems (shelf.py); stems that every tenth paper has are left out of the products,
they would add little to any of them. Without enough history nothing can be said, and everybody gets half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digest.model.editions import Figure
from digest.model.people import Profile
from digest.ranking.pool import Pool
from digest.ranking.shelf import Rows, Shelf, products, shelf_of
from digest.ranking.signals.base import Column, Signal
from digest.ranking.text import Floats

NEIGHBOURS = 10
NEUTRAL = 0.5
#: Below this a neighbour is none worth naming.
NEAR = 0.15
#: Stems in a larger part of all papers say nothing of nearness; in a few papers any stem does.
COMMON = 0.1
FEW = 50
#: Papers that are compared with the history at once: many for speed, few enough for the memory.
_BLOCK = 32


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
    near = _Near(pool.once(shelf_of))
    # A candidate that is held already is not its own neighbour.
    held = np.array([pool.history.rows.get(entry.work, -1) for entry in pool.entries], np.int64)
    rows, cosines = near.of(np.arange(count), held)
    asked = np.unique(rows)
    crowding = np.zeros(earlier)
    crowding[asked] = near.of(count + asked, asked)[1].mean(axis=1)
    share[:] = (crowding[rows] > cosines.mean(axis=1, keepdims=True)).mean(axis=1)
    best = (np.arange(count), cosines.argmax(axis=1))
    return Neighbourhood(share=share, nearest=rows[best], similarity=cosines[best])


class _Near:
    """The history's papers by stem, of those stems that are not too common."""

    def __init__(self, shelf: Shelf) -> None:
        sizes = np.diff(shelf.unit.starts)
        rare = np.repeat(sizes <= max(FEW, COMMON * shelf.papers), sizes)
        self._shelf = shelf
        first = shelf.candidates
        self._earlier = shelf.unit.part(rare & (shelf.unit.papers >= first), first=first)

    def of(self, papers: Rows, themselves: Rows) -> tuple[Rows, Floats]:
        """Of each paper the nearest rows of the history and their cosines, NEIGHBOURS columns each.

        ``themselves`` are the rows of the history that these papers are, -1 where they are none of it.
        """
        blocks = [slice(at, at + _BLOCK) for at in range(0, len(papers), _BLOCK)]
        rows, cosines = zip(*(self._block(papers[block], themselves[block]) for block in blocks), strict=True)
        return np.concatenate(rows), np.round(np.concatenate(cosines), 9).astype(np.float64, copy=False)

    def _block(self, papers: Rows, themselves: Rows) -> tuple[Rows, Floats]:
        shelf = self._shelf
        cosines = products(shelf.by_paper, papers, self._earlier, shelf.papers - shelf.candidates)
        held = np.flatnonzero(themselves >= 0)
        cosines[held, themselves[held]] = -1.0
        nearest = np.sort(np.argpartition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:], axis=1)
        return nearest, np.take_along_axis(cosines, nearest, axis=1)


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
