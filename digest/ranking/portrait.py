"""What the store knows of a person: papers, votes, categories, institutions, and two figures of our own. Pure.

Takes works of the store, a history of papers beside them and a person; gives a Portrait, taken from the works that are
that person's beyond doubt (namesakes.py). Both figures go from 0 to 100:

* Novelty is the mean of the novelty shares of the works (signals/novelty.py).
* The AI score is the sum of four parts; none falls when a paper gets a vote or code, and but for code none when a
  paper comes:

  votes     50 * S / (S + 2)   S: the sum of the works' places among final votes (signals/trend.py)
  activity  20 * A / (A + 2)   A: the sum of 0.5 ^ (days / 180) over the works' ages
  code      15 * C / N         C of the N works have code
  breadth   15 * (1 - 1 / B)   B primary categories

With fewer than FEWEST works neither is told. docs/people.md explains them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from digest.model.editions import Part
from digest.model.feeds import Entry
from digest.model.ranking import Evidence
from digest.ranking.namesakes import Directory
from digest.ranking.pool import Pool
from digest.ranking.signals.novelty import neighbourhood
from digest.ranking.signals.trend import place_of

FEWEST = 3
VOTES, ACTIVITY, CODE, BREADTH = 50.0, 20.0, 15.0, 15.0
#: At so many median papers, or so many papers of today, half of a part's points are given.
HALF = 2.0
HALF_LIFE_DAYS = 180.0
#: Institutions that are told of a person whom no catalogue knows.
MOST_INSTITUTIONS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Portrait:
    """What is known of somebody from the store's own papers."""

    works: tuple[Entry, ...] = ()
    """Theirs beyond doubt, the newest first."""
    doubtful: int = 0
    """Works on which somebody of that name stands who may be another."""
    votes: int | None = None
    """The sum of the works' counts; None where no voting list carried any."""
    category: str = ""
    """The primary category of most works."""
    institutions: tuple[str, ...] = ()
    """Those that most works name."""
    novelty: int | None = None
    parts: tuple[Part, ...] = ()
    """Of the AI score; none where it is not told."""

    @property
    def ai_score(self) -> int | None:
        return sum(part.points for part in self.parts) if self.parts else None


def portrait(wanted: str, works: Sequence[Entry], history: Sequence[Entry], now: datetime) -> Portrait:
    """Of a person as a reader wrote him; ``works`` are all on which he may stand, ``history`` the papers beside which
    their novelty is seen.
    """
    pool = Pool(works, now=now, evidence=Evidence(history=tuple(history)))
    seen = pool.once(Directory).find(wanted)
    sure = sorted({one.row for one in seen if not one.doubt}, key=lambda row: _newest_first(pool.entries[row]))
    return _portrait(pool, sure, len({one.row for one in seen}.difference(sure)))


def _portrait(pool: Pool, rows: Sequence[int], doubtful: int) -> Portrait:
    works = tuple(pool.entries[row] for row in rows)
    voted = [work.upvotes for work in works if work.upvotes is not None]
    enough = len(works) >= FEWEST
    return Portrait(
        works=works,
        doubtful=doubtful,
        votes=sum(voted) if voted else None,
        category=_commonest(work.categories[0] for work in works if work.categories),
        institutions=_institutions(works),
        novelty=_novelty(pool, rows) if enough else None,
        parts=_parts(works, voted, pool.now) if enough else (),
    )


def _novelty(pool: Pool, rows: Sequence[int]) -> int | None:
    """None where there is too little history to compare with."""
    seen = pool.once(neighbourhood)
    known = [row for row in rows if seen.nearest[row] >= 0]
    return round(100.0 * float(seen.share[known].mean())) if known else None


def _parts(works: Sequence[Entry], voted: Sequence[int], now: datetime) -> tuple[Part, ...]:
    places = float(place_of(np.array([max(0, votes) for votes in voted], np.float64)).sum()) if voted else 0.0
    active = math.fsum(0.5 ** (_age_days(work, now) / HALF_LIFE_DAYS) for work in works)
    with_code = sum(bool(work.code_url) for work in works)
    categories = len({work.categories[0] for work in works if work.categories})
    return (
        Part(
            key="votes",
            points=round(VOTES * places / (places + HALF)),
            figures={"voted": len(voted), "places": round(places, 2)},
        ),
        Part(
            key="activity",
            points=round(ACTIVITY * active / (active + HALF)),
            figures={"papers": len(works), "recent": round(active, 2)},
        ),
        Part(
            key="code", points=round(CODE * with_code / len(works)), figures={"papers": len(works), "code": with_code}
        ),
        Part(
            key="breadth",
            points=round(BREADTH * (1.0 - 1.0 / categories)) if categories else 0,
            figures={"categories": categories},
        ),
    )


def _institutions(works: Sequence[Entry]) -> tuple[str, ...]:
    named = Counter(name for work in works for name in work.institutions)
    return tuple(sorted(named, key=lambda name: (-named[name], name))[:MOST_INSTITUTIONS])


def _commonest(names: Iterable[str]) -> str:
    counted = Counter(names)
    return min(counted, key=lambda name: (-counted[name], name), default="")


def _newest_first(work: Entry) -> tuple[float, str]:
    return (-_said_at(work).timestamp(), work.work)


def _age_days(work: Entry, now: datetime) -> float:
    return max(0.0, (now - _said_at(work)).total_seconds() / 86_400.0)


def _said_at(work: Entry) -> datetime:
    return work.published_at or work.first_seen_at
