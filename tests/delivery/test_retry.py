"""The table of retry.py, line by line, and the waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.retry import Stage, decide, next_attempt
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
    (553, "5.1.8", "sender's domain", "mail", REJECTED, MESSAGE, False, None),
    (550, "5.1.1", "even so", "mail", REJECTED, MESSAGE, False, None),
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
