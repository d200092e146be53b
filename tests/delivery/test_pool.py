"""Connections grow while that helps. After being asked to slow down we stop, then come back one at a time."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from digest.delivery.pool import REFUSALS, REST, RateLimit, Slowing, Throttle
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
    throttle = Throttle(8, start=8)
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
        Outcome(kind=OutcomeKind.UNCERTAIN),
    ],
)
def test_what_says_nothing_about_our_rate_changes_nothing(outcome):
    throttle = Throttle(3)
    throttle.on_outcome(outcome, 0)
    assert throttle.allowed(0) == 3


def sent(throttle: Throttle, speed: Callable[[int], float], until: float, now: float = 0.0) -> list[tuple[float, int]]:
    """A relay that takes ``speed(connections)`` mails a second: (when, connections) of each change."""
    changes = [(now, throttle.allowed(now))]
    dice = random.Random(5)
    while now < until:
        allowed = throttle.allowed(now)
        if allowed != changes[-1][1]:
            changes.append((now, allowed))
        now += dice.uniform(0.5, 1.5) / speed(allowed)
        throttle.on_outcome(YES, now)
    return changes


def test_connections_double_while_that_brings_more():
    """A round trip of 50 ms: each connection brings 20 mails a second."""
    changes = sent(Throttle(64), lambda connections: 20.0 * connections, 10)
    assert [connections for _, connections in changes] == [4, 8, 16, 32, 64]
    assert changes[-1][0] < 5


def test_connections_grow_over_a_relay_that_thinks_long_about_each_mail():
    throttle, now = Throttle(16), 0.0
    while throttle.allowed(now) < 16:
        now += 5  # all connections are answered together, after five seconds
        assert now < 120
        for _ in range(throttle.allowed(now)):
            throttle.on_outcome(YES, now)


def test_connections_that_bring_nothing_do_no_harm():
    changes = sent(Throttle(64), lambda connections: 2000.0, 10)
    assert changes[-1][1] == 64


def test_connections_that_slow_the_relay_down_are_taken_back_for_a_while():
    speed = {4: 400.0, 8: 800.0, 16: 300.0}
    changes = sent(Throttle(64), lambda connections: speed.get(connections, 100.0), 40)
    assert [connections for _, connections in changes[:4]] == [4, 8, 16, 8]
    tried = [at for at, connections in changes if connections == 16]
    assert len(tried) > 1
    assert REST <= tried[1] - tried[0] < REST + 5


def test_one_slow_moment_takes_nothing_back():
    moments = iter([400.0] * 14 + [50.0])
    throttle = Throttle(64)
    assert sent(throttle, lambda connections: next(moments, 800.0), 20)[-1][1] == 64


def test_connections_do_not_grow_without_a_backlog():
    throttle = Throttle(64)
    for n in range(5000):
        throttle.on_outcome(YES, n / 1000, backlog=False)
    assert throttle.allowed(5) == 4


def test_a_pause_between_two_runs_does_not_count_as_slowness():
    throttle = Throttle(8)
    assert sent(throttle, lambda connections: 20.0 * connections, 2)[-1][1] == 8
    sent(throttle, lambda connections: 20.0 * connections, 3602, now=3600.0)
    assert throttle.allowed(3602) == 8


def test_no_more_connections_than_are_allowed_even_at_the_start():
    assert Throttle(1).allowed(0) == 1
    assert [n for _, n in sent(Throttle(6), lambda connections: 20.0 * connections, 5)] == [4, 6]


def test_a_reply_in_a_storm_of_hang_ups_grows_by_one_again():
    throttle = Throttle(64, start=64, step=2)
    throttle.on_outcome(HUNG_UP, 0)
    grown = []
    for n in range(6):
        throttle.on_outcome(YES, n)
        grown.append(throttle.allowed(n))
    assert grown == [32, 33, 33, 34, 34, 35]


UNPROVEN = Outcome(
    kind=OutcomeKind.DEFERRED, scope=Scope.MESSAGE, code=550, enhanced="5.7.26", remote="no", retry_after=3600.0
)
SPAM = Outcome(kind=OutcomeKind.REJECTED, code=554, enhanced="5.7.1", remote="spam")
GONE = Outcome(kind=OutcomeKind.REJECTED, code=550, enhanced="5.1.1", suppress=True)


@pytest.mark.parametrize("outcome", [UNPROVEN, SPAM])
def test_when_everything_is_refused_sending_pauses_and_the_cause_is_told(outcome):
    throttle = Throttle(8)
    for _ in range(REFUSALS - 1):
        throttle.on_outcome(outcome, 10)
    assert (throttle.wait(10), throttle.cause) == (0, None)
    throttle.on_outcome(outcome, 10)
    assert (throttle.allowed(3609), throttle.allowed(3610), throttle.cause) == (0, 1, outcome)
    throttle.on_outcome(outcome, 3610)
    assert throttle.wait(3610) == 3600, "after an hour one mail is enough to see that nothing is mended"
    throttle.on_outcome(YES, 8000)
    assert throttle.cause is None
    for _ in range(REFUSALS - 1):
        throttle.on_outcome(outcome, 9000)
    assert throttle.wait(9000) == 0


def test_refusals_between_accepted_mails_or_of_another_kind_or_of_the_dead_pause_nothing():
    throttle = Throttle(8)
    for _ in range(10 * REFUSALS):
        throttle.on_outcome(GONE, 0)
    for _ in range(10 * REFUSALS):
        throttle.on_outcome(SPAM, 0)
        throttle.on_outcome(YES, 0)
    for _ in range(10 * REFUSALS):
        throttle.on_outcome(SPAM, 0)
        throttle.on_outcome(UNPROVEN, 0)
    assert throttle.allowed(0) == 4


def test_a_pause_tells_its_cause():
    throttle = Throttle(8)
    throttle.on_outcome(SLOW, 0)
    assert throttle.cause == SLOW
    throttle = Throttle(8)
    for _ in range(3):
        throttle.on_outcome(HUNG_UP, 0)
    assert throttle.cause == HUNG_UP


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


class Lent:
    """A lender with so many mails, a slice of four at a time."""

    def __init__(self, mails: float) -> None:
        self.mails = mails
        self.asked = 0

    def take(self, domain: str, rate: float, back: float) -> tuple[float, float]:
        self.asked += 1
        self.mails += back
        if not self.mails:
            return 0.0, 0.5
        taken = min(4.0, self.mails)
        self.mails -= taken
        return taken, 0.0

    def give_back(self, domain: str, rate: float, back: float) -> None:
        self.mails += back


def test_of_a_shared_rate_a_slice_is_spent_before_the_next_is_asked_for():
    lent = Lent(10.0)
    limit = RateLimit(4, {}, lent)
    assert [limit.take("a@b", 0.1) for _ in range(11)] == [0.0] * 10 + [0.5]
    assert lent.asked == 4
    assert (limit.take("a@b", 0.5), lent.asked) == (pytest.approx(0.1), 4), "nobody is asked before it is worth it"
    lent.mails = 2.0
    assert (limit.take("a@b", 0.6), lent.asked) == (0.0, 5)


def test_what_was_lent_and_not_sent_goes_back_at_the_end_and_when_it_is_old():
    lent = Lent(10.0)
    limit = RateLimit(4, {}, lent)
    assert limit.take("a@b", 0) == 0.0
    assert limit.take("a@b", 5) == 0.0, "three were left, too old to come on top of the next"
    assert (lent.mails, lent.asked) == (5.0, 2)
    limit.give_back()
    limit.give_back()
    assert lent.mails == 8.0


def test_a_mail_needs_the_slice_of_its_domain_and_that_of_all():
    lent = Lent(100.0)
    limit = RateLimit(None, {"Slow.example": 1}, lent)
    assert (limit.wait(0), limit.take("a@quick.example", 0), lent.asked) == (0.0, 0.0, 0)
    assert (limit.take("a@slow.EXAMPLE", 0), lent.asked) == (0.0, 1)


def test_what_a_relay_asked_is_news_once_and_others_take_it_up():
    throttle, other = Throttle(8), Throttle(8)
    assert throttle.news(10) is None
    throttle.on_outcome(HUNG_UP, 10)
    news = throttle.news(10)
    assert news == (0, 2, HUNG_UP)
    assert throttle.news(10) is None
    other.hear(news, 50)
    assert (other.allowed(50), other.wait(50), other.news(50)) == (2, 0, None)
    throttle.on_outcome(SLOW, 20)
    rest = throttle.news(20)
    assert (rest.rest, rest.cause) == (throttle.wait(20), SLOW)
    other.hear(rest, 60)
    assert (other.wait(60), other.cause, other.news(60)) == (rest.rest, SLOW, None)
    other.free()
    assert (other.allowed(60), other.cause) == (1, None)


def test_who_has_fewer_connections_than_the_other_was_left_keeps_them():
    throttle = Throttle(2)
    throttle.hear(Slowing(0.0, 4, HUNG_UP), 0)
    assert throttle.allowed(0) == 2
