"""When arXiv lists: takes an instant, gives the newest listing that is due. Pure.

arXiv announces at 20:00 Eastern from Sunday to Thursday; the feeds carry the listing from midnight Eastern on, so
they are dated Monday to Friday. On its holidays (those of the United States that Cornell keeps, and the turn of the
year) nothing is announced; the day itself or the next then has no listing, and both are taken for one that may be
empty.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")
#: The feeds may come some hours after midnight.
DUE = time(6)


def has_listing(day: date) -> bool:
    """False at week-ends and around holidays (the day in Eastern time)."""
    return day.weekday() < 5 and not is_holiday(day) and not is_holiday(day - timedelta(days=1))


def newest_due(now: datetime) -> date:
    """The day of the newest listing that should be out at ``now``."""
    local = now.astimezone(EASTERN)
    day = local.date() if local.time() >= DUE else local.date() - timedelta(days=1)
    while not has_listing(day):
        day -= timedelta(days=1)
    return day


def day_of(at: datetime) -> date:
    """The Eastern day of an instant."""
    return at.astimezone(EASTERN).date()


def is_holiday(day: date) -> bool:
    """A day on which arXiv does not announce, as far as a rule can tell."""
    thanksgiving = _nth(day.year, 11, 3, 4)
    return (
        (day.month, day.day) in {(1, 1), (6, 19), (7, 4), (12, 24), (12, 25), (12, 26), (12, 31)}
        or day == _nth(day.year, 1, 0, 3)  # Martin Luther King Jr. Day
        or (day.month == 5 and day.weekday() == 0 and day.day > 24)  # Memorial Day
        or day == _nth(day.year, 9, 0, 1)  # Labor Day
        or day in (thanksgiving, thanksgiving + timedelta(days=1))
    )


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    """The ``number``-th ``weekday`` (Monday 0) of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))
