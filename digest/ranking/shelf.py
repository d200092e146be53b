"""Pool and history made ready for free-text topics: what each word, stem and paper has to say, once for all profiles.

Takes a pool; gives ``Shelf``: BM25 by word and by stem, where each stem stands, and every paper on the strongest axes
of all papers. What a topic makes of it is left to query.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digest.ranking.axes import SPARE, spans, strongest
from digest.ranking.pool import Pool
from digest.ranking.stem import stem
from digest.ranking.text import Floats, grouped, words

BM25_K1 = 1.4
BM25_B = 0.75
#: A word of the title counts for so many of the abstract.
TITLE = 2.5
#: Axes of the papers.
AXES = 60
#: With fewer papers there are no axes worth having.
AXES_PAPERS = 200

Rows = NDArray[np.int64]

STOP = frozenset(
    words(
        "a about above after again all also although am among an and any are as at be because been before being below"
        " between both but by can cannot could did do does doing done down during each either else ever few for from"
        " further had has have having he hence her here hers him his how however i if in into is it its itself just"
        " least less let many may me might more moreover most much must my nor not now of off on once one only or"
        " other our out over own per perhaps quite rather same several shall she should since so some such than that"
        " the their them then there thereby therefore these they this those though through thus to too toward towards"
        " under until up upon us use used using very via was we well were what when where whether which while who whom"
        " whose why will with within without would yet you your"
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Postings:
    """BM25 of each term in each paper, without the term's idf: term t has rows ``starts[t]:starts[t + 1]``."""

    starts: Rows
    papers: NDArray[np.int32]
    values: Floats

    def of(self, terms: Sequence[int], weights: Floats, count: int) -> Floats:
        """The weighted sum of those terms in each of ``count`` papers."""
        spans = [slice(int(self.starts[term]), int(self.starts[term + 1])) for term in terms]
        if not spans:
            return np.zeros(count)
        papers = np.concatenate([self.papers[span] for span in spans])
        sizes = [span.stop - span.start for span in spans]
        values = np.concatenate([self.values[span] for span in spans]) * np.repeat(weights, sizes)
        return np.bincount(papers, weights=values, minlength=count).astype(np.float64)

    def part(self, kept: NDArray[np.bool_], *, first: int = 0) -> Postings:
        """``kept`` says of each value whether it stays; ``first`` becomes paper 0."""
        starts = np.append(0, np.cumsum(kept))[self.starts]
        return Postings(starts=starts, papers=self.papers[kept] - np.int32(first), values=self.values[kept])


#: Postings turned round: where each paper starts, its terms, their values.
ByPaper = tuple[Rows, Rows, Floats]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """Candidates, then earlier papers, as words and as stems; ``tokens`` are stems in their order, stop words left out.

    A separator (-1) stands after each title and abstract. ``unit`` is BM25 times idf by stem, each paper of length one,
    and ``by_paper`` the same turned round. ``places`` are the places of each stem's tokens: an order of all tokens, and
    where each stem starts in it.
    """

    candidates: int
    papers: int
    word_numbers: Mapping[str, int]
    stem_numbers: Mapping[str, int]
    words: Postings
    stems: Postings
    word_idf: Floats
    stem_idf: Floats
    unknown_idf: float
    unit: Postings
    by_paper: ByPaper
    tokens: NDArray[np.int32]
    token_papers: NDArray[np.int32]
    token_weights: Floats
    places: tuple[Rows, Rows]
    norm: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tokens:
    """Every word of every paper in its order, stop words left out, -1 after each title and abstract."""

    words: NDArray[np.int32]
    stems: NDArray[np.int32]
    papers: NDArray[np.int32]
    weights: Floats
    word_numbers: Mapping[str, int]
    stem_numbers: Mapping[str, int]
    stem_of: NDArray[np.int32]
    """Of each word; -2 for a stop word."""


def shelf_of(pool: Pool) -> Shelf:
    """Pool and history made ready; call it as ``pool.once(shelf_of)``."""
    said = _tokens(pool)
    count = len(pool.entries) + len(pool.history.entries)
    lengths = np.bincount(said.papers[said.words >= 0], minlength=count).astype(np.float64)
    norm = BM25_K1 * (1.0 - BM25_B + BM25_B * lengths / max(1.0, float(lengths.mean()) if count else 1.0))
    by_word, _ = _postings(said.words, said, len(said.word_numbers), norm)
    by_stem, places = _postings(said.stems, said, len(said.stem_numbers), norm)
    word_idf, stem_idf = _idfs(pool, said, by_word, by_stem, count)
    unit, by_paper = _unit(by_stem, stem_idf, count)
    return Shelf(
        candidates=len(pool.entries),
        papers=count,
        word_numbers=said.word_numbers,
        stem_numbers=said.stem_numbers,
        words=by_word,
        stems=by_stem,
        word_idf=word_idf,
        stem_idf=stem_idf,
        unknown_idf=float(idf_of(np.zeros(1), max(count, pool.evidence.documents))[0]),
        unit=unit,
        by_paper=by_paper,
        tokens=said.stems,
        token_papers=said.papers,
        token_weights=said.weights,
        places=places,
        norm=norm,
    )


