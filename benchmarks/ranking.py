"""What ranking costs: ``python benchmarks/ranking.py [ENTRIES [PROFILES]]``.

Ranks made-up papers for one profile of each kind, then for many distinct ones (each with categories, keywords, a topic,
followed authors, two likes and a dislike) beside the general one, in one process and one thread. Seconds of processor
time, as JSON; the ratio of a profile to the general one is what can be compared between machines.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sample import NOW, papers

from digest.entries.diff import Held, diff
from digest.model.feeds import Entry, Source, SourceId
from digest.model.people import Profile
from digest.model.ranking import Evidence
from digest.ranking.pool import Pool
from digest.ranking.rank import rank_pool
from digest.ranking.select import select

SOURCE = Source(id=SourceId("bench"), kind="feed", url="https://bench.example/feed.xml")


def entries(count: int, seed: int, days: float) -> tuple[Entry, ...]:
    found = diff(tuple(papers(count, days=days, seed=seed)), Held(), source=SOURCE, now=NOW, backfill=True)
    return tuple(change.after for change in found)


def wish(number: int, pool: Pool) -> Profile:
    """A profile like no other."""
    chance = random.Random(number)
    some = chance.sample(pool.entries, k=6)
    words = [one.title.split() for one in some]
    return Profile(
        categories=(("cs.CL", 2.0), ("cs.LG", 1.0), ("cs.CV", 1.0)),
        keywords=tuple(" ".join(title[:2]) for title in words[:3]),
        topics=(" ".join(words[3][:4] + words[4][:3]),),
        authors=tuple(one.authors[0] for one in some),
        likes=(some[0].work, some[1].work),
        dislikes=(some[2].work,),
    )


def seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return round(time.process_time() - began, 4)


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    profiles = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    earlier = entries(3_000, 2, 60)
    pool = Pool(entries(count, 1, 2), now=NOW + timedelta(hours=1), evidence=Evidence(history=earlier))
    wishes = [wish(number, pool) for number in range(profiles)]

    def one(profile: Profile) -> None:
        select(rank_pool(pool, profile), profile)

    told = {"entries": count, "first_profile_s": seconds(lambda: one(Profile()))}
    told["general_again_s"] = seconds(lambda: one(Profile()))
    told["first_personal_s"] = seconds(lambda: one(wishes[0]))
    kinds = {
        "keywords": Profile(keywords=wishes[1].keywords),
        "topic": Profile(topics=wishes[1].topics),
        "authors": Profile(authors=wishes[1].authors),
        "likes": Profile(likes=wishes[1].likes, dislikes=wishes[1].dislikes),
    }
    told |= {f"{name}_s": seconds(partial(one, profile)) for name, profile in kinds.items()}
    told["profiles"] = profiles
    told["all_profiles_s"] = seconds(lambda: [one(profile) for profile in wishes[1:]])
    told["a_profile_ms"] = round(1000 * told["all_profiles_s"] / max(1, profiles - 1), 2)
    told["times_the_general"] = round(told["a_profile_ms"] / 1000 / told["general_again_s"], 2)
    told["most_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
