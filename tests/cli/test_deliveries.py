"""`digest deliveries`: the operator's hand in the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.app import build
from digest.config import load
from digest.model.mail import DeliveryState
from digest.storage import deliveries
from tests.cli.conftest import SECOND


@pytest.fixture
def sent(call, read):
    assert call("send").code == 0
    return read


def put(state: DeliveryState, reason: str = "") -> None:
    """Moves the first delivery to a state, as a relay could have."""
    app = build(load(Path("config.toml"), {}))
    with app.store.transaction() as tx:
        deliveries.force(tx, 1, state, now=app.clock(), reason=reason)
    app.close()


def state(call) -> str:
    return call("deliveries", "show", "1", "--json").json["delivery"]["state"]


def test_list_shows_what_is_not_well_and_show_what_was_tried(call, sent):
    assert call("deliveries", "list", "--json").json == {"deliveries": []}
    (one,) = call("deliveries", "list", "--all", "--json").json["deliveries"]
    assert (one["id"], one["state"], one["address"]) == (1, "accepted", "reader@example.org")
    shown = call("deliveries", "show", "1", "--json").json
    assert [row["outcome"] for row in shown["tries"]] == ["accepted"]
    assert call("deliveries", "show", "1").code == 0
    assert call("deliveries", "show", "99").code == 1
    assert call("deliveries", "list", "--state", "lost").code == 2


def test_retry_never_repeats_what_was_accepted(call, sent):
    refused = call("deliveries", "retry", "1", "--json")
    assert (refused.code, refused.json["error"]["where"], state(call)) == (1, "delivery 1", "accepted")


def test_what_waits_is_tried_at_once(call, sent):
    put(DeliveryState.DEFERRED)
    assert call("send", "--json").code == 3
    assert (call("deliveries", "retry", "1").code, state(call)) == (0, "queued")
    assert (call("send").code, state(call)) == (0, "accepted")


def test_a_rejected_one_is_retried_only_while_no_later_edition_exists(call, sent, feeds, at):
    put(DeliveryState.REJECTED)
    assert (call("send", "--json").code, call("deliveries", "retry", "1").code, state(call)) == (3, 0, "queued")
    put(DeliveryState.REJECTED)
    feeds(2)
    at(SECOND)
    call("fetch")
    call("send")
    refused = call("deliveries", "retry", "1", "--json")
    assert (refused.code, state(call)) == (1, "rejected")
    assert "later edition" in refused.json["error"]["what"]


@pytest.mark.parametrize(("decision", "after"), [("accepted", "accepted"), ("lost", "expired"), ("resend", "queued")])
def test_what_is_uncertain_is_resolved_by_the_operator(call, sent, decision, after):
    assert call("deliveries", "resolve", "1", "--as", decision).code == 1  # nothing is uncertain yet
    put(DeliveryState.UNCERTAIN)
    assert call("send").code == 3
    assert call("deliveries", "retry", "1").code == 1
    assert (call("deliveries", "resolve", "1", "--as", decision).code, state(call)) == (0, after)


def test_a_resent_mail_has_the_same_name(call, sent):
    before = [path.name for path in Path("outbox").iterdir()]
    put(DeliveryState.UNCERTAIN)
    call("deliveries", "resolve", "1", "--as", "resend")
    assert (call("send").code, [path.name for path in Path("outbox").iterdir()]) == (0, before)


def test_too_late_is_too_late(call, sent, at):
    put(DeliveryState.UNCERTAIN)
    at("2026-03-10T07:05:00Z")
    refused = call("deliveries", "resolve", "1", "--as", "resend", "--json")
    assert (refused.code, "it is too late" in refused.json["error"]["what"]) == (1, True)
    assert call("deliveries", "resolve", "1", "--as", "guess").code == 2


def test_several_are_done_in_part(call, sent):
    put(DeliveryState.DEFERRED)
    done = call("deliveries", "retry", "1", "99", "--json")
    assert (done.code, [one["id"] for one in done.json["deliveries"]]) == (3, [1])
    assert [one["where"] for one in done.json["problems"]] == ["99"]


def test_a_paused_digest_waits_and_a_cancelled_one_ends(call, read):
    assert call("deliveries", "pause", "--json").json == {"paused": "*", "changed": True}
    assert call("send", "--json").json["deliveries"]["open"] == 1
    assert call("deliveries", "resume").code == 0
    assert call("deliveries", "pause", "--digest", "nope").code == 2
    assert call("deliveries", "cancel", "--digest", "papers", "--json").json == {"cancelled": 1}
    assert (state(call), list(Path().glob("outbox/*"))) == ("expired", [])
