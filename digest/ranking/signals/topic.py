"""Topic: keywords as whole words, free-text topics, and likeness to what the reader liked or disliked.

Each gives a share from 0 to 1 that says the same in any pool: a keyword hit is worth a fixed share, a topic is
measured against the history (query.py), and so is likeness (taste.py). Topics and likes are taken together (taste.py),
keywords join them as 1 - product(1 - share).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from digest.model.editions import Figure
from digest.model.people import Profile
from digest.ranking.pool import Pool
from digest.ranking.query import answer
from digest.ranking.signals.base import Column, Signal
from digest.ranking.taste import either, joined, likeness
from digest.ranking.text import Floats, words

IN_TITLE = 0.75
IN_ABSTRACT = 0.5
#: What the closest likeness to disliked papers may take.
DISLIKE_MOST = 0.5
#: Keywords that are kept for the next profile.
KEPT = 1024


@dataclass(slots=True)
class Hits:
    """The shares of the keywords that were asked for last: readers of one keyword share them."""

    held: OrderedDict[str, Floats] = field(default_factory=OrderedDict[str, Floats])


def keyword_share(pool: Pool, keyword: str) -> Floats:
    """Shared among profiles."""
    held = pool.once(_hits).held
    phrase = words(keyword)
    key = " ".join(phrase)
    if key in held:
        held.move_to_end(key)
        return held[key]
    positions = pool.index.positions(phrase)
    share = np.zeros(len(pool.entries))
    share[pool.index.docs[positions]] = IN_ABSTRACT
    share[pool.index.docs[positions[pool.index.in_title[positions]]]] = IN_TITLE
    held[key] = share
    if len(held) > KEPT:
        held.popitem(last=False)
    return share


def _hits(pool: Pool) -> Hits:
    return Hits()


def quiet_topics(pool: Pool, profile: Profile) -> tuple[str, ...]:
    """The profile's topics that no candidate is near, as the reader wrote them: a quiet day for these."""
    return tuple(topic for topic in profile.topics if not answer(pool, topic).near.any())


def measure(pool: Pool, profile: Profile) -> Column:
    keywords = {keyword: keyword_share(pool, keyword) for keyword in profile.keywords}
    topics = {topic: answer(pool, topic) for topic in profile.topics}
    liked, disliked = likeness(pool, profile)
    wanted = joined(pool, profile, liked, tuple(topics.values()))
    share = either([*keywords.values(), wanted], len(pool.entries))
    quiet = tuple(topic for topic, found in topics.items() if not found.near.any())

    def figures(row: int) -> Mapping[str, Figure]:
        found: dict[str, Figure] = {}
        if hits := tuple(keyword for keyword, share in keywords.items() if share[row] > 0):
            found["keywords"] = hits
        near = [topic for topic, held in topics.items() if held.near[row]]
        if near:
            found["topics"] = tuple(sorted(near, key=lambda topic: -topics[topic].share[row]))
        elif topics:
            found["closeness"] = round(max(float(held.share[row]) for held in topics.values()), 2)
        if quiet:
            found["quiet"] = quiet
        if liked[row] >= 0.1:
            found["liked"] = round(float(liked[row]), 2)
        elif near and liked.any():
            # Why a paper of the topic has few points.
            found["unlike"] = round(float(liked[row]), 2)
        if disliked[row] >= 0.1:
            found["disliked"] = round(float(disliked[row]), 2)
        return found

    return Column(share=share * (1.0 - DISLIKE_MOST * disliked), figures=figures)


TOPIC = Signal(key="topic", measure=measure)
