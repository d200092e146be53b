"""Category weights on real votes and real listings, through rank_file: shares and what they cost (-s prints both).

A list of twelve is held against the best list that keeps the weights: the same seats, filled by the unbound ranking.
No constant of the selection was fitted here.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from digest.model.people import Profile, Weights
from digest.ranking.observations import Line
from digest.ranking.rank_file import rank_file
from digest.services.learning.rank_file import IDENTITY

pytestmark = pytest.mark.shared

DATA = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / "../shared")) / "data" / "archive"
TREND = Weights(trend=1, topic=0, people=0, novelty=0)
SEATS = 12
WEIGHTS = (
    {"cs.CL": 1.0, "cs.CV": 1.0, "cs.LG": 1.0, "cs.AI": 1.0},
    {"cs.CL": 3.0, "cs.CV": 2.0, "cs.LG": 1.0},
    {"cs.CV": 5.0, "cs.CL": 2.0, "cs.LG": 2.0, "cs.AI": 2.0, "cs.RO": 1.0},
    {"cs.LG": 2.0, "cs.CL": 1.0},
    {"cs.CL": 4.0, "cs.CV": 3.0, "cs.LG": 3.0},
    {"cs.LG": 7.0, "cs.CV": 2.0, "cs.CL": 1.5},
    {"cs.CV": 0.45, "cs.CL": 0.25, "cs.LG": 0.2, "cs.AI": 0.1},
)


def rows(name):
    if not DATA.is_dir():
        pytest.fail(f"{DATA} is missing: set DIGEST_SHARED to the folder that holds data/")
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ranked(lines, profiles):
    """The items of each profile."""
    numbered = [Line(number=n, says=says) for n, says in enumerate(lines, 1)]
    named = [(str(number), profile) for number, profile in enumerate(profiles)]
    return [one["items"] for one in rank_file(numbered, identity=IDENTITY, profiles=named)["profiles"]]


def listings():
    """A day's arXiv listing: (lines, ids of those that were featured later)."""
    days = defaultdict(list)
    for row in rows("arxiv_pool_dev"):
        if row["categories"]:
            days[row["date"]].append(row)
    said = ("id", "title", "abstract", "authors", "categories", "comment")
    for date, papers in sorted(days.items()):
        if len(papers) >= 100:
            lines = [{**{key: row[key] for key in said}, "observed_at": f"{date}T03:00:00Z"} for row in papers]
            yield lines, {row["id"] for row in papers if row["hf_featured"]}


def weeks():
    """Five days of voted papers as seen on the last morning: (lines, ids of the best quarter by final votes)."""
    later = defaultdict(list)
    for seen in rows("hf_upvote_observations"):
        later[seen["id"]].append((datetime.fromisoformat(seen["at"]), seen["upvotes"]))
    days = defaultdict(list)
    for row in rows("hf_daily_dev"):
        if row["categories"] and row["submitted_at"] and row["date"] >= "2025-04-25":
            days[row["date"]].append(row)
    dates = sorted(days)
    for first in range(0, len(dates) - 4, 5):
        papers = [row for day in dates[first : first + 5] for row in days[day]]
        if len(papers) >= 40:
            final = {row["id"]: max(later[row["id"]])[1] for row in papers if row["id"] in later}
            lines = [{**row, "observed_at": row["snapshot_at"], "source": "hf"} for row in papers]
            yield lines, set(sorted(final, key=lambda id_: (-final[id_], id_))[: len(papers) // 4])


def error(counted, weights):
    """Total variation between the shares of a list and the weights."""
    total, sum_ = sum(counted.values()), sum(weights.values())
    return sum(abs(counted[name] / total - weight / sum_) for name, weight in weights.items()) / 2


def interval(values):
    """95 % by bootstrap over pools."""
    draws = np.random.default_rng(20251231).choice(np.array(values), (2000, len(values))).mean(axis=1)
    return f"{np.mean(values):.3f} [{np.quantile(draws, 0.025):.3f}, {np.quantile(draws, 0.975):.3f}]"


@pytest.mark.parametrize("pools", [listings, weeks], ids=["arxiv listings", "voted weeks"])
def test_shares_follow_the_weights_and_cost_no_more_than_the_weights_must(pools):
    errors, plain_errors, lost, price = [], [], [], []
    for lines, good in pools():
        wishes = [Profile(categories=tuple(weights.items()), weights=TREND) for weights in WEIGHTS]
        lists = ranked(lines, [*wishes, *(replace(wish, max_items=SEATS) for wish in wishes)])
        for weights, every, ours in zip(WEIGHTS, lists, lists[len(WEIGHTS) :], strict=False):
            there = Counter(item["category"] for item in every)
            if any(there[name] < SEATS for name in weights):
                continue  # no list of this pool can keep these weights
            seats = Counter(item["category"] for item in ours)
            held, kept = Counter(), []
            for item in every:  # the best list of the same seats, by the unbound ranking
                if held[item["category"]] < seats[item["category"]]:
                    held[item["category"]] += 1
                    kept.append(item["id"])
            errors.append(error(seats, weights))
            plain_errors.append(error(Counter(item["category"] for item in every[:SEATS]), weights))
            precision = len(good & {item["id"] for item in ours}) / SEATS
            lost.append(len(good.intersection(kept)) / SEATS - precision)
            price.append(len(good & {item["id"] for item in every[:SEATS]}) / SEATS - precision)
    print(f"\n{len(errors)} lists: category error {interval(errors)}, at most {max(errors):.3f}")
    print(f"category error of the plain top twelve {interval(plain_errors)}")
    print(f"precision lost against the best list of the same seats {interval(lost)}, the unbound {interval(price)}")
    assert np.mean(errors) <= 1 / SEATS
    assert np.mean(lost) <= 0.01
