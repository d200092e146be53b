"""Free-text topics: the right paper first, a cut that the day does not move, and nothing typed that breaks it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from digest.model.people import Profile, Weights
from digest.model.ranking import Evidence
from digest.ranking import query
from digest.ranking.pool import Pool
from digest.ranking.query import answer
from digest.ranking.shelf import shelf_of
from digest.ranking.signals.topic import measure, quiet_topics
from digest.ranking.text import words
from tests.ranking.samples import NOW, TITLES, paper

ONLY_TOPIC = Weights(trend=0, topic=1, people=0, novelty=0)
WORDS = words(
    "bees hives honey estuaries tides silt robots warehouses grasping whistles grammar phonemes clouds rain vapour"
    " proofs lemmas tactics speech codecs rails stations maps photons lasers prisms regret bandits arms tokens"
)


def sentence(number: int, size: int = 12) -> str:
    """Words of one of ten fields, and a few of any."""
    random = np.random.default_rng(number)
    field = WORDS[number % 10 * 3 : number % 10 * 3 + 3]
    return " ".join([*random.choice(field, size), *random.choice(WORDS, 3)])


def earlier(count: int = 300):
    return tuple(paper(1000 + n, title=f"Paper {n}", abstract=sentence(n)) for n in range(count))


def pool(*candidates, history=()):
    return Pool(candidates, now=NOW, evidence=Evidence(history=tuple(history)))


def titles(of_pool, topic):
    share = answer(of_pool, topic).share
    order = sorted(range(len(share)), key=lambda row: -share[row])
    return [of_pool.entries[row].title for row in order if share[row] > 0]


def test_earlier_papers_are_answered_for_too():
    held = pool(paper(1, title="Rain"), history=earlier())
    found = answer(held, "honey")
    told = ["honey" in entry.abstract for entry in held.history.entries]
    assert len(found.earlier) == 300
    assert found.earlier[np.array(told)].min() > found.earlier[~np.array(told)].max()


def test_endings_do_not_hide_a_paper():
    papers = pool(
        paper(1, title="Optimisation of Neural Predictors"),
        paper(2, title="A Grammar of Whistled Languages"),
        paper(3, title="Optimizing how a predictor predicts"),
    )
    found = titles(papers, "optimization and prediction")
    assert "A Grammar of Whistled Languages" not in found[:2]
    assert len(found) >= 2


def test_words_as_written_count_more_than_their_stems():
    papers = pool(paper(1, title="On predicted tides"), paper(2, title="On predicting tides"))
    assert titles(papers, "predicting tides")[0] == "On predicting tides"


def test_words_that_stand_together_count_more_than_the_same_words_apart():
    papers = pool(
        paper(1, title="Models of small language, a random field study"),
        paper(2, title="Random models of small field language study"),
        paper(3, title="Study of language, small random field models"),
    )
    assert titles(papers, "random field")[:2] != ["Random models of small field language study"]
    assert titles(papers, "random field")[-1] == "Random models of small field language study"


def test_a_word_of_the_title_counts_more_than_one_of_the_abstract():
    papers = pool(
        paper(1, title="Bees count", abstract="A study of many plain and simple things."),
        paper(2, title="A study", abstract="Bees count many plain and simple things."),
        *(paper(n, title="Rain and clouds", abstract="Of vapour.") for n in range(3, 9)),
    )
    assert titles(papers, "bees")[:2] == ["Bees count", "A study"]


def test_feedback_finds_a_paper_that_has_none_of_the_topic_s_words(monkeypatch):
    alike = "Hives, honey and wax in the apiary."
    papers = pool(
        *(paper(n, title=f"Bees {n}", abstract=alike) for n in range(5)),
        paper(6, title="The apiary", abstract="Hives, honey and wax."),
        *(paper(n, title=TITLES[n % 12], abstract=sentence(n + 1)) for n in range(11, 31) if n % 10),
    )
    found = titles(papers, "bees")
    assert found.index("The apiary") < found.index("A Grammar of Whistled Languages")
    monkeypatch.setattr(query, "FEEDBACK", 0.0)
    papers.once(query._answers).held.clear()
    assert "The apiary" not in titles(papers, "bees")


def test_what_else_came_that_day_does_not_move_a_share_much_nor_the_cut():
    near = paper(1, title="Bees and hives", abstract="Honey of bees in hives.")
    alone, among = pool(near, history=earlier()), pool(near, *(paper(n) for n in range(20, 60)), history=earlier())
    one, other = (answer(given, "bees in their hives") for given in (alone, among))
    row = next(row for row, entry in enumerate(among.entries) if entry.work == near.work)
    assert one.near[0]
    assert other.near[row]
    assert one.share[0] == pytest.approx(other.share[row], abs=0.1)
    assert one.cut == pytest.approx(other.cut, abs=0.05)


def test_a_quiet_day_says_so_and_a_loud_one_does_not():
    profile = Profile(topics=("bees in their hives", "grammar of whistles"))
    papers = pool(paper(1, title="Bees and hives", abstract="Honey of bees in hives."), history=earlier())
    assert quiet_topics(papers, profile) == ("grammar of whistles",)
    figures = measure(papers, profile).figures(0)
    assert figures["topics"] == ("bees in their hives",)
    assert figures["quiet"] == ("grammar of whistles",)
    assert quiet_topics(pool(history=earlier()), profile) == profile.topics


def test_near_is_half_of_the_share_or_more():
    papers = pool(*(paper(n, title=f"Paper {n}", abstract=sentence(n)) for n in range(40)), history=earlier())
    for topic in ("bees", "tides and silt in estuaries", "proofs", "lasers for rails"):
        found = answer(papers, topic)
        assert ((found.share >= 0.5) == found.near).all()
        assert 0 <= found.share.min() <= found.share.max() < 1


@pytest.mark.parametrize(
    "topic",
    [
        "",
        " ",
        "the of and",
        "...",
        "🐝",
        "<b>&amp;",
        "\x00",
        "zzz",
        "Die Grenzen meiner Sprache",
        "大模型推理",
        "c++",
        "a" * 9999,
    ],
)
def test_topics_that_say_nothing_here_find_nothing_and_break_nothing(topic):
    papers = pool(*(paper(n) for n in range(12)), history=earlier())
    found = answer(papers, topic)
    assert not found.near.any()
    assert np.isfinite(found.share).all()
    assert quiet_topics(papers, Profile(topics=(topic,))) == (topic,)


def test_a_topic_in_chinese_finds_a_chinese_paper():
    papers = pool(paper(1, title="用大模型推理", abstract="我们研究大模型的推理。"), *(paper(n) for n in range(2, 12)))
    assert titles(papers, "大模型推理")[0] == "用大模型推理"


def test_nothing_to_rank_and_papers_without_a_word_are_no_trouble():
    assert answer(pool(), "bees").share.shape == (0,)
    empty = pool(paper(1, title="", abstract=""), history=(paper(2, title="", abstract=""),))
    assert answer(empty, "bees").share.tolist() == [0.0]


def test_five_thousand_words_cost_no_more_than_a_few():
    papers = pool(*(paper(n, title=f"Paper {n}", abstract=sentence(n)) for n in range(200)), history=earlier())
    papers.once(shelf_of)
    answer(papers, "bees")
    began = time.process_time()
    found = answer(papers, " ".join(f"{word} {number}" for number, word in enumerate(WORDS * 84)))
    answer(papers, " ".join(np.random.default_rng(0).choice(WORDS, 5000)))
    # Generous: it takes some 5 ms.
    assert time.process_time() - began < 0.5
    assert np.isfinite(found.share).all()


def test_readers_of_one_topic_share_its_answer_and_old_ones_are_dropped(monkeypatch):
    monkeypatch.setattr(query, "KEPT", 2)
    papers = pool(paper(1), paper(2))
    first = answer(papers, "Whistled Languages!")
    assert answer(papers, "whistled  language") is first
    answer(papers, "bees")
    answer(papers, "robots")
    assert answer(papers, "whistled languages") is not first


def test_the_order_in_which_papers_came_changes_nothing():
    entries = [paper(n, title=TITLES[n % 12], abstract=sentence(n)) for n in range(60)]
    one = pool(*entries, history=earlier())
    other = pool(*entries[::-1], history=earlier()[::-1])
    for topic in ("bees and their hives", "robots"):
        assert answer(one, topic).share.tolist() == answer(other, topic).share.tolist()
    assert [entry.work for entry in one.entries] == [entry.work for entry in other.entries]


def test_one_more_keyword_or_topic_never_lowers_a_paper():
    papers = pool(*(paper(n, title=TITLES[n % 12], abstract=sentence(n)) for n in range(30)), history=earlier())
    less = Profile(topics=("bees",), weights=ONLY_TOPIC)
    for more in (replace(less, keywords=("grammar",)), replace(less, topics=("bees", "proof search"))):
        assert (measure(papers, more).share >= measure(papers, less).share).all()


def test_words_that_the_store_saw_everywhere_say_little():
    """Here "bees" is rare and "hives" common; in the store it is the other way round."""
    papers = (
        paper(1, title="Bees"),
        *(paper(n, title="Hives") for n in range(2, 6)),
        *(paper(n, title="Rain") for n in range(6, 12)),
    )
    here = pool(*papers)
    seen = Evidence(terms={"bee": 90_000, "hive": 20, "rain": 50}, documents=100_000)
    there = Pool(papers, now=NOW, evidence=seen)
    assert titles(here, "bees hives")[0] == "Bees"
    assert titles(there, "bees hives")[0] == "Hives"
