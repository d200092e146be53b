"""`digest deliveries`: the operator's hand in the ledger."""

from __future__ import annotations

import gzip
import io
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from digest.app import build
from digest.config import load
from digest.model.mail import DeliveryState
from digest.storage import deliveries
from tests.cli.conftest import READ, SECOND
from tests.delivery import maillogs


@pytest.fixture
def sent(installed, once):
    once(installed, *READ, "send")
    return installed


def put(state: DeliveryState, reason: str = "") -> None:
    """Moves the first delivery to a state, as a relay could have."""
    app = build(load(Path("config.toml"), {}))
    with app.store.transaction() as tx:
        deliveries.force(tx, 1, state, now=app.clock(), reason=reason)
    app.close()


def state(call) -> str:
    return call("deliveries", "show", "1", "--json").json["delivery"]["state"]


def test_list_shows_what_is_not_well_and_show_what_was_tried(call, sent):
    assert call("deliveries", "list", "--json").json == {"counts": {}, "deliveries": []}
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


def test_a_choice_is_settled_with_its_counts_told(call, sent):
    put(DeliveryState.UNCERTAIN)
    assert call("deliveries", "resolve", "--as", "lost").code == 2  # nothing is named
    assert call("deliveries", "resolve", "1", "--all", "--as", "lost").code == 2
    told = call("deliveries", "resolve", "--digest", "papers", "--as", "lost", "--dry-run")
    assert (told.code, told.out, state(call)) == (0, "1 delivery would be given up as lost.\n", "uncertain")
    told = call("deliveries", "resolve", "--all", "--as", "lost", "--json")
    assert (told.code, told.json) == (0, {"changed": 1, "refused": {}, "dry_run": False})
    told = call("deliveries", "resolve", "--all", "--as", "lost")
    assert (told.code, told.out) == (0, "0 deliveries are given up as lost.\n")
    assert call("deliveries", "resolve", "--all", "--as", "guess").code == 2


def test_what_is_deferred_is_tried_again_by_the_hundred(call, sent):
    put(DeliveryState.DEFERRED)
    assert call("deliveries", "retry").code == 2
    assert call("deliveries", "retry", "--state", "accepted").code == 2
    assert call("deliveries", "retry", "--state", "deferred", "--date", "yesterday").code == 2
    assert call("deliveries", "retry", "--state", "deferred").out == "1 delivery is due now.\n"
    assert state(call) == "queued"


def test_list_counts_first_and_by_answer(call, sent):
    put(DeliveryState.DEFERRED, "451 4.7.1 <reader@example.org>: Greylisted")
    assert call("deliveries", "list").out.splitlines()[0] == "1 deferred."
    told = call("deliveries", "list", "--by-answer", "--json").json
    assert told["counts"] == {"deferred": 1}
    (answer,) = told["answers"]
    assert (answer["number"], answer["text"], answer["example"]) == (1, "451 4.7.1 (address): Greylisted", 1)
    assert call("deliveries", "list", "--by-answer", "--date", "2020-01-01").out == "None.\n"
    assert call("deliveries", "list", "--address", "nobody").code == 2


@pytest.mark.parametrize(
    "words",
    [("list",), ("list", "--by-answer"), ("retry",), ("resolve", "--as", "lost"), ("pause",), ("resume",), ("cancel",),
     ("reconcile", "--log", "mail.log")],
)  # fmt: skip
def test_a_digest_that_does_not_exist_is_2_and_those_that_do_are_named(call, sent, words):
    told = call("deliveries", *words, "--digest", "nope", "--json")
    assert (told.code, told.json["error"]["where"]) == (2, "--digest")
    assert "papers" in told.json["error"]["try"]


def test_what_is_sent_now_is_told_as_such(call, sent):
    app = build(load(Path("config.toml"), {}))
    with app.store.transaction() as tx:
        tx.execute(update(deliveries.deliveries).values(state="sending", lease="x", tried_at=None, reason="an old one"))
    app.close()
    assert " now " in call("deliveries", "list").out.splitlines()[-1]
    assert "No try has ended yet." in call("deliveries", "show", "1").out
    assert "is 1 (sending, since 2026-03-03 07:05 UTC): it is being sent now" in call("status").out


def test_show_names_the_folder_a_mail_was_written_into(call, sent):
    told = call("deliveries", "show", "1").out
    assert f"next: it was written into {Path('outbox').absolute()}; its file is named after the Message-ID" in told


