"""Publishers on one database that are killed or stand still: each reader is served once, and counted once."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
from sqlalchemy import func, select

from digest.services.publishing.cohorts import LEASE
from digest.storage.deliveries import deliveries
from digest.storage.engine import Store
from tests.acceptance.publish_run import Plan, new_signal, publisher, start
from tests.services.cohorts import check, crowd, told
from tests.services.sending import until
from tests.services.world import World

READERS = 160
PROFILES = 40


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small slots are cut up as large ones are, and little is written together."""
    monkeypatch.setattr("digest.services.publishing.cohorts._FEW", READERS)
    monkeypatch.setattr("digest.services.publishing.cohorts._OF_A_COHORT", READERS // 8)


def opened(store: Store) -> World:
    world = World(store)
    world.source()
    world.paper(1)
    crowd(world, READERS, PROFILES)
    assert world.publish.open_due(world.now) == 1
    return world


def planned(store: Store) -> int:
    with store.reading() as tx:
        return tx.execute(select(func.count()).select_from(deliveries)).scalar_one()


def test_whoever_is_killed_others_go_on_where_he_was(store, url, cut):
    """Two at a time, killed at any instant, until little is left; the last one ends it."""
    opened(store)
    chance = random.Random(1)
    while planned(store) < READERS // 2:
        before = planned(store)
        both = [start(Plan(url=url, slowly=0.002)) for _ in range(2)]
        until(lambda at=before: planned(store) > at, seconds=30)
        time.sleep(chance.random() / 20)
        for process in both:
            process.kill()
        for process in both:
            process.join(10)
    publish, world = publisher(store, Plan(url=url))
    publish.work(world.now, threading.Event())
    check(store, READERS)
    assert told(store) == {"readers": READERS, "planned": READERS}


def test_whoever_stood_still_past_his_lease_changes_nothing(store, url, cut):
    world = opened(store)
    printing = new_signal()
    sleeper = start(Plan(url=url, slowly=0.2), printing)
    assert printing.wait(30)
    assert sleeper.pid is not None
    os.kill(sleeper.pid, signal.SIGSTOP)
    try:
        before = planned(store)
        publish, later = publisher(store, Plan(url=url, ahead=LEASE.total_seconds() + 1))
        publish.work(later.now, threading.Event())
        check(store, READERS)
        ledger = rows(store)
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join(30)
    assert sleeper.exitcode == 0
    assert before < READERS
    assert rows(store) == ledger
    assert told(store) == {"readers": READERS, "planned": READERS}
    assert world.report.status().open_slots == ()


def rows(store: Store) -> list[object]:
    with store.reading() as tx:
        return list(tx.execute(select(deliveries).order_by(deliveries.c.id)))
