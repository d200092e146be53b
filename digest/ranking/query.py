"""Free-text topics: how well each candidate answers one, on a scale that means the same on any day.

Takes a pool and a topic as the reader wrote it; gives ``Answer``: a share from 0 to 1 of every candidate, 0.5 at the
cut above which a paper is near the topic. Three steps, over pool and history together (shelf.py):

1. BM25 (Robertson et al. 1994) of whole words and of stems, half each, a word of the title counting more, plus that of
   pairs of words that stand next to each other; divided by what the topic could reach at most.
2. Pseudo-relevance feedback (Rocchio 1971): the best few papers are taken for answers, and what is like their centre
   rises, half by their stems and half on the strongest axes of all papers (latent semantic analysis, Deerwester et al.
   1990). It is scaled by what the best paper reached, so what nothing answers is not answered by its own echo.
3. The cut lies at median + 1.34 (p99 - median) of the same figures among the history's papers, within bounds; what
   else came that day does not move it. Where a model is configured, the figure is 0.4 times this one and 0.6 times the
   cosine of sentence embeddings less its median, each as a part of its own cut.

docs/ranking.md gives the figures.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from digest.ranking.library import meanings_of
from digest.ranking.pool import Pool
from digest.ranking.shelf import BM25_K1, STOP, Shelf, axes_of, shelf_of
from digest.ranking.stem import stem
from digest.ranking.text import Floats, words

#: What a pair of neighbouring words is worth beside a word.
PAIR = 0.3
#: The words of a topic that count, the rarest first, and the pairs of them.
TOPIC_WORDS = 64
#: Feedback: from how many papers, how many of their stems, and its part of the figure.
FEEDBACK_PAPERS = 5
FEEDBACK_STEMS = 60
FEEDBACK = 0.5
#: The part of the feedback that is measured on axes rather than by stems.
BY_AXES = 0.5
#: The cut in spreads (p99 - median) above the history's median, and the fewest earlier papers it is measured on.
CUT_SPREADS = 1.34
CUT_PAPERS = 200
#: The bounds of the cut, parts of the most that the topic could reach: a topic that a hundredth of the history is about
#: would need more than its papers have, one that nobody wrote about nothing at all. The last: with too small a history.
CUT_LOWEST = 0.3
CUT_HIGHEST = 0.45
CUT_UNKNOWN = 0.35
#: share = (figure / cut)^3 / (1 + (figure / cut)^3): what is well below the cut earns next to nothing.
STEEPNESS = 3.0
#: The part of the words beside the meaning, where a model is configured (docs/ranking.md).
WORDS_PART = 0.4
#: A spread of cosines below this tells papers apart by chance.
LEAST_SPREAD = 0.05
#: Topics that are kept for the next profile.
KEPT = 512

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Of every candidate: ``share`` 0 to 1, above 0.5 where the figure is above the cut; ``near`` says so.
    ``earlier`` is the share of the history's papers, in their order.

    ``best`` is the highest figure and ``cut`` the one that would be near, both parts of the most that the topic could
    reach (with a model: of the cut); ``cut`` is infinite where nothing can answer: a topic of no words but "the".
    """

    share: Floats
    earlier: NDArray[np.float32]
    near: NDArray[np.bool_]
    best: float
    cut: float


@dataclass(slots=True)
class Answers:
    """The answers that were asked for last, so that readers of one topic share it."""

    held: OrderedDict[str, Answer] = field(default_factory=OrderedDict[str, Answer])


def answer(pool: Pool, topic: str) -> Answer:
    """Shared among profiles; topics of the same words in the same order are one (with a model, of the same text)."""
    held = pool.once(_answers).held
    asked = words(topic)
    key = " ".join(topic.split()) if pool.evidence.embed is not None else " ".join(asked)
    if key in held:
        held.move_to_end(key)
        return held[key]
    held[key] = found = _answer(pool, asked, key)
    if len(held) > KEPT:
        held.popitem(last=False)
    return found


def _answers(pool: Pool) -> Answers:
    return Answers()


def _answer(pool: Pool, asked: Sequence[str], text: str) -> Answer:
    shelf = pool.once(shelf_of)
    wanted = _rarest(shelf, [word for word in asked if word not in STOP])
    figures = _with_feedback(pool, _bm25(shelf, wanted))
    cut = _cut(figures[shelf.candidates :]) if wanted else float("inf")
    if wanted and (meant := _by_meaning(pool, text)) is not None:
        figures, cut = WORDS_PART * figures / cut + (1.0 - WORDS_PART) * meant, 1.0
    ours = figures[: shelf.candidates]
    steep = (figures / cut) ** STEEPNESS
    # The rounding keeps the last bits of sums, which are not the same on every machine, out of the order.
    share: Floats = np.round(steep / (1.0 + steep), 9)
    return Answer(
        share=share[: shelf.candidates].copy(),
        earlier=share[shelf.candidates :].astype(np.float32),
        near=ours >= cut,
        best=float(ours.max(initial=0.0)),
        cut=cut,
    )


