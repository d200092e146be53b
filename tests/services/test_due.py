"""Whom a slot is due for, asked of the database: nobody who lacks one is left out, who was served is not looked at."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digest.editions.schedule import due_slot, is_due, schedule_for
from digest.services.publishing.cohorts import pages
from digest.services.publishing.due import Wishes
from digest.storage import lacking, people
from tests.services.road import DAY, SLOT, Road

#: Far apart, with half hours, and with clocks that change at midnight.
ZONES = (
    "",
    "Europe/Berlin",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Asia/Kolkata",
    "America/Havana",
    "Asia/Beirut",
)
HOURS = ("", "00:00", "00:30", "07:30", "12:00", "23:59")
DAYS: tuple[list[int], ...] = ([], [0], [2, 5], [6], [0, 1, 2, 3, 4, 5, 6])


def crowd(road: Road, number: int, chance: random.Random) -> None:
    """Readers of every kind: any hour, zone and weekdays, served long ago, lately or never, joined at any time, and
    some of them paused."""
    with road.app.store.transaction() as tx:
        for n in range(number):
            at = SLOT - 20 * DAY + chance.random() * 25 * DAY
            who = people.add_subscriber(tx, f"r{n}@example.org", at)
            served = SLOT + timedelta(hours=chance.randrange(-200, 120)) if chance.random() < 0.7 else None
            zone = chance.choice(ZONES)
            day = served.astimezone(ZoneInfo(zone or "Europe/Berlin")).date().isoformat() if served else ""
            plain = {"subscriber_id": who.id, "digest": "daily", "secret": f"{n:022d}", "created_at": at}
            plain |= {"state": chance.choice(["confirmed", "confirmed", "confirmed", "pending", "unsubscribed"])}
            plain |= {"confirmed_at": at if chance.random() < 0.9 else None, "language": "", "preferences": {}}
            plain |= {"send_at": chance.choice(HOURS), "timezone": zone, "days": chance.choice(DAYS)}
            plain |= {"paused_until": (SLOT + chance.randrange(-5, 15) * DAY).date() if chance.random() < 0.3 else None}
            tx.execute(people.subscriptions.insert().values(**plain, last_slot_at=served, last_slot_date=day))


@pytest.mark.parametrize("days", [["mon"], ["mon", "thu", "sun"], None], ids=["weekly", "thrice", "daily"])
def test_whoever_lacks_a_slot_is_found_and_nobody_else(url: str, tmp_path: Path, days: list[str] | None):
    digest = {"name": "daily", "timezone": "America/Havana", **({"days": days} if days else {})}
    road = Road.open(tmp_path, url, digest)
    chance = random.Random(7)
    crowd(road, 30, chance)
    (daily,) = road.app.config.digests
    with road.app.store.reading() as tx:
        readers = people.readers(tx, "daily", limit=10_000)
    # The nights of the clock changes too: Havana's and Beirut's come at midnight.
    instants = [SLOT + timedelta(hours=23 * n) for n in range(-3, 8)]
    instants += [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in range(3, 8)]
    for now in instants:
        for insist in (False, True):
            lacking = set()
            for reader in readers:
                schedule = schedule_for(daily, reader)
                slot = due_slot("daily", schedule, now)
                if slot and is_due(slot, reader, timezone=schedule.timezone, insist=insist):
                    lacking.add((reader.id, slot))
            found = [(reader.id, slot) for reader, slot in road.app.publish.due(now, insist=insist)]
            assert len(found) == len(set(found))
            assert set(found) == lacking
    road.app.close()


def test_who_was_served_is_not_looked_at_again(url: str, tmp_path: Path):
    """Also who chose an hour of his own; and who joined after the slot, of a digest that goes out on Mondays."""
    road = Road.open(tmp_path, url, {"name": "daily", "days": ["mon"]})
    for n in range(5):
        road.reader(f"plain{n}@example.org")
        road.reader(f"own{n}@example.org", timezone="America/New_York", send_at="05:00")
    road.now = SLOT + timedelta(hours=6)
    road.publish()
    road.now = SLOT + 2 * DAY
    road.reader("late@example.org", since=road.now)
    publish = road.app.publish
    wishes = Wishes(publish.profile_of, road.now)
    (weekly,) = publish.digests
    assert list(pages(publish.store, weekly, lambda hour: wishes.newest(weekly, hour))) == []
    assert [r.address for r, _ in publish.due(road.now, insist=True)] == ["late@example.org"]
    road.app.close()


def test_readers_with_the_same_wishes_share_what_was_worked_out(url: str, tmp_path: Path):
    road = Road.open(tmp_path, url)
    for n in range(3):
        road.reader(f"r{n}@example.org", preferences={"keywords": ["tides"]})
    road.reader("other@example.org", preferences={"keywords": ["dawn"]})
    wishes = Wishes(road.app.publish.profile_of, road.now)
    (daily,) = road.app.config.digests
    usual, other = wishes.newest(daily, ("", ""))
    with road.app.store.reading() as tx:
        readers = lacking.lacking(tx, "daily", ("", ""), usual=usual, other=other)
    wanted = [wishes.of(daily, reader) for reader in readers]
    assert wanted[0] is wanted[1] is wanted[2] is not wanted[3]
    assert [one.profile.keywords for one in wanted if one] == [("tides",)] * 3 + [("dawn",)]
    with pytest.raises(TypeError):
        readers[0].preferences["keywords"] = ["mine"]  # type: ignore[index]
    road.app.close()
