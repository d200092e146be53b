"""What a preview can be asked for: whose mail it is, and of which day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from digest.editions.schedule import due_slot, previous_slot, schedule_for
from digest.model.editions import Digest, Slot
from digest.storage import people
from digest.storage.engine import Store


def readers(store: Store, digest: Digest, most: int) -> tuple[str, ...]:
    """Addresses of confirmed readers, the earliest first."""
    with store.reading() as tx:
        return tuple(one.address for one in people.readers(tx, digest.name, limit=most))


def latest_slots(digest: Digest, now: datetime, most: int) -> tuple[Slot, ...]:
    """The slots that were due, the newest first; none for a digest without days."""

    def back() -> Iterator[Slot]:
        schedule = schedule_for(digest, None)
        slot = due_slot(digest.name, schedule, now)
        while slot is not None:
            yield slot
            slot = previous_slot(schedule, slot)

    return tuple(slot for slot, _ in zip(back(), range(most), strict=False))
