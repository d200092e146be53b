"""What the prior is worth on real votes and listings of later days, through ``digest rank``'s own path (-s prints).

Every prior here is fitted on the days before those it is tested on; the shipped one saw them all and is not used.
Features and penalties were chosen with these days in sight: only days that nobody has seen can confirm the figures.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest

from digest.model.feeds import SourceId, VoteObservation
from digest.ranking.observations import Line, observation
from digest.ranking.prior.fit import Example, fit
from digest.ranking.prior.weights import dump
from digest.ranking.rank_file import entry_of, rank_file
from digest.services.learning.rank_file import IDENTITY

# Priors are fitted here, half a minute each.
pytestmark = [pytest.mark.shared, pytest.mark.timeout(1800)]

DATA = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / "../shared")) / "data" / "archive"
VOTES_FROM, LISTINGS_FROM = "2025-07-01", "2025-05-07"
FITS = ("2025-07-01", "2025-10-01")
MATURE = timedelta(hours=72)
LIST_KEYS = ("id", "title", "abstract", "authors", "categories", "comment")


@cache
def rows(name):
    if not DATA.is_dir():
        pytest.fail(f"{DATA} is missing: set DIGEST_SHARED to the folder that holds data/")
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def instant(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def day(text):
    return datetime.fromisoformat(f"{text}T00:00:00+00:00")


@cache
def voted_lines():
    """The first line of every paper that a voting list carried, by id."""
    first = {}
    late = [
        {
            **row,
            "observed_at": row["first_seen_at"],
            "published_at": parsedate_to_datetime(row["published"]).isoformat(),
        }
        for row in rows("hf_late_dev")
    ]
    for row in [*({**row, "observed_at": row["snapshot_at"]} for row in rows("hf_daily_dev")), *late]:
        if row["id"] not in first or row["observed_at"] < first[row["id"]]["observed_at"]:
            first[row["id"]] = row | {"source": "hf"}
    return first


@cache
def counts():
    """Every vote count of each id, in time."""
    found = defaultdict(set)
    for id_, line in voted_lines().items():
        found[id_].add((instant(line["observed_at"]), line["upvotes"]))
    for row in rows("hf_daily_dev"):
        found[row["id"]].add((instant(row["snapshot_at"]), row["upvotes"]))
    for seen in rows("hf_upvote_observations"):
        found[seen["id"]].add((instant(seen["at"]), seen["upvotes"]))
    return {id_: sorted(seen) for id_, seen in found.items()}


@cache
def listings():
    days = defaultdict(list)
    for row in rows("arxiv_pool_dev"):
        line = {key: row[key] for key in LIST_KEYS} | {"observed_at": f"{row['date']}T03:00:00Z", "source": "arxiv"}
        days[row["date"]].append((line, row["hf_featured"]))
    return dict(sorted(days.items()))


@cache
def examples():
    listed = {line["id"]: line for lines in listings().values() for line, _ in lines}

    def entry(line):
        seen = observation(Line(number=1, says=line | {"upvotes": None}), IDENTITY, name="archive")
        return entry_of([seen], [seen], seen.observed_at)

    found = []
    for id_ in sorted({*listed, *voted_lines()}):
        line, own = voted_lines().get(id_), listed.get(id_)
        votes = counts()[id_] if line else ()
        found.append(
            Example(
                entry=entry(line or own),
                votes=tuple(VoteObservation(source_id=SourceId("hf"), at=at, upvotes=n) for at, n in votes),
                listed=entry(own) if own else None,
            )
        )
    return found


@cache
def fitted(until):
    return dump(fit(examples(), until=day(until))).decode()


def earlier(until, candidates):
    """What a store would hold at an instant of the candidates' authors: their papers with the newest counts.

    Texts are left out: they take most of the time, and nothing of the trend hangs on them.
    """
    lines = []
    listed, authors = {one["id"] for one in candidates}, {name for one in candidates for name in one["authors"]}
    for id_, line in voted_lines().items():
        if id_ in listed or authors.isdisjoint(line["authors"]):
            continue
        known = [(at, n) for at, n in counts()[id_] if at <= until]
        if known:
            at, votes = known[-1]
            lines.append(line | {"observed_at": at.isoformat(), "upvotes": votes, "abstract": ""})
    return lines


def ranked(lines, until, **how):
    numbered = [
        [Line(number=n, says=says) for n, says in enumerate(part, 1)] for part in (lines, how.pop("history", ()))
    ]
    document = rank_file(numbered[0], history=numbered[1], identity=IDENTITY, fit=fitted(until), **how)
    return document["items"]


def interval(values):
    """Mean with its bootstrap 95 % interval (2,000 resamples of the values)."""
    values = np.asarray(values, np.float64)
    means = np.random.default_rng(6).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{values.mean():+.3f} [{low:+.3f}, {high:+.3f}]", float(values.mean()), float(low)


def pools(first=0):
    """Disjoint five-day pools: (lines with votes as known on the last morning, final votes, instant)."""
    days, final = defaultdict(dict), {}
    for row in rows("hf_daily_dev"):
        at, votes = counts()[row["id"]][-1]
        if row["date"] >= VOTES_FROM and row["submitted_at"] and at - instant(row["submitted_at"]) >= MATURE:
            days[row["date"]][row["id"]] = row
            final[row["id"]] = votes
    dates = sorted(days)
    for start in range(first, len(dates) - 4, 5):
        papers = {id_: row for date in dates[start : start + 5] for id_, row in days[date].items()}
        now = max(instant(row["snapshot_at"]) for row in days[dates[start + 4]].values())
        if len(papers) >= 20:
            lines = []
            for id_, row in papers.items():
                at, votes = [one for one in counts()[id_] if one[0] <= now][-1]
                lines.append(row | {"observed_at": at.isoformat(), "upvotes": votes, "source": "hf"})
            yield lines, final, now


def best(lines):
    return {one["id"] for one in sorted(lines, key=lambda one: (-one["upvotes"], hash_of(one["id"])))[:10]}


def hash_of(id_):
    return hashlib.sha256(id_.encode()).hexdigest()


def fit_before(now):
    return max(date for date in FITS if day(date) <= now)


@cache
def gains(first, visible):
    """(ours, raw votes) P@10 of every pool.

    ``visible`` is the share of the final votes that is shown; below 1 it is drawn by chance, and all papers are as old
    as the measured g(t) of the issue has that share: six minutes.
    """
    found = []
    for lines, final, now in pools(first):
        past = earlier(now, lines)
        if visible < 1:
            chance = np.random.default_rng(len(found))
            now = now + timedelta(days=1)
            young = (now - timedelta(hours=0.1)).isoformat()
            lines = [
                one
                | {"upvotes": int(chance.binomial(final[one["id"]], visible)), "observed_at": now.isoformat()}
                | {"submitted_at": young}
                for one in lines
            ]
        top = best([one | {"upvotes": final[one["id"]]} for one in lines])
        items = ranked(lines, fit_before(now), at=now, history=past, limit=10)
        ours = {item["id"] for item in items}
        found.append((len(top & ours) / 10, len(top & best(lines)) / 10))
    return found


def told(title, visible):
    """Each of the five ways to cut the days into disjoint pools by itself, then all of them.

    Pools of different ways overlap, so what is drawn anew for the interval are runs of five days, each with all the
    pools that start in it.
    """
    found = [gains(first, visible) for first in range(5)]
    for first, pairs in enumerate(found):
        gain, _, _ = interval([ours - raw for ours, raw in pairs])
        ours, raw = np.mean(pairs, axis=0)
        print(f"\n{title}, {len(pairs)} pools from day {first}: {ours:.3f}, raw votes {raw:.3f}, gain {gain}", end="")
    runs = [np.mean([pair for pair in run if pair], axis=0) for run in zip_longest(*found)]
    gain, mean, low = interval([ours - raw for ours, raw in runs])
    ours, raw = (interval([run[part] for run in runs])[0] for part in (0, 1))
    print(f"\n{title}, all {sum(map(len, found))}: {ours}, raw votes {raw}, gain {gain}")
    return mean, low


def test_expected_votes_find_the_ten_best_of_five_days():
    mean, low = told("P@10 against final votes", 1.0)
    assert mean > 0.03
    assert low > 0.01


def test_expected_votes_with_a_twentieth_of_the_votes_in_sight():
    mean, _ = told("P@10 with 5 % of the final votes", 0.05)
    assert mean > 0.0


def listing_days(history, prestige=True):
    """(chances, labels) of every listing day from LISTINGS_FROM on."""
    for date, papers in listings().items():
        if date >= LISTINGS_FROM:
            lines = [line for line, _ in papers]
            featured = {line["id"]: label for line, label in papers}
            now = instant(lines[0]["observed_at"])
            past = earlier(now, lines) if history else ()
            items = ranked(lines, LISTINGS_FROM, history=past, prestige=prestige)
            yield [item["probability"] for item in items], [featured[item["id"]] for item in items]


def error_of_calibration(chances, labels):
    """Expected calibration error over ten bins of equal numbers."""
    order = np.argsort(chances, kind="stable")
    return sum(abs(labels[part].mean() - chances[part].mean()) * len(part) for part in np.array_split(order, 10)) / len(
        order
    )


@pytest.mark.parametrize(
    ("title", "history", "prestige", "least"),
    [
        ("with history", True, True, 0.48),
        ("without history", False, True, 0.44),
        ("prestige = false", True, False, 0.37),
    ],
)
def test_papers_without_votes_are_found_and_their_chances_hold(title, history, prestige, least):
    days = list(listing_days(history, prestige))
    precision, mean, _ = interval([sum(labels[:20]) / 20 for _, labels in days])
    chances, labels = (np.array([one for day in days for one in day[part]], np.float64) for part in (0, 1))
    error = error_of_calibration(chances, labels)
    draws = np.random.default_rng(6)
    band = np.quantile([error_of_calibration(chances, draws.random(len(chances)) < chances) for _ in range(500)], 0.95)
    ceiling, random = np.mean([min(20, sum(day[1])) / 20 for day in days]), np.mean([np.mean(day[1]) for day in days])
    print(f"\nP@20 {title}, {len(days)} days: {precision}, by chance {random:.3f}, ceiling {ceiling:.3f}", end="")
    print(f"; calibration error {error:.4f}, 95 % of calibrated models below {band:.4f}", end="")
    print(f"; mean P {chances.mean():.4f}, featured {labels.mean():.4f}")
    assert mean >= least


def test_mixed_sources():
    """A morning's voting list and the same day's listing without votes; a paper's gain is its final votes."""
    ours, raw, none = [], [], []
    for date, papers in listings().items():
        now = datetime.fromisoformat(f"{date}T10:00:00+00:00")
        voted = {
            row["id"]: row | {"observed_at": row["snapshot_at"], "source": "hf"}
            for row in rows("hf_daily_dev")
            if row["date"] == date
        }
        if date < LISTINGS_FROM or len(voted) < 5:
            continue
        lines = [*voted.values(), *(line for line, _ in papers if line["id"] not in voted)]
        gain = {line["id"]: float(counts()[line["id"]][-1][1]) if line["id"] in counts() else 0.0 for line in lines}
        items = ranked(lines, LISTINGS_FROM, at=now, history=earlier(now, lines))
        ours.append(ndcg([gain[item["id"]] for item in items], gain.values()))
        by_votes = sorted(lines, key=lambda one: (-(one.get("upvotes") or 0), hash_of(one["id"])))
        raw.append(ndcg([gain[one["id"]] for one in by_votes], gain.values()))
        none.append(len(voted))
    print(f"\nnDCG@20 of mixed sources, {len(ours)} days: {interval(ours)[0]}, raw votes {interval(raw)[0]}", end="")
    print(f", gain {interval(np.subtract(ours, raw))[0]}; {np.mean(none):.0f} papers a day have votes")
    assert np.mean(ours) > np.mean(raw)


def ndcg(gains, all_gains, places=20):
    discounts = 1.0 / np.log2(np.arange(2, places + 2))
    top = np.array(gains[:places])
    ideal = np.array(sorted(all_gains, reverse=True)[:places])
    return float(top @ discounts[: len(top)] / (ideal @ discounts[: len(ideal)]))
