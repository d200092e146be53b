"""Which candidates are nearly the same text: a work under another title, a part one and a part two.

Takes a pool, gives for each row the rows that are as near as NEARLY_THE_SAME (cosine of TF-IDF vectors). What is only
near is left alone: a list of one subject is what a reader of that subject wants.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from digest.ranking.pool import Pool

NEARLY_THE_SAME = 0.8
#: Rows that are compared with all others at once, which bounds the memory.
_BLOCK = 512

#: Row -> (other row, cosine); rows that are like no other are absent.
Twins = Mapping[int, tuple[tuple[int, float], ...]]


def twins(pool: Pool) -> Twins:
    """Call it as ``pool.once(twins)``."""
    vectors = pool.vectors.astype(np.float32)
    found: dict[int, list[tuple[int, float]]] = {}
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        for place, other in np.argwhere(cosines >= NEARLY_THE_SAME).tolist():
            if start + place != other:
                found.setdefault(start + place, []).append((other, round(float(cosines[place, other]), 3)))
    return {row: tuple(near) for row, near in found.items()}
