"""`digest subscribers ask`, `link` and `remove --tell`: what the web does, at the operator's word."""

from __future__ import annotations

import re
from pathlib import Path


def test_addresses_are_asked_once_a_day(call, installed):
    done = call("subscribers", "ask", "a@example.org", "b@example.org", "--json")
    assert [one["outcome"] for one in done.json["asked"]] == ["planned", "planned"]
    again = call("subscribers", "ask", "a+x@example.org", "nonsense", "--json")
    assert (again.code, again.json["asked"][0]["outcome"], len(again.json["problems"])) == (3, "repeated", 1)
    listed = call("subscribers", "list", "--json").json["subscriptions"]
    assert [(one["address"], one["state"]) for one in listed] == [
        ("a@example.org", "pending"),
        ("b@example.org", "pending"),
    ]


def test_without_an_address_to_confirm_at_nobody_is_asked(call, installed):
    file = Path("config.toml")
    file.write_text(file.read_text().replace('public_url = "https://digest.example.org"', ""))
    done = call("subscribers", "ask", "a@example.org")
    assert (done.code, "[web] public_url" in done.err) == (2, True)
    assert call("subscribers", "list", "--json").json["subscriptions"] == []


def test_a_readers_links_are_told_or_mailed(call, installed):
    call("subscribers", "add", "a@example.org")
    (links,) = call("subscribers", "link", "A@example.org", "--json").json["links"]
    assert re.fullmatch(r"https://digest.example.org/preferences/[\w-]{38}", links["preferences"])
    assert re.fullmatch(r"https://digest.example.org/unsubscribe/[\w-]{22}", links["unsubscribe"])
    assert links["preferences"] in call("subscribers", "link", "a@example.org").out
    said = [call("subscribers", "link", "a@example.org", "--mail", "--json").json["outcome"] for _ in range(2)]
    assert said == ["planned", "repeated"]
    assert call("subscribers", "link", "nobody@example.org").code == 1


def test_who_is_removed_is_told_so_on_wish(call, installed):
    call("subscribers", "add", "a@example.org", "b@example.org")
    call("subscribers", "remove", "b@example.org")
    for ended in (1, 0):
        done = call("subscribers", "remove", "a@example.org", "--tell", "--json")
        assert done.json["removed"] == [{"address": "a@example.org", "ended": ended}]
    waiting = call("deliveries", "list", "--json").json["deliveries"]
    assert [(one["kind"], one["address"]) for one in waiting] == [("goodbye", "a@example.org")]
