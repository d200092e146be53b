"""rhythm: how long a feed is left alone, from when it brought something new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from digest.sources.arxiv_calendar import has_listing
from digest.sources.rhythm import pause, usual_gap

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def news(*days: float) -> tuple[datetime, ...]:
    return tuple(NOON - day * DAY for day in days)


def wait(instants, **more) -> timedelta:
    return pause(instants, **{"every": HOUR, "now": NOON, **more})


def test_few_news_tell_no_rhythm():
    assert usual_gap(news(1, 2, 3)) is None
    assert usual_gap(news(1, 2, 4, 5)) == DAY
    assert wait(()) == HOUR
    assert wait(news(6)) == HOUR


def test_arxivs_rhythm_is_never_slower_than_hourly_week_ends_and_long_week_ends_included():
    listed = [day for n in range(60) if has_listing((day := NOON - n * DAY).date())]
    for hours in range(1, 5 * 24):
        assert wait(listed, now=NOON + hours * HOUR) == HOUR


def test_a_list_that_grows_all_day_is_asked_every_hour():
    assert wait(tuple(NOON - n * 2 * HOUR for n in range(20)), now=NOON + 20 * HOUR) == HOUR


def test_a_weekly_feed_rests_a_day_until_it_is_due_then_is_looked_at_every_other_hour():
    weekly = news(0, 7, 14, 21, 28)
    assert wait(weekly, now=NOON + HOUR) == 23 * HOUR  # at the hour at which it came
    assert wait(weekly, now=NOON + DAY) == DAY
    assert wait(weekly, now=NOON + 6 * DAY) == timedelta(hours=3)  # an eighth of the gap before it is due
    assert wait(weekly, now=NOON + 6.5 * DAY) == 7 * DAY / 72
    assert wait(weekly, now=NOON + 8 * DAY) == 8 * DAY / 72


def test_a_pause_is_never_more_than_a_quarter_of_the_gap_nor_than_a_day_nor_less_than_every():
    for gap in (1.6, 2, 3, 5, 9, 30, 200):
        instants = news(*(n * gap for n in range(6)))
        for part in range(60):
            found = wait(instants, now=NOON + part * gap * DAY / 12)
            assert HOUR <= found <= min(gap * DAY / 4, DAY)
            assert wait(instants, now=NOON + part * gap * DAY / 12, every=2 * DAY) == 2 * DAY


def test_irregular_news_are_due_from_their_shorter_gaps_on():
    uneven = news(0, 2, 11, 15, 27, 29)
    assert wait(uneven, now=NOON + 2 * DAY) < 4 * HOUR


def test_a_feed_that_fell_silent_is_asked_ever_more_rarely_but_every_day():
    daily = news(*range(10))
    assert [wait(daily, now=NOON + days * DAY) for days in (7, 9, 36, 72, 400)] == [
        HOUR,
        3 * HOUR,
        12 * HOUR,
        DAY,
        DAY,
    ]
