"""`digest send` where not all is well: relays that are passed over, refusals, Ctrl-C, and test copies."""

from __future__ import annotations

import email
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digest.delivery.catchall import CatchAll
from tests.delivery.peers import playing
from tests.services.sending import Mails, answering

FOLDER = '[smtp]\ntransport = "folder"\npath = "outbox"\n'
READERS = ("a@example.org", "b@example.org", "c@example.org")


def relays(*ports: int) -> None:
    """Mail goes to these ports of this machine, in this order."""
    text = "".join(
        f'[[smtp]]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\nconnections = 1\n' for port in ports
    )
    config = Path("config.toml")
    config.write_text(config.read_text("utf-8").replace(FOLDER, text), "utf-8")


@pytest.fixture
def nowhere() -> int:
    """A port at which nothing listens."""
    with CatchAll() as gone:
        return gone.port


@pytest.fixture
def read(installed, call):
    """Three readers, and papers for them."""
    assert call("fetch").code == 0
    assert call("subscribers", "add", *READERS).code == 0
    return installed


def test_a_relay_that_is_passed_over_is_told_with_the_reason(call, read, nowhere):
    with CatchAll() as second:
        relays(nowhere, second.port)
        told = call("send")
        assert (told.code, second.count) == (0, 3)
    assert told.err.splitlines() == [
        f"smtp 1 (127.0.0.1:{nowhere}) was passed over: nothing listens there",
        "  try: check host and port, and that the mail server runs",
    ]


def test_a_relay_that_is_passed_over_stands_in_the_document(call, read, nowhere):
    with CatchAll() as second:
        relays(nowhere, second.port)
        told = call("send", "--json")
    assert [one["where"] for one in told.json["passed_over"]] == [f"smtp 1 (127.0.0.1:{nowhere})"]
    assert told.err == ""


def test_nothing_is_passed_over_where_the_first_relay_takes_all(call, read, nowhere):
    with CatchAll() as first:
        relays(first.port, nowhere)
        told = call("send", "--json")
    assert (told.code, "passed_over" in told.json, "answers" in told.json) == (0, False, False)


def test_the_commonest_answer_of_what_failed_is_told(call, read):
    said = {"a@example.org": "250 ok", "b@example.org": "450 4.2.0 <b@example.org>: Greylisted"}
    script = answering(Mails(), rcpt=lambda address: said.get(address, "552 5.2.2 mailbox full"))
    with playing(*[script] * 4) as peer:
        relays(peer.port)
        told = call("send")
    assert told.code == 3
    shown = [line.strip() for line in told.out.splitlines() if "most often" in line]
    assert shown == [
        "deferred, most often (1): 450 4.2.0 (address): Greylisted; `digest deliveries show 2` tells more",
        "rejected, most often (1): 552 5.2.2 mailbox full; `digest deliveries show 3` tells more",
    ]
    answers = call("send", "--json").json["answers"]
    assert [(one["state"], one["code"], one["example"]) for one in answers] == [
        ("deferred", 450, 2), ("rejected", 552, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("json", [False, True])
def test_an_interrupted_run_tells_what_was_sent_and_what_waits(call, read, json):
    mails, more = Mails(), [f"r{number}@example.org" for number in range(60)]
    assert call("subscribers", "add", *more).code == 0

    def dot(address: str) -> str:
        if not mails.taken:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.02)  # a stop is heard while a few mails go
        return "250 2.0.0 queued"

    with playing(*[answering(mails, dot=dot)] * 2) as peer:
        relays(peer.port)
        told = call("send", *(["--json"] if json else []))
    sent, all_ = len(mails.taken), len(READERS) + len(more)
    assert (told.code, sent < all_) == (130, True)
    what = f"sending was stopped: {sent} mail{' was' if sent == 1 else 's were'} sent, {all_ - sent} still wait"
    if json:
        assert (told.json["error"]["what"], told.err) == (what, "")
    else:
        assert told.err.splitlines() == [
            f"error: digest send: {what}", "  try: `digest send` goes on with the rest",
        ]  # fmt: skip


class TestCopy:
    def test_it_is_dated_when_it_is_sent(self, call, read, at):
        """And not at its slot, which is still to come."""
        at("2026-03-03T05:30:00Z")
        with CatchAll() as relay:
            relays(relay.port)
            done = call("send", "--to", "me@example.net", "--json")
            (raw,) = [mail.content for mail in relay.messages]
        assert (done.code, done.json["slot"]) == (0, "2026-03-03@2026-03-03T07:00:00Z")
        assert email.message_from_bytes(raw)["Date"] == "Tue, 03 Mar 2026 05:30:00 +0000"

    def test_it_goes_to_the_next_relay_where_the_first_cannot_be_reached(self, call, read, nowhere):
        with CatchAll() as second:
            relays(nowhere, second.port)
            told = call("send", "--to", "me@example.net")
            assert (told.code, second.count) == (0, 1)
            assert f"through smtp 2 (127.0.0.1:{second.port})" in told.out
        assert told.err.startswith(f"smtp 1 (127.0.0.1:{nowhere}) was passed over: nothing listens there\n")

    def test_what_a_relay_refused_goes_to_no_other(self, call, read):
        script = answering(Mails(), rcpt=lambda address: "550 5.1.1 no such user")
        with playing(script) as first, CatchAll() as second:
            relays(first.port, second.port)
            told = call("send", "--to", "me@example.net")
            assert (told.code, second.count) == (1, 0)

    def test_without_any_relay_the_first_ones_trouble_is_told(self, call, read, nowhere):
        relays(nowhere, 1)
        told = call("send", "--to", "me@example.net", "--json")
        assert (told.code, told.json["error"]["where"]) == (1, f"smtp 1 (127.0.0.1:{nowhere})")


def test_python_m_digest_is_the_script():
    done = subprocess.run([sys.executable, "-m", "digest", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.startswith("digest "), done.stderr) == (0, True, "")


class TestPreviewFor:
    @pytest.fixture
    def two(self, read, call):
        """A second digest, which one reader has."""
        with Path("config.toml").open("a", encoding="utf-8") as file:
            file.write('[[digest]]\nname = "weekly"\ntitle = "The Weekly"\nsend_at = "07:00"\n')
        assert call("subscribers", "add", "w@example.org", "--digest", "weekly").code == 0
        return read

    def test_a_reader_of_one_digest_needs_not_name_it(self, call, two):
        told = call("preview", "--for", "W@example.org", "--json")
        assert (told.code, told.json["digest"]) == (0, "weekly")

    def test_a_reader_of_two_or_of_none_does(self, call, two):
        call("subscribers", "add", "w@example.org", "--digest", "papers")
        for address in ("w@example.org", "nobody@example.org"):
            told = call("preview", "--for", address, "--json")
            assert (told.code, told.json["error"]["what"]) == (2, "there are several digests")

    def test_a_digest_that_was_left_does_not_count(self, call, two):
        call("subscribers", "add", "w@example.org", "--digest", "papers")
        call("subscribers", "remove", "w@example.org", "--digest", "papers")
        assert call("preview", "--for", "w@example.org", "--json").json["digest"] == "weekly"


def test_the_text_of_a_preview_ends_with_its_line(call, read):
    call("preview", "--at", "2026-03-03")
    text = Path("preview/edition.txt").read_text("utf-8")
    assert text.endswith("\n") and not text.endswith("\n\n")
