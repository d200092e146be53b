"""Pool and history as one library of papers, made ready to be compared with those a reader liked.

Takes a pool; gives the sparse words of every paper, BM25 by word of those that are measured, and every paper on the
strongest axes of all (latent semantic analysis). Nothing here depends on a profile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digest.model.feeds import Entry
from digest.model.names import person_key
from digest.ranking.axes import spans, strongest
from digest.ranking.pool import Pool
from digest.ranking.shelf import STOP, idf_of
from digest.ranking.text import Floats, TextIndex

Rows = NDArray[np.int64]

BM25_K1 = 1.2
BM25_B = 0.75
#: A word of the title counts for so many of the abstract, in the paper that is ranked and in the liked one.
TITLE_RANKED = 2.0
TITLE_LIKED = 3.0
#: A word in more than this part of many papers says nothing.
COMMON = 0.5
MANY = 20
#: Scores are measured against so many papers, the history's first.
YARDSTICK = 512
#: The axes of the themes, the power of the inverse document frequency of the words they are made of, and of how many
#: papers.
AXES = 20
AXES_IDF = 0.75
AXES_PAPERS = 2_500


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """Row i is paper i: the pool's first, then the history's. The sparse words of row i are
    ``terms[starts[i]:starts[i + 1]]``; the measured papers that hold word w are
    ``places[posted[w]:posted[w + 1]]``.
    """

    entries: tuple[Entry, ...]
    rows: Mapping[str, int]
    """Work or alias -> row."""
    words: tuple[str, ...]
    idf: Floats
    starts: Rows
    terms: Rows
    asking: Floats
    """What each sparse word weighs where its paper is the query."""
    ranked: int
    """How many rows are the pool's."""
    yardstick: Rows
    """The rows that scores are measured against."""
    measured: Rows
    """The pool's rows, then those of the yardstick that are not the pool's."""
    place: Rows
    """Row -> place among ``measured``, -1 where it has none."""
    posted: Rows
    places: Rows
    bm25: Floats
    themes: Floats
    """A row of length one each; no columns where there are too few papers."""
    meanings: Floats
    """Sentence embeddings, zeros where a paper has none; no columns where no model is configured."""
    papers: Mapping[str, tuple[int, ...]]
    """``person_key`` of an author -> the pool's rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counts:
    """Words of documents as sparse rows, in the order of the documents."""

    sizes: Rows
    terms: Rows
    anywhere: Floats
    in_title: Floats


def library_of(pool: Pool) -> Library:
    """Call it as ``pool.once(library_of)``."""
    numbers: dict[str, int] = {}
    counts = _joined(_counted(pool.index, numbers), _counted(pool.history.index, numbers))
    ranked, total = len(pool.entries), len(pool.entries) + len(pool.history.entries)
    holders = np.bincount(counts.terms, minlength=len(numbers))
    idf = idf_of(holders.astype(np.float64), total)
    idf[[numbers[word] for word in STOP if word in numbers]] = 0.0
    if total >= MANY:
        idf[holders > COMMON * total] = 0.0
    starts = np.append(0, np.cumsum(counts.sizes))
    reached = _reached(counts, np.concatenate((pool.index.lengths, pool.history.index.lengths)))
    yardstick = np.concatenate((np.arange(ranked, total), np.arange(ranked)))[:YARDSTICK]
    measured = np.concatenate((np.arange(ranked), yardstick[yardstick >= ranked]))
    place = np.full(total, -1, np.int64)
    place[measured] = np.arange(len(measured))
    posted, places, bm25 = _postings(counts, starts, reached * idf[counts.terms], measured, len(numbers))
    return Library(
        entries=(*pool.entries, *pool.history.entries),
        rows={name: ranked + row for name, row in pool.history.rows.items()} | dict(pool.rows),
        words=tuple(numbers),
        idf=idf,
        starts=starts,
        terms=counts.terms,
        asking=_asking(counts, idf),
        ranked=ranked,
        yardstick=yardstick,
        measured=measured,
        place=place,
        posted=posted,
        places=places,
        bm25=bm25,
        themes=_themes(counts, reached * idf[counts.terms] ** AXES_IDF, len(numbers)),
        meanings=pool.once(meanings_of),
        papers=_papers(pool),
    )


def _counted(index: TextIndex, numbers: dict[str, int]) -> _Counts:
    """``numbers`` names the words of all indexes alike, and grows."""
    own = np.array([numbers.setdefault(word, len(numbers)) for word in index.terms], np.int64)
    real = index.tokens >= 0
    width = max(1, len(index.terms))
    keys = index.docs[real].astype(np.int64) * width + index.tokens[real]
    found, place, anywhere = np.unique(keys, return_inverse=True, return_counts=True)
    in_title = np.bincount(place, weights=index.in_title[real], minlength=len(found))
    return _Counts(
        sizes=np.bincount(found // width, minlength=index.count),
        terms=own[found % width],
        anywhere=anywhere.astype(np.float64),
        in_title=in_title.astype(np.float64),
    )


def _joined(one: _Counts, other: _Counts) -> _Counts:
    return _Counts(
        sizes=np.concatenate((one.sizes, other.sizes)),
        terms=np.concatenate((one.terms, other.terms)),
        anywhere=np.concatenate((one.anywhere, other.anywhere)),
        in_title=np.concatenate((one.in_title, other.in_title)),
    )


def _reached(counts: _Counts, lengths: Floats) -> Floats:
    """The part of BM25 that a word's frequency gives, of each sparse word."""
    tf = counts.anywhere + (TITLE_RANKED - 1.0) * counts.in_title
    mean = float(lengths.mean()) if len(lengths) else 1.0
    norm = BM25_K1 * (1.0 - BM25_B + BM25_B * lengths / max(1.0, mean))
    return tf * (BM25_K1 + 1.0) / (tf + np.repeat(norm, counts.sizes))


