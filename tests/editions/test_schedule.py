"""When a digest is due: local times to instants through daylight-saving nights, sleeps, moves and clocks set back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from digest.editions.schedule import (
    MOST_REACH,
    due_slot,
    is_due,
    next_slot,
    parse_instant,
    previous_slot,
    publishes_on,
    schedule_for,
    slot_on,
    window_start,
)
from digest.model.editions import About, Digest, Schedule, Slot
from digest.model.people import SubscriberId, Subscription, SubscriptionId, SubscriptionState

MONDAY, WEDNESDAY, FRIDAY = 0, 2, 4
WEEKDAYS = (0, 1, 2, 3, 4)


def schedule(at: str = "07:30", zone: str = "Europe/Berlin", days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)) -> Schedule:
    return Schedule(send_at=time.fromisoformat(at), timezone=zone, days=days)


def daily(**changes: object) -> Digest:
    fields: dict[str, object] = {
        "name": "d",
        "title": "D",
        "list_id": "d.example.org",
        "schedule": schedule(),
    } | changes
    return Digest(**fields)  # type: ignore[arg-type]


def reader(**changes: object) -> Subscription:
    fields: dict[str, object] = {
        "id": SubscriptionId(1),
        "subscriber_id": SubscriberId(1),
        "address": "ada@example.org",
        "digest": "d",
        "state": SubscriptionState.CONFIRMED,
        "secret": "s",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "confirmed_at": datetime(2026, 1, 1, tzinfo=UTC),
        **changes,
    }
    return Subscription(**fields)  # type: ignore[arg-type]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(start: str, hours: int, minutes: int = 1) -> Iterator[datetime]:
    at = utc(start)
    for _ in range(hours * 60 // minutes):
        yield at
        at += timedelta(minutes=minutes)


def slots_seen(plan: Schedule, start: str, hours: int) -> list[Slot]:
    """Every slot that a daemon which looks each minute finds due, once each."""
    seen: list[Slot] = []
    for now in ticks(start, hours):
        slot = due_slot("d", plan, now)
        if slot is not None and slot not in seen:
            seen.append(slot)
    return seen


# Daylight saving: zone, night, send_at, the local wall clock at which it really goes out, the instant.
MISSING = [
    ("Europe/Berlin", "2026-03-29", "02:30", "03:30", "2026-03-29T01:30"),
    ("Europe/Berlin", "2026-03-29", "02:00", "03:00", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-03-29", "01:59", "01:59", "2026-03-29T00:59"),
    ("America/New_York", "2026-03-08", "02:30", "03:30", "2026-03-08T07:30"),
    ("Australia/Lord_Howe", "2026-10-04", "02:15", "02:45", "2026-10-03T15:45"),
    ("America/Santiago", "2026-09-06", "00:30", "01:30", "2026-09-06T04:30"),
    ("Africa/Cairo", "2026-04-24", "00:00", "01:00", "2026-04-23T22:00"),
]
DOUBLED = [
    ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:30"),
    ("Europe/Berlin", "2026-10-25", "02:00", "2026-10-25T00:00"),
    ("Europe/Berlin", "2026-10-25", "03:00", "2026-10-25T02:00"),
    ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30"),
    ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45"),
    ("Africa/Cairo", "2026-10-29", "23:30", "2026-10-29T20:30"),
]


@pytest.mark.parametrize(("zone", "day", "at", "local", "instant"), MISSING)
def test_a_time_that_the_spring_night_skips_comes_as_much_later_as_the_clock_jumps(zone, day, at, local, instant):
    slot = slot_on("d", schedule(at, zone), date.fromisoformat(day))
    assert (slot.at, slot.local_date.isoformat()) == (utc(instant), day)
    assert f"{slot.at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" == f"{day} {local}"


@pytest.mark.parametrize(("zone", "day", "at", "instant"), DOUBLED)
def test_a_time_that_the_autumn_night_has_twice_counts_at_its_first_turn(zone, day, at, instant):
    slot = slot_on("d", schedule(at, zone), date.fromisoformat(day))
    assert (slot.at, slot.local_date.isoformat()) == (utc(instant), day)


@pytest.mark.parametrize(
    ("zone", "day", "at"),
    [(zone, day, at) for zone, day, at, *_ in MISSING] + [(zone, day, at) for zone, day, at, _ in DOUBLED],
)
def test_every_local_date_around_a_changed_clock_has_exactly_one_slot(zone, day, at):
    first = date.fromisoformat(day) - timedelta(days=1)
    seen = slots_seen(schedule(at, zone), f"{first}T00:00", 72)
    dates = [slot.local_date for slot in seen]
    assert dates == sorted(set(dates))
    assert {first, first + timedelta(days=1), first + timedelta(days=2)} <= set(dates)
    assert [slot.at for slot in seen] == sorted({slot.at for slot in seen})


def test_a_date_that_a_zone_skipped_altogether_gives_one_edition_not_two():
    """Samoa had no 30 December 2011: both dates name one instant, and its reader gets one mail."""
    plan = schedule("07:30", "Pacific/Apia")
    seen = slots_seen(plan, "2011-12-29T00:00", 72)
    ada = reader(last_slot_at=None, timezone="Pacific/Apia", confirmed_at=utc("2011-01-01"))
    got: list[str] = []
    for slot in seen:
        if is_due(slot, ada, timezone="Pacific/Apia", insist=False):
            got.append(slot.local_date.isoformat())
            ada = reader(
                last_slot_at=slot.at, last_slot_date=slot.local_date.isoformat(), confirmed_at=utc("2011-01-01")
            )
    assert got == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "Asia/Kathmandu", "Europe/Berlin", "UTC"])
def test_the_due_slot_is_never_in_the_future_and_the_next_one_always_is(zone):
    for at in ("00:00", "07:30", "23:59"):
        for days in (tuple(range(7)), WEEKDAYS, (WEDNESDAY,)):
            plan = schedule(at, zone, days)
            for now in ticks("2026-05-01T00:00", 24 * 9, 97):
                due, following = due_slot("d", plan, now), next_slot("d", plan, now)
                assert due is not None and following is not None
                assert due.at <= now < following.at
                assert due.local_date.weekday() in days and following.local_date.weekday() in days
                assert previous_slot(plan, following) == due


def test_weekdays_rest_from_friday_to_monday():
    plan = schedule(days=WEEKDAYS)
    sunday = utc("2026-05-03T12:00")
    assert due_slot("d", plan, sunday) == slot_on("d", plan, date(2026, 5, 1))
    assert next_slot("d", plan, sunday) == slot_on("d", plan, date(2026, 5, 4))
    assert not publishes_on(plan, date(2026, 5, 3)) and publishes_on(plan, date(2026, 5, 4))


def test_a_weekly_digest_reaches_back_to_the_week_before():
    plan = schedule(days=(FRIDAY,))
    weekly = daily(schedule=plan)
    slot = slot_on("d", plan, date(2026, 5, 8))
    assert previous_slot(plan, slot) == slot_on("d", plan, date(2026, 5, 1))
    assert window_start(weekly, plan, slot, None) == slot_on("d", plan, date(2026, 5, 1)).at


def test_a_schedule_without_days_is_never_due():
    plan = schedule(days=())
    now = utc("2026-05-04T12:00")
    assert due_slot("d", plan, now) is next_slot("d", plan, now) is None
    assert previous_slot(plan, slot_on("d", plan, date(2026, 5, 4))) is None


def test_a_daemon_started_late_finds_the_slot_of_today():
    plan = schedule()
    assert due_slot("d", plan, utc("2026-05-04T21:00")) == slot_on("d", plan, date(2026, 5, 4))
    assert due_slot("d", plan, utc("2026-05-04T05:29")) == slot_on("d", plan, date(2026, 5, 3))
    assert due_slot("d", plan, utc("2026-05-04T05:30")) == slot_on("d", plan, date(2026, 5, 4))


def test_a_clock_set_back_brings_no_slot_a_second_time():
    plan = schedule()
    served = slot_on("d", plan, date(2026, 5, 4))
    ada = reader(last_slot_at=served.at, last_slot_date="2026-05-04")
    for back in (timedelta(minutes=10), timedelta(hours=2), timedelta(days=1), timedelta(days=5)):
        slot = due_slot("d", plan, served.at + timedelta(minutes=1) - back)
        assert slot is not None
        assert not is_due(slot, ada, timezone="Europe/Berlin", insist=False)
        assert not is_due(slot, ada, timezone="Europe/Berlin", insist=True)
    tomorrow = slot_on("d", plan, date(2026, 5, 5))
    assert is_due(tomorrow, ada, timezone="Europe/Berlin", insist=False)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles", "Asia/Tokyo", "Pacific/Pago_Pago"])
def test_a_reader_who_moves_gets_at_most_one_edition_a_local_date(zone):
    home = schedule()
    served = slot_on("d", home, date(2026, 5, 4))
    ada = reader(timezone=zone, last_slot_at=served.at, last_slot_date="2026-05-04")
    moved = schedule_for(daily(), ada)
    got: list[date] = []
    for now in ticks("2026-05-04T05:31", 72, 15):
        slot = due_slot("d", moved, now)
        if slot is not None and is_due(slot, ada, timezone=zone, insist=False):
            got.append(slot.local_date)
            ada = reader(timezone=zone, last_slot_at=slot.at, last_slot_date=slot.local_date.isoformat())
    assert got[:2] == [date(2026, 5, 5), date(2026, 5, 6)]
    assert len(got) == len(set(got))


def test_an_hour_moved_to_the_evening_brings_no_second_edition_that_day():
    ada = reader(send_at=time(18), last_slot_at=utc("2026-05-04T05:30"), last_slot_date="2026-05-04")
    plan = schedule_for(daily(), ada)
    evening = due_slot("d", plan, utc("2026-05-04T16:00"))
    assert evening is not None and evening.at == utc("2026-05-04T16:00")
    assert not is_due(evening, ada, timezone="Europe/Berlin", insist=False)
    following = due_slot("d", plan, utc("2026-05-05T16:00"))
    assert following is not None and is_due(following, ada, timezone="Europe/Berlin", insist=False)


def test_who_joins_on_the_day_gets_the_days_edition_and_no_older_one():
    plan = schedule()
    today, before = slot_on("d", plan, date(2026, 5, 4)), slot_on("d", plan, date(2026, 5, 3))
    late = reader(confirmed_at=utc("2026-05-04T20:00"))
    assert is_due(today, late, timezone="Europe/Berlin", insist=False)
    assert not is_due(before, late, timezone="Europe/Berlin", insist=False)
    assert is_due(before, late, timezone="Europe/Berlin", insist=True)
    # 23:30 UTC is already the fifth in Berlin: the slot of the fourth was before.
    assert not is_due(today, reader(confirmed_at=utc("2026-05-04T23:30")), timezone="Europe/Berlin", insist=False)
    weekly = slot_on("d", schedule(days=(MONDAY,)), date(2026, 5, 4))
    assert not is_due(weekly, reader(confirmed_at=utc("2026-05-06T08:00")), timezone="Europe/Berlin", insist=False)


def test_a_reader_chooses_hour_zone_and_days_over_the_digests():
    ada = reader(send_at=time(9), timezone="Asia/Tokyo", days=(MONDAY,))
    assert schedule_for(daily(), ada) == schedule("09:00", "Asia/Tokyo", (MONDAY,))
    assert schedule_for(daily(), reader()) == schedule_for(daily(), None) == schedule()
    assert schedule_for(daily(), reader(send_at=time(0))).send_at == time(0)


def test_a_daily_window_is_the_digests_own():
    slot = slot_on("d", schedule(), date(2026, 5, 4))
    assert window_start(daily(), schedule(), slot, None) == slot.at - timedelta(days=3)
    yesterday = slot_on("d", schedule(), date(2026, 5, 3))
    assert window_start(daily(), schedule(), slot, yesterday.at) == slot.at - timedelta(days=3)


def test_a_window_shorter_than_a_day_reaches_back_to_the_slot_before():
    slot = slot_on("d", schedule(), date(2026, 5, 4))
    assert window_start(daily(window=timedelta(hours=1)), schedule(), slot, None) == slot.at - timedelta(days=1)


def test_a_laptop_asleep_for_three_days_gets_one_edition_that_reaches_back_to_the_last_served_slot():
    plan, digest = schedule(), daily(window=timedelta(days=1))
    asleep = slot_on("d", plan, date(2026, 5, 1))
    ada = reader(last_slot_at=asleep.at, last_slot_date="2026-05-01")
    woken = due_slot("d", plan, utc("2026-05-05T09:00"))
    assert woken is not None and woken.local_date == date(2026, 5, 5)
    assert is_due(woken, ada, timezone="Europe/Berlin", insist=False)
    assert window_start(digest, plan, woken, asleep.at) == asleep.at
    after = reader(last_slot_at=woken.at, last_slot_date="2026-05-05")
    assert not is_due(woken, after, timezone="Europe/Berlin", insist=False)


def test_no_window_reaches_back_further_than_ninety_days():
    slot = slot_on("d", schedule(), date(2026, 5, 4))
    assert window_start(daily(), schedule(), slot, utc("2025-05-04T00:00")) == slot.at - MOST_REACH
    assert window_start(daily(), schedule(), slot, slot.at - timedelta(days=89)) == slot.at - timedelta(days=89)
    assert slot.at - window_start(daily(window=timedelta(days=400)), schedule(), slot, None) == timedelta(days=90)


@pytest.mark.parametrize(
    ("text", "instant", "bare"),
    [
        ("2026-05-04", "2026-05-04T05:30", True),
        ("2026-03-29", "2026-03-29T05:30", True),
        ("2026-05-04T07:30", "2026-05-04T05:30", False),
        ("2026-05-04 07:30:15", "2026-05-04T05:30:15", False),
        ("2026-05-04T05:30Z", "2026-05-04T05:30", False),
        ("2026-05-04T05:30:00+00:00", "2026-05-04T05:30", False),
        ("2026-05-04T07:30-04:00", "2026-05-04T11:30", False),
        ("2026-12-24T07:30", "2026-12-24T06:30", False),
    ],
)
def test_an_instant_is_iso_8601_in_the_digests_zone_unless_it_names_one(text, instant, bare):
    assert parse_instant(text, schedule()) == (utc(instant), bare)


@pytest.mark.parametrize("text", ["", "tomorrow", "04.05.2026", "2026-13-01", "2026-05-04T25:00", "1767225600"])
def test_anything_else_is_no_instant(text):
    with pytest.raises(ValueError):
        parse_instant(text, schedule())


def test_a_slots_key_names_its_date_and_its_instant():
    assert slot_on("d", schedule("00:30"), date(2026, 5, 4)).key == "2026-05-04@2026-05-03T22:30:00Z"


def test_the_first_edition_about_a_topic_goes_back_as_far_as_any_may_and_later_ones_do_not():
    digest = daily(about=About.TOPIC)
    slot = slot_on("d", digest.schedule, date(2026, 5, 4))
    assert window_start(digest, digest.schedule, slot, None) == slot.at - MOST_REACH
    assert window_start(digest, digest.schedule, slot, slot.at - timedelta(days=1)) == slot.at - digest.window
    trending = daily()
    assert window_start(trending, trending.schedule, slot, None) == slot.at - trending.window
