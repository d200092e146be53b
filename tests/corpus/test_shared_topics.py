"""Free-text topics on real judgements, through the code of `digest rank`; the figures are printed (-s).

Baseline: plain BM25 (k1 = 1.2, b = 0.75) of title and abstract as one text, over the same words. Intervals are
bootstrap 95 % ones over the topics, of the gain paired by topic.
"""

from __future__ import annotations

import gzip
import json
import math
import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from digest.model.people import Profile, Weights
from digest.model.ranking import Evidence
from digest.ranking.observations import Line
from digest.ranking.pool import Pool
from digest.ranking.rank_file import rank_file
from digest.ranking.shelf import STOP
from digest.ranking.signals.topic import quiet_topics
from digest.ranking.text import words
from digest.services.learning.rank_file import IDENTITY
from tests.ranking.samples import NOW, paper

pytestmark = pytest.mark.shared

DATA = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / "../shared")) / "data"
ONLY_TOPIC = Weights(trend=0, topic=1, people=0, novelty=0)
AT = "2026-01-01T00:00:00Z"
REVIEWS = {
    "kitchenham_2010": "systematic reviews in software engineering",
    "nagtegaal_2019": "nudging healthcare professionals",
    "wahono_2015": "software defect prediction",
}


def read(name):
    if not DATA.is_dir():
        pytest.fail(f"{DATA} is missing: set DIGEST_SHARED to the folder that holds data/")
    packed = (DATA / name).read_bytes()
    text = (gzip.decompress(packed) if name.endswith(".gz") else packed).decode()
    return [json.loads(line) for line in text.split("\n") if line]


def judged(rows):
    relevant = defaultdict(dict)
    for row in rows:
        if row["relevance"] > 0:
            relevant[row["query"]][row["doc_id"]] = row["relevance"]
    return relevant


def orders(papers, topics):
    """Ids in the order that `digest rank` gives, for each topic."""
    lines = [
        Line(number=n, says={"id": id_, "title": title, "abstract": abstract, "observed_at": AT})
        for n, (id_, title, abstract) in enumerate(papers, 1)
    ]
    profiles = [(str(n), Profile(topics=(topic,), weights=ONLY_TOPIC)) for n, topic in enumerate(topics)]
    found = rank_file(lines, identity=IDENTITY, profiles=profiles)
    lists = found["profiles"] if len(profiles) > 1 else [found]
    return [[id_ for item in one["items"] for id_ in (item["id"], *item["also"])] for one in lists]


def plain_orders(papers, topics):
    """The baseline."""
    counts = [Counter(word for word in words(f"{title}\n{text}") if word not in STOP) for _, title, text in papers]
    lengths = [sum(one.values()) for one in counts]
    mean = sum(lengths) / len(lengths)
    held = Counter(word for one in counts for word in one)
    for topic in topics:
        score = [0.0] * len(papers)
        for word in {*words(topic)} - STOP:
            idf = math.log(1 + (len(papers) - held[word] + 0.5) / (held[word] + 0.5))
            for row, one in enumerate(counts):
                if tf := one.get(word):
                    score[row] += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * lengths[row] / mean))
        yield [papers[row][0] for row in sorted(range(len(papers)), key=lambda row: -score[row])]


def ndcg(order, relevant, depth=10):
    gains = [relevant.get(id_, 0) for id_ in order[:depth]]
    best = sorted(relevant.values(), reverse=True)[:depth]
    discounted = [sum(gain / math.log2(place + 2) for place, gain in enumerate(some)) for some in (gains, best)]
    return discounted[0] / discounted[1]


def interval(values):
    """The mean with its bootstrap 95 % interval."""
    values = np.asarray(values)
    means = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(values.mean()), float(low), float(high)


