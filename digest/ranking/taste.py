"""Taste: how like a paper is to those the reader liked, and to those the reader did not.

Takes a pool and a profile's likes and dislikes; gives shares from 0 to 1 of every entry, and the words and people that
a learnt profile leans on. Views of the same papers are joined, each measured in standard deviations over the same
earlier papers (the yardstick), so that a share says the same on any day:

* words: BM25 (Robertson et al. 1994) with the liked papers as the query, less the disliked ones (Rocchio 1971);
* themes: latent semantic analysis (Deerwester et al. 1990) of pool and history, where papers without a common word
  can meet; from three likes on a logistic regression takes the place of the centre of the likes;
* meaning, where a model is configured: the centre of the likes' sentence embeddings;
* people: an author of liked papers, the more the larger the part of the likes that is theirs;
* a reader's free-text topics (query.py), where there are any.

What does not depend on the profile is made once for a pool (library.py). docs/ranking.md gives formulas and figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digest.model.names import person_key
from digest.model.people import Profile
from digest.ranking.axes import spans
from digest.ranking.library import Library, Rows, library_of
from digest.ranking.pool import Pool
from digest.ranking.query import Answer
from digest.ranking.text import Floats

#: The words of a query that count.
QUERY_WORDS = 250
#: Rocchio: how far disliked papers push the centre of the liked ones away.
PUSH = 0.3
#: Logistic regression from so many likes on.
LOGISTIC_FROM = 3
#: Its ridge, and the weights of all dislikes and of all papers of the yardstick beside that of all likes, 1.
RIDGE = 0.3
DISLIKED_WEIGHT = 0.3
UNSEEN_WEIGHT = 1.0
LOGISTIC_STEPS = 5
#: So many papers of the yardstick are enough for it.
UNSEEN = 256
#: How the views are mixed. Themes have half of theirs where there are ``FEW`` papers, ever more with more.
WORDS, THEMES, MEANING = 0.25, 0.30, 0.45
FEW = 200.0
#: Standard deviations that the author of all liked papers is worth for each of them, and the most an author is worth.
PEOPLE = 1.5
PEOPLE_MOST = 4.0
#: Standard deviations at which a paper is as good as half liked, and those that change the odds e-fold.
HALF_LIKED = 3.0
SPREAD = 0.7
#: What topics weigh beside one like, the less the more likes there are; besides they weigh the mean share of the likes
#: by them. A paper that is quite of the topics is worth twice the deviations of a half liked one, times the weight.
TOPICS = 0.75
#: What a topic keeps of its share whatever the likes say.
TOPICS_ALONE = 0.4
#: The most that both give where the likes are of none of the topics, and likes alone.
LIKED_MOST = 0.7
#: How many words and people a profile is shown to lean on.
SHOWN = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Lessons:
    """What a profile learns from: rows of the library, each once."""

    likes: Rows
    dislikes: Rows
    control: Rows
    """The yardstick's rows that are neither."""


def likeness(pool: Pool, profile: Profile) -> tuple[Floats, Floats]:
    """Shares from 0 to 1: like what the reader liked, and how much more like what the reader disliked.

    A paper that is both liked and disliked teaches nothing; nor does one that neither pool nor history holds.
    """
    nothing = np.zeros(len(pool.entries))
    if not profile.likes and not profile.dislikes:
        return nothing, nothing
    library = pool.once(library_of)
    lessons = _lessons(library, profile)
    by_likes, by_dislikes = (_by_words(library, rows) for rows in (lessons.likes, lessons.dislikes))
    liked = disliked = nothing
    if len(lessons.likes):
        words = by_likes - PUSH * by_dislikes
        liked = _share(library, words, lessons, toward=lessons.likes, away=lessons.dislikes)
    if len(lessons.dislikes):
        words = by_dislikes - PUSH * by_likes
        disliked = _share(library, words, lessons, toward=lessons.dislikes, away=lessons.likes)
    return liked, np.maximum(0.0, disliked - liked)


