"""A random walk: readers come, go, move, change their wishes and join mails while papers arrive, merge and mails fail.

Whatever happens, nobody is sent a work twice, no digest twice a local date, and a mail prints what its editions say.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from digest.model.feeds import EntryData
from digest.model.mail import SENT_STATES
from digest.model.people import SubscriptionState
from digest.rendering.message import fill, parts, segments
from digest.services.readers.subscribe import Choices
from digest.services.stamping import dead_stamps
from digest.storage import deliveries, editions, entries, people
from tests.services.road import SLOT, Road, paper

DIGESTS = (
    {"name": "one", "max_items": 6},
    {"name": "two", "when_empty": "best-of", "max_items": 3, "window": "1d"},
    {"name": "three", "send_at": "18:00", "when_empty": "say-so", "days": ["mon", "thu"]},
)
ADDRESSES = tuple(f"reader-{n}@example.org" for n in range(6))
ZONES = ("", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kathmandu")
WISHES = ({}, {"categories": {"cs.CV": 1}}, {"keywords": ["dawn"], "max_items": 2}, {"mute": ["number 7"]})


@pytest.fixture
def road(url: str, tmp_path: Path) -> Iterator[Road]:
    road = Road.open(tmp_path, url, *DIGESTS)
    yield road
    road.app.close()


class Walk:
    """One seeded life of an installation."""

    def __init__(self, road: Road, seed: int) -> None:
        self.road, self.dice = road, random.Random(seed)
        self.known: list[EntryData] = []
        self.last = 0

    def papers(self) -> None:
        fresh: list[EntryData] = []
        for _ in range(self.dice.choice((0, 0, 1, 3))):
            number = len(self.known) + 1
            one = paper(number, categories=(self.dice.choice(("cs.CL", "cs.CV")),), upvotes=self.dice.randrange(200))
            if self.dice.random() < 0.4:
                # Met first as a lab's page, of which nobody knows yet that it is on arXiv.
                one = replace(one, key=f"page-{number}", url=f"https://lab.example.org/{number}", arxiv_id=None)
            fresh.append(one)
            self.known.append(one)
        again = self.dice.sample(self.known, min(len(self.known), 4))
        for one in again:
            number = self.known.index(one) + 1
            both = replace(one, arxiv_id=f"2605.{number:05d}", version=self.dice.choice((None, 1, 2)))
            fresh.append(self.dice.choice((both, replace(both, key="other", url=f"https://zoo.example.org/{number}"))))
        # A second row for a work, under another title, that a later sighting may merge with the first.
        for one in self.dice.sample(again, min(len(again), 1)):
            number = self.known.index(one) + 1
            title = f"Tidal gauges number {number} and another name altogether"
            fresh.append(
                replace(one, key=f"twin-{number}", url=f"https://twin.example.org/{number}", arxiv_id=None, title=title)
            )
            if self.dice.random() < 0.5:
                fresh.append(replace(one, key=f"bridge-{number}", url=f"https://twin.example.org/{number}"))
        if fresh:
            self.road.bring(*fresh, source=self.dice.choice(("hf", "lab")), at=self.road.now - timedelta(minutes=5))

    def person(self) -> None:
        subscribe, address = self.road.app.subscribe, self.dice.choice(ADDRESSES)
        digest = str(self.dice.choice(DIGESTS)["name"])
        match self.dice.randrange(6):
            case 0 | 1:
                subscribe.add(address, digest)
            case 2:
                with self.road.app.store.reading() as tx:
                    if people.subscriber(tx, address) is None:
                        return
                subscribe.leave(address, digest)
            case _:
                choices = Choices(
                    timezone=self.dice.choice(ZONES),
                    preferences=self.dice.choice(WISHES),
                    joined=self.dice.random() < 0.5,
                    send_at=self.dice.choice(("", "", "23:30", "02:30")),
                )
                subscribe.add(address, digest, choices=choices)

    def mails(self) -> None:
        if self.dice.random() < 0.3:
            return
        for address in ADDRESSES:
            with self.road.app.store.reading() as tx:
                waits = deliveries.listing(tx, states=("queued",), address=address)
                links = {one.id: people.subscription(tx, one.subscription_id or 0) for one in waits}
            if waits and all(link and link.state is SubscriptionState.CONFIRMED for link in links.values()):
                self.road.settle(
                    self.dice.choices(("accepted", "rejected", "uncertain", "expired"), (6, 1, 1, 1))[0], address
                )
        self.road.app.deliver.run()

    def step(self) -> None:
        self.road.now += timedelta(minutes=self.dice.randrange(40, 400))
        if self.dice.random() < 0.05:
            self.road.now -= timedelta(hours=self.dice.randrange(1, 30))
        self.papers()
        for _ in range(self.dice.randrange(3)):
            self.person()
        self.road.publish(digests=self.dice.choice((None, None, None, ["two"])))
        self.judge()
        self.mails()

    def judge(self) -> None:
        """What was planned just now holds nothing that counts as sent to its reader, by all that is known now."""
        with self.road.app.store.reading() as tx:
            rows = deliveries.listing(tx, limit=10_000)
            printed = editions.entry_ids(tx, [row.edition_id for row in rows])
            moved = entries.roots(tx, {one for ids in printed.values() for one in ids})
        sent: dict[str, set[int]] = defaultdict(set)
        for row in rows:
            works = {moved.get(one, one) for one in printed.get(row.edition_id, ())}
            if row.id > self.last:
                assert not works & sent[row.address], (row, works & sent[row.address])
                self.last = row.id
            if row.state in SENT_STATES:
                sent[row.address] |= works


@pytest.mark.parametrize("seed", [1, 4])
def test_nothing_is_sent_twice_whatever_happens(road, seed):
    walk = Walk(road, seed)
    road.now = SLOT
    for address in ADDRESSES[:4]:
        for digest in DIGESTS:
            road.app.subscribe.add(address, str(digest["name"]), choices=Choices(joined=address < ADDRESSES[2]))
    for _ in range(30):
        walk.step()
    with road.app.store.reading() as tx:
        rows = deliveries.listing(tx, limit=10_000)
        dates = Counter((row.digest, row.address, row.local_date) for row in rows)
        assert max(dates.values()) == 1
        assert len({row.state for row in rows}) >= 4 and len(rows) > 20, "the walk went somewhere"
        together: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row in rows:
            if row.state in SENT_STATES:
                together[row.message_key, row.address].append(row.edition_id)
        for (key, _), ids in together.items():
            message = editions.message(tx, key)
            text = " ".join(parts(b"".join(fill(segments(message), dead_stamps("r@example.org"))))[1].split())
            for edition in (editions.load(tx, one) for one in ids):
                assert all(" ".join(item.title.split()) in text for item in edition.items)
            numbers = {item.title.split()[3] for one in ids for item in editions.load(tx, one).items}
            assert set(re.findall(r"(?<!“)Tidal gauges number (\d+)", text)) == numbers
