"""How a mail shrinks until it fits: the steps from abstracts to bare titles, and the search for the first that fits.

Gmail clips a mail near 102 KB and then loses its styles, so the HTML part never exceeds LIMIT bytes. The order of
sacrifice is fixed: abstracts of low-ranked papers, all abstracts, everything but the title line, long titles, and only
at the very end papers, the lowest ranked first, whose number the mail then tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

LIMIT = 98 * 1024
#: Of so many joined digests something is printed in any case.
MAX_DIGESTS = 12
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """``abstracts``: characters for the lead, the ten best, the others. ``full``: how many papers are more than a
    title line. ``digests``: of how many joined ones anything is printed. ``cards``: people a digest.
    """

    abstracts: tuple[int, int, int] = (720, 480, 480)
    full: int = 1_000_000
    title: int = 300
    url: int = 1_500
    papers: int = 1_000_000
    digests: int = 1_000_000
    cards: int = 6

    def room(self, rank: int) -> int:
        """Characters of abstract for the paper of this rank (0 leads); 0 means a title line."""
        if rank >= self.full:
            return 0
        return self.abstracts[0 if rank == 0 else 1 if rank <= 10 else 2]


STEPS = (
    Step(),
    Step(abstracts=(720, 480, 400)),
    Step(abstracts=(720, 480, 320)),
    Step(abstracts=(720, 480, 240)),
    Step(abstracts=(640, 400, 200)),
    Step(abstracts=(640, 400, 160), url=800),
    Step(abstracts=(640, 400, 160), full=40, url=500),
    Step(abstracts=(640, 400, 160), full=30, url=400, title=240),
    Step(abstracts=(640, 400, 160), full=20, url=300, title=200),
    Step(abstracts=(480, 320, 0), full=11, url=300, title=160),
    Step(full=0, url=300, title=160),
    Step(full=0, url=200, title=110),
    Step(full=0, url=160, title=80),
    Step(full=0, url=120, title=48, cards=0),
)


class TooLarge(Exception):
    """The template alone is above LIMIT; the argument is its size."""


def smaller(papers: int) -> Step:
    """The last resort: only this many title lines, of a dozen digests."""
    return Step(full=0, title=48, url=120, papers=papers, digests=MAX_DIGESTS, cards=0)


def fit(attempt: Callable[[Step], tuple[T, int]], papers: int) -> T:
    """The result of the first step whose size is at most LIMIT. Sizes fall from step to step, so halving finds it.

    TooLarge where not even a mail without papers fits.
    """
    result, size = attempt(STEPS[0])
    if size <= LIMIT:
        return result
    low, high, best = 1, len(STEPS) - 1, None
    while low <= high:
        middle = (low + high) // 2
        result, size = attempt(STEPS[middle])
        if size <= LIMIT:
            best, high = result, middle - 1
        else:
            low = middle + 1
    while best is None:
        papers = papers * LIMIT * 9 // (size * 10) if papers > 1 else 0
        result, size = attempt(smaller(papers))
        if size <= LIMIT:
            best = result
        elif papers == 0:
            raise TooLarge(size)
    return best
