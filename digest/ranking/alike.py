"""Which candidates are nearly the same text: a work under another title, a part one and a part two.

Takes a pool, gives for each row the rows that are as near as NEARLY_THE_SAME (cosine of BM25 weights of stems,
shelf.py). What is only near is left alone: a list of one subject is what a reader of that subject wants.

Two papers are compared by the rarest stems of one first: with half of its length spoken for, the rest can add no more
than the root of the other half (prefix filtering, Bayardo, Ma and Srikant 2007). Few pairs are left to be worked out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from digest.ranking.axes import spans
from digest.ranking.pool import Pool
from digest.ranking.shelf import ByPaper, Rows, Shelf, products, shelf_of
from digest.ranking.text import Floats

NEARLY_THE_SAME = 0.8
#: The part of a paper's squared length that its common stems make, which are looked at last.
_LAST = 0.5
#: Papers, and pairs of them, that are looked at together, which bounds the memory.
_BLOCK = 32
_PAIRS = 8_192

#: Row -> (other row, cosine); rows that are like no other are absent.
Twins = Mapping[int, tuple[tuple[int, float], ...]]


def twins(pool: Pool) -> Twins:
    """Call it as ``pool.once(twins)``."""
    shelf = pool.once(shelf_of)
    pairs = _perhaps(shelf)
    found: dict[int, list[tuple[int, float]]] = {}
    for start in range(0, len(pairs), _PAIRS):
        some = pairs[start : start + _PAIRS]
        cosines = _cosines(shelf, some)
        near = np.flatnonzero(cosines >= NEARLY_THE_SAME)
        for (one, other), cosine in zip(some[near].tolist(), cosines[near].tolist(), strict=True):
            found.setdefault(one, []).append((other, round(cosine, 3)))
            found.setdefault(other, []).append((one, round(cosine, 3)))
    return {row: tuple(sorted(found[row])) for row in sorted(found)}


def _perhaps(shelf: Shelf) -> Rows:
    """Pairs of candidates, the lower row first, that their rarest stems do not tell apart."""
    count = shelf.candidates
    rare, known = _rarest(shelf), shelf.unit.part(shelf.unit.papers < count)
    least = NEARLY_THE_SAME - np.sqrt(_LAST) - 1e-9
    pairs = [np.zeros((0, 2), np.int64)]
    for start in range(0, count, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, count))
        row, other = np.nonzero(products(rare, rows, known, count) >= least)
        found = np.column_stack((rows[row], other))
        pairs.append(found[found[:, 0] < found[:, 1]])
    return np.concatenate(pairs)


def _rarest(shelf: Shelf) -> ByPaper:
    """Of each candidate the rarest stems, until the others make no more than _LAST of its squared length."""
    starts, stems, values = shelf.by_paper
    starts = starts[: shelf.candidates + 1]
    stems, values = stems[: starts[-1]], values[: starts[-1]]
    paper = np.repeat(np.arange(shelf.candidates), np.diff(starts))
    holders = np.bincount(stems, minlength=len(shelf.stem_numbers))
    order = np.lexsort((holders[stems], paper))
    so_far = np.append(0.0, np.cumsum(values[order] ** 2))
    kept = so_far[:-1] - so_far[starts[paper]] <= 1.0 - _LAST + 1e-9
    return np.append(0, np.cumsum(kept))[starts], stems[order][kept], values[order][kept]


def _cosines(shelf: Shelf, pairs: Rows) -> Floats:
    """Of each pair of papers."""
    starts, stems, values = shelf.by_paper
    sizes, width = np.diff(starts), len(shelf.stem_numbers)
    keys: Rows = np.repeat(np.arange(shelf.papers), sizes) * width + stems
    of_other = spans(starts, pairs[:, 1])
    pair = np.repeat(np.arange(len(pairs)), sizes[pairs[:, 1]])
    wanted: Rows = pairs[pair, 0] * width + stems[of_other]
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    common = keys[place] == wanted
    weights = values[place[common]] * values[of_other[common]]
    return np.bincount(pair[common], weights=weights, minlength=len(pairs)).astype(np.float64)
