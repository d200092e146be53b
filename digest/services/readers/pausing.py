"""Until when a pause may last, and which mails it leaves out: days in the reader's own time zone."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from digest.editions.schedule import due_slot, is_due, local_day, next_slot, schedule_for
from digest.model.editions import Digest
from digest.model.errors import InputError
from digest.model.people import Subscription

#: Whoever wants no mail for longer had better leave, and come back: an address may have changed hands by then.
LONGEST = timedelta(days=366)
_LATER = "write a day within a year, such as {}"


def read_day(text: str, today: date) -> date:
    """The day that mail is to come again, as people type it. Raises InputError for what is no day, or none to pause
    until.
    """
    try:
        until = date.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{text.strip()[:40]!r} is not a date", where="until", try_=_example(today)) from error
    return check_day(until, today)


def check_day(until: date, today: date) -> date:
    """The same day, if a pause may end on it. Raises InputError."""
    if until <= today:
        what = f"{until} is today" if until == today else f"{until} has passed"
        raise InputError(f"{what}, so there is nothing to pause", where="until", try_=_example(today))
    if until - today > LONGEST:
        raise InputError(f"{until} is more than a year away", where="until", try_=f"{_example(today)}, or unsubscribe")
    return until


def today_of(digest: Digest, reader: Subscription, now: datetime) -> date:
    """The date where the reader is at home."""
    return local_day(schedule_for(digest, reader), now)


def first_left_out(digest: Digest, reader: Subscription, now: datetime) -> date:
    """The local date of the first mail that a pause from now on leaves out: the one that waits to be published, else
    the next.
    """
    schedule = schedule_for(digest, reader)
    today = local_day(schedule, now)
    if reader.is_paused(today) and reader.paused_on is not None:
        return reader.paused_on
    due = due_slot(digest.name, schedule, now)
    if due is not None and is_due(due, reader, timezone=schedule.timezone, insist=False):
        return due.local_date
    following = next_slot(digest.name, schedule, now)
    return following.local_date if following is not None else today


def _example(today: date) -> str:
    return _LATER.format(today + timedelta(days=7))
