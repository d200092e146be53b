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


def test_minimums_are_seated_before_all_others_and_by_the_same_rule():
    full = {"a": 9, "b": 9, "c": 9}
    assert dhondt({"a": 9.0, "b": 1.0, "c": 1.0}, full, 5, {"c": 1}) == {"a": 4, "b": 0, "c": 1}
    assert dhondt({"a": 9.0, "b": 1.0, "c": 1.0}, full, 2, {"a": 1, "b": 1, "c": 1}) == {"a": 1, "b": 1, "c": 0}
    assert dhondt({"a": 9.0, "b": 1.0}, {"a": 9, "b": 1}, 5, {"b": 3}) == {"a": 4, "b": 1}
    assert dhondt({"a": 0.0}, {"a": 9}, 5) == {"a": 0}
    assert dhondt({}, {}, 5) == {}


@given(
    st.lists(st.tuples(st.floats(0.05, 10), st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=6),
    st.integers(1, 30),
)
def test_every_minimum_is_kept_where_there_are_seats_and_papers_for_it(wishes, seats):
    names = [f"c{n}" for n in range(len(wishes))]
    weights, at_least, available = ({n: wish[k] for n, wish in zip(names, wishes, strict=True)} for k in range(3))
    held = dhondt(weights, available, seats, at_least)
    owed = {name: min(at_least[name], available[name]) for name in names}
    assert sum(held.values()) == min(seats, sum(available.values()))
    assert all(held[name] <= available[name] for name in names)
    if sum(owed.values()) <= seats:
        assert all(held[name] >= owed[name] for name in names)


def test_a_category_has_at_least_and_at_most_what_the_profile_says():
    entries = [paper(n, votes=round(10 * 1.4**n), categories=("cs.CL" if n > 5 else "cs.CV",)) for n in range(1, 21)]
    weights = (("cs.CL", 20.0), ("cs.CV", 1.0))
    assert ids(chosen(entries, Profile(categories=weights, max_items=4))) == [("cs.CL", [20, 19, 18, 17])]
    bound = Profile(categories=weights, seats=(("CS.CV", 1, None), ("cs.CL", 0, 2)), max_items=4)
    selection = chosen(entries, bound)
    assert ids(selection) == [("cs.CL", [20, 19]), ("cs.CV", [5, 4])]
    assert {reason for one, reason in selection.left_out if one.category == "cs.CL"} == {"per-category"}
    assert {reason for one, reason in selection.left_out if one.category == "cs.CV"} == {"max-items"}
    without_seats = chosen(entries, bound, default_max_items=None)
    assert without_seats.printed == 4
    narrower = Profile(categories=weights, seats=(("cs.CL", 0, 2),), per_category=1)
    assert chosen(entries, narrower).printed == 2


def test_a_category_that_nobody_has_passes_its_seats_on():
    entries = [paper(n, votes=round(10 * 1.4**n)) for n in range(1, 5)]
    profile = Profile(categories=(("cs.XX", 9.0), ("cs.CL", 1.0)), seats=(("cs.XX", 2, None),), max_items=3)
    assert ids(chosen(entries, profile)) == [("cs.CL", [4, 3, 2])]


SAME_TEXT = "An abstract about the tides of narrow estuaries and the sediment that they carry from the sea to the land."


def twin_papers():
    """1 and 2 are nearly the same; 3 is a little, 4 is far behind them."""
    twin = {"title": "Tidal Sediment in Estuaries, Part One", "abstract": SAME_TEXT}
    return [
        paper(1, votes=500, **twin),
        paper(2, votes=400, **{**twin, "title": "Tidal Sediment in Estuaries, Part Two"}),
        paper(3, votes=300),
        paper(4, votes=0, hours=90),
    ]


def test_the_second_of_two_papers_that_are_nearly_the_same_stands_behind_the_next_ones():
    assert ids(chosen(twin_papers(), Profile(max_items=2))) == [("cs.CL", [1, 3])]
    assert ids(chosen(twin_papers(), Profile(max_items=3))) == [("cs.CL", [1, 2, 3])]
    weighted = Profile(categories=(("cs.CL", 1.0),), max_items=2)
    assert ids(chosen(twin_papers(), weighted)) == [("cs.CL", [1, 3])]


def test_a_twin_is_no_reason_where_nothing_is_cut_or_the_other_is_not_printed():
    assert ids(chosen(twin_papers(), Profile(), default_max_items=None)) == [("cs.CL", [1, 2, 3, 4])]
    muted = Profile(max_items=2, mute=Mutes(keywords=("Part One",)))
    assert ids(chosen(twin_papers(), muted)) == [("cs.CL", [2, 3])]


def test_every_candidate_that_is_not_muted_is_counted_for_its_category():
    entries = [
        paper(1, categories=("cs.LG", "cs.CL")),
        paper(2, categories=("cs.CL",)),
        paper(3, categories=("math.AG",)),
        paper(4, categories=()),
        paper(5, categories=("cs.CL",), institutions=("Acme",)),
    ]
    mute = Mutes(institutions=("acme",))
    assert chosen(entries, Profile(mute=mute)).candidates == {"cs.lg": 1, "cs.cl": 1, "math.ag": 1, "other": 1}
    wished = Profile(categories=(("cs.CL", 1.0),), mute=mute, max_items=1)
    assert chosen(entries, wished).candidates == {"cs.cl": 2, "math.ag": 1, "other": 1}
    assert chosen([], wished).candidates == {}


def test_what_is_left_out_is_a_sequence():
    left_out = chosen([paper(n, votes=round(10 * 1.4**n)) for n in range(1, 5)], Profile(max_items=1)).left_out
    assert len(left_out) == 3
    assert [one.entry.id for one, _ in left_out[1:]] == [2, 1]
    assert left_out[0][0].entry.id == 3


def test_sections_stand_by_weight_and_papers_by_score():
    entries = [paper(n, votes=round(10 * 1.4**n), categories=("cs.CL" if n % 2 else "cs.CV",)) for n in range(1, 21)]
    profile = Profile(categories=(("cs.CV", 1.0), ("cs.CL", 3.0)), max_items=8)
    assert ids(chosen(entries, profile)) == [("cs.CL", [19, 17, 15, 13, 11, 9]), ("cs.CV", [20, 18])]


def test_without_categories_the_best_are_printed_in_a_section_for_each_primary_category():
    entries = [paper(n, votes=round(10 * 1.4**n), categories=("cs.CL" if n % 2 else "cs.CV",)) for n in range(1, 21)]
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
