"""The table of docs/delivery.md, line by line, and the waits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.retry import Stage, decide, is_hard, is_ours, is_soft, next_attempt, remedy
from digest.model.mail import Outcome, OutcomeKind, Scope

NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)
DEFERRED, REJECTED, ACCEPTED = OutcomeKind.DEFERRED, OutcomeKind.REJECTED, OutcomeKind.ACCEPTED
RECIPIENT, MESSAGE, RELAY = Scope.RECIPIENT, Scope.MESSAGE, Scope.RELAY

CASES = [
    # code, enhanced, text, stage, kind, scope, suppress, retry_after
    (250, "2.0.0", "queued", "dot", ACCEPTED, RECIPIENT, False, None),
    (450, "4.2.0", "Greylisted, see us later", "rcpt", DEFERRED, RECIPIENT, False, None),
    (451, "4.7.1", "Greylisting in action, do not exceed", "rcpt", DEFERRED, RECIPIENT, False, None),
    (450, "4.7.1", "no such policy today", "rcpt", DEFERRED, RECIPIENT, False, None),
    (451, "", "try again", "data", DEFERRED, RECIPIENT, False, None),
    (452, "4.2.2", "mailbox full, quota exceeded", "rcpt", DEFERRED, RECIPIENT, False, None),
    (452, "4.3.1", "no space", "mail", DEFERRED, RELAY, False, None),
    (421, "4.7.0", "Too many connections", "mail", DEFERRED, RELAY, False, 600.0),
    (421, "", "closing", "dot", DEFERRED, RELAY, False, None),
    (421, "4.7.28", "", "dot", DEFERRED, RELAY, False, 600.0),
    (550, "5.7.28", "unsolicited", "dot", DEFERRED, RELAY, False, 600.0),
    (450, "4.7.0", "unusual rate of mail", "rcpt", DEFERRED, RELAY, False, 600.0),
    (454, "", "Throttling failure: Maximum sending rate exceeded", "dot", DEFERRED, RELAY, False, 600.0),
    (454, "4.7.0", "TLS not available", "mail", DEFERRED, RELAY, False, None),
    (530, "5.7.0", "log in", "mail", DEFERRED, RELAY, False, None),
    (535, "5.7.8", "bad login", "mail", DEFERRED, RELAY, False, None),
    (538, "5.7.11", "encrypt", "rcpt", DEFERRED, RELAY, False, None),
    (550, "5.1.1", "", "rcpt", REJECTED, RECIPIENT, True, None),
    (550, "5.1.2", "", "rcpt", REJECTED, RECIPIENT, True, None),
    (501, "5.1.3", "", "rcpt", REJECTED, RECIPIENT, True, None),
    (551, "5.1.6", "", "rcpt", REJECTED, RECIPIENT, True, None),
    (556, "5.1.10", "null MX", "rcpt", REJECTED, RECIPIENT, True, None),
    (550, "5.2.1", "disabled", "dot", REJECTED, RECIPIENT, True, None),
    (550, "", "No such user here", "rcpt", REJECTED, RECIPIENT, True, None),
    (550, "", "User unknown", "rcpt", REJECTED, RECIPIENT, True, None),
    (550, "5.7.1", "user unknown to the policy", "rcpt", REJECTED, RECIPIENT, False, None),
    (550, "", "blocked", "rcpt", REJECTED, RECIPIENT, False, None),
    (552, "5.2.2", "full", "dot", REJECTED, RECIPIENT, False, None),
    (552, "", "full", "rcpt", REJECTED, RECIPIENT, False, None),
    (552, "", "too big", "dot", REJECTED, MESSAGE, False, None),
    (523, "5.2.3", "too big for this mailbox", "rcpt", REJECTED, RECIPIENT, False, None),
    (554, "5.3.4", "too big", "rcpt", REJECTED, MESSAGE, False, None),
    (554, "5.7.1", "spam", "dot", REJECTED, RECIPIENT, False, None),
    (553, "5.1.8", "sender's domain", "mail", DEFERRED, RELAY, False, 3600.0),
    (450, "4.1.8", "sender's domain", "mail", DEFERRED, RELAY, False, 3600.0),
    (550, "5.1.1", "even so", "mail", DEFERRED, RELAY, False, 3600.0),
    (550, "", "not allowed to relay", "mail", DEFERRED, RELAY, False, 3600.0),
    (501, "", "malformed address", "mail", DEFERRED, MESSAGE, False, 3600.0),
    (501, "5.1.8", "no such domain", "mail", DEFERRED, RELAY, False, 3600.0),
    (555, "5.5.4", "unsupported option", "mail", DEFERRED, MESSAGE, False, 3600.0),
    (553, "5.6.7", "not in ASCII", "mail", REJECTED, RECIPIENT, False, None),
    (552, "", "too big", "mail", REJECTED, MESSAGE, False, None),
    (503, "5.5.0", "improper use of pipelining", "rcpt", DEFERRED, RELAY, False, None),
    (550, "", "no such user", "data", REJECTED, RECIPIENT, False, None),
    (550, "", "too big, user unknown", "dot", REJECTED, RECIPIENT, False, None),
    (452, "", "Too many recipients", "rcpt", DEFERRED, RELAY, False, None),
    (452, "4.2.2", "message store quota exceeded, daily limit reached", "rcpt", DEFERRED, RELAY, False, 3600.0),
    (552, "5.2.2", "daily limit reached", "rcpt", REJECTED, RECIPIENT, False, None),
    (451, "", "greylisted, try again in 1 second", "rcpt", DEFERRED, RECIPIENT, False, 60.0),
    (451, "", "greylisted, try again in 72 hours", "rcpt", DEFERRED, RECIPIENT, False, 14400.0),
    (451, "", "sent 20 mails in the last 10 minutes, try again", "rcpt", DEFERRED, RECIPIENT, False, None),
    (421, "4.3.2", "going down, try again in 1 second", "dot", DEFERRED, RELAY, False, 30.0),
    (421, "4.7.0", "too fast, wait 5 hours", "dot", DEFERRED, RELAY, False, 3600.0),
    (250, "", "out of place", "data", DEFERRED, RELAY, False, None),
    (354, "", "out of place", "rcpt", DEFERRED, RELAY, False, None),
]


@pytest.mark.parametrize(("code", "enhanced", "text", "stage", "kind", "scope", "suppress", "retry_after"), CASES)
def test_a_reply_means_what_the_table_says(code, enhanced, text, stage, kind, scope, suppress, retry_after):
    assert decide(code, enhanced, text, Stage(stage)) == Outcome(
        kind=kind,
        scope=scope,
        code=code,
        enhanced=enhanced,
        remote=text,
        suppress=suppress,
        retry_after=retry_after,
    )


ROW = re.compile(r"\| `(\d{3}) (?:([245]\.\d+\.\d+) )?([^`]+)` \| (\w+) \| ([^|]+) \| (yes )?\|")


def documented() -> list[tuple[str, ...]]:
    page = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text("utf-8")
    section = page.partition("## What an answer means")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    found = [ROW.match(row) for row in rows]
    assert len(rows) > 60
    assert None not in found, rows[found.index(None)]
    return [tuple(part or "" for part in match.groups()) for match in found if match]


@pytest.mark.parametrize(("code", "enhanced", "text", "stage", "outcome", "soft"), documented())
def test_the_documented_table_is_what_is_decided(code, enhanced, text, stage, outcome, soft):
    got = decide(int(code), enhanced, text, Stage(stage))
    words = got.kind.value
    if got.kind is not ACCEPTED:
        words += f", {got.scope.value}"
    if got.suppress:
        words += "; suppressed"
    if got.retry_after:
        words += f"; {got.retry_after:g} s"
    assert words == outcome.strip()
    if got.kind is not ACCEPTED:
        assert is_soft(enhanced, text, int(code)) is bool(soft)
    if got.suppress:
        assert is_hard(enhanced, text, int(code))


@pytest.mark.parametrize(
    ("enhanced", "text", "hard", "soft"),
    [
        ("5.0.0", "550 5.0.0 no such user", True, False),
        ("5.0.0", "mailbox full", False, True),
        ("5.0.0", "something", False, False),
        ("", "The user does not exist", True, False),
        ("", "blocked for ever", False, False),
        ("4.4.7", "delivery time expired", False, True),
        ("5.4.7", "", False, True),
        ("5.2.2", "mailbox quota exceeded", False, True),
        ("4.2.1", "too many mails just now", False, False),
        ("5.7.1", "mailbox full of your spam", False, False),
        ("5.7.26", "", False, False),
        ("4.7.1", "greylisted for ever", False, False),
        ("5.3.4", "too big", False, False),
        ("5.1.8", "", False, False),
        ("2.1.5", "", False, False),
        ("nonsense", "", False, False),
        ("5.7.x", "", False, False),
    ],
)
def test_a_report_counts_against_an_address_only_if_it_speaks_of_it(enhanced, text, hard, soft):
    assert (is_hard(enhanced, text), is_soft(enhanced, text)) == (hard, soft)


@given(st.sampled_from(["", "5.0.0", "5.1.1", "5.2.1", "5.7.1", "5.7.26", "4.2.2", "9", "5.1"]), st.text(max_size=60))
def test_no_refusal_is_two_things_at_once(enhanced, text):
    assert (
        is_hard(enhanced, text) + is_soft(enhanced, text) + (is_ours(enhanced, text) and not is_hard(enhanced, text))
        <= 1
    )


@pytest.mark.parametrize(
    ("enhanced", "text", "word"),
    [
        ("5.7.26", "", "SPF"),
        ("5.7.1", "no PTR for 192.0.2.1", "PTR"),
        ("5.1.8", "", "[mail] from"),
        ("5.7.1", "Relaying denied", "login"),
        ("5.7.511", "", "list"),
        ("", "listed at Spamhaus", "list"),
        ("5.7.1", "spam", ""),
        ("5.1.1", "no SPF here", ""),
    ],
)
def test_what_is_ours_to_mend_comes_with_how(enhanced, text, word):
    found = remedy(enhanced, text)
    assert word in found
    assert bool(found) is bool(word)


@given(
    st.integers(0, 999), st.sampled_from(["", "4.7.1", "5.1.1", "4.7.28", "5.9.9"]), st.text(), st.sampled_from(Stage)
)
def test_only_a_yes_to_the_dot_is_acceptance_and_only_a_rejected_recipient_is_suppressed(code, enhanced, text, stage):
    outcome = decide(code, enhanced, text, stage)
    assert (outcome.kind is ACCEPTED) == (200 <= code <= 299 and stage is Stage.DOT)
    if outcome.suppress:
        assert (outcome.kind, outcome.scope, stage is Stage.MAIL) == (REJECTED, RECIPIENT, False)
    if 400 <= code <= 499:
        assert outcome.kind is DEFERRED


LATER = Outcome(kind=DEFERRED)


def test_waits_double_from_five_minutes_to_four_hours():
    minutes = [(next_attempt(n, NOW, LATER, 0.5) - NOW) / timedelta(minutes=1) for n in range(1, 10)]
    assert minutes == [5.5, 10, 20, 40, 80, 160, 240, 240, 240]


def test_the_first_wait_is_long_enough_for_greylisting():
    assert [next_attempt(1, NOW, LATER, jitter) - NOW for jitter in (0.0, 0.999999)] == [
        timedelta(minutes=5),
        pytest.approx(timedelta(minutes=6), abs=timedelta(seconds=1)),
    ]


def test_later_waits_are_spread_by_a_fifth():
    assert next_attempt(3, NOW, LATER, 0.0) - NOW == timedelta(minutes=16)
    assert next_attempt(3, NOW, LATER, 1.0) - NOW == timedelta(minutes=24)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_shorter_than_four_minutes_or_longer_than_four_hours(attempts, jitter):
    assert timedelta(minutes=5) <= next_attempt(attempts, NOW, LATER, jitter) - NOW <= timedelta(hours=4)


def test_a_wait_that_the_server_names_is_kept():
    throttled = Outcome(kind=DEFERRED, scope=RELAY, retry_after=600.0)
    assert next_attempt(7, NOW, throttled, 0.0) - NOW == timedelta(minutes=10)
    assert next_attempt(7, NOW, throttled, 0.5) - NOW == timedelta(minutes=11)


def test_a_recipients_server_names_the_wait_twice_and_then_ours_grow():
    named = Outcome(kind=DEFERRED, retry_after=60.0)
    minutes = [(next_attempt(n, NOW, named, 0.5) - NOW) / timedelta(minutes=1) for n in range(1, 6)]
    assert minutes == [1.1, 1.1, 20, 40, 80]


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
@pytest.mark.parametrize(
    ("delay", "window"),
    [(1, 1440), (5, 2880), (15, 1440), (25, 240), (30, 360), (60, 300)],
    ids=["quick", "Postgrey", "a quarter", "spamd", "milter-greylist", "slow"],
)
def test_a_greylisted_recipient_is_tried_again_within_his_window(delay, window, jitter):
    """``delay`` and ``window`` in minutes: too early is refused, too late is a first try again."""
    at, tries = NOW, 0
    while at - NOW < timedelta(minutes=delay):
        tries += 1
        at = next_attempt(tries, at, LATER, jitter)
    assert at - NOW <= timedelta(minutes=min(window, 2 * delay + 20))
