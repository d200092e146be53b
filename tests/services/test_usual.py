"""What is usual for a digest and for a source, by arithmetic alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest.services.status.usual import hush, is_expected, is_short

NOW = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("printed", "before", "short"),
    [
        (4, [10] * 10, True),
        (5, [10] * 10, False),  # half is not under half
        (1, [3] * 10, False),  # two fewer
        (1, [4] * 10, True),
        (0, [10] * 4, False),  # too few to know
        (0, [10] * 5, True),
        (3, [0, 0, 0, 0, 0, 0, 12, 12, 12, 12], False),
        (3, [12] * 10 + [0] * 90, True),  # only the last ten count
    ],
)
def test_short_is_under_half_the_median_and_three_fewer(printed, before, short):
    assert is_short(printed, before) is short


@pytest.mark.parametrize(
    ("before", "expected"),
    [([1] * 4, True), ([1] * 3, False), ([1, 1, 1, 0], True), ([1, 1, 0, 0], False), ([0] * 8 + [9] * 50, False)],
)
def test_a_weekday_is_expected_to_print_when_three_quarters_of_eight_did(before, expected):
    assert is_expected(before) is expected


def every(days: float, number: int = 20, silent: float = 0.0) -> list[datetime]:
    """That many news, a gap apart; the last so long ago."""
    return [NOW - (silent + days * place) * DAY for place in reversed(range(number))]


def test_more_than_twice_the_longest_gap_is_unusual():
    assert hush(every(3, silent=6), NOW) is None
    found = hush(every(3, silent=6.1), NOW)
    assert found is not None
    assert found.sentence == "has brought nothing for 6 days; before, never more than 3 days passed"


def test_a_daily_feed_is_not_missed_within_a_day_and_one_that_rests_at_week_ends_not_on_sunday():
    assert hush(every(0.25, number=100, silent=0.9), NOW) is None
    assert hush(every(0.25, number=100, silent=1.3), NOW) is not None
    working = [NOW - number * DAY for number in range(60, 1, -1) if (NOW - number * DAY).weekday() < 5]
    assert hush(working, NOW) is None


def test_a_rhythm_wants_six_examples_over_a_fortnight():
    assert hush(every(3, number=5, silent=90), NOW) is None
    assert hush(every(0.1, number=50, silent=90), NOW) is None
    assert hush([], NOW) is None
