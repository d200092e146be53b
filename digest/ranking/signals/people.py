"""People: authors and institutions the reader follows.

A match is worth a fixed share, a doubtful one half of it; several join as 1 - product(1 - share). A namesake is no
longer in doubt where another followed author or a followed institution stands on the same paper.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from digest.model.editions import Figure
from digest.model.people import Profile
from digest.ranking.match import house, person, same_house
from digest.ranking.namesakes import Directory, Doubt
from digest.ranking.pool import Pool
from digest.ranking.signals.base import Column, Signal

AUTHOR = 0.8
PERHAPS = 0.4
INSTITUTION = 0.6

#: Of one paper: place in its list of authors -> (name there, as the reader wrote it, doubt).
_Authors = dict[int, tuple[str, str, Doubt]]


class Houses:
    """Which institutions stand on which papers; call it as ``pool.once(Houses)``."""

    def __init__(self, pool: Pool) -> None:
        listed: dict[str, dict[str, list[int]]] = defaultdict(dict)
        for row, entry in enumerate(pool.entries):
            for name in entry.institutions:
                for word in set(house(name).split()):
                    listed[word].setdefault(name, []).append(row)
        self._listed: Mapping[str, Mapping[str, list[int]]] = listed

    def find(self, wanted: str) -> Mapping[str, Sequence[int]]:
        """Institution as written -> rows."""
        words = house(wanted)
        if not words.strip():
            return {}
        return {name: rows for name, rows in self._listed.get(words.split()[0], {}).items() if same_house(wanted, name)}


def measure(pool: Pool, profile: Profile) -> Column:
    institutions = _institutions(pool, profile)
    authors = _authors(pool, profile, institutions)
    missing = np.ones(len(pool.entries))
    for row, found in authors.items():
        for _, _, doubt in found.values():
            missing[row] *= 1.0 - (PERHAPS if doubt else AUTHOR)
    for row, names in institutions.items():
        missing[row] *= (1.0 - INSTITUTION) ** len(names)

    def figures(row: int) -> Mapping[str, Figure]:
        found = authors.get(row, {})
        ordered = [found[place] for place in sorted(found)]
        matched: dict[str, Figure] = {}
        if sure := tuple(name for name, _, doubt in ordered if not doubt):
            matched["authors"] = sure
        if unsure := [(wanted, doubt.value) for _, wanted, doubt in ordered if doubt]:
            matched["perhaps"] = tuple(wanted for wanted, _ in unsure)
            matched["doubts"] = tuple(doubt for _, doubt in unsure)
        if row in institutions:
            matched["institutions"] = tuple(institutions[row])
        return matched

    return Column(share=1.0 - missing, figures=figures)


def _institutions(pool: Pool, profile: Profile) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for wanted in profile.institutions:
        for name, rows in pool.once(Houses).find(wanted).items():
            for row in rows:
                if name not in found[row]:
                    found[row].append(name)
    return dict(found)


def _authors(pool: Pool, profile: Profile, institutions: Mapping[int, list[str]]) -> Mapping[int, _Authors]:
    """Each author once, however often the reader named him, by the surest of the names."""
    found: dict[int, _Authors] = defaultdict(dict)
    if not profile.authors:
        return found
    directory = pool.once(Directory)
    for wanted in profile.authors:
        for seen in directory.find(wanted):
            known = found[seen.row].get(seen.place)
            if known is None or (known[2] and not seen.doubt):
                found[seen.row][seen.place] = (seen.name, person(wanted).written, seen.doubt)
    for row, of_row in found.items():
        if row in institutions or any(not doubt for _, _, doubt in of_row.values()):
            found[row] = {place: (name, wanted, Doubt.NONE) for place, (name, wanted, _) in of_row.items()}
    return found


PEOPLE = Signal(key="people", measure=measure)
