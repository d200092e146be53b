"""Earlier works -> what is known of each author and institution, where no store keeps it (``digest rank``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from digest.model.feeds import Entry
from digest.model.names import institution_key, person_key
from digest.model.ranking import Record


def author_records(works: Iterable[Entry]) -> Mapping[str, Record]:
    """By ``names.person_key``; a work counts once a person, with its newest votes."""
    return _records((frozenset(map(person_key, work.authors)), work) for work in works)


def institution_records(works: Iterable[Entry]) -> Mapping[str, Record]:
    """By ``names.institution_key``."""
    return _records((frozenset(map(institution_key, work.institutions)), work) for work in works)


def _records(named: Iterable[tuple[frozenset[str], Entry]]) -> Mapping[str, Record]:
    sums: dict[str, list[float]] = {}
    for keys, work in named:
        voted = work.upvotes is not None
        log_votes = math.log1p(max(0, work.upvotes or 0))
        for key in keys - {""}:
            tally = sums.setdefault(key, [0, 0, 0.0])
            tally[0] += 1
            tally[1] += voted
            tally[2] += log_votes
    return {key: Record(works=int(works), voted=int(voted), log_votes=log) for key, (works, voted, log) in sums.items()}
