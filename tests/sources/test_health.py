"""health: each way in which a round can end, with its sentence and its next time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from digest.model.errors import FetchError, ParseError
from digest.model.feeds import FetchTrace, Health, Source, SourceId, SourceState
from digest.sources.arxiv_calendar import has_listing, is_holiday, newest_due
from digest.sources.health import judge

FEED = Source(id=SourceId("f"), kind="feed")
ARXIV = Source(id=SourceId("a"), kind="arxiv", category="cs.CL")
FRIDAY = datetime(2025, 11, 21, 12, tzinfo=UTC)
SATURDAY = FRIDAY + timedelta(days=1)
HOUR = timedelta(hours=1)


def state(source: Source, now: datetime = FRIDAY, **trace) -> SourceState:
    return judge(source, FetchTrace(**{"documents": 1, **trace}), failures=0, now=now, jitter=0).state


def test_new_and_revised_entries_are_ok_and_end_a_row_of_failures():
    assert judge(
        FEED, FetchTrace(documents=1, entries=9, new=2, revised=1), failures=3, now=FRIDAY, jitter=0
    ) == Health(state=SourceState.OK, detail="9 entries: 2 new, 1 revised.", next_at=FRIDAY + HOUR, failures=0)


def test_silence_of_a_feed_is_told_apart():
    assert state(FEED, unchanged=1) is SourceState.UNCHANGED
    assert state(FEED, documents=3, unchanged=2, entries=5) is SourceState.QUIET
    assert state(FEED, entries=5) is SourceState.QUIET
    assert state(FEED, entries=0) is SourceState.QUIET
    assert state(FEED, entries=0, skip_days=frozenset({4})) is SourceState.HOLIDAY
    assert state(FEED, unchanged=1, skip_days=frozenset({4})) is SourceState.HOLIDAY
    assert state(FEED, entries=0, skip_days=frozenset({5})) is SourceState.QUIET
    assert state(FEED, SATURDAY, entries=5, same_ids_as_last=True, last_new_at=FRIDAY) is SourceState.QUIET


def test_arxiv_at_the_week_end_is_on_holiday_whether_empty_unchanged_or_the_same():
    for trace in ({"entries": 0}, {"unchanged": 1}, {"entries": 50, "same_ids_as_last": True, "last_new_at": FRIDAY}):
        assert state(ARXIV, SATURDAY, **trace) is SourceState.HOLIDAY


def test_arxiv_showing_the_listing_of_the_day_before_on_a_working_day_is_stale():
    thursday = FRIDAY - timedelta(days=1)
    health = judge(
        ARXIV,
        FetchTrace(documents=1, entries=50, same_ids_as_last=True, last_new_at=thursday),
        failures=0,
        now=FRIDAY,
        jitter=0,
    )
    assert (health.state, health.failures) == (SourceState.STALE, 0)
    assert (
        health.detail
        == "arXiv still shows the listing of before; the one of Friday, 21 November 2025 has not appeared."
    )
    assert state(ARXIV, unchanged=1, last_new_at=thursday) is SourceState.STALE


def test_arxiv_is_not_stale_when_todays_listing_was_read_or_is_not_due_or_another_source_had_it_first():
    thursday = FRIDAY - timedelta(days=1)
    same = {"entries": 50, "same_ids_as_last": True}
    assert state(ARXIV, **same, last_new_at=FRIDAY - 2 * HOUR) is SourceState.QUIET
    assert state(ARXIV, unchanged=1, last_new_at=FRIDAY - 2 * HOUR) is SourceState.UNCHANGED
    assert state(ARXIV, FRIDAY.replace(hour=6), **same, last_new_at=thursday) is SourceState.QUIET
    assert state(ARXIV, entries=50, last_new_at=thursday) is SourceState.QUIET
    assert state(ARXIV, datetime(2025, 11, 24, 8, tzinfo=UTC), **same, last_new_at=FRIDAY) is SourceState.QUIET


def test_a_throttling_server_is_left_alone_as_long_as_it_asks_within_reason():
    def wait(seconds: float | None, failures: int = 0) -> timedelta:
        error = FetchError("slow down", throttled=True, retry_after=seconds, http_status=429)
        health = judge(FEED, FetchTrace(error=error), failures=failures, now=FRIDAY, jitter=0)
        assert (health.state, health.failures) == (SourceState.THROTTLED, failures + 1)
        return health.next_at - FRIDAY

    assert wait(600) == timedelta(seconds=600)
    assert wait(0) == timedelta(minutes=1)
    assert wait(10**9) == timedelta(hours=24)
    assert (wait(None), wait(None, 2)) == (HOUR, 4 * HOUR)


def test_a_broken_source_is_asked_ever_more_rarely_but_at_least_daily():
    error = ParseError("this is an HTML page, not a feed", try_="give the address of the feed itself")
    waits = [
        judge(FEED, FetchTrace(error=error), failures=failures, now=FRIDAY, jitter=0).next_at - FRIDAY
        for failures in (0, 1, 2, 4, 5, 1000)
    ]
    assert waits == [HOUR, 2 * HOUR, 4 * HOUR, 16 * HOUR, 24 * HOUR, 24 * HOUR]
    health = judge(FEED, FetchTrace(error=error), failures=1, now=FRIDAY, jitter=0)
    assert (health.state, health.failures) == (SourceState.BROKEN, 2)
    assert health.detail == "This is an HTML page, not a feed. Give the address of the feed itself."


def test_a_feed_that_is_gone_is_not_asked_again_by_itself():
    health = judge(FEED, FetchTrace(error=FetchError("gone", gone=True)), failures=0, now=FRIDAY, jitter=0)
    detail = "Gone. It is not asked again until somebody calls `digest fetch f`."
    assert health == Health(state=SourceState.BROKEN, detail=detail, next_at=None, failures=1)


def test_an_error_that_is_our_own_fault_is_said_to_be():
    health = judge(FEED, FetchTrace(error=KeyError("x")), failures=0, now=FRIDAY, jitter=0)
    assert health.detail == "Reading it failed unexpectedly (KeyError: 'x'); please report this."


def test_the_next_time_respects_the_feeds_ttl_up_to_a_day_and_moves_by_a_tenth_at_most():
    def wait(ttl: timedelta | None, jitter: float) -> timedelta:
        return judge(FEED, FetchTrace(documents=1, ttl=ttl), failures=0, now=FRIDAY, jitter=jitter).next_at - FRIDAY

    assert wait(None, 0.5) == timedelta(hours=1, minutes=3)
    assert wait(timedelta(minutes=5), 0) == HOUR
    assert wait(timedelta(hours=2), 0) == 2 * HOUR
    assert wait(timedelta(days=7), 1) == timedelta(hours=24, minutes=6)


@pytest.mark.parametrize(
    "day",
    [
        "2025-01-01",
        "2025-01-20",
        "2025-05-26",
        "2025-06-19",
        "2025-07-04",
        "2025-09-01",
        "2025-11-27",
        "2025-11-28",
        "2025-12-25",
    ],
)
def test_the_holidays_of_2025_are_known(day):
    assert is_holiday(date.fromisoformat(day))


def test_the_newest_listing_due_skips_week_ends_holidays_and_the_hours_before_it_appears():
    assert has_listing(date(2025, 11, 21))
    assert not has_listing(date(2025, 11, 22))
    assert newest_due(datetime(2025, 11, 21, 12, tzinfo=UTC)) == date(2025, 11, 21)
    assert newest_due(datetime(2025, 11, 21, 10, tzinfo=UTC)) == date(2025, 11, 20)
    assert newest_due(datetime(2025, 11, 23, 12, tzinfo=UTC)) == date(2025, 11, 21)
    assert newest_due(datetime(2025, 11, 28, 20, tzinfo=UTC)) == date(2025, 11, 26)
