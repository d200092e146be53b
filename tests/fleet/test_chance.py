"""Calls that are lost, doubled, late or heard by two change nothing but the hour."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from digest.app import App, build
from digest.config import from_table
from digest.daemon.jobs import Daemon
from digest.model.mail import DeliveryState
from digest.services.ports import Work
from digest.storage.base import Tx
from tests.apps import having
from tests.test_daemon import BERLIN, config, feed, ledger, mailed

READERS, WORKERS, DAYS = 12, 3, 3


class Chance:
    """A queue that loses calls, doubles them and brings them late."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.waiting: list[Work] = []

    def wake(self, _tx: Tx, work: Work) -> None:
        copies = self.dice.choice((0, 0, 1, 1, 2, 3))
        for _ in range(copies):
            self.waiting.insert(self.dice.randint(0, len(self.waiting)), work)

    def heard(self) -> list[Work]:
        """What workers hear next, at most one call each; the rest is late."""
        number = self.dice.randint(1, WORKERS)
        some, self.waiting = self.waiting[:number], self.waiting[number:]
        return some


def does(daemon: Daemon) -> dict[Work, Callable[[], object]]:
    return {
        Work.FETCH: daemon.fetch,
        Work.PUBLISH: daemon.publish_with_others,
        Work.DELIVER: daemon.send,
        Work.INBOUND: daemon.tidy,
    }


def crew(url: str, folder: Path, clock: Callable[[], datetime], chance: Chance) -> list[tuple[App, Daemon]]:
    made: list[tuple[App, Daemon]] = []
    for number in range(WORKERS):
        app = build(from_table(config(url, BERLIN), folder=folder), clock=clock)
        app.parts.__dict__["holder"] = f"machine{number}:1:1"
        app = having(app, publish=replace(app.publish, wake=chance.wake))
        made.append((app, Daemon(app)))
    return made


@pytest.mark.parametrize("seed", range(2))
def test_whatever_becomes_of_calls_each_reader_gets_each_day_s_mail_once(url: str, tmp_path: Path, seed: int):
    day = date(2026, 5, 4)
    now = [datetime(2026, 5, 4, 0, 20, tzinfo=UTC)]
    chance = Chance(seed)
    workers = crew(url, tmp_path, lambda: now[0], chance)
    first = workers[0][0]
    for number in range(READERS):
        first.subscribe.add(f"reader{number}@example.org", "daily")
    with ThreadPoolExecutor(WORKERS) as at_once:
        for shown in range(1, DAYS + 1):
            feed(tmp_path, range(1, 4 * shown))
            now[0] = datetime(day.year, day.month, day.day, 0, 20, tzinfo=UTC)
            workers[0][1].fetch()
            now[0] += timedelta(minutes=20)
            for _ in range(12):
                with first.store.transaction() as tx:
                    for work in (Work.FETCH, Work.PUBLISH, Work.DELIVER, Work.INBOUND):
                        chance.wake(tx, work)
                calls = chance.heard()
                chance.dice.shuffle(workers)
                done = [at_once.submit(does(daemon)[work]) for work, (_, daemon) in zip(calls, workers, strict=False)]
                for one in done:
                    one.result(60)
                now[0] += timedelta(minutes=1)
            for work in (Work.FETCH, Work.PUBLISH, Work.DELIVER):  # by the minute all look by themselves
                does(workers[0][1])[work]()
                now[0] += timedelta(minutes=6)
            day += timedelta(days=1)
    rows = ledger(first)
    assert {row.state for row in rows} == {DeliveryState.ACCEPTED}
    assert Counter(row.local_date for row in rows) == {date(2026, 5, 4 + n): READERS for n in range(DAYS)}
    assert mailed(tmp_path / "out") == {f"reader{n}@example.org": DAYS for n in range(READERS)}
    for app, _ in workers:
        app.close()
