"""The colour of a category. Takes category names, gives pairs that keep 4.5:1 in light and dark.

The dark twin of each colour stands in templates/css/kept.css under the same number.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ColourView:
    """A category's colour: its number in the style sheet, for text, and as a pale ground."""

    number: int
    ink: str
    tint: str


PALETTE = tuple(
    ColourView(number=number, ink=ink, tint=tint)
    for number, (ink, tint) in enumerate(
        (
            ("#0f5c8c", "#e3f0f8"),
            ("#7a3b93", "#f3e8f7"),
            ("#1f6b45", "#e2f2e9"),
            ("#9a4318", "#fbeae0"),
            ("#0d6668", "#def1f1"),
            ("#9c2f55", "#fae6ed"),
            ("#5d5a12", "#f3f1d9"),
            ("#44509c", "#e8eaf8"),
        )
    )
)
_WELL_KNOWN = {"cs.CL": 0, "cs.CV": 1, "cs.LG": 2, "cs.AI": 3, "cs.RO": 4, "stat.ML": 5, "cs.IR": 6, "eess.AS": 7}


def colours(categories: Iterable[str]) -> dict[str, ColourView]:
    """A colour a category, the same every day unless another category of this edition already wears it."""
    chosen: dict[str, ColourView] = {}
    for category in categories:
        if category in chosen:
            continue
        start = _WELL_KNOWN.get(category, zlib.crc32(category.encode("utf-8", "replace")) % len(PALETTE))
        taken = {colour.number for colour in chosen.values()}
        free = [number for step in range(len(PALETTE)) if (number := (start + step) % len(PALETTE)) not in taken]
        chosen[category] = PALETTE[free[0] if free else start]
    return chosen
