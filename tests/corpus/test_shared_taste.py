"""Learning from clicks, on three systematic reviews and on what people listed and posted; figures are printed (-s).

Clicks are drawn at random with a fixed seed: k relevant papers are liked, k others disliked, and nDCG@10 is that of the
rest, through ``rank_file``. Beside it stands the centre of the likes' TF-IDF vectors less 0.3 of that of the dislikes;
where a topic is asked for too, half of that topic's vector and half of the likes' less 0.15 of the dislikes' (Rocchio).
"""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from digest.model.people import Profile, Weights
from digest.ranking.observations import Line
from digest.ranking.rank_file import rank_file
from digest.ranking.text import TextIndex
from digest.services.learning.rank_file import IDENTITY

pytestmark = pytest.mark.shared

DATA = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / "../shared")) / "data"
#: Of each review, what it is about.
REVIEWS = {
    "kitchenham_2010": "systematic reviews in software engineering",
    "nagtegaal_2019": "nudging healthcare professionals",
    "wahono_2015": "software defect prediction",
}
CLICKS = (1, 3, 5)
#: For each review; twenty leave the mean uncertain by .05.
DRAWS = 100
#: And for each list or person.
LATER_DRAWS = 20
#: And for each Cranfield topic of so many answers.
TOPIC_DRAWS, TOPIC_ANSWERS = 3, 8
TASTE = Weights(trend=0.0, topic=1.0, people=0.0, novelty=0.0)
SEEN = "2025-06-01T06:00:00Z"
#: Papers from this day on are ranked, older ones are clicked on.
RANKED_FROM, RANKED_UNTIL = "2025-10-01", "2026-01-01"
#: They post papers of every field.
BUSIEST = 2


