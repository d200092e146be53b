"""What is printed: mutes win, seats follow the weights, and everything left out has a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.model.people import Mutes, Profile, Weights
from digest.ranking.rank import rank
from digest.ranking.select import DEFAULT_MAX_ITEMS, dhondt, select
from tests.ranking.samples import NOW, paper


def chosen(entries, profile, **how):
    return select(rank(entries, profile, now=NOW), profile, **how)


def ids(selection):
    return [(category, [one.entry.id for one in entries]) for category, entries in selection.sections]


@given(st.lists(st.floats(0.05, 10), min_size=1, max_size=6), st.integers(1, 60))
def test_dhondt_shares_are_near_the_weights(weights, seats):
    names = [f"c{n}" for n in range(len(weights))]
    given_ = dhondt(dict(zip(names, weights, strict=True)), dict.fromkeys(names, seats), seats)
    assert sum(given_.values()) == seats
    total = sum(weights)
    distance = sum(abs(given_[n] / seats - w / total) for n, w in zip(names, weights, strict=True)) / 2
    assert distance <= (len(weights) - 1) / seats + 1e-9


def test_dhondt_passes_on_the_seats_a_category_cannot_fill():
    assert dhondt({"a": 3.0, "b": 1.0, "c": 0.0}, {"a": 2, "b": 9, "c": 9}, 8) == {"a": 2, "b": 6, "c": 0}


def test_sections_stand_by_weight_and_papers_by_score():
    entries = [paper(n, votes=n, categories=("cs.CL" if n % 2 else "cs.CV",)) for n in range(1, 21)]
    profile = Profile(categories=(("cs.CV", 1.0), ("cs.CL", 3.0)), max_items=8)
    assert ids(chosen(entries, profile)) == [("cs.CL", [19, 17, 15, 13, 11, 9]), ("cs.CV", [20, 18])]


def test_without_categories_the_best_are_printed_in_a_section_for_each_primary_category():
    entries = [paper(n, votes=n, categories=("cs.CL" if n % 2 else "cs.CV",)) for n in range(1, 21)]
    assert ids(chosen(entries, Profile(max_items=3))) == [("cs.CV", [20, 18]), ("cs.CL", [19])]
    assert chosen(entries, Profile()).printed == DEFAULT_MAX_ITEMS
    assert chosen(entries, Profile(), default_max_items=None).printed == 20
    assert ids(chosen(entries, Profile(max_items=3, per_category=1))) == [("cs.CV", [20]), ("cs.CL", [19])]


MUTES = {
    "keyword": Mutes(keywords=("grammar",)),
    "author": Mutes(authors=("M. Vane",)),
    "institution": Mutes(institutions=("acme",)),
    "category": Mutes(categories=("cs.sd",)),
    "any keyword": Mutes(anything=("Whistled Language",)),
    "any author": Mutes(anything=("Mira Vane",)),
    "any institution": Mutes(anything=("Acme Research",)),
    "any category": Mutes(anything=("cs.SD",)),
}


@pytest.mark.parametrize("mute", MUTES.values(), ids=MUTES)
def test_a_mute_wins_over_keywords_votes_and_likes(mute):
    hit = paper(2, votes=5000, authors=("Mira Vane",), institutions=("Acme Research",), categories=("cs.CL", "cs.SD"))
    kept = paper(3, votes=1, abstract="programmar acmes")
    wanted = (*mute.keywords, *mute.authors, *mute.institutions, *mute.categories, *mute.anything)
    profile = Profile(keywords=("whistled", "grammar"), likes=(hit.work,), mute=mute)
    selection = chosen([hit, kept], profile)
    assert ids(selection) == [("cs.CL", [3])]
    assert selection.muted == ((hit, wanted[0]),)


def test_everything_left_out_has_its_reason():
    entries = [
        paper(1, votes=90),
        paper(2, votes=80),
        paper(3, votes=70, categories=("cs.CV",)),
        paper(4, votes=60, categories=("math.AG",)),
        paper(5, votes=50, categories=()),
        paper(6, votes=40, withdrawn=True),
        paper(7, votes=0, hours=90),
        paper(8, votes=90),
        paper(9, votes=90),
        paper(10, votes=60, categories=("cs.CV",)),
    ]
    profile = Profile(
        categories=(("cs.CL", 1.0), ("cs.CV", 1.0)),
        weights=Weights(trend=1, topic=0, people=0, novelty=0),
        max_items=2,
        per_category=1,
        min_score=20,
        likes=("arxiv:2506.00008",),
        dislikes=("arxiv:2506.00009",),
    )
    selection = chosen(entries, profile)
    assert ids(selection) == [("cs.CL", [1]), ("cs.CV", [3])]
    assert {one.entry.id: reason for one, reason in selection.left_out} == {
        2: "per-category",
        4: "category",
        5: "category unknown yet",
        6: "withdrawn",
        7: "below-min-score",
        8: "liked",
        9: "disliked",
        10: "per-category",
    }
    without_cap = chosen(entries[:2], Profile(categories=(("cs.CL", 1.0),), max_items=1))
    assert [reason for _, reason in without_cap.left_out] == ["max-items"]


def test_papers_of_unknown_category_are_printed_where_nothing_or_other_is_named():
    unknown = paper(1, categories=())
    assert ids(chosen([unknown], Profile())) == [("other", [1])]
    assert ids(chosen([unknown], Profile(categories=(("cs.CL", 1.0), ("other", 1.0))))) == [("other", [1])]
