"""The prior: what it is fitted on, what it never sees, how it is kept, and the laws of the trend that rests on it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pytest

from digest.model.errors import InputError
from digest.model.feeds import SourceId, VoteObservation, WorkId
from digest.model.names import person_key
from digest.model.people import Profile, Weights
from digest.model.ranking import Evidence, Record
from digest.ranking.pool import Pool
from digest.ranking.prior.features import HISTORY, PLAIN, history, plain, terms
from digest.ranking.prior.fit import Example, fit
from digest.ranking.prior.growth import USUAL, fit_growth
from digest.ranking.prior.judge import choose, judge, shipped
from digest.ranking.prior.records import author_records, institution_records
from digest.ranking.prior.solve import dense_logistic, logistic, sparse, sparse_logistic, sparse_ridge
from digest.ranking.prior.walk import walk
from digest.ranking.prior.weights import dump, load
from digest.ranking.rank import rank
from digest.ranking.signals.trend import expected_votes, outlook, seen_share
from tests.ranking.samples import NOW, paper

HF = SourceId("hf")
TREND_ONLY = Profile(weights=Weights(trend=1, topic=0, people=0, novelty=0))
DAY = timedelta(days=1)


def count(votes, at):
    return VoteObservation(source_id=HF, at=at, upvotes=votes)


def example(number, *, at, votes=None, listed=False, final_after=timedelta(days=5), **said):
    """A work first seen at an instant; its final count was seen later."""
    entry = paper(number, first_seen_at=at, submitted_at=at, published_at=at - DAY, **said)
    seen = () if votes is None else (count(votes // 2, at), count(votes, at + final_after))
    return Example(entry=entry, votes=seen, listed=replace(entry, first_seen_at=at - DAY) if listed else None)


@cache
def invented():
    """2,400 works of 200 days: papers on whales by the Wests end with 60 votes, the others with 6 or no list at all."""
    chance = random.Random(6)
    works = []
    for number in range(2400):
        good = number % 4 == 0
        topic = "whales sing in the deep" if good else "gravel lies on the road"
        author = f"Ida West {number % 5}" if good else f"Jo East {number % 900}"
        votes = int((60 if good else 6) * chance.uniform(0.5, 1.5)) if good or number % 4 == 1 else None
        works.append(
            example(
                number,
                at=NOW - timedelta(days=220) + number * timedelta(hours=2),
                votes=votes,
                listed=True,
                title=f"How {topic}",
                abstract=f"We show that {topic}, {chance.choice(('often', 'rarely'))}.",
                authors=(author, "Li Wei"),
            )
        )
    return works


@cache
def fitted():
    return fit(invented(), until=NOW)


# What it is fitted on


def test_a_fit_learns_what_papers_end_with_and_which_are_featured():
    prior = fitted()
    good = paper(1, title="How whales sing in the deep", abstract="We show that whales sing.", authors=("New Name",))
    poor = paper(2, title="How gravel lies on the road", abstract="We show that gravel lies.", authors=("New Name",))
    said = judge(prior, [good, poor], Evidence())
    assert said.expected[0] > 3 * said.expected[1]
    assert said.probability[0] > 2 * said.probability[1]
    assert prior.saw.listed == 2400
    assert prior.saw.featured == 1200


def _counted_once(number, *, at):
    otter = number % 2 == 0
    entry = paper(
        9000 + number,
        first_seen_at=at,
        submitted_at=at,
        title="Otters dive" if otter else "Bricks lie",
        abstract="We film otters." if otter else "We count bricks.",
        authors=(f"Ann Lake {number}",),
    )
    return Example(entry=entry, votes=(count(20 if otter else 2, at),))


def test_works_that_were_counted_only_while_young_teach_too():
    """Otters had 20 votes on their first morning and bricks 2; nobody looked again."""
    works = [_counted_once(number, at=NOW - timedelta(days=215) + number * timedelta(hours=1)) for number in range(80)]
    prior = fit([*invented(), *works], until=NOW)
    assert prior.saw.votes == fitted().saw.votes

    def expected(prior, title, abstract):
        return judge(prior, [paper(1, title=title, abstract=abstract, authors=("Bo Hill",))], Evidence()).expected[0]

    otters, bricks = ("Otters dive", "We film otters."), ("Bricks lie", "We count bricks.")
    assert expected(prior, *otters) > 1.5 * expected(prior, *bricks)
    assert expected(fitted(), *otters) < 1.5 * expected(fitted(), *bricks)


def test_how_votes_come_in_is_learnt_from_counts_that_say_something():
    """10 votes of 30 were in after 6 hours. 1 of 100, oftener, is too few to be asked."""
    at = NOW - 9 * DAY
    counted = [
        (paper(number, submitted_at=at), (count(10 if number % 3 == 0 else 1, at + timedelta(hours=6)),))
        for number in range(1800)
    ]
    final = np.array([30.0 if number % 3 == 0 else 100.0 for number in range(1800)])
    growth = fit_growth(counted, final, NOW)
    assert seen_share(np.array([6.0]), growth)[0] == pytest.approx(10.5 / 30.5, abs=0.03)


def test_a_fit_does_not_depend_on_the_order_of_its_works():
    shuffled = random.Random(7).sample(invented(), 2400)
    assert dump(fit(shuffled, until=NOW)) == dump(fitted())


def test_nothing_seen_after_the_end_is_learnt():
    end = NOW - timedelta(days=60)
    known = [
        replace(one, votes=tuple(vote for vote in one.votes if vote.at <= end))
        for one in invented()
        if one.listed.first_seen_at <= end
    ]
    assert dump(fit(invented(), until=end)) == dump(fit(known, until=end))


def test_too_few_works_are_refused_and_too_few_listings_keep_the_shipped_model():
    with pytest.raises(InputError, match="only 100 works have final votes"):
        fit([one for one in invented() if one.votes][:100], until=NOW)
    unlisted = fit([replace(one, listed=None) for one in invented() if one.votes], until=NOW)
    assert unlisted.saw.listed == 0
    papers = [paper(n, abstract="We train a language model with reinforcement learning.") for n in range(5)]
    ours, theirs = (judge(one, papers, Evidence(prestige=False)).probability for one in (unlisted, shipped()))
    assert ours == pytest.approx(theirs)


# No leak


def test_a_work_is_explained_by_earlier_works_and_never_by_its_own_votes():
    ada = ("Ada Moreno",)
    first = example(1, at=NOW - 20 * DAY, votes=30, authors=ada)
    own = example(2, at=NOW - 10 * DAY, votes=900, authors=ada)
    # Listed a week after its votes came in: they must not speak for it either.
    own = replace(own, listed=replace(own.entry, first_seen_at=NOW - 3 * DAY))
    same_morning = example(3, at=NOW - 10 * DAY, votes=900, authors=ada)
    works = [(one.entry, one.listed, one.votes) for one in (first, own)]
    earlier = {person_key("Ada Moreno"): Record(works=1, voted=1, log_votes=float(np.log1p(30)))}
    for known in (walk(works, NOW), walk([*works, (same_morning.entry, None, same_morning.votes)], NOW)):
        assert known.of_entry[0][0].tolist() == history(first.entry, {}, {})
        assert known.of_entry[0][1] == pytest.approx(history(own.entry, earlier, {}))
    assert walk(works, NOW).of_listed[0][1] == pytest.approx(history(own.entry, earlier, {}))


def test_records_of_a_history_count_each_work_once():
    works = [
        paper(1, votes=7, authors=("Ada Moreno", "Moreno, Ada"), institutions=("Hive Lab",)),
        paper(2, authors=("Ada Moreno",)),
        paper(3, votes=-4, authors=("ADA MORENO",), institutions=("hive lab",)),
    ]
    assert author_records(works) == {"ada moreno": Record(works=3, voted=2, log_votes=pytest.approx(np.log(8)))}
    assert institution_records(works)["hive lab"].works == 2


# Prestige


def test_without_prestige_the_past_of_authors_changes_nothing():
    known = paper(1, authors=("Ida West 1",))
    unknown = paper(1, authors=("Nobody Atall",))
    past = Evidence(authors={"ida west 1": Record(works=9, voted=9, log_votes=40.0)}, prestige=False)
    for prior in (fitted(), shipped()):
        one, other = (judge(prior, [paper_], past) for paper_ in (known, unknown))
        assert one.probability == pytest.approx(other.probability)
        assert one.expected == pytest.approx(other.expected)
    assert judge(fitted(), [known], Evidence()).probability > judge(fitted(), [unknown], Evidence()).probability


# As data


def test_a_prior_is_read_back_as_it_was_written():
    body = dump(fitted())
    again = load(body)
    assert dump(again) == body
    entries = [paper(number) for number in range(20)]
    ours, theirs = (judge(one, entries, Evidence()) for one in (fitted(), again))
    assert ours.expected.tolist() == theirs.expected.tolist()
    assert ours.probability.tolist() == theirs.probability.tolist()


def test_the_shipped_prior_is_small_and_saw_nothing_of_2026():
    assert len(dump(shipped())) <= 150_000
    assert shipped().saw.last.year < 2026


def _other(change):
    document = json.loads(dump(shipped()))
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("", "not a fitted prior"),
        ("[1]", "not a fitted prior"),
        ("[" * 100_000, "not a fitted prior"),
        ('{"format": 2}', "is of format 2, and this version reads format 1"),
        ('{"format": 1}', "is damaged"),
        (_other(lambda said: said.update(vocabulary="one\ntwo")), "is damaged"),
        (_other(lambda said: said["votes"]["known"]["weights"].pop("code")), "is damaged"),
        (_other(lambda said: said["votes"]["known"].update(intercept=float("nan"))), "is damaged"),
        (_other(lambda said: said["growth"].update(tau=0)), "is damaged"),
        (_other(lambda said: said.update(people="AAAA")), "is damaged"),
    ],
)
def test_a_broken_or_foreign_prior_is_refused_and_the_shipped_one_used(body, what):
    with pytest.raises(InputError) as caught:
        load(body)
    assert what in caught.value.what
    if body:
        prior, why = choose(body)
        assert prior is shipped()
        assert what in why
    assert choose("") == (shipped(), "")


# The laws of the trend


def test_more_votes_never_lower_the_expectation():
    votes = np.array([0, 1, 2, 5, 40, 10**9], np.float64)
    for mu in (0.35, 5.0, 1800.0):
        for seen in (0.0, 0.3, 1.0):
            expected = expected_votes(np.full(6, mu), votes, np.full(6, seen))
            assert (np.diff(expected) > 0).all()


def test_more_votes_never_lower_a_rank():
    others = [paper(number, votes=number * 3, hours=number) for number in range(2, 30)]
    places = [
        [one.entry.work for one in rank([*others, paper(1, votes=votes)], TREND_ONLY, now=NOW)].index(
            "arxiv:2506.00001"
        )
        for votes in (0, 1, 3, 10, 30, 100, 10**9)
    ]
    assert places == sorted(places, reverse=True)


def test_a_count_of_no_age_is_not_multiplied_by_much():
    """Nobody knows how old it is, or it is minutes old: neither makes 50 of 10 votes."""
    pool = Pool([paper(number, votes=10, hours=hours) for number, hours in enumerate((0, 0.01, 1))], now=NOW)
    expected = pool.once(outlook).expected
    assert ((expected > 10) & (expected < 45)).all()


def test_the_share_seen_grows_from_nothing_to_all():
    shares = seen_share(np.array([-5.0, 0.0, 1.0, 10.0, 1e6]), USUAL)
    assert shares[:2].tolist() == [0.0, 0.0]
    assert (np.diff(shares[1:]) > 0).all()
    assert shares[-1] == pytest.approx(1.0)


BAD = {
    "negative votes": {"votes": (count(-5, NOW),)},
    "a billion votes": {"votes": (count(10**9, NOW),)},
    "future dates": {"votes": (count(3, NOW),), "submitted_at": NOW + 900 * DAY, "published_at": NOW + 800 * DAY},
    "no dates": {"submitted_at": None, "published_at": None, "votes": (count(3, NOW),)},
    "no abstract, no authors": {"abstract": "", "authors": (), "categories": ()},
    "in Chinese": {"title": "大型语言模型的推理", "abstract": "我们提出了一种新的方法。" * 50},
    "odd counts": {"comments": -3, "stars": 10**12, "comment": "99999999 pages", "institutions": ("",)},
    "long": {"abstract": "word " * 50_000, "authors": tuple(f"A B{n}" for n in range(3000))},
}


@pytest.mark.parametrize("said", BAD.values(), ids=BAD)
def test_bad_values_are_ranked_like_any_others(said):
    (odd,) = [replace(paper(1), **said)]
    ranked = rank([odd, paper(2, votes=5)], Profile(), now=NOW)
    assert len(ranked) == 2
    for one in ranked:
        assert 0 <= one.score <= 100
        assert np.isfinite(one.trend)
        assert one.probability is None or 0.0 < one.probability < 1.0
    assert all(np.isfinite(plain(odd)))
    assert len(plain(odd)) == len(PLAIN)
    assert len(history(odd, {}, {})) == len(HISTORY)


def test_terms_are_words_pairs_and_title_words():
    assert terms(paper(1, title="Big LLMs, C++", abstract="Two models. Two!")) == {
        *(
            "big",
            "llm",
            "c++",
            "t:big",
            "t:llm",
            "t:c++",
            "big llm",
            "llm c++",
            "two",
            "model",
            "two model",
            "model two",
        )
    }


# The regressions


def test_the_regressions_find_the_weights_that_made_the_data():
    chance = np.random.default_rng(6)
    documents = [np.sort(chance.choice(40, 10, replace=False)) for _ in range(3000)]
    table = sparse(documents, 40)
    true = chance.normal(size=40) * 3
    intercept, weights = sparse_ridge(table, 2.0 + table.times(true), 1e-6)
    assert intercept + table.times(weights) == pytest.approx(2.0 + table.times(true), abs=1e-3)
    labels = (chance.random(3000) < logistic(table.times(true) - 1.0)).astype(np.float64)
    base, found = sparse_logistic(table, labels, 0.5)
    assert np.corrcoef(true, found)[0, 1] > 0.95
    # At the optimum of a logistic model with a free intercept the chances add up to the events.
    assert logistic(base + table.times(found)).sum() == pytest.approx(labels.sum(), rel=1e-3)
    values = chance.normal(size=(3000, 3)) * (1.0, 100.0, 0.0)
    labels = (chance.random(3000) < logistic(values @ (1.0, -0.02, 5.0))).astype(np.float64)
    _, dense = dense_logistic(values, labels, 1.0)
    assert dense == pytest.approx((1.0, -0.02, 0.0), abs=0.15)
    assert dense[2] == 0.0


def test_a_work_of_another_kind_of_id_is_fitted_too():
    works = [replace(one, entry=replace(one.entry, work=WorkId(f"doi:10.1/{n}"))) for n, one in enumerate(invented())]
    assert fit(works, until=NOW).saw == fitted().saw