def lines_of(path):
    if not DATA.is_dir():
        pytest.fail(f"{DATA} is missing: set DIGEST_SHARED to the folder that holds data/")
    opener = gzip.open if path.endswith(".gz") else open
    with opener(DATA / path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ndcg(gains, relevant):
    discounts = 1.0 / np.log2(np.arange(2, 12))
    best = discounts[: min(10, relevant)].sum()
    return float((np.array(gains[:10], float) * discounts[: len(gains[:10])]).sum() / best)


def interval(values, groups):
    """The mean over groups of the groups' means, with the 95 % interval of drawing the values of each anew."""
    chance = np.random.default_rng(1)
    by_group = [np.array([v for v, g in zip(values, groups, strict=True) if g == group]) for group in sorted({*groups})]
    drawn = [np.mean([chance.choice(one, len(one)).mean() for one in by_group]) for _ in range(1000)]
    return float(np.mean([one.mean() for one in by_group])), *np.quantile(drawn, (0.025, 0.975))


def told(name, clicks, ours, theirs, groups):
    """Prints a row; gives our mean and the lower end of the paired gain's interval."""
    mean, low, high = interval(ours, groups)
    centre = interval(theirs, groups)[0]
    gain, worst, best = interval([a - b for a, b in zip(ours, theirs, strict=True)], groups)
    print(
        f"\n{name}, {clicks} clicks: nDCG@10 {mean:.3f} [{low:.3f}, {high:.3f}], centre {centre:.3f},"
        f" gain {gain:+.3f} [{worst:+.3f}, {best:+.3f}]",
        end="",
    )
    return mean, worst


class Plain:
    """TF-IDF vectors, every word a dimension of its own."""

    def __init__(self, papers):
        index = TextIndex([(paper["title"], paper["abstract"] or "") for paper in papers])
        real = index.tokens >= 0
        keys = index.docs[real].astype(np.int64) * len(index.terms) + index.tokens[real]
        found, counts = np.unique(keys, return_counts=True)
        self.papers, self.terms = found // len(index.terms), found % len(index.terms)
        idf = np.log((index.count + 1.0) / (np.bincount(self.terms, minlength=len(index.terms)) + 1.0))
        values = (1.0 + np.log(counts)) * idf[self.terms]
        self.values = values / np.sqrt(np.bincount(self.papers, values**2))[self.papers]
        self.starts = np.searchsorted(self.papers, np.arange(index.count + 1))
        self.width = len(index.terms)

    def scores(self, likes, dislikes, asked=()):
        """The cosine to the centre of the likes, and of what is asked, less 0.3 of that of the dislikes, but for a
        factor.
        """
        centre = np.zeros(self.width)
        for rows, sign in ((likes, 1.0), (asked, 1.0), (dislikes, -0.3)):
            for row in rows:
                span = slice(self.starts[row], self.starts[row + 1])
                centre[self.terms[span]] += sign * self.values[span] / len(rows)
        return np.bincount(self.papers, self.values * centre[self.terms])


def ranked(lines, profiles, history=()):
    numbered = [[Line(number=n, says=says) for n, says in enumerate(some, 1)] for some in (lines, history)]
    document = rank_file(numbered[0], identity=IDENTITY, profiles=profiles, history=numbered[1], limit=10)
    return [[item["id"] for item in one["items"]] for one in document["profiles"]]


def profile(likes, dislikes, *topics):
    return Profile(topics=topics, likes=tuple(likes), dislikes=tuple(dislikes), weights=TASTE)


def said_of(papers):
    return [
        {"id": paper["doc_id"], "observed_at": SEEN, "title": paper["title"], "abstract": paper["abstract"]}
        for paper in papers
    ]


def with_topics(papers, asked, clicks, draws):
    """nDCG@10 of ours, of Rocchio's, of the likes alone, and whose it is; ``asked``: (name, topic, is relevant)."""
    ids = [paper["doc_id"] for paper in papers]
    place = {id_: row for row, id_ in enumerate(ids)}
    plain = Plain([*papers, *({"title": topic, "abstract": ""} for _, topic, _ in asked)])
    drawn, profiles, bare = [], [], []
    for number, (name, topic, relevant) in enumerate(asked):
        chance = np.random.default_rng(clicks)
        good, bad = np.flatnonzero(relevant), np.flatnonzero(~relevant)
        for _ in range(draws if clicks else 1):
            likes, dislikes = (chance.choice(rows, clicks, False) for rows in (good, bad))
            drawn.append((name, relevant, likes, dislikes, len(papers) + number))
            named = [[ids[row] for row in rows] for rows in (likes, dislikes)]
            profiles.append((str(len(profiles)), profile(*named, topic)))
            bare.append((str(len(bare)), profile(*named)))
    # A last one keeps a single profile from being answered in another form.
    said, last = said_of(papers), ("last", Profile())
    ours, theirs, alone, groups = [], [], [], []
    for (name, relevant, likes, dislikes, row), order, other in zip(
        drawn, ranked(said, [*profiles, last])[:-1], ranked(said, [*bare, last])[:-1], strict=True
    ):
        left = int(relevant.sum()) - clicks
        scores = plain.scores(likes, dislikes, (row,))[: len(papers)]
        scores[[*likes, *dislikes]] = -np.inf
        ours.append(ndcg([relevant[place[id_]] for id_ in order], left))
        alone.append(ndcg([relevant[place[id_]] for id_ in other], left))
        theirs.append(ndcg(relevant[np.argsort(-scores, kind="stable")], left))
        groups.append(name)
    return ours, theirs, alone, groups


def told_with_topics(name, clicks, ours, theirs, alone, groups):
    """Prints rows; gives our mean, and the mean gains over Rocchio's and over the likes alone."""
    mean, worst = told(f"{name}, topic and likes", clicks, ours, theirs, groups)
    if clicks:
        told(f"{name}, against the likes alone", clicks, ours, alone, groups)
    return mean, worst


@pytest.fixture(scope="module")
def reviews():
    """(review, papers, which are relevant, their plain vectors)"""
    found = []
    for name in REVIEWS:
        papers = lines_of(f"gold/slr/{name}.docs.jsonl.gz")
        good = {row["doc_id"] for row in lines_of(f"gold/slr/{name}.qrels.jsonl") if row["relevance"] > 0}
        found.append((name, papers, np.array([paper["doc_id"] in good for paper in papers]), Plain(papers)))
    return found


def test_clicks_on_papers_of_a_review_find_the_rest_of_it(reviews):
    means = {}
    for clicks in CLICKS:
        ours, theirs, groups = [], [], []
        for name, papers, relevant, plain in reviews:
            chance = np.random.default_rng(clicks)
            good, bad = np.flatnonzero(relevant), np.flatnonzero(~relevant)
            draws = [(chance.choice(good, clicks, False), chance.choice(bad, clicks, False)) for _ in range(DRAWS)]
            ids = [paper["doc_id"] for paper in papers]
            profiles = [
                (str(n), profile([ids[i] for i in likes], [ids[i] for i in dislikes]))
                for n, (likes, dislikes) in enumerate(draws)
            ]
            place = {id_: row for row, id_ in enumerate(ids)}
            for (likes, dislikes), order in zip(draws, ranked(said_of(papers), profiles), strict=True):
                left = int(relevant.sum()) - clicks
                ours.append(ndcg([relevant[place[id_]] for id_ in order], left))
                scores = plain.scores(likes, dislikes)
                scores[[*likes, *dislikes]] = -np.inf
                theirs.append(ndcg(relevant[np.argsort(-scores, kind="stable")], left))
                groups.append(name)
        means[clicks], worst = told("reviews", clicks, ours, theirs, groups)
        assert worst > 0.0
    assert means[1] >= 0.37
    assert means[3] >= 0.49
    assert means[5] >= 0.50


def test_the_topic_of_a_review_and_clicks_find_more_than_either(reviews):
    means = {}
    for clicks in (0, *CLICKS):
        found = [[], [], [], []]
        for name, papers, relevant, _ in reviews:
            for held, more in zip(
                found, with_topics(papers, [(name, REVIEWS[name], relevant)], clicks, DRAWS), strict=True
            ):
                held += more
        means[clicks], worst = told_with_topics("reviews", clicks, *found)
        assert clicks == 0 or worst > 0.0
    assert means[1] >= 0.48
    assert means[3] >= 0.54
    assert means[5] >= 0.57


def test_clicks_on_answers_of_a_cranfield_topic_find_the_others():
    papers = [
        {**one, "title": one["title"] or "", "abstract": one["abstract"] or ""}
        for one in lines_of("gold/cranfield/docs.jsonl.gz")
    ]
    answers = defaultdict(set)
    for row in lines_of("gold/cranfield/qrels.jsonl"):
        if row["relevance"] > 0:
            answers[row["query"]].add(row["doc_id"])
    asked = [
        (one["query"], one["text"], np.array([paper["doc_id"] in answers[one["query"]] for paper in papers]))
        for one in lines_of("gold/cranfield/queries.jsonl")
        if len(answers[one["query"]]) >= TOPIC_ANSWERS
    ]
    means = {}
    for clicks in (0, *CLICKS):
        found = with_topics(papers, asked, clicks, TOPIC_DRAWS)
        means[clicks] = told_with_topics("Cranfield", clicks, *found)[0]
    # What is left is harder to find than what was clicked on, and fewer.
    assert min(means.values()) >= 0.42


@pytest.fixture(scope="module")
def archive():
    """Each paper of the daily lists once, as it was first seen; oldest first."""
    seen = {}
    for row in lines_of("archive/hf_daily_dev.jsonl.gz"):
        seen.setdefault(row["id"], row)
    return sorted(seen.values(), key=lambda row: (row["date"], row["id"]))


@pytest.mark.parametrize("kind", ["curated_lists", "hf_submitters"])
def test_clicks_on_old_papers_find_later_ones(archive, kind):
    wanted = defaultdict(set)
    for row in lines_of(f"gold/{kind}/qrels.jsonl"):
        wanted[row["query"]].add(row["doc_id"])
    if kind == "hf_submitters":
        for busy in sorted(wanted, key=lambda who: (-len(wanted[who]), who))[:BUSIEST]:
            del wanted[busy]
    old = [row for row in archive if row["date"] < RANKED_FROM][-3000:]
    new = [row for row in archive if RANKED_FROM <= row["date"] < RANKED_UNTIL]
    plain = Plain([*old, *new])
    keys = ("id", "title", "abstract", "authors", "categories")
    said = [
        [{**{key: row[key] for key in keys}, "observed_at": f"{row['date']}T08:00:00Z"} for row in rows]
        for rows in (new, old)
    ]
    gains = {}
    for clicks in CLICKS:
        draws, profiles = [], []
        for who in sorted(wanted):
            good = [row for row, paper in enumerate(old) if paper["id"] in wanted[who]]
            left = sum(paper["id"] in wanted[who] for paper in new)
            if len(good) < 5 or left < 3:
                continue
            bad = [row for row, paper in enumerate(old) if paper["id"] not in wanted[who]]
            chance = np.random.default_rng(clicks)
            for _ in range(LATER_DRAWS):
                likes, dislikes = chance.choice(good, clicks, False), chance.choice(bad, clicks, False)
                draws.append((who, left, likes, dislikes))
                named = ([f"arxiv:{old[row]['id']}" for row in rows] for rows in (likes, dislikes))
                profiles.append((str(len(profiles)), profile(*named)))
        ours, theirs = [], []
        for (who, left, likes, dislikes), order in zip(draws, ranked(said[0], profiles, said[1]), strict=True):
            ours.append(ndcg([id_ in wanted[who] for id_ in order], left))
            scores = plain.scores(likes, dislikes)[len(old) :]
            theirs.append(ndcg([new[row]["id"] in wanted[who] for row in np.argsort(-scores, kind="stable")], left))
        gains[clicks] = told(kind, clicks, ours, theirs, [draw[0] for draw in draws])[1]
    assert gains[3] > 0.0
    # Five clicks on a list of many subjects find no more than the centre does, and no less.
    assert gains[5] > (0.3 if kind == "hf_submitters" else -0.02)
