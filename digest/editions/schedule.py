"""When a digest is due: local wall-clock times to instants, right through both daylight-saving nights.

A time that does not exist (02:30 in the spring night) becomes the same distance after the gap (03:30); one that
happens twice happens once, the first time. Nothing here reads a clock.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from digest.model.editions import About, Digest, Schedule, Slot
from digest.model.people import Subscription

#: No edition reaches back further, so pruning deliveries after this time cannot cause a repeat.
MOST_REACH = timedelta(days=90)
_LONGEST_GAP = 8  # days between two slots of a weekly digest, and one for the zone


def schedule_for(digest: Digest, reader: Subscription | None) -> Schedule:
    """The digest's schedule with what this reader chose instead."""
    base = digest.schedule
    if reader is None:
        return base
    return Schedule(
        send_at=reader.send_at or base.send_at,
        timezone=reader.timezone or base.timezone,
        days=reader.days or base.days,
    )


def slot_on(digest: str, schedule: Schedule, day: date) -> Slot:
    """The slot of a local date, whatever its weekday."""
    local = datetime.combine(day, schedule.send_at, tzinfo=ZoneInfo(schedule.timezone))
    # fold=0 is the offset before a transition: a missing time then lands behind the gap, a doubled one on its first
    # turn.
    return Slot(digest=digest, local_date=day, at=local.replace(fold=0).astimezone(UTC))


def local_day(schedule: Schedule, at: datetime) -> date:
    """The date at an instant where the digest is at home."""
    return at.astimezone(ZoneInfo(schedule.timezone)).date()


def publishes_on(schedule: Schedule, day: date) -> bool:
    return day.weekday() in schedule.days


def due_slot(digest: str, schedule: Schedule, now: datetime) -> Slot | None:
    """The newest slot that is not in the future; None for a schedule without days."""
    today = local_day(schedule, now)
    for back in range(-1, _LONGEST_GAP):
        day = today - timedelta(days=back)
        if publishes_on(schedule, day) and (slot := slot_on(digest, schedule, day)).at <= now:
            return slot
    return None


def next_slot(digest: str, schedule: Schedule, now: datetime) -> Slot | None:
    """The first slot in the future."""
    today = local_day(schedule, now)
    for ahead in range(-1, _LONGEST_GAP + 1):
        day = today + timedelta(days=ahead)
        if publishes_on(schedule, day) and (slot := slot_on(digest, schedule, day)).at > now:
            return slot
    return None


def next_mail(digest: str, schedule: Schedule, reader: Subscription | None, now: datetime) -> Slot | None:
    """The first slot in the future that a reader is to get; without a reader the schedule's."""
    following = next_slot(digest, schedule, now)
    if following is None or reader is None or reader.paused_until is None or not reader.is_paused(following.local_date):
        return following
    return next_slot(digest, schedule, slot_on(digest, schedule, reader.paused_until).at - timedelta(microseconds=1))


def previous_slot(schedule: Schedule, slot: Slot) -> Slot | None:
    """The scheduled slot before this one."""
    for back in range(1, _LONGEST_GAP):
        day = slot.local_date - timedelta(days=back)
        if publishes_on(schedule, day):
            return slot_on(slot.digest, schedule, day)
    return None


def window_start(digest: Digest, schedule: Schedule, slot: Slot, last_served_at: datetime | None) -> datetime:
    """From when on entries count as new for this slot.

    The digest's window, stretched to the slot before (a weekly digest), and to the last slot that was really served
    (a laptop that slept), but never further than 90 days. So far back goes the first edition about a topic: what was
    written of it lately is new to whoever asks for it now.
    """
    if digest.about is About.TOPIC and last_served_at is None:
        return slot.at - MOST_REACH
    starts = [slot.at - digest.window]
    before = previous_slot(schedule, slot)
    if before is not None:
        starts.append(before.at)
    if last_served_at is not None:
        starts.append(last_served_at)
    return max(min(starts), slot.at - MOST_REACH)


def served_at(digest: Digest, schedule: Schedule, reader: Subscription | None) -> datetime | None:
    """The last slot that a reader was served. Those of a pause count, so that nothing old is poured out after it."""
    if reader is None or reader.last_slot_at is None or reader.paused_until is None:
        return reader.last_slot_at if reader is not None else None
    before = previous_slot(schedule, slot_on(digest.name, schedule, reader.paused_until))
    return max(reader.last_slot_at, before.at) if before is not None else reader.last_slot_at


def is_due(slot: Slot, reader: Subscription, *, timezone: str, insist: bool) -> bool:
    """Whether a reader still lacks this slot; who is paused on its date does not.

    Somebody who joined later on the slot's own day gets that day's edition; an older one is not for him, unless the
    operator insists (``send --at``).
    """
    if reader.last_slot_at is not None and slot.at <= reader.last_slot_at:
        return False
    if reader.last_slot_date and slot.local_date.isoformat() <= reader.last_slot_date:
        return False
    if reader.is_paused(slot.local_date):
        return False
    if insist or reader.confirmed_at is None:
        return True
    return (
        reader.confirmed_at <= slot.at or reader.confirmed_at.astimezone(ZoneInfo(timezone)).date() <= slot.local_date
    )


def parse_instant(text: str, schedule: Schedule) -> tuple[datetime, bool]:
    """An INSTANT as people type it: (instant, whether it was a bare date).

    ISO 8601; without a zone it is in the schedule's; a bare date means that day's ``send_at``. Raises ValueError.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(schedule.timezone))).astimezone(UTC), False
    return slot_on("", schedule, day).at, True
