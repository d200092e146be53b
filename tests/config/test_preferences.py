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


@pytest.mark.parametrize(
    ("table", "what", "try_"),
    [
        ({"keyword": ["x"]}, "keyword is not known", 'did you mean "keywords"?'),
        ({"send_at": "07:00"}, "send_at is not known", "known are"),
        ({"keywords": "x"}, "keywords should be a list of texts", ""),
        ({"keywords": [1]}, "keywords 1 should be a text in quotes", ""),
        ({"keywords": [" "]}, "keywords holds an empty text", ""),
        ({"categories": {"cs.CL": "much"}}, 'the weight of "cs.CL" should be a number above 0', ""),
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
