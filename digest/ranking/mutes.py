"""Which mute hits which candidate. Everything is looked at: a mute always wins.

Every mute is a look-up in what the pool holds once for all readers, so that a thousand names cost little more than one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from digest.model.people import Mutes
from digest.ranking.namesakes import Directory
from digest.ranking.pool import Pool
from digest.ranking.signals.people import Houses
from digest.ranking.text import words


def in_category(pool: Pool) -> Mapping[str, Sequence[int]]:
    """Case-folded category -> rows, whichever of an entry's categories it is; call it as ``pool.once(in_category)``."""
    found: dict[str, list[int]] = defaultdict(list)
    for row, entry in enumerate(pool.entries):
        for category in dict.fromkeys(category.casefold() for category in entry.categories):
            found[category].append(row)
    return found


def muted(pool: Pool, mutes: Mutes) -> Mapping[int, str]:
    """Row -> the first mute that hits it, as the reader wrote it: keywords, authors, institutions, then categories.

    An author who only may be the muted one is muted.
    """
    found: dict[int, str] = {}

    def hit(rows: Iterable[int], wanted: str) -> None:
        for row in rows:
            found.setdefault(row, wanted)

    for wanted in (*mutes.keywords, *mutes.anything):
        hit(pool.index.docs[pool.index.positions(words(wanted))].tolist(), wanted)
    for wanted in (*mutes.authors, *mutes.anything):
        hit((seen.row for seen in pool.once(Directory).find(wanted)), wanted)
    for wanted in (*mutes.institutions, *mutes.anything):
        hit((row for rows in pool.once(Houses).find(wanted).values() for row in rows), wanted)
    for wanted in (*mutes.categories, *mutes.anything):
        hit(pool.once(in_category).get(wanted.casefold(), ()), wanted)
    return found
