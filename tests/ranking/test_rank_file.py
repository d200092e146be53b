"""``digest rank FILE.jsonl`` as the contract puts it, with the real identity of stage 2."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import datetime
from itertools import pairwise

import pytest

from digest.model.errors import InputError
from digest.model.people import Mutes, Profile, Weights
from digest.ranking.observations import Line, read_lines
from digest.ranking.rank_file import rank_file
from digest.services.learning.rank_file import IDENTITY
from tests.ranking.samples import TITLES


def line(number, **said):
    return {
        "id": f"2506.{number:05}",
        "title": f"{TITLES[number % 12]} {number}",
        "abstract": TITLES[(number * 5) % 12],
        "authors": ["Ada Moreno", f"Li Wei {hashlib.sha256(bytes([number])).hexdigest()[:6]}"],
        "categories": ["cs.CL"] if number % 2 else ["cs.CV", "cs.LG"],
        "upvotes": None if number % 5 == 0 else number * 2,
        "submitted_at": "2025-06-02T21:00:00Z",
        "published_at": f"2025-06-01T{number % 24:02}:00:00Z",
        "observed_at": "2025-06-03T09:00:00Z",
        "source": "hf",
    } | said


FILE = [line(number) for number in range(1, 31)]


def ranked(lines=FILE, profiles=(), history=(), **how):
    numbered = [[Line(number=n, says=says) for n, says in enumerate(part, 1)] for part in (lines, history)]
    named = [(f"p{n}", profile) for n, profile in enumerate(profiles)]
    document = rank_file(numbered[0], identity=IDENTITY, profiles=named, history=numbered[1], **how)
    return json.loads(json.dumps(document))


def listed(document):
    return [item["id"] for item in document["items"]]


def test_without_a_profile_every_line_is_listed_once_by_the_trend_alone():
    document = ranked()
    assert document["at"] == "2025-06-03T09:00:00Z"
    assert sorted(listed(document)) == sorted(one["id"] for one in FILE)
    assert [item["rank"] for item in document["items"]] == list(range(1, 31))
    voted = [int(one[-2:]) for one in listed(document) if int(one[-2:]) % 5]
    assert voted[:3] == [29, 28, 27]
    # The prior tells papers with nearly equal votes apart, and no more than that.
    assert all(above > below - 3 for above, below in pairwise(voted))
    first = document["items"][0]
    assert first == {
        "rank": 1,
        "id": "2506.00029",
        "score": first["score"],
        "probability": None,
        "parts": [{"key": "trend", "points": first["score"], "why": first["parts"][0]["why"]}],
        "category": "cs.CL",
        "also": [],
    }
    assert first["parts"][0]["why"].startswith("58 votes in 12 h")
    for item in document["items"]:
        assert (item["probability"] is not None) == (int(item["id"][-2:]) % 5 == 0)


def test_points_sum_to_the_score_for_every_profile():
    profiles = [Profile(), Profile(keywords=("bees",)), Profile(weights=Weights(trend=0, topic=1, people=1, novelty=7))]
    document = ranked(profiles=profiles, history=[line(number) for number in range(40, 60)])
    assert [one["profile"] for one in document["profiles"]] == ["p0", "p1", "p2"]
    for one in document["profiles"]:
        assert len(one["items"]) == 30
        assert all(sum(part["points"] for part in item["parts"]) == item["score"] for item in one["items"])


def test_the_order_of_the_lines_changes_nothing():
    shuffled = random.Random(7).sample(FILE, len(FILE))
    profile = Profile(keywords=("bees",), topics=("robots",), categories=(("cs.CV", 1.0), ("cs.CL", 2.0)), max_items=9)
    for profiles in ((), (profile,)):
        assert ranked(FILE, profiles) == ranked(shuffled, profiles)


def test_lines_of_one_work_are_one_item_with_the_first_lines_id():
    lines = [
        line(1, id="first", url="https://arxiv.org/abs/2506.77777v2", upvotes=None, source="arxiv"),
        line(2),
        line(1, id="doi-line", doi="10.48550/arXiv.2506.77777", upvotes=7),
        line(1, id="2506.77777v1", upvotes=9, observed_at="2025-06-03T08:00:00Z"),
        line(1, id="no ids but title and author", upvotes=None, title=f"{TITLES[1]}: 1", source="blog"),
        line(1, id="same title, other people", authors=["Someone Else"], upvotes=None),
    ]
    items = {item["id"]: item for item in ranked(lines)["items"]}
    assert sorted(items) == ["2506.00002", "first", "same title, other people"]
    assert items["first"]["also"] == ["doi-line", "2506.77777v1", "no ids but title and author"]
    assert items["first"]["parts"][0]["why"].startswith("7 votes in 12 h")


def test_two_arxiv_ids_never_become_one_work():
    assert len(ranked([line(1), line(2, title=line(1)["title"])])["items"]) == 2


def test_nothing_observed_after_the_instant_is_used():
    later = line(1, upvotes=999, observed_at="2025-06-03T10:00:00Z")
    only_later = line(40, observed_at="2025-06-03T09:30:00Z")
    at = ranked(FILE)["at"]
    cut = ranked([*FILE, later, only_later], at=datetime.fromisoformat(at), history=[later | {"id": "x"}])
    assert cut == ranked(FILE)


def test_an_age_without_submission_is_counted_from_publication():
    lines = [line(1, submitted_at=None, published_at="2025-06-03T05:00:00Z", upvotes=8)]
    assert ranked(lines)["items"][0]["parts"][0]["why"].startswith("8 votes in 4 h")


def test_a_profile_cuts_only_by_what_it_names():
    assert len(ranked(profiles=[Profile()])["items"]) == 30
    named = Profile(categories=(("cs.LG", 3.0), ("cs.CL", 1.0)), max_items=8)
    items = ranked(profiles=[named])["items"]
    assert [item["category"] for item in items].count("cs.LG") == 6
    assert [item["category"] for item in items].count("cs.CL") == 2
    assert [item["score"] for item in items] == sorted((item["score"] for item in items), reverse=True)
    assert len(ranked(profiles=[Profile(max_items=4)])["items"]) == 4
    assert {item["score"] >= 60 for item in ranked(profiles=[Profile(min_score=60)])["items"]} == {True}
    assert len(ranked(profiles=[Profile(per_category=2)])["items"]) == 4
    assert len(ranked(limit=3)["items"]) == 3


def test_mutes_always_win():
    muted = Profile(keywords=("bees",), mute=Mutes(anything=("bees",)))
    left = listed(ranked(profiles=[muted]))
    gone = {one["id"] for one in FILE if "Bees" in one["title"] + one["abstract"]}
    assert gone
    assert set(left) == {one["id"] for one in FILE} - gone


def test_liked_and_disliked_lines_are_not_listed_but_inform():
    bees = line(70, title="Microphones for bees", abstract="Acoustic sensors counting bees.", submitted_at=None)
    topic = Weights(trend=0, topic=1, people=0, novelty=0)
    liking = Profile(weights=topic, likes=(bees["id"], "2506.00005"), dislikes=("https://arxiv.org/abs/2506.00011",))
    items = ranked(profiles=[liking], history=[bees, *(line(n) for n in range(80, 99))])["items"]
    assert {"2506.00005", "2506.00011", bees["id"]}.isdisjoint(item["id"] for item in items)
    assert len(items) == 28
    assert "Bees" in FILE[int(items[0]["id"][-2:]) - 1]["title"]
    assert items[0]["parts"][0]["why"].startswith("like papers you liked")


def test_history_is_never_listed_and_later_lines_erase_nothing():
    whole = line(70, title=f"{TITLES[5]} again", abstract=TITLES[1])
    later = {"id": whole["id"], "source": "hf", "observed_at": "2025-06-03T08:00:00Z", "upvotes": 90}
    novelty = Profile(weights=Weights(trend=0, topic=0, people=0, novelty=1))
    others = [line(n) for n in range(80, 99) if n % 12 != 5]
    with_later = ranked(profiles=[novelty], history=[whole, later, *others])
    without = ranked(profiles=[novelty], history=[whole, *others])
    assert [(one["id"], one["parts"]) for one in with_later["items"]] == [
        (one["id"], one["parts"]) for one in without["items"]
    ]
    assert len(with_later["items"]) == 30
    assert any("again" in item["parts"][0]["why"] for item in with_later["items"])


def test_missing_keys_are_null_and_unknown_ones_ignored():
    bare = {"id": "x1", "observed_at": "2025-06-03T09:00:00Z", "list_rank": 3, "organization": "Hive Lab"}
    profile = Profile(institutions=("hive lab",))
    (item,) = ranked([bare], [profile])["items"]
    assert (item["id"], item["category"], item["also"]) == ("x1", None, [])
    assert {"key": "people", "points": 9, "why": "from Hive Lab"} in item["parts"]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('{"id": "a"}\n\n{"id": ', "F, line 3", "line 3 is not JSON"),
        ("[1]", "F, line 1", "line 1 is not a JSON object"),
        ('\n{"title": "no id"}', "F, line 2", "line 2 has no id"),
        ('{"id": 2506.1}', "F, line 1", "line 1 has id = 2506.1, which is not a text"),
        ('{"id": "a", "upvotes": "9"}', "F, line 1", 'line 1 has upvotes = "9", which is not a whole number'),
        ('{"id": "a", "upvotes": Infinity}', "F, line 1", "line 1 has upvotes = Infinity, which is not a whole number"),
        ('{"id": "a", "authors": "A, B"}', "F, line 1", 'line 1 has authors = "A, B", which is not a list of texts'),
        (
            '{"id": "a", "observed_at": "soon"}',
            "F, line 1",
            'line 1 has observed_at = "soon", which is not an ISO 8601',
        ),
        ('{"id": "a"}', "F", "no line has observed_at"),
    ],
)
def test_a_bad_line_is_named(text, where, what):
    with pytest.raises(InputError) as caught:
        rank_file(read_lines(text.split("\n"), name="F"), identity=IDENTITY, name="F")
    assert caught.value.where == where
    assert caught.value.what.startswith(what)
    assert caught.value.try_