def joined(pool: Pool, profile: Profile, liked: Floats, topics: Sequence[Answer]) -> Floats:
    """Shares from 0 to 1 of every entry: what a reader's free-text topics and likes say together.

    ``liked`` are the shares by the likes. The topics are one more view beside those of the likes: they weigh much
    beside few likes, and beside many if these are of the topics themselves.
    """
    near = either([topic.share for topic in topics], len(pool.entries))
    likes = _lessons(pool.once(library_of), profile).likes if profile.likes else ()
    if not len(likes):
        return near
    if not topics:
        return LIKED_MOST * liked
    earlier = either([topic.earlier for topic in topics], len(pool.history.entries))
    agreement = float(np.concatenate((near, earlier))[likes].mean())
    weight = TOPICS / math.sqrt(len(likes)) + agreement
    above = SPREAD * np.log(np.maximum(liked, 1e-9) / np.maximum(1.0 - liked, 1e-9))
    above = above + 2.0 * HALF_LIKED * weight * near
    # With one view more there is more to reach: what lies above half liked is spread wider.
    both = 1.0 / (1.0 + np.exp(-above / (SPREAD * np.where(above > 0.0, 1.0 + weight, 1.0))))
    most = LIKED_MOST + (1.0 - LIKED_MOST) * agreement
    share: Floats = np.maximum(most * both, TOPICS_ALONE * near)
    return np.round(share, 9)


def either(shares: Sequence[Floats | NDArray[np.float32]], count: int) -> Floats:
    """1 - product(1 - share) of each of ``count`` papers."""
    missing = np.ones(count)
    for share in shares:
        missing = missing * (1.0 - share)
    return 1.0 - missing