def _tokens(pool: Pool) -> _Tokens:
    indexes = (pool.index, pool.history.index)
    numbers: dict[str, int] = {}
    stems: dict[str, int] = {}
    own = [np.array([numbers.setdefault(word, len(numbers)) for word in index.terms], np.int32) for index in indexes]
    # A separator, -1, looks up the last value: that is -1 again.
    found = np.concatenate([np.append(one, -1)[index.tokens] for one, index in zip(own, indexes, strict=True)])
    papers = np.concatenate((indexes[0].docs, indexes[1].docs + np.int32(indexes[0].count)))
    weights = np.where(np.concatenate([index.in_title for index in indexes]), TITLE, 1.0)
    stem_of = np.array(
        [*(-2 if word in STOP else stems.setdefault(stem(word), len(stems)) for word in numbers), -1], np.int32
    )
    kept = stem_of[found] != -2
    return _Tokens(
        words=found[kept],
        stems=stem_of[found[kept]],
        papers=papers[kept],
        weights=weights[kept],
        word_numbers=numbers,
        stem_numbers=stems,
        stem_of=stem_of[:-1],
    )


def _postings(tokens: NDArray[np.int32], said: _Tokens, terms: int, norm: Floats) -> tuple[Postings, tuple[Rows, Rows]]:
    """Also the places of each term's tokens: an order of all tokens, and where each term starts in it."""
    order, starts = grouped(tokens, terms)
    real = order[starts[0] :]
    by_term, of_paper = tokens[real], said.papers[real]
    first = np.ones(len(real), np.bool_)
    first[1:] = (by_term[1:] != by_term[:-1]) | (of_paper[1:] != of_paper[:-1])
    counts = np.add.reduceat(said.weights[real], np.flatnonzero(first))
    found = of_paper[first]
    values = counts * (BM25_K1 + 1.0) / (counts + norm[found])
    term_starts = np.append(0, np.cumsum(np.bincount(by_term[first], minlength=terms)))
    return Postings(starts=term_starts, papers=found, values=values), (order, starts)


def _idfs(pool: Pool, said: _Tokens, by_word: Postings, by_stem: Postings, count: int) -> tuple[Floats, Floats]:
    """Of words and stems: from all that the store ever saw, where that is more than what lies here."""
    words_here = np.diff(by_word.starts).astype(np.float64)
    documents = float(pool.evidence.documents)
    if documents <= count:
        return idf_of(words_here, count), idf_of(np.diff(by_stem.starts).astype(np.float64), count)
    seen = pool.evidence.terms
    words_in = np.maximum(words_here, [seen.get(word, 0) for word in said.word_numbers])
    # Papers that hold any word of a stem, as if words fell independently: the store counts words only.
    if seen:
        # What is not among them is rarer than all of them.
        words_in = np.maximum(words_in, 0.5 * min(seen.values()))
    missing = np.log1p(-np.minimum(words_in, documents - 0.5) / documents)
    real = said.stem_of >= 0
    none = np.bincount(said.stem_of[real], weights=missing[real], minlength=len(said.stem_numbers))
    return idf_of(words_in, documents), idf_of(-documents * np.expm1(none), documents)


def idf_of(documents_with: Floats, documents: float) -> Floats:
    """Inverse document frequencies as BM25 has them (Robertson and Walker 1994), never negative."""
    return np.log(1.0 + np.maximum(0.0, documents - documents_with + 0.5) / (documents_with + 0.5))


def _unit(by_stem: Postings, idf: Floats, count: int) -> tuple[Postings, ByPaper]:
    """BM25 times idf, each paper's of length one: by stem, and by paper."""
    terms = np.repeat(np.arange(len(idf)), np.diff(by_stem.starts))
    values = by_stem.values * idf[terms]
    lengths = np.sqrt(np.bincount(by_stem.papers, weights=values * values, minlength=count))
    values = values / np.where(lengths > 0, lengths, 1.0)[by_stem.papers]
    order, starts = grouped(by_stem.papers, count)
    unit = Postings(starts=by_stem.starts, papers=by_stem.papers, values=values)
    return unit, (starts, terms[order], values[order])


def products(given: ByPaper, papers: Rows, postings: Postings, width: int) -> Floats:
    """Of each of ``papers`` a row: its product with each of the ``width`` papers that ``postings`` hold."""
    starts, terms, values = given
    own = spans(starts, papers)
    found = spans(postings.starts, terms[own])
    sizes = postings.starts[terms[own] + 1] - postings.starts[terms[own]]
    rows = np.repeat(np.arange(len(papers)) * width, starts[papers + 1] - starts[papers])
    places = postings.papers[found] + np.repeat(rows, sizes)
    weights = postings.values[found] * np.repeat(values[own], sizes)
    flat = np.bincount(places, weights=weights, minlength=len(papers) * width).astype(np.float64, copy=False)
    return flat.reshape(len(papers), width)


def axes_of(pool: Pool) -> Floats:
    """Every paper on the strongest axes of all, a row each; no columns where there are too few papers. Call it as
    ``pool.once(axes_of)``.
    """
    shelf = pool.once(shelf_of)
    unit, count = shelf.unit, shelf.papers
    stems = len(shelf.stem_numbers)
    if count < AXES_PAPERS or stems < AXES + SPARE:
        return np.zeros((count, 0))
    of_stem = np.repeat(np.arange(stems), np.diff(unit.starts))
    return strongest(unit.papers, of_stem, unit.values, shape=(count, stems), axes=AXES)