def test_show_names_it_as_a_log_does(call, sent):
    shown = call("deliveries", "show", "1")
    (line,) = [line for line in shown.out.splitlines() if line.startswith("Message-ID: ")]
    assert line.removeprefix("Message-ID: <").removesuffix("@example.org>") in [
        path.stem for path in Path("outbox").iterdir()
    ]
    assert "next: " in shown.out


def test_pause_resume_and_cancel_say_what_they_did(call, read):
    def said(*words: str) -> str:
        return call("deliveries", *words).out

    call("deliveries", "pause")
    assert said("pause", "--digest", "papers").startswith("papers is paused: ")
    assert said("pause", "--digest", "papers") == "papers is paused already.\n"
    assert said("resume", "--digest", "papers") == "Sending of papers goes on.\nStill paused: all.\n"
    assert said("resume") == "Sending goes on.\n"
    assert said("resume") == "It was not paused.\n"
    assert said("cancel") == "Nothing waited.\n"


class TestReconcile:
    @pytest.fixture
    def relay(self, call, sent) -> SimpleNamespace:
        """The first mail is uncertain; gives the names in a log, and the instant of the try."""
        app = build(load(Path("config.toml"), {}))
        at = app.clock()
        with app.store.transaction() as tx:
            values = {"state": "uncertain", "tried_at": at, "settled_at": at, "reason": "no answer came"}
            tx.execute(update(deliveries.deliveries).values(**values))
        app.close()
        name = call("deliveries", "show", "1", "--json").json["message_id"].strip("<>")
        lines = maillogs.whole(maillogs.iso(at), "4F00AA11BB", name, "reader@example.org", maillogs.SENT)
        rest = maillogs.noise(maillogs.iso(at + timedelta(hours=1)))
        return SimpleNamespace(raw="\n".join([*lines, *rest]).encode(), at=at)

    def test_a_file(self, call, relay):
        Path("mail.log").write_bytes(relay.raw)
        told = call("deliveries", "reconcile", "--log", "mail.log", "--dry-run")
        assert (told.code, told.out.splitlines()[0]) == (0, "1 were uncertain: would become 1 accepted.")
        assert state(call) == "uncertain"
        told = call("deliveries", "reconcile", "--log", "mail.log", "--json")
        assert (told.code, told.json["counts"], state(call)) == (0, {"accepted": 1}, "accepted")
        assert call("deliveries", "reconcile", "--log", "mail.log").out == "Nothing was uncertain.\n"

    def test_several_and_packed(self, call, relay):
        head, _, tail = relay.raw.partition(b"\n")
        Path("mail.log").write_bytes(tail)
        Path("mail.log.1.gz").write_bytes(gzip.compress(head + b"\n"))
        told = call("deliveries", "reconcile", "--log", "mail.log", "mail.log.1.gz", "--json")
        assert (told.code, told.json["lines"] > 10, state(call)) == (0, True, "accepted")

    def test_standard_input(self, call, relay, monkeypatch):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(relay.raw)))
        assert (call("deliveries", "reconcile", "--log", "-").code, state(call)) == (0, "accepted")

    def test_what_stays_uncertain_is_done_in_part(self, call, relay):
        Path("mail.log").write_bytes(b"\n".join(relay.raw.splitlines()[-3:]))
        told = call("deliveries", "reconcile", "--log", "mail.log")
        assert (told.code, "1 uncertain" in told.out, state(call)) == (3, True, "uncertain")

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (("--log", "nowhere.log"), 1),
            (("--log", "torn.gz"), 1),
            (("--log", "photo.bin"), 1),
            (("--log", "mail.log", "--absent", "guess"), 2),
            (("--log", "mail.log", "--zone", "Mars/Olympus"), 2),
            (("--log", "-", "-"), 2),
            ((), 2),
        ],
    )
    def test_what_cannot_be_read_is_told_without_a_change(self, call, relay, words, code):
        Path("mail.log").write_bytes(relay.raw)
        Path("torn.gz").write_bytes(gzip.compress(relay.raw)[:-9])
        Path("photo.bin").write_bytes(bytes(range(256)) * 1000)
        told = call("deliveries", "reconcile", *words)
        assert (told.code, "Traceback" in told.err, state(call)) == (code, False, "uncertain")
