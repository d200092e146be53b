"""`digest trends`, `digest sources show` and `digest sources test`: what the desk shows, on the command line."""

from __future__ import annotations


def test_the_last_days_are_told_in_numbers(installed, call):
    call("fetch", "--all")
    call("subscribers", "add", "ada@example.org")
    told = call("trends", "--days", "2", "--json").json
    assert [day["day"] for day in told["days"]] == ["2026-03-02", "2026-03-03"]
    today = told["days"][1]
    assert (today["readers"], today["joined"], today["delivery"]) == (1, 1, None)
    # Both sources show the same papers: those count for whichever answers first.
    assert set(told["sources"]) == set(today["brought"]) <= {"hf-daily", "arxiv"}
    assert sum(today["brought"].values()) == call("status", "--json").json["entries"]
    assert today["fetch"]["number"] == 2
    text = call("trends", "--days", "2").out
    assert "2026-03-03" in text and "slot to server" in text
    assert call("trends", "--days", "91").code == 2


def test_a_source_is_shown_with_its_log(installed, call):
    call("fetch", "--all")
    shown = call("sources", "show", "arxiv").out
    assert "arxiv (arxiv, config) is ok." in shown
    assert call("sources", "show", "arxiv", "--json").json["rounds"][0]["state"] == "ok"
    assert call("sources", "show", "nothing").code == 1


def test_a_test_stores_nothing(installed, call):
    told = call("sources", "test", "hf-daily").out
    assert "Nothing was stored." in told
    assert call("status", "--json").json["entries"] == 0
