"""What a digest is about keeps papers out of it: those by nobody who is followed, or those not near its topics. Pure.

Takes a ranking; gives the rows that are not to be printed, with the reason. A paper that is only perhaps by somebody
who is followed stays: its reason says "perhaps", and it stands behind the sure ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from digest.model.editions import About
from digest.model.people import Profile
from digest.ranking.query import answer
from digest.ranking.rank import Ranking
from digest.ranking.signals import people

NOBODY_FOLLOWED, OFF_TOPIC = "nobody-followed", "off-topic"


def outside(ranking: Ranking, profile: Profile, about: About) -> Mapping[int, str]:
    """Row -> why a digest about this does not print it; nothing for one about whatever is new."""
    pool = ranking.pool
    match about:
        case About.TRENDING:
            return {}
        case About.AUTHORS:
            ours, reason = people.measure(pool, profile).share > 0, NOBODY_FOLLOWED
        case About.TOPIC:
            ours, reason = np.zeros(len(pool.entries), np.bool_), OFF_TOPIC
            for topic in profile.topics:
                ours = ours | answer(pool, topic).near
    return dict.fromkeys(np.flatnonzero(~ours).tolist(), reason)
