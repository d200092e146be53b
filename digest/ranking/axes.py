"""Papers on the strongest axes of all: latent semantic analysis (Deerwester et al. 1990) of sparse weighted terms.

Takes parallel arrays (paper, term, weight); gives a dense row for each paper. Found by subspace iteration (Halko et al.
2011) from a fixed start, so that equal papers give equal axes in every process.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digest.ranking.text import Floats

Rows = NDArray[np.int64]

#: How many terms, the weightiest, axes are made of; rounds and spare axes of the iteration.
TERMS = 1_024
ROUNDS = 3
SPARE = 10


def strongest(
    docs: NDArray[np.integer],
    terms: NDArray[np.integer],
    weights: Floats,
    *,
    shape: tuple[int, int],
    axes: int,
    sample: int | None = None,
) -> Floats:
    """``shape`` is (papers, terms in all); a row of length one for each paper, zeros where it has none of the terms.

    ``sample``: made of so many papers, the first ones; None takes all.
    """
    papers, known = shape
    strength = np.bincount(terms, weights=weights**2, minlength=known)
    chosen = np.argsort(-strength, kind="stable")[:TERMS]
    column = np.full(known, -1, np.int64)
    column[chosen] = np.arange(len(chosen))
    kept = np.flatnonzero(column[terms] >= 0)
    dense = np.zeros((papers, len(chosen)))
    dense[docs[kept], column[terms[kept]]] = weights[kept]
    made_of = dense[:sample]
    found = np.random.default_rng(0).standard_normal((len(chosen), axes + SPARE))
    for _ in range(ROUNDS):
        found = made_of.T @ np.linalg.qr(made_of @ found)[0]
    placed = dense @ np.linalg.svd(found, full_matrices=False)[0][:, :axes]
    lengths = np.linalg.norm(placed, axis=1, keepdims=True)
    return placed / np.where(lengths > 1e-12, lengths, 1.0)


def spans(starts: Rows, rows: Rows) -> Rows:
    """The places ``starts[row]`` up to ``starts[row + 1]`` of every row, one after another."""
    sizes = starts[rows + 1] - starts[rows]
    ends = np.cumsum(sizes)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts[rows] - (ends - sizes), sizes)