def _by_meaning(pool: Pool, text: str) -> Floats | None:
    """Cosines of sentence embeddings to the topic's, as parts of their own cut; None without a model, where it read no
    paper, or with too small a history to tell what is usual.
    """
    embed, meanings = pool.evidence.embed, pool.once(meanings_of)
    earlier = slice(len(pool.entries), None)
    if embed is None or not meanings.shape[1] or len(meanings[earlier]) < CUT_PAPERS:
        return None
    asked = np.frombuffer(embed(text), "<f4").astype(np.float64)
    if len(asked) != meanings.shape[1]:
        return None
    cosines = meanings @ asked
    median, high = (float(value) for value in np.percentile(cosines[earlier], (50.0, 99.0)))
    return np.maximum(cosines - median, 0.0) / (CUT_SPREADS * max(high - median, LEAST_SPREAD))


def _rarest(shelf: Shelf, asked: list[str]) -> list[str]:
    """The words that say most, in their order; a topic of 5,000 words costs no more than one of 64."""
    if len(asked) <= TOPIC_WORDS:
        return asked
    idf = {word: _idf_of(shelf.word_idf, shelf.word_numbers.get(word), 0.0) for word in asked}
    kept = set(sorted(idf, key=lambda word: (-idf[word], word))[:TOPIC_WORDS])
    return [word for word in asked if word in kept]


def _bm25(shelf: Shelf, asked: Sequence[str]) -> Floats:
    """A part of what the topic could reach; a word that no paper has takes its share of that away."""
    reached, most = np.zeros(shelf.papers), 0.0
    stems = [stem(word) for word in asked]
    for names, numbers, idf, postings in (
        (asked, shelf.word_numbers, shelf.word_idf, shelf.words),
        (stems, shelf.stem_numbers, shelf.stem_idf, shelf.stems),
    ):
        distinct = sorted(set(names))
        known = [numbers[name] for name in distinct if name in numbers]
        reached += 0.5 * postings.of(known, idf[known], shelf.papers)
        missing = shelf.unknown_idf * (len(distinct) - len(known))
        most += 0.5 * (BM25_K1 + 1.0) * (float(idf[known].sum()) + missing)
    for first, second in list(dict.fromkeys(pairwise(stems)))[:TOPIC_WORDS]:
        reached += PAIR * _pair(shelf, first, second)
    return reached / most if most else reached


def _pair(shelf: Shelf, first: str, second: str) -> Floats:
    """BM25 of two stems that stand next to each other, stop words aside."""
    one, other = shelf.stem_numbers.get(first), shelf.stem_numbers.get(second)
    if one is None or other is None:
        return np.zeros(shelf.papers)
    order, starts = shelf.places
    at = order[starts[one] : starts[one + 1]]
    at = at[shelf.tokens[at + 1] == other]
    counts = np.bincount(shelf.token_papers[at], weights=shelf.token_weights[at], minlength=shelf.papers)
    idf = 0.5 * (shelf.stem_idf[one] + shelf.stem_idf[other])
    return idf * counts * (BM25_K1 + 1.0) / (counts + shelf.norm)


def _with_feedback(pool: Pool, reached: Floats) -> Floats:
    best = _best(reached)
    if not len(best):
        return reached
    weights = reached[best] / reached[best].sum()
    echo, axes = _by_stems(pool.once(shelf_of), best, weights), pool.once(axes_of)
    if axes.shape[1]:
        along = np.maximum(axes @ (axes[best].T @ weights), 0.0)
        echo = (1.0 - BY_AXES) * echo + BY_AXES * _of_highest(along)
    return (1.0 - FEEDBACK) * reached + FEEDBACK * float(reached[best[0]]) * echo


def _best(reached: Floats) -> Rows:
    """The few best rows, the best first; the first of them on a tie."""
    few = min(FEEDBACK_PAPERS, len(reached))
    least = float(np.partition(reached, -few)[-few]) if few else 0.0
    rows = np.flatnonzero((reached >= least) & (reached > 0))
    return rows[np.argsort(-reached[rows], kind="stable")][:few]


def _by_stems(shelf: Shelf, best: Rows, weights: Floats) -> Floats:
    """Cosines to the centre of the best papers, of its weightiest stems, as parts of the highest."""
    starts, stems, values = shelf.by_paper
    spans = [slice(int(starts[row]), int(starts[row + 1])) for row in best]
    sizes = [span.stop - span.start for span in spans]
    found, place = np.unique(np.concatenate([stems[span] for span in spans]), return_inverse=True)
    values_in = np.concatenate([values[span] for span in spans]) * np.repeat(weights, sizes)
    centre = np.bincount(place, weights=values_in).astype(np.float64)
    chosen = np.argsort(-centre, kind="stable")[:FEEDBACK_STEMS]
    return _of_highest(shelf.unit.of(found[chosen].tolist(), centre[chosen], shelf.papers))


def _of_highest(figures: Floats) -> Floats:
    highest = float(figures.max(initial=0.0))
    return figures / highest if highest > 0 else figures


def _cut(earlier: Floats) -> float:
    if len(earlier) < CUT_PAPERS:
        return CUT_UNKNOWN
    median, high = (float(value) for value in np.percentile(earlier, (50.0, 99.0)))
    return min(CUT_HIGHEST, max(CUT_LOWEST, median + CUT_SPREADS * (high - median)))


def _idf_of(idf: Floats, number: int | None, otherwise: float) -> float:
    return otherwise if number is None else float(idf[number])