def lean(pool: Pool, profile: Profile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words and the people, ten each at most and strongest first, that make a paper like the liked ones."""
    if not profile.likes:
        return (), ()
    library = pool.once(library_of)
    lessons = _lessons(library, profile)
    query = _query(library, lessons.likes)
    if len(lessons.dislikes):
        query = query - PUSH * _query(library, lessons.dislikes)
    strength = query * library.idf
    order = sorted(np.flatnonzero(strength > 0.0).tolist(), key=lambda word: (-strength[word], library.words[word]))
    shown: dict[str, str] = {}
    papers: dict[str, int] = {}
    rows: list[int] = lessons.likes.tolist()
    for row in rows:
        for name in library.entries[row].authors:
            key = person_key(name)
            shown.setdefault(key, name)
            papers[key] = papers.get(key, 0) + 1
    people = sorted(papers, key=lambda key: (-papers[key], key))
    return tuple(library.words[word] for word in order[:SHOWN]), tuple(shown[key] for key in people[:SHOWN])


def _lessons(library: Library, profile: Profile) -> Lessons:
    likes = {library.rows[name] for name in profile.likes if name in library.rows}
    dislikes = {library.rows[name] for name in profile.dislikes if name in library.rows}
    heard = np.array(sorted(likes ^ dislikes), np.int64)
    return Lessons(
        likes=np.array(sorted(likes - dislikes), np.int64),
        dislikes=np.array(sorted(dislikes - likes), np.int64),
        control=library.yardstick[~np.isin(library.yardstick, heard)],
    )


def _share(library: Library, words: Floats, lessons: Lessons, *, toward: Rows, away: Rows) -> Floats:
    """Likeness to ``toward`` of the pool's rows, 0 to 1; ``words`` are the measured papers' scores by words.

    Rounded, so that the last bits of a sum cannot change an order.
    """
    known = library.place[lessons.control]
    total = WORDS * _standard(words, known)
    if library.themes.shape[1]:
        weight = THEMES * len(library.entries) / (len(library.entries) + FEW)
        if toward is lessons.likes and len(toward) >= LOGISTIC_FROM:
            themes = library.themes[library.measured] @ _logistic(library.themes, lessons)
        else:
            themes = _centre(library, library.themes, toward, away)
        total = total + weight * _standard(themes, known)
    if library.meanings.shape[1]:
        total = total + MEANING * _standard(_centre(library, library.meanings, toward, away), known)
    deviations = _standard(total, known)[: library.ranked] + _by_people(library, toward)
    return np.round(1.0 / (1.0 + np.exp((HALF_LIKED - deviations) / SPREAD)), 9)


def _standard(scores: Floats, control: Rows) -> Floats:
    """Standard deviations above the mean of the control's scores; 0 everywhere where these do not differ."""
    known = scores[control]
    spread = float(known.std()) if len(known) else 0.0
    return (scores - float(known.mean())) / spread if spread > 1e-12 else np.zeros(len(scores))


def _query(library: Library, rows: Rows) -> Floats:
    """One weight a word of the library: the mean over the papers, each paper's of length one."""
    at = spans(library.starts, rows)
    weights = library.asking[at] / max(1, len(rows))
    return np.bincount(library.terms[at], weights=weights, minlength=len(library.words)).astype(np.float64)


def _by_words(library: Library, rows: Rows) -> Floats:
    """BM25 of every measured paper, with the strongest words of these papers as the query."""
    at = spans(library.starts, rows)
    words, place = np.unique(library.terms[at], return_inverse=True)
    weights = np.bincount(place, weights=library.asking[at], minlength=len(words)) / max(1, len(rows))
    strength = weights * library.idf[words]
    chosen = np.argsort(-strength, kind="stable")[:QUERY_WORDS]
    found = spans(library.posted, words[chosen])
    sizes = library.posted[words[chosen] + 1] - library.posted[words[chosen]]
    worth = library.bm25[found] * np.repeat(weights[chosen], sizes)
    return np.bincount(library.places[found], weights=worth, minlength=len(library.measured)).astype(np.float64)


def _centre(library: Library, vectors: Floats, toward: Rows, away: Rows) -> Floats:
    """Rocchio in a dense space: products with the centre of ``toward``, pushed from that of ``away``."""
    direction = np.zeros(vectors.shape[1])
    if len(toward):
        direction = vectors[toward].mean(axis=0)
    if len(away):
        direction = direction - PUSH * vectors[away].mean(axis=0)
    return vectors[library.measured] @ direction


def _logistic(vectors: Floats, lessons: Lessons) -> Floats:
    """Weights of a ridge logistic regression, by Newton's method; the control counts as not liked, a little each."""
    control = lessons.control[:UNSEEN]
    rows = np.concatenate((lessons.likes, lessons.dislikes, control))
    sizes = np.array((len(lessons.likes), len(lessons.dislikes), len(control)))
    weights = np.repeat(np.array((1.0, DISLIKED_WEIGHT, UNSEEN_WEIGHT)) / np.maximum(sizes, 1), sizes)
    wanted = np.repeat((1.0, 0.0, 0.0), sizes)
    given = np.column_stack((vectors[rows], np.ones(len(rows))))
    ridge = np.append(np.full(vectors.shape[1], RIDGE), 1e-6)
    found = np.zeros(given.shape[1])
    for _ in range(LOGISTIC_STEPS):
        chance = 1.0 / (1.0 + np.exp(-(given @ found)))
        slope = given.T @ (weights * (chance - wanted)) + ridge * found
        curve = (given.T * (weights * chance * (1.0 - chance))) @ given + np.diag(ridge)
        found = found - np.linalg.solve(curve, slope)
    return found[:-1]


def _by_people(library: Library, rows: Rows) -> Floats:
    """Standard deviations that a paper's best author is worth: 1.5 m² / n for an author of m of these n papers.

    A share of the papers times their number, so that one shared author says much beside one like, little beside ten.
    """
    papers: dict[str, int] = {}
    places: list[int] = rows.tolist()
    for row in places:
        for key in {person_key(name) for name in library.entries[row].authors}:
            papers[key] = papers.get(key, 0) + 1
    found = np.zeros(library.ranked)
    for key, count in sorted(papers.items(), key=lambda pair: pair[1]):
        found[list(library.papers.get(key, ()))] = min(PEOPLE_MOST, PEOPLE * count * count / len(places))
    return found
