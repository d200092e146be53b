"""Which terms of a vocabulary each entry holds, read off the words that a pool has cut already.

Takes entries and their TextIndex; gives what ``features.terms`` would, in a tenth of its time. The few entries with a
word that the two cut differently (``c++``, ``a+b``, letters that are not Latin) are left to that function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from digest.model.feeds import Entry
from digest.ranking.prior.features import singular, terms
from digest.ranking.text import Ints, Places, TextIndex, distinct


def held(vocabulary: Sequence[str], entries: Sequence[Entry], index: TextIndex) -> Sequence[Places]:
    """Of each entry the numbers of its terms, ascending; ``index`` is that of the entries' titles and abstracts."""
    numbers = {term: number for number, term in enumerate(vocabulary)}
    names: dict[str, int] = {}
    # A separator, -1, looks up the last value: that is -1 again.
    name_of = np.array([*(names.setdefault(singular(word), len(names)) for word in index.spellings), -1], np.int32)
    said: Ints = name_of[index.written]
    alone, titled = (_numbered([f"{mark}{name}" for name in names], numbers) for mark in ("", "t:"))
    width = max(1, len(vocabulary))

    def keys(terms_at: Ints) -> Places:
        real = terms_at >= 0
        return index.docs[real] * np.int64(width) + terms_at[real]

    title = np.where(index.in_title, said, np.int32(-1))
    found = (keys(alone[said]), keys(titled[title]), keys(_pairs(said, names, numbers)))
    rows, columns = np.divmod(distinct(np.concatenate(found)), width)
    of_entry = np.split(columns, np.searchsorted(rows, np.arange(1, len(entries))))[: len(entries)]
    for row in _otherwise(entries, index):
        of_entry[row] = np.array(sorted(numbers[term] for term in terms(entries[row]) if term in numbers), np.int64)
    return of_entry


def _numbered(words: Sequence[str], numbers: Mapping[str, int]) -> Ints:
    return np.array([*(numbers.get(word, -1) for word in words), -1], np.int32)


def _pairs(said: Ints, names: Mapping[str, int], numbers: Mapping[str, int]) -> Ints:
    """The term that each word makes with the next one, -1 where it makes none."""
    pairs = [(*term.split(" "), number) for term, number in numbers.items() if " " in term]
    known = sorted((names[one], names[other], number) for one, other, number in pairs if {one, other} <= names.keys())
    first, second, term = np.array(known, np.int64).reshape(-1, 3).T
    begins, ends = np.zeros((2, len(names) + 1), np.bool_)
    begins[first] = ends[second] = True
    following = np.append(said[1:], np.int32(-1))
    found = np.full(len(said), -1, np.int32)
    at = np.flatnonzero(begins[said] & ends[following])
    if len(at):
        wanted = said[at] * np.int64(len(names)) + following[at]
        keys = first * len(names) + second
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found[at] = np.where(keys[place] == wanted, term[place], -1)
    return found


def _otherwise(entries: Sequence[Entry], index: TextIndex) -> frozenset[int]:
    """Rows of entries whose terms are cut in another way."""
    foreign: NDArray[np.bool_] = np.array([*(not word.isascii() for word in index.spellings), False])
    joined = (row for row, one in enumerate(entries) if any(sign in one.title + one.abstract for sign in "+#"))
    return frozenset((*np.unique(index.docs[foreign[index.written]]).tolist(), *joined))