def compare(title, papers, topics, relevant):
    """Prints both and the gain; gives the means of ours and of the baseline."""
    topics = {name: text for name, text in topics.items() if relevant.get(name)}
    ours = [ndcg(order, relevant[name]) for name, order in zip(topics, orders(papers, topics.values()), strict=True)]
    plain = [
        ndcg(order, relevant[name]) for name, order in zip(topics, plain_orders(papers, topics.values()), strict=True)
    ]
    gain = [one - other for one, other in zip(ours, plain, strict=True)]
    said = ", ".join(
        f"{what} {mean:.3f} [{low:.3f}, {high:.3f}]"
        for what, (mean, low, high) in (("topic", interval(ours)), ("BM25", interval(plain)), ("gain", interval(gain)))
    )
    print(f"\nnDCG@10 of {title}, {len(topics)} topics: {said}")
    return float(np.mean(ours)), float(np.mean(plain))


def test_cranfield():
    papers = [(one["doc_id"], one["title"], one["abstract"]) for one in read("gold/cranfield/docs.jsonl.gz")]
    topics = {one["query"]: one["text"] for one in read("gold/cranfield/queries.jsonl")}
    ours, plain = compare("Cranfield", papers, topics, judged(read("gold/cranfield/qrels.jsonl")))
    assert ours >= 0.43
    assert ours - plain >= 0.04


def test_titles_of_systematic_reviews():
    ours, plain = [], []
    for name, title in REVIEWS.items():
        papers = [(one["doc_id"], one["title"], one["abstract"]) for one in read(f"gold/slr/{name}.docs.jsonl.gz")]
        both = compare(name, papers, {name: title}, judged(read(f"gold/slr/{name}.qrels.jsonl")))
        ours.append(both[0])
        plain.append(both[1])
    print(f"\nmean of the reviews: topic {np.mean(ours):.3f}, BM25 {np.mean(plain):.3f}")
    assert np.mean(ours) >= np.mean(plain)


def test_names_of_curated_lists():
    papers = {one["id"]: (one["id"], one["title"], one["abstract"]) for one in read("archive/hf_daily_dev.jsonl.gz")}
    topics = {one["query"]: one["text"] for one in read("gold/curated_lists/queries.jsonl")}
    relevant = judged(read("gold/curated_lists/qrels.jsonl"))
    ours, plain = compare("curated lists", [*papers.values()], topics, relevant)
    assert ours >= plain


def test_what_a_day_is_not_about_is_quiet_and_what_it_is_about_is_not():
    """Aerodynamics on days of machine learning, and keywords that at least two of the day's papers carry."""
    rows = [*{one["id"]: one for one in read("archive/hf_daily_dev.jsonl.gz") if one["ai_keywords"]}.values()]
    papers = [paper(n, title=one["title"], abstract=one["abstract"]) for n, one in enumerate(rows)]
    pool = Pool(papers[2000:2400], now=NOW, evidence=Evidence(history=tuple(papers[:2000])))
    carried = Counter(keyword.casefold() for one in rows[2000:2400] for keyword in {*one["ai_keywords"]})
    known = Profile(topics=tuple(sorted(keyword for keyword, count in carried.items() if count >= 2)))
    foreign = Profile(topics=tuple(one["text"] for one in read("gold/cranfield/queries.jsonl")))
    loud = 1 - len(quiet_topics(pool, foreign)) / len(foreign.topics)
    quiet = len(quiet_topics(pool, known)) / len(known.topics)
    print(f"\ntopics of 400 papers: {loud:.3f} of {len(foreign.topics)} foreign ones near, "
          f"{quiet:.3f} of {len(known.topics)} known ones quiet")  # fmt: skip
    assert loud <= 0.03
    assert quiet <= 0.05


def test_keywords_of_papers():
    """Keywords as topics, papers that carry the keyword as answers: every fourth keyword of 8 to 120 papers."""
    papers, carried = {}, defaultdict(dict)
    for one in read("archive/hf_daily_dev.jsonl.gz"):
        if one["ai_keywords"]:
            papers[one["id"]] = (one["id"], one["title"], one["abstract"])
            for keyword in one["ai_keywords"]:
                carried[keyword.casefold()][one["id"]] = 1
    chosen = sorted(keyword for keyword, ids in carried.items() if 8 <= len(ids) <= 120)[::4]
    ours, plain = compare("keywords", [*papers.values()], {one: one for one in chosen}, carried)
    assert ours >= plain
