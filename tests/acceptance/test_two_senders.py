"""Two senders on one ledger, at once or one after the other stood still past its lease: nothing goes twice."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from threading import Event, Lock

import pytest

from tests.acceptance.kill_run import CONNECTIONS, Plan, sender, start
from tests.acceptance.laws import check, crowd
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
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
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
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
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
