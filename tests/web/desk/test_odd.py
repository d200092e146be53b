"""Odd letters and numbers in forms and paths: said, or stored as they can be, on both databases; never a fault."""

from __future__ import annotations

import json

import pytest

from tests.services.road import paper


@pytest.mark.parametrize(
    "profile",
    [
        '{"keywords": ["\\ud800"]}',
        '{"categories": ["\\ud800"]}',
        '{"categories": {"\\ud800": 2}}',
        '{"mute": {"\\ud800": 1}}',
        '{"\\ud800": 1}',
        '{"max_items": ' + "1" * 5_000 + "}",
        "max_items = " + "1" * 5_000,
    ],
    ids=["keyword", "category", "weight", "mute", "key", "long in JSON", "long in TOML"],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_profile_that_nothing_can_hold_is_refused(road, desk, profile):
    who = road.reader().subscriber_id
    assert desk.post(f"/desk/subscribers/{who}/settings", digest="daily", profile=profile).status_code == 422
    assert desk.post("/desk/digests/daily", profile=profile).status_code == 422
    assert desk.get(f"/desk/subscribers/{who}").status_code == 200


def test_a_nul_is_no_fault(road, desk):
    who = road.reader().subscriber_id
    road.bring(paper(1))
    for query in ({"who": "\0"}, {"about": "\0"}):
        assert desk.get("/desk/log", **query).status_code == 200
    for path, fields in (
        (f"/desk/subscribers/{who}/leave", {"digest": "a\0b"}),
        (f"/desk/subscribers/{who}/suppress", {"reason": "operator", "detail": "a\0b"}),
        ("/desk/suppressions/add", {"address": "x@example.org", "reason": "operator", "detail": "a\0b"}),
        (f"/desk/subscribers/{who}/settings", {"digest": "daily", "profile": json.dumps({"keywords": ["a\0b"]})}),
    ):
        assert desk.post(path, **fields).status_code == 303, path
    assert [one.detail for one in road.app.subscribe.suppressions()] == ["a\ufffdb"] * 2
    assert "a\ufffdb" in desk.get("/desk/log", about=f"subscriber {who}").text
    assert desk.get(f"/desk/subscribers/{who}").status_code == 200
