"""Profile files and readers' own preferences over a digest's profile."""

from __future__ import annotations

import pytest

from digest.config import apply_preferences, parse_profile
from digest.config.preferences import Preferences
from digest.model.errors import ConfigError
from digest.model.people import Mutes, Profile, Weights

BASE = Profile(categories=(("cs.CL", 2.0),), keywords=("speech",), max_items=10, language="de")


def test_a_profile_file_becomes_a_profile():
    table = {
        "categories": ["cs.CL", "cs.LG"],
        "mute": {"authors": ["Bob Broke"], "categories": ["cs.CR"]},
        "weights": {"trend": 100},
        "likes": ["arxiv:2510.01459"],
        "dislikes": ["2510.00001"],
    }
    assert parse_profile(table, where="p.toml", base=None) == Profile(
        categories=(("cs.CL", 1.0), ("cs.LG", 1.0)),
        mute=Mutes(authors=("Bob Broke",), categories=("cs.CR",)),
        weights=Weights(trend=100, topic=0, people=0, novelty=0),
        likes=("arxiv:2510.01459",),
        dislikes=("2510.00001",),
    )


def test_an_empty_profile_changes_nothing():
    assert parse_profile({}, where="p.toml") == Profile()
    assert apply_preferences(BASE, {}) == BASE


def test_a_key_that_is_given_replaces_and_the_others_stay():
    changed = apply_preferences(BASE, {"keywords": ["vision"], "max_items": None, "layout": "titles"})
    assert changed == Profile(categories=(("cs.CL", 2.0),), keywords=("vision",), layout="titles", language="de")


def test_weights_given_in_another_order_of_keys_are_the_same_profile():
    one = apply_preferences(BASE, {"weights": {"trend": 1, "topic": 2}})
    assert one.key == apply_preferences(BASE, {"weights": {"topic": 2, "trend": 1}}).key


def test_a_category_may_have_a_weight_alone_or_bounds_too():
    table = {"categories": {"cs.CL": {"weight": 3, "min": 1, "max": 4}, "cs": {"LG": {"max": 2}, "CV": 2}, "cs.RO": 1}}
    profile = parse_profile(table, where="p.toml")
    assert profile.categories == (("cs.CL", 3.0), ("cs.LG", 1.0), ("cs.CV", 2.0), ("cs.RO", 1.0))
    assert profile.seats == (("cs.CL", 1, 4), ("cs.LG", 0, 2))
    assert apply_preferences(profile, {"categories": ["cs.CL"]}).seats == ()
    assert apply_preferences(profile, {"max_items": 3}).seats == profile.seats


@pytest.mark.parametrize(
    ("table", "what", "try_"),
    [
        ({"keyword": ["x"]}, "keyword is not known", 'did you mean "keywords"?'),
        ({"send_at": "07:00"}, "send_at is not known", "known are"),
        ({"keywords": "x"}, "keywords should be a list of texts", ""),
        ({"keywords": [1]}, "keywords 1 should be a text in quotes", ""),
        ({"keywords": [" "]}, "keywords holds an empty text", ""),
        ({"keywords": ["a\ud800"]}, "keywords holds half a character", ""),
        ({"likes": ["\udfff"]}, "likes holds half a character", ""),
        ({"mute": ["\ud800"]}, "holds half a character", ""),
        ({"categories": ["\ud800"]}, "categories holds half a character", ""),
        ({"categories": {"\ud800": 1}}, "categories holds half a character", ""),
        ({"categories": {"cs.CL": {"max": 2, "\ud800": 3}}}, "categories holds half a character", ""),
        ({"keyword\ud800": []}, "should be a valid string", ""),
        ({"categories": {"cs.CL": "much"}}, 'the weight of "cs.CL" should be a number above 0', ""),
        ({"categories": {"cs.CL": 0}}, 'the weight of "cs.CL" should be a number above 0', ""),
        ({"categories": {"cs.CL": {"weight": -1}}}, 'the weight of "cs.CL" should be a number above 0', ""),
        ({"categories": {"cs.CL": float("nan")}}, 'the weight of "cs.CL" should be a number above 0', ""),
        ({"categories": {"cs.CL": {"min": 3, "max": 2}}}, 'the max of "cs.CL" (2) should not be below its min (3)', ""),
        ({"categories": {"cs.CL": {"min": -1}}}, 'the min of "cs.CL" should be a whole number of papers from 0', ""),
        ({"categories": {"cs.CL": {"max": 0}}}, 'the max of "cs.CL" should be a whole number of papers from 1', ""),
        ({"categories": {"cs.CL": {"max": 1.5}}}, 'the max of "cs.CL" should be a whole number of papers', ""),
        ({"categories": {"cs.CL": {"max": 2, "wait": 3}}}, '"cs.CL" has no "wait"; a category has weight, min', ""),
        ({"categories": {"": 3}}, "categories should be a list such as", ""),
        ({"categories": 3}, "categories should be a list such as", ""),
        ({"weights": {"trend": -1}}, "[weights] trend should be greater than or equal to 0", ""),
        ({"weights": {"trend": float("nan")}}, "[weights] trend should be a finite number", ""),
        ({"min_score": 101}, "min_score should be less than or equal to 100", ""),
        ({"max_items": 0}, "max_items should be greater than or equal to 1", ""),
        ({"layout": "ful"}, "layout should be", 'did you mean "full"?'),
    ],
)
def test_a_wrong_profile_is_refused_by_name(table, what, try_):
    with pytest.raises(ConfigError) as caught:
        parse_profile(table, where="p.toml")
    assert caught.value.where == "p.toml"
    assert what in caught.value.what
    assert try_ in caught.value.try_


def test_likes_are_refused_where_they_are_not_allowed():
    with pytest.raises(ConfigError, match="likes is not known"):
        parse_profile({"likes": ["x"]}, where="form", allow_likes=False)


def test_every_preference_is_a_field_of_the_profile():
    assert set(Preferences.model_fields) <= set(Profile.__dataclass_fields__)


def test_the_same_wishes_written_otherwise_are_one_profile():
    one = parse_profile(
        {"keywords": ["LoRA", "quantization"], "mute": ["survey", "Review"], "categories": {"cs.CL": 2, "cs.LG": 4}},
        where="a",
    )
    other = parse_profile(
        {
            "keywords": ["quantization", "LoRA ", "LoRA"],
            "mute": ["Review", "survey"],
            "categories": {"cs.CL": 1, "cs.LG": 2},
        },
        where="b",
    )
    assert one == other and one.key == other.key
    assert one.key != parse_profile({"keywords": ["LoRA"]}, where="c").key
    assert parse_profile({"categories": {"cs.CL": 0.5, "cs.LG": 1}}, where="d").categories == (
        ("cs.CL", 0.5),
        ("cs.LG", 1.0),
    )
