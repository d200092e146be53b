"""The score: parts that sum, votes that only ever help, an order that nothing sways."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.model.feeds import SourceId, VoteObservation
from digest.model.people import Profile, Weights
from digest.model.ranking import Evidence
from digest.ranking.pool import Pool
from digest.ranking.rank import largest_remainder, points_of, rank, rank_pool
from tests.ranking.samples import NOW, TITLES, paper

PERSONAL = Profile(keywords=("diffusion models",), authors=("A. Moreno",), topics=("robots in warehouses",))
PROFILES = (Profile(), PERSONAL, replace(PERSONAL, weights=Weights(trend=1, topic=1, people=1, novelty=0)))


def papers(count: int = 24):
    return [paper(n, votes=None if n % 3 == 0 else n * 3, hours=2 + n, abstract=TITLES[n % 7]) for n in range(count)]


@pytest.mark.parametrize("profile", PROFILES)
def test_parts_sum_to_the_score_which_is_the_exact_score_rounded(profile):
    known = Evidence(history=tuple(paper(100 + n, votes=5) for n in range(30)))
    for one in rank(papers(), profile, now=NOW, evidence=known):
        assert one.score == sum(part.points for part in one.parts)
        assert abs(one.score - one.exact) <= 0.5
        assert 0 <= one.score <= 100
        assert all(part.points >= 0 for part in one.parts)


@given(st.lists(st.lists(st.floats(0, 33), min_size=3, max_size=3), min_size=1, max_size=20))
def test_largest_remainder_never_moves_a_part_by_a_point_or_more(rows):
    exact = np.array(rows)
    points = largest_remainder(exact)
    assert (abs(points - exact) <= 1).all()
    assert (abs(points.sum(axis=1) - exact.sum(axis=1)) <= 0.5 + 1e-6).all()


@given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0, 200))
def test_more_votes_at_the_same_age_never_lower_score_or_trend(one, other, hours):
    few, many = sorted((one, other))
    for profile in PROFILES[:2]:
        (low,) = rank([paper(1, votes=few, hours=hours)], profile, now=NOW)
        (high,) = rank([paper(1, votes=many, hours=hours)], profile, now=NOW)
        assert (low.trend, low.exact, low.score) <= (high.trend, high.exact, high.score)
        assert low.parts[0].points <= high.parts[0].points


@given(st.permutations(range(24)))
def test_the_order_in_which_entries_come_changes_nothing(order):
    entries = papers()
    known = Evidence(history=tuple(paper(100 + n, votes=5) for n in range(15)))
    assert rank([entries[n] for n in order], PERSONAL, now=NOW, evidence=known) == rank(
        entries, PERSONAL, now=NOW, evidence=known
    )


def test_the_same_paper_has_the_same_trend_points_whatever_it_is_listed_with():
    alone = rank([paper(1, votes=40)], Profile(), now=NOW)[0]
    among = next(one for one in rank(papers(), Profile(), now=NOW) if one.entry.work == alone.entry.work)
    other = rank([paper(1, votes=40), *(paper(n, votes=900) for n in range(2, 9))], Profile(), now=NOW)
    assert next(one for one in other if one.entry.work == alone.entry.work).parts == alone.parts
    assert among.parts[0].key == "trend"


def test_younger_votes_are_on_the_way_to_more():
    young, old = (rank([paper(1, votes=40, hours=h)], Profile(), now=NOW)[0] for h in (3, 60))
    assert young.trend > old.trend >= 40


def test_a_tie_is_broken_by_the_newer_publication():
    old = paper(1, votes=9, title="Same", published_at=NOW - timedelta(days=9))
    new = paper(2, votes=9, title="Same", published_at=NOW - timedelta(days=2))
    assert [one.entry.id for one in rank([old, new], Profile(), now=NOW)] == [2, 1]


def test_papers_without_votes_stand_at_half_their_probability_among_those_with():
    ranked = rank(papers(), Profile(weights=Weights(trend=7, topic=0, people=0, novelty=0)), now=NOW)
    voteless = [one for one in ranked if one.entry.upvotes is None]
    assert voteless
    for one in voteless:
        assert one.probability is not None
        assert one.exact == pytest.approx(50 * one.probability)
    assert all(one.probability is None for one in ranked if one.entry.upvotes is not None)


def test_weights_are_scaled_to_a_hundred_and_default_by_what_the_profile_names():
    assert points_of(Profile()) == {"trend": 95, "topic": 0, "people": 0, "novelty": 5}
    assert points_of(PERSONAL) == {"trend": 50, "topic": 30, "people": 15, "novelty": 5}
    named = Profile(weights=Weights(trend=0, topic=3, people=1, novelty=0))
    assert points_of(named) == {"trend": 0, "topic": 75, "people": 25, "novelty": 0}
    assert (
        rank([paper(1)], replace(named, weights=Weights(trend=0, topic=0, people=0, novelty=0)), now=NOW)[0].score == 0
    )


def test_keywords_authors_and_institutions_earn_their_shares():
    entries = [
        paper(4, votes=9, abstract="We model clouds."),
        paper(
            5,
            votes=9,
            abstract="A diffusion model hears bees.",
            authors=("A. B. Ito",),
            institutions=("Hive Lab, Oslo",),
        ),
        paper(6, votes=9, authors=("Ana Ito",)),
    ]
    profile = Profile(keywords=("diffusion model",), authors=("Ito, Aiko B.",), institutions=("hive lab",))
    parts = {one.entry.id: {p.key: p for p in one.parts} for one in rank(entries, profile, now=NOW)}
    assert parts[4]["topic"].points > parts[5]["topic"].points > parts[6]["topic"].points == 0
    assert parts[5]["people"].figures == {"authors": ("A. B. Ito",), "institutions": ("Hive Lab, Oslo",)}
    assert parts[5]["people"].points > 0 == parts[6]["people"].points
    assert parts[4]["topic"].figures == {"keywords": ("diffusion model",)}


def test_a_topic_puts_the_paper_about_it_first():
    profile = Profile(
        topics=("acoustic sensors that count bees",), weights=Weights(trend=0, topic=1, people=0, novelty=0)
    )
    assert rank(papers(12), profile, now=NOW)[0].entry.title == "Counting Bees with Acoustic Sensors"


def test_likes_raise_and_dislikes_lower_what_is_like_them():
    liked = paper(50, title="Bees heard by microphones", abstract="Acoustic sensors hear bees in hives.")
    pool = Pool(papers(12), now=NOW, evidence=Evidence(history=(liked, *(paper(200 + n) for n in range(12)))))
    only = Weights(trend=0, topic=1, people=0, novelty=0)

    def bees(profile):
        return next(one.exact for one in rank_pool(pool, profile) if "Bees" in one.entry.title)

    assert bees(Profile(weights=only)) == 0 < bees(Profile(weights=only, likes=(liked.work,)))
    keyword = Profile(weights=only, keywords=("bees",))
    assert bees(replace(keyword, dislikes=(liked.work,))) < bees(keyword)


def test_novelty_is_half_without_history_and_names_the_nearest_paper_with_one():
    only = Profile(weights=Weights(trend=0, topic=0, people=0, novelty=1))
    assert rank([paper(1)], only, now=NOW)[0].score == 50
    texts = (f"{TITLES[n % 12]} {TITLES[(n * 5) % 12]}" for n in range(40))
    copies = Evidence(history=tuple(paper(300 + n, abstract=text) for n, text in enumerate(texts)))
    crowded = rank([paper(5), paper(7, title="Quokka Mandolin Zither")], only, now=NOW, evidence=copies)
    part = next(one for one in crowded if one.entry.id == 5).parts[0]
    assert part.figures["neighbour"] == "Counting Bees with Acoustic Sensors"
    assert crowded[0].exact >= crowded[1].exact


def test_the_category_is_the_first_the_profile_names_else_the_primary_else_other():
    entries = [paper(1, categories=("cs.CV", "cs.CL")), paper(2, categories=("cs.RO",)), paper(3, categories=())]
    profile = Profile(categories=(("cs.cl", 2.0), ("cs.CV", 1.0)))
    assert {one.entry.id: one.category for one in rank(entries, profile, now=NOW)} == {
        1: "cs.CL",
        2: "cs.RO",
        3: "other",
    }


def test_an_empty_pool_ranks_to_nothing():
    assert rank([], PERSONAL, now=NOW) == ()


def test_more_votes_at_a_second_source_never_lower_the_score_either():
    early = VoteObservation(source_id=SourceId("a"), at=NOW - timedelta(hours=19), upvotes=10)
    scores = [
        rank([paper(1, hours=20, votes=9)], Profile(), now=NOW),
        *(
            rank(
                [
                    replace(
                        paper(1, hours=20), votes=(early, replace(early, source_id=SourceId("b"), at=NOW, upvotes=v))
                    )
                ],
                Profile(),
                now=NOW,
            )
            for v in (9, 11, 30)
        ),
    ]
    exact = [one[0].exact for one in scores]
    assert exact == sorted(exact)
