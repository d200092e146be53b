"""Topic: keywords as whole words, free-text topics by BM25, and likeness to what the reader liked or disliked.

Each gives a share from 0 to 1 that says the same in any pool: a keyword hit is worth a fixed share, BM25 is divided
by what the query could reach at most and saturates, likeness is a cosine. They join as 1 - product(1 - share).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from digest.model.editions import Figure
from digest.model.people import Profile
from digest.ranking.pool import Pool
from digest.ranking.signals.base import Column, Signal
from digest.ranking.text import Floats, words
from digest.ranking.vectors import WIDTH

IN_TITLE = 0.75
IN_ABSTRACT = 0.5
#: BM25 (Robertson et al. 1994) with the usual constants.
BM25_K1 = 1.2
BM25_B = 0.75
#: The reached part of a topic's largest BM25 that is worth half the share.
TOPIC_HALF = 0.25
#: What the closest likeness to liked papers may give, and to disliked ones may take.
LIKE_MOST = 0.7
DISLIKE_MOST = 0.5
#: Rocchio: how far disliked papers push the liked centre away.
DISLIKE_PUSH = 0.3

_STOP = frozenset(
    words(
        "a an and are as at be been by can do for from has have how in into is it its of on or such that the their"
        " these this to use using was we were what when where which who why will with would"
    )
)


def keyword_share(pool: Pool, keyword: str) -> Floats:
    positions = pool.index.positions(words(keyword))
    share = np.zeros(len(pool.entries))
    share[pool.index.docs[positions]] = IN_ABSTRACT
    share[pool.index.docs[positions[pool.index.in_title[positions]]]] = IN_TITLE
    return share


def topic_share(pool: Pool, topic: str) -> Floats:
    """Strictly increasing in BM25, whose term statistics are those of pool and history together."""
    terms = set(words(topic))
    terms = (terms - _STOP) or terms
    documents = len(pool.entries) + len(pool.history.entries)
    mean_length = (pool.index.lengths.sum() + _history_length(pool)) / max(1, documents)
    norm = BM25_K1 * (1.0 - BM25_B + BM25_B * pool.index.lengths / max(1.0, mean_length))
    reached, most = np.zeros(len(pool.entries)), 0.0
    for term in sorted(terms):
        counts = pool.index.counts((term,))
        frequency = float((counts > 0).sum()) + pool.history.frequencies.get(term, 0)
        idf = np.log(1.0 + (documents - frequency + 0.5) / (frequency + 0.5))
        reached += idf * counts * (BM25_K1 + 1.0) / (counts + norm)
        most += idf * (BM25_K1 + 1.0)
    part = reached / most if most else reached
    return part / (part + TOPIC_HALF)


def likeness(pool: Pool, profile: Profile) -> tuple[Floats, Floats]:
    """Cosines, 0 to 1, to the centres of liked papers (pushed from disliked ones) and of disliked papers."""
    liked, disliked = _centre(pool, profile.likes), _centre(pool, profile.dislikes)
    return _cosine(pool, liked - DISLIKE_PUSH * disliked if profile.likes else liked), _cosine(pool, disliked)


def measure(pool: Pool, profile: Profile) -> Column:
    keywords = {keyword: keyword_share(pool, keyword) for keyword in profile.keywords}
    topics = {topic: topic_share(pool, topic) for topic in profile.topics}
    missing = np.ones(len(pool.entries))
    for share in (*keywords.values(), *topics.values()):
        missing = missing * (1.0 - share)
    liked = disliked = np.zeros(len(pool.entries))
    if profile.likes or profile.dislikes:
        liked, disliked = likeness(pool, profile)
        missing = missing * (1.0 - LIKE_MOST * liked)

    touched = frozenset(np.flatnonzero((missing < 1.0) | (disliked > 0.0)).tolist())

    def figures(row: int) -> Mapping[str, Figure]:
        found: dict[str, Figure] = {}
        if row not in touched:
            return found
        if hits := tuple(keyword for keyword, share in keywords.items() if share[row] > 0):
            found["keywords"] = hits
        near = sorted((topic for topic, share in topics.items() if share[row] >= 0.2), key=lambda t: -topics[t][row])
        if near:
            found["topics"] = tuple(near)
        if liked[row] >= 0.1:
            found["liked"] = round(float(liked[row]), 2)
        if disliked[row] >= 0.1:
            found["disliked"] = round(float(disliked[row]), 2)
        return found

    return Column(share=(1.0 - missing) * (1.0 - DISLIKE_MOST * disliked), figures=figures)


def _history_length(pool: Pool) -> float:
    return float(pool.history.index.lengths.sum())


def _centre(pool: Pool, names: tuple[str, ...]) -> Floats:
    """The mean vector of the named works that pool or history holds."""
    found = [pool.vectors[pool.rows[name]] for name in names if name in pool.rows]
    found += [
        pool.history.vectors[pool.history.rows[name]]
        for name in names
        if name in pool.history.rows and name not in pool.rows
    ]
    centre: Floats = np.zeros(WIDTH)
    for vector in found:
        centre = centre + vector / len(found)
    return centre


def _cosine(pool: Pool, centre: Floats) -> Floats:
    length = float(np.linalg.norm(centre))
    return np.clip(pool.vectors @ centre / length, 0.0, 1.0) if length else np.zeros(len(pool.entries))


TOPIC = Signal(key="topic", measure=measure)
