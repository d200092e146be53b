"""After being asked to slow down we stop, then come back one connection at a time."""

from __future__ import annotations

import pytest

from digest.delivery.pool import RateLimit, Throttle
from digest.model.mail import Outcome, OutcomeKind, Scope

YES = Outcome(kind=OutcomeKind.ACCEPTED)
SLOW = Outcome(kind=OutcomeKind.DEFERRED, scope=Scope.RELAY, code=421, retry_after=600.0)
HUNG_UP = Outcome(kind=OutcomeKind.DEFERRED, scope=Scope.RELAY, code=421)


def test_throttling_stops_for_ten_minutes_and_then_grows_by_one():
    throttle = Throttle(4, step=2)
    assert throttle.allowed(0) == 4
    throttle.on_outcome(SLOW, 100)
    assert [throttle.allowed(now) for now in (100, 699, 700)] == [0, 0, 1]
    assert throttle.wait(100) == 600
    assert throttle.wait(800) == 0
    allowed = []
    for _ in range(8):
        throttle.on_outcome(YES, 700)
        allowed.append(throttle.allowed(700))
    assert allowed == [1, 2, 2, 3, 3, 4, 4, 4]


def test_several_connections_hearing_the_same_only_lengthen_the_pause():
    throttle = Throttle(4)
    for now in (100, 103, 101):
        throttle.on_outcome(SLOW, now)
    assert (throttle.allowed(702), throttle.allowed(703)) == (0, 1)


def test_hang_ups_halve_the_connections_and_three_in_a_row_stop():
    throttle = Throttle(8)
    throttle.on_outcome(HUNG_UP, 0)
    assert throttle.allowed(0) == 4
    throttle.on_outcome(YES, 0)
    throttle.on_outcome(HUNG_UP, 0)
    throttle.on_outcome(HUNG_UP, 0)
    assert throttle.allowed(0) == 1
    throttle.on_outcome(HUNG_UP, 0)
    assert (throttle.allowed(599), throttle.allowed(600)) == (0, 1)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(kind=OutcomeKind.REJECTED),
        Outcome(kind=OutcomeKind.DEFERRED),
        Outcome(kind=OutcomeKind.DEFERRED, scope=Scope.RELAY),
        Outcome(kind=OutcomeKind.STOPPED),
        Outcome(kind=OutcomeKind.UNCERTAIN),
    ],
)
def test_what_says_nothing_about_our_rate_changes_nothing(outcome):
    throttle = Throttle(3)
    throttle.on_outcome(outcome, 0)
    assert throttle.allowed(0) == 3


def test_a_rate_is_kept_over_all_and_for_one_domain():
    limit = RateLimit(4, {"Gmail.com": 2})
    sent = {"gmail.com": 0, "example.org": 0}
    for tick in range(1000):
        for domain in ("GMAIL.com", "example.org"):
            if limit.take(f"a@{domain}", tick / 100) == 0.0:
                sent[domain.lower()] += 1
    assert sent["gmail.com"] + sent["example.org"] == 43
    assert sent["gmail.com"] <= 22


def test_a_wait_is_exact():
    limit = RateLimit(None, {"example.org": 0.5})
    assert limit.take("a@example.org", 10) == 0.0
    assert limit.take("a@example.org", 10) == 2.0
    assert limit.take("a@example.net", 10) == 0.0
    assert limit.take("a@example.org", 11) == 1.0
    assert limit.take("a@example.org", 12) == 0.0


def test_without_limits_nothing_waits():
    limit = RateLimit(None, {})
    assert {limit.take("a@example.org", 0) for _ in range(100)} == {0.0}


def test_a_clock_set_back_gives_no_extra_mails():
    limit = RateLimit(1, {})
    assert limit.take("a@b", 100) == 0.0
    assert limit.take("a@b", 50) > 0
    assert limit.take("a@b", 51) == 0.0