def _asking(counts: _Counts, idf: Floats) -> Floats:
    """1 + ln tf of words that say something, each paper's of length one."""
    weights = 1.0 + np.log(counts.anywhere + (TITLE_LIKED - 1.0) * counts.in_title)
    weights[idf[counts.terms] == 0.0] = 0.0
    return weights / _lengths(counts, weights)


def _lengths(counts: _Counts, weights: Floats) -> Floats:
    """The length of its paper's vector, of each sparse word."""
    docs = np.repeat(np.arange(len(counts.sizes)), counts.sizes)
    lengths = np.sqrt(np.bincount(docs, weights=weights**2, minlength=len(counts.sizes)))
    return np.where(lengths > 0, lengths, 1.0)[docs]


def _postings(counts: _Counts, starts: Rows, bm25: Floats, measured: Rows, words: int) -> tuple[Rows, Rows, Floats]:
    at = spans(starts, measured)
    places = np.repeat(np.arange(len(measured)), counts.sizes[measured])
    order = np.argsort(counts.terms[at], kind="stable")
    posted = np.searchsorted(counts.terms[at][order], np.arange(words + 1))
    return posted, places[order], bm25[at][order]


def _themes(counts: _Counts, weights: Floats, words: int) -> Floats:
    """Every paper on the strongest axes of all; no columns where there are too few papers."""
    papers = len(counts.sizes)
    if papers < 3 * AXES:
        return np.zeros((papers, 0))
    weights = weights / _lengths(counts, weights)
    docs = np.repeat(np.arange(papers), counts.sizes)
    return strongest(docs, counts.terms, weights, shape=(papers, words), axes=AXES, sample=AXES_PAPERS)


def meanings_of(pool: Pool) -> Floats:
    """Sentence embeddings of the pool, then of the history, zeros where a paper has none; no columns without a model.

    Call it as ``pool.once(meanings_of)``. A vector of another width than the widest is left out.
    """
    entries = (*pool.entries, *pool.history.entries)
    known = pool.evidence.vectors
    width = max((len(known[entry.work]) // 4 for entry in entries if entry.work in known), default=0)
    found = np.zeros((len(entries), width))
    for row, entry in enumerate(entries):
        if len(known.get(entry.work, b"")) == 4 * width and width:
            found[row] = np.frombuffer(known[entry.work], "<f4")
    return found


def _papers(pool: Pool) -> Mapping[str, tuple[int, ...]]:
    found: dict[str, list[int]] = defaultdict(list)
    for row, entry in enumerate(pool.entries):
        for key in {person_key(name) for name in entry.authors}:
            found[key].append(row)
    return {key: tuple(rows) for key, rows in found.items()}
