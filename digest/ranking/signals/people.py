"""People: authors and institutions the reader follows.

A match is worth a fixed share; several join as 1 - product(1 - share).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from digest.model.editions import Figure
from digest.model.people import Profile
from digest.ranking.match import name_words, same_person
from digest.ranking.pool import Pool
from digest.ranking.signals.base import Column, Signal
from digest.ranking.text import holds

AUTHOR = 0.8
INSTITUTION = 0.6


def people(pool: Pool) -> Mapping[str, tuple[tuple[str, int], ...]]:
    """Any word of a name -> (name, row): a wanted name is compared with these few only."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for row, entry in enumerate(pool.entries):
        for name in entry.authors:
            for word in set(name_words(name)):
                found[word].append((name, row))
    return {word: tuple(names) for word, names in found.items()}


def houses(pool: Pool) -> Mapping[str, tuple[int, ...]]:
    """Institution as written -> rows."""
    found: dict[str, list[int]] = defaultdict(list)
    for row, entry in enumerate(pool.entries):
        for name in entry.institutions:
            found[name].append(row)
    return {name: tuple(rows) for name, rows in found.items()}


def measure(pool: Pool, profile: Profile) -> Column:
    authors: dict[int, list[str]] = defaultdict(list)
    institutions: dict[int, list[str]] = defaultdict(list)
    known = pool.once(people)
    for wanted in profile.authors:
        for name, row in known.get((name_words(wanted) or ("",))[-1], ()):
            if same_person(wanted, name) and name not in authors[row]:
                authors[row].append(name)
    for wanted in profile.institutions:
        for name, rows in pool.once(houses).items():
            if holds(name, wanted):
                for row in rows:
                    if name not in institutions[row]:
                        institutions[row].append(name)
    missing = np.ones(len(pool.entries))
    for found, worth in ((authors, AUTHOR), (institutions, INSTITUTION)):
        for row, names in found.items():
            missing[row] *= (1.0 - worth) ** len(names)

    def figures(row: int) -> Mapping[str, Figure]:
        matched: dict[str, Figure] = {}
        if authors.get(row):
            matched["authors"] = tuple(authors[row])
        if institutions.get(row):
            matched["institutions"] = tuple(institutions[row])
        return matched

    return Column(share=1.0 - missing, figures=figures)


PEOPLE = Signal(key="people", measure=measure)
