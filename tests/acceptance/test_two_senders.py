"""Two senders on one ledger, at once or one after the other stood still past its lease: nothing goes twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from threading import Event, Lock

import pytest
from sqlalchemy import update

from digest.storage import sending
from digest.storage.deliveries import deliveries
from tests.acceptance.kill_run import CONNECTIONS, Plan, sender, start
from tests.acceptance.laws import check, crowd, joined
from tests.acceptance.taker import Taker
from tests.services.sending import office, reader, until, way

LEASE = 1.0


def everyone(number: int) -> list[str]:
    return [reader(n) for n in range(number)]


def test_two_senders_at_once_share_the_work(store, url):
    readers = 300
    crowd(store, readers)
    with Taker(hesitates=0.02) as relay:
        both = [start(Plan(url=url, port=relay.port)) for _ in range(2)]
        for process in both:
            process.join(60)
        assert [process.exitcode for process in both] == [0, 0]
        assert check(store, relay, everyone(readers), doubts=0) == (0, 0)
        assert relay.count == readers


def stand_still(pid: int | None, url: str) -> None:
    """Stops a sender, on SQLite not in the midst of a transaction: there it would keep everybody from writing."""
    assert pid is not None
    while True:
        os.kill(pid, signal.SIGSTOP)
        if not url.startswith("sqlite"):
            return
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0.1)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(pid, signal.SIGCONT)
            else:
                return


@pytest.mark.parametrize("at", [0, 1, 40, 100])
def test_a_sender_that_stood_still_past_its_lease_sends_nothing_again(store, url, at):
    """At 0 it is still connecting."""
    readers = 120
    crowd(store, readers)
    calls = Event()
    go_on = Event()

    def greeting() -> None:
        if at == 0 and not calls.is_set():
            calls.set()
            go_on.wait(20)

    with Taker(hesitates=0.02, at_greeting=greeting) as relay:
        plan = Plan(url=url, port=relay.port, lease=LEASE, epoch=time.time())
        first = start(plan)
        until(lambda: calls.is_set() if at == 0 else relay.count >= at, seconds=30)
        stand_still(first.pid, url)
        go_on.set()
        time.sleep(LEASE + 0.2)
        second = sender(store, plan).run()
        os.kill(first.pid, signal.SIGCONT)
        first.join(60)
        assert first.exitcode == 0
        assert second.problem is None
        assert second.tried > 0
        assert check(store, relay, everyone(readers), doubts=0) == (0, 0)
        assert relay.count == readers


@pytest.mark.parametrize("resend", [False, True], ids=["hold", "resend"])
def test_what_stood_still_past_the_longest_wait_is_doubtful_not_lost(store, url, resend):
    """Longer than a reply to the dot may take: another sender must name as uncertain what only the first one knows."""
    readers = 120
    crowd(store, readers)
    with Taker(hesitates=0.02) as relay:
        plan = Plan(url=url, port=relay.port, resend=resend, epoch=time.time())
        first = start(plan)
        until(lambda: relay.count >= 30, seconds=30)
        stand_still(first.pid, url)
        later = Plan(url=url, port=relay.port, resend=resend, epoch=time.time() - timedelta(minutes=20).total_seconds())
        assert sender(store, later).run().problem is None
        os.kill(first.pid, signal.SIGCONT)
        first.join(60)
        sender(store, later).run()
        check(store, relay, everyone(readers), doubts=CONNECTIONS, resend=resend)


def test_a_sender_whose_mails_were_freed_and_that_leases_them_again_offers_each_once(store):
    """The other one frees what lapsed, and then leaves it: it sends another digest."""
    desk = office(store, 12)
    other = desk.sender(way(1), holder="host:2:2")

    lock = Lock()
    freed: list[int] = []

    def free() -> None:
        with lock:
            if not freed:
                desk.later(minutes=12)
                freed.append(other.recover()[0])
                time.sleep(0.5)  # meanwhile the first one asks again what is due

    with Taker(hesitates=0.05, at_greeting=free) as relay:
        desk.send(relay.port, connections=16, seconds=time.monotonic)
        assert freed == [12]
        assert check(store, relay, everyone(12), doubts=0) == (0, 0)
        assert relay.count == 12


@pytest.mark.parametrize("database", ["postgresql"])
def test_what_is_locked_by_one_that_stands_still_is_not_waited_for(store, url, open_database):
    """PostgreSQL alone goes on where a transaction stays open."""
    desk = office(store, 12)
    until_at = desk.world.now + timedelta(minutes=10)
    with store.transaction() as tx:
        sending.claim(tx, lease="host:2:2:1", now=desk.world.now, until=until_at, limit=12)
    desk.later(minutes=12)
    with open_database(url).transaction() as standing, Taker() as relay:
        few = [row.id for row in desk.rows()][:4]
        standing.execute(update(deliveries).where(deliveries.c.id.in_(few)).values(state="sending"))
        assert desk.send(relay.port).tried == 8
    assert desk.states() == {"accepted": 8, "open": 4}


@pytest.mark.parametrize("database", ["postgresql"])
def test_a_joined_mail_whose_lease_is_lost_within_the_gate_stays_back(store, monkeypatch):
    """On SQLite nobody else can write meanwhile."""
    desk = joined(store, 1)
    plain = sending.gate_joined

    def slow(tx, delivery_id, lease, **more):
        if lease.startswith("host:1:1"):
            desk.later(minutes=12)
            assert desk.send(relay.port, holder="host:2:2").outcomes == {"accepted": 1}
        return plain(tx, delivery_id, lease, **more)

    monkeypatch.setattr(sending, "gate_joined", slow)
    with Taker() as relay:
        assert desk.send(relay.port).outcomes == {"lost": 1}
        assert relay.count == 1
    assert desk.states() == {"accepted": 2}
