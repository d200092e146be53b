"""What came back by mail, at the command line: piped in, told, lifted."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

from digest.app import build
from digest.config import load
from digest.delivery.tokens import address_key, return_path
from digest.services.readers.feedback import Obeyed
from digest.storage import deliveries, people
from tests.delivery.returned import SAMPLES, mail

READER = "reader@example.org"
OURS = f"Delivery 1 to {READER}"
NAMED = {sample.name: sample for sample in SAMPLES}


@pytest.fixture
def piped(monkeypatch, call):
    """Hands a mail to `digest bounce`."""

    def piped_(raw: bytes, *options: str):
        stdin = io.TextIOWrapper(io.BytesIO(raw))
        monkeypatch.setattr(sys, "stdin", stdin)
        done = call("bounce", *options)
        assert stdin.buffer.read() == b"", "a mail server sees its pipe taken to the end"
        return done

    return piped_


@pytest.fixture
def path(installed, call) -> str:
    """The return path of a mail that READER was sent."""
    assert call("subscribers", "add", READER).code == 0
    app = build(load(installed / "config.toml", {}))
    key = address_key(READER, app.keys.lasting)
    with app.store.transaction() as tx:
        who = people.subscriber(tx, READER)
        (link,) = people.subscriptions_of(tx, who.id)
        row = deliveries.plan_row(
            kind="welcome",
            address=READER,
            address_key=key,
            message_key="m",
            now=app.clock(),
            subscriber_id=who.id,
            subscription_id=link.id,
        )
        deliveries.plan(tx, [{**row, "state": "accepted", "settled_at": app.clock()}])
        (delivery,) = deliveries.listing(tx)
    made = return_path("bounces@example.org", delivery.id, app.keys.links)
    app.close()
    return made


def test_a_hard_bounce_is_told_wherever_one_looks_and_can_be_lifted_for_good(piped, path, call):
    raw = mail(NAMED["postfix, no such user"], path=path, reader=READER)
    done = piped(raw, "--json")
    assert (done.code, done.json) == (
        0, {"heard": "hard", "ended": 0, "suppressed": True, "address": READER, "delivery_id": 1},
    )  # fmt: skip
    assert call("status", "--json").json["bounces"] == {"hard": 1, "soft": 0, "complaint": 0}
    assert "Came back in the last 7 days: 1 hard." in call("status").out
    (listed,) = call("suppressions", "list", "--json").json["suppressions"]
    assert (listed["address"], listed["reason"]) == (READER, "hard-bounce")
    assert "User unknown" in listed["detail"] and "User unknown" in call("suppressions", "list").out
    (shown,) = call("subscribers", "show", READER, "--json").json["bounces"]
    assert (shown["kind"], shown["status"], shown["counts"]) == ("hard", "5.1.1", True)
    assert "User unknown" in call("subscribers", "show", READER).out
    assert call("suppressions", "remove", READER).code == 0
    assert piped(raw).out == f"{OURS}: The same was reported of the same mail before; nothing was done.\n"
    assert call("suppressions", "list", "--json").json["suppressions"] == []
    assert call("subscribers", "show", READER, "--json").json["bounces"][0]["counts"] is False


def test_a_complaint_ends_the_subscription(piped, path, call):
    raw = mail(NAMED["complaint like yahoo's"], path=path, reader=READER)
    assert (
        piped(raw).out == f"{OURS}: A mail of ours was called spam: 1 subscription ended. The address is suppressed.\n"
    )
    assert call("subscribers", "show", READER, "--json").json["subscriptions"][0]["state"] == "unsubscribed"


@pytest.mark.parametrize("name", ["postfix, delayed", "away, by its header"])
def test_what_needs_nothing_is_said_so(piped, path, name):
    done = piped(mail(NAMED[name], path=path, reader=READER))
    assert (done.code, done.out) == (
        0,
        f"{OURS}: A mail of ours is late, or a machine answered it; nothing was done.\n",
    )


def test_a_long_mail_is_taken_to_its_end(piped, installed):
    done = piped(b"Subject: hello\r\n\r\n" + b"x" * 3_000_000, "--json")
    assert (done.code, done.json["heard"]) == (0, "unrelated")


def test_a_report_that_is_quicker_than_our_ledger_comes_again(piped, path, installed):
    app = build(load(installed / "config.toml", {}))
    with app.store.transaction() as tx:
        tx.execute(update(deliveries.deliveries).values(state="sending"))
    app.close()
    done = piped(mail(NAMED["postfix, no such user"], path=path, reader=READER), "--json")
    assert (done.code, done.json) == (
        75, {"heard": "early", "ended": 0, "suppressed": False, "address": READER, "delivery_id": 1},
    )  # fmt: skip


@pytest.mark.parametrize("words", [("bounce", "--bogus"), ("bounce", "more"), ("--bogus", "bounce")])
def test_a_wrong_call_by_a_mail_server_bounces_no_report_for_good(call, words):
    told = call(*words)
    assert (told.code, told.out, "error: " in told.err) == (75, "", True)
    assert call("send", "--bogus", "bounce").code == 2


@pytest.mark.parametrize("trouble", ["database", "config"])
def test_what_cannot_be_written_down_now_is_tried_again_by_the_mail_server(piped, path, trouble):
    if trouble == "database":
        Path("digest.db").write_bytes(b"no database" * 1_000)
    else:
        Path("config.toml").write_text("[mail", encoding="utf-8")
    done = piped(mail(NAMED["postfix, no such user"], path=path, reader=READER))
    assert (done.code, done.out) == (75, "")
    assert "error:" in done.err and "Traceback" not in done.err


def test_soft_bounces_are_imported_and_exported_as_such(installed, call):
    assert call("suppressions", "add", READER, "--reason", "soft-bounce", "--detail", "full").code == 0
    table = call("suppressions", "export").out
    assert f"{READER},soft-bounce,full," in table
    assert call("suppressions", "remove", READER).code == 0
    Path("list.csv").write_text(table, encoding="utf-8")
    assert call("suppressions", "import", "list.csv").code == 0
    (listed,) = call("suppressions", "list", "--json").json["suppressions"]
    assert (listed["address"], listed["reason"], listed["detail"]) == (READER, "soft-bounce", "full")


def test_the_doctor_warns_when_nobody_reads_the_bounces(installed, call):
    def about() -> list[str]:
        told = call("doctor", "--json").json["findings"]
        return [one["detail"] for one in told if one["what"] == "bounces"]

    assert about() == []
    text = Path("config.toml").read_text("utf-8")
    Path("config.toml").write_text(text.replace("[smtp]", 'bounces_to = "back@example.org"\n[smtp]'), "utf-8")
    assert about() == ["they come back to back@example.org and are not read: dead addresses stay on the list"]
    for name in ("new", "cur", "tmp"):
        (Path("box") / name).mkdir(parents=True)
    with Path("config.toml").open("a", encoding="utf-8") as file:
        file.write('[inbound]\nmaildir = "box"\n')
    assert about() == []


def test_a_round_through_the_mailbox_counts_ours_and_reads_the_rest_once(installed, path):
    for name in ("new", "cur", "tmp"):
        (Path("box") / name).mkdir(parents=True)
    Path("box/new/1").write_bytes(mail(NAMED["postfix, no such user"], path=path, reader=READER))
    Path("box/new/2").write_bytes(mail(NAMED["a person writes"]))
    with Path("config.toml").open("a", encoding="utf-8") as file:
        file.write('[inbound]\nmaildir = "box"\n')
    app = build(load(Path("config.toml"), {}))
    assert app.read_mailbox() == Obeyed(read=2, hard=1, suppressed=1, unrelated=1)
    assert app.read_mailbox() == Obeyed()
    assert [file.name for file in Path("box/new").iterdir()] == ["2"]
    app.close()
