"""The ranking on real votes and real listings dated after its constants were fitted; the figures are printed (-s)."""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import pytest

from digest.entries.identity import aliases, title_key
from digest.entries.normalize import clean
from digest.ranking.observations import Identity, Line
from digest.ranking.rank_file import rank_file

pytestmark = pytest.mark.shared

DATA = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / "../shared")) / "data" / "archive"
IDENTITY = Identity(clean=clean, aliases=aliases, title_key=title_key)
#: The days before were used for the constants of the trend, and of P(featured later).
VOTES_FROM, LISTINGS_FROM = "2025-11-15", "2025-05-07"
MATURE_HOURS = 72.0


def rows(name):
    if not DATA.is_dir():
        pytest.fail(f"{DATA} is missing: set DIGEST_SHARED to the folder that holds data/")
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def instant(text):
    return datetime.fromisoformat(text)


def order(lines):
    numbered = [Line(number=n, says=says) for n, says in enumerate(lines, 1)]
    return [item["id"] for item in rank_file(numbered, identity=IDENTITY)["items"]]


def pools():
    """Five days of papers as seen on the last morning: (lines, final votes)."""
    later = defaultdict(list)
    for seen in rows("hf_upvote_observations"):
        later[seen["id"]].append((instant(seen["at"]), seen["upvotes"]))
    days, final = defaultdict(list), {}
    for row in rows("hf_daily_dev"):
        at, votes = max(later.get(row["id"]) or [(instant(row["snapshot_at"]), 0)])
        if row["submitted_at"] and (at - instant(row["submitted_at"])).total_seconds() >= MATURE_HOURS * 3600:
            days[row["date"]].append(row)
            final[row["id"]] = votes
    dates = sorted(day for day in days if day >= VOTES_FROM)
    for first in range(len(dates) - 4):
        papers = [row for day in dates[first : first + 5] for row in days[day]]
        now = max(instant(row["snapshot_at"]) for row in days[dates[first + 4]])
        lines = []
        for row in papers:
            seen = [(instant(row["snapshot_at"]), row["upvotes"]), *(o for o in later[row["id"]] if o[0] <= now)]
            at, votes = max(seen)
            lines.append({**row, "observed_at": at.isoformat(), "upvotes": votes, "source": "hf"})
        if len(lines) >= 20:
            yield lines, final


def test_expected_votes_find_the_ten_best_more_often_than_votes_do():
    ours, theirs = [], []
    for lines, final in pools():
        best = set(sorted((one["id"] for one in lines), key=lambda id_: (-final[id_], id_))[:10])
        ours.append(len(best & set(order(lines)[:10])) / 10)
        raw = sorted(lines, key=lambda one: (-one["upvotes"], one["id"]))
        theirs.append(len(best & {one["id"] for one in raw[:10]}) / 10)
    mean, raw_mean = sum(ours) / len(ours), sum(theirs) / len(theirs)
    print(f"\nP@10 on {len(ours)} five-day pools: expected votes {mean:.3f}, raw votes {raw_mean:.3f}")
    assert mean >= raw_mean
    assert mean >= 0.84


def test_papers_without_votes_are_found_far_better_than_by_chance():
    days = defaultdict(list)
    for row in rows("arxiv_pool_dev"):
        if row["date"] >= LISTINGS_FROM:
            days[row["date"]].append(row)
    precisions, chance = [], []
    for date, papers in sorted(days.items()):
        featured = {row["id"] for row in papers if row["hf_featured"]}
        said = ("id", "title", "abstract", "authors", "categories", "comment")
        lines = [{**{key: row[key] for key in said}, "observed_at": f"{date}T03:00:00Z"} for row in papers]
        if len(lines) >= 40:
            precisions.append(len(featured & set(order(lines)[:20])) / 20)
            chance.append(len(featured) / len(lines))
    mean, random_mean = sum(precisions) / len(precisions), sum(chance) / len(chance)
    print(f"\nP@20 without votes on {len(precisions)} days: {mean:.3f}, by chance {random_mean:.3f}")
    assert mean >= 0.38
