"""Which edition is due for a reader, and which slots readers of an hour may lack: what publishing asks a million times.

Most readers of a digest differ in nothing that matters here, so what was worked out for one of them is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from digest.editions.schedule import due_slot, is_due, local_day, schedule_for, served_at, slot_on, window_start
from digest.model.editions import Digest, Edition, Schedule, Slot
from digest.model.people import Subscription
from digest.services.ports import ProfileOf
from digest.services.publishing.composing import Wanted
from digest.storage.lacking import Due

#: (send_at, timezone) that readers chose; "" stands for the digest's.
Hour = tuple[str, str]
#: What readers of an hour may lack: those who keep the digest's weekdays, and those with weekdays of their own.
Dues = tuple[Due | None, Due | None]
_KEPT = 2048
_EVERY_DAY = tuple(range(7))


@dataclass(slots=True)
class Wishes:
    """What readers are due as of one instant. ``insist``: also who joined after the slot."""

    profile_of: ProfileOf
    now: datetime
    insist: bool = False
    _slots: dict[object, tuple[Schedule, Slot | None]] = field(
        default_factory=dict[object, tuple[Schedule, Slot | None]]
    )
    _wanted: dict[object, tuple[Mapping[str, object], Wanted]] = field(
        default_factory=dict[object, tuple[Mapping[str, object], Wanted]]
    )

    def of(self, digest: Digest, reader: Subscription) -> Wanted | None:
        """The edition that is due for a reader; None when he lacks none."""
        hour = (digest.name, reader.send_at, reader.timezone, reader.days)
        if hour not in self._slots:
            own = schedule_for(digest, reader)
            self._slots[hour] = own, due_slot(digest.name, own, self.now)
        schedule, slot = self._slots[hour]
        if slot is None or not is_due(slot, reader, timezone=schedule.timezone, insist=self.insist):
            return None
        # Equal preferences come as one object. It is held here, so no other can get its id.
        said = (reader.likes, reader.dislikes)
        served = served_at(digest, schedule, reader)
        key = (hour, served, reader.language, id(reader.preferences), said)
        held = self._wanted.get(key)
        if held is not None:
            return held[1]
        since = window_start(digest, schedule, slot, served)
        wanted = Wanted(digest=digest, slot=slot, profile=self.profile_of(digest, reader), since=since)
        if len(self._wanted) >= _KEPT:
            self._wanted.clear()
        self._wanted[key] = reader.preferences, wanted
        return wanted

    def newest(self, digest: Digest, hour: Hour) -> Dues:
        """What readers of an hour may lack now; of those with weekdays of their own the newest that any can give."""
        usual, other = self.due_on(digest, hour, ()), self.due_on(digest, hour, _EVERY_DAY)
        return (
            self.due(digest, hour, usual) if usual is not None else None,
            self.due(digest, hour, other) if other is not None else None,
        )

    def lackers(self, digest: Digest, hour: Hour, slot: Slot) -> Dues:
        """The same of one slot; that it is due for a reader with weekdays of his own, only ``of`` can tell."""
        if slot_on(digest.name, _schedule(digest, hour), slot.local_date) != slot:
            return None, None
        due = self.due(digest, hour, slot)
        return due if self.due_on(digest, hour, ()) == slot else None, due

    def due_on(self, digest: Digest, hour: Hour, days: tuple[int, ...]) -> Slot | None:
        """The slot that is due for readers of an hour with these weekdays; () are the digest's."""
        usual = _schedule(digest, hour)
        return due_slot(digest.name, replace(usual, days=days or usual.days), self.now)

    def due(self, digest: Digest, hour: Hour, slot: Slot) -> Due:
        """A slot, and until when whoever joined may lack it."""
        if self.insist:
            return Due(slot=slot, joined_until=None)
        # Who joined later on the slot's own day is still for it; a day whose end is repeated ends the second time.
        zone = ZoneInfo(_schedule(digest, hour).timezone)
        end = datetime.combine(slot.local_date + timedelta(days=1), time.min, tzinfo=zone).replace(fold=1)
        return Due(slot=slot, joined_until=max(slot.at, end.astimezone(UTC) - timedelta(microseconds=1)))


def _schedule(digest: Digest, hour: Hour) -> Schedule:
    send_at, timezone = hour
    return Schedule(
        send_at=time.fromisoformat(send_at) if send_at else digest.schedule.send_at,
        timezone=timezone or digest.schedule.timezone,
        days=digest.schedule.days,
    )


def public_due(digest: Digest, last: Edition | None, now: datetime) -> Slot | None:
    """The slot whose public edition is still to be frozen; ``last`` is the newest that was. None when none is."""
    slot = due_slot(digest.name, digest.schedule, now)
    if slot is None:
        return None
    if last is None:  # a slot from before the first day is nobody's
        today = slot_on(digest.name, digest.schedule, local_day(digest.schedule, now))
        return slot if slot == today else None
    return slot if slot.at > last.slot.at else None
