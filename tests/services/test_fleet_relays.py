"""Four senders at once on a PostgreSQL, each with relays of its own memory: what they promise together is kept."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from digest.delivery.catchall import CatchAll
from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.warmup import WarmUp
from digest.services.sending import accord
from digest.services.sending.outlets import AHEAD, Outlet
from digest.services.sending.relays import Known, Relays
from digest.services.sending.slices import Lending, Quota
from tests.acceptance.faulty import MODES, FaultyPeer
from tests.services.sending import office, reader, until, way

pytestmark = pytest.mark.parametrize("database", ["postgresql"])
SENDERS = 4


@dataclass(frozen=True, kw_only=True)
class To:
    """A relay as each sender has it."""

    port: int
    weight: int = 0
    rate: float | None = None
    plan: WarmUp | None = None
    step: int = 50

    def outlet(self, store, clock, connections):
        relay = way(self.port, connections=connections, name=f"relay {self.port}")
        lender = Lending(store=store, place=relay.place, clock=clock)
        return Outlet(
            relay=relay,
            throttle=Throttle(connections, step=self.step),
            rates=RateLimit(self.rate, {}, lender),
            weight=self.weight,
            quota=self.plan and Quota(store, relay.place, self.plan, clock, time.monotonic),
        )


class Fleet:
    """Runs that begin together; ``end`` waits for all and gives what each did."""

    def __init__(self, desk, open_database, url, *to, connections=4):
        self.sent, self.faults = [], []
        clock = desk.world.clock
        stores = [open_database(url) for _ in range(SENDERS)]
        self.outlets = [tuple(one.outlet(store, clock, connections) for one in to) for store in stores]
        start = threading.Barrier(SENDERS)

        def run(number):
            try:
                sender = desk.sender(
                    outlets=self.outlets[number],
                    store=stores[number],
                    holder=f"host:{number}:1",
                    seconds=time.monotonic,
                )
                start.wait(10)
                self.sent.append(sender.run())
            except BaseException as error:
                self.faults.append(error)

        self.threads = [threading.Thread(target=run, args=(number,)) for number in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def end(self):
        for thread in self.threads:
            thread.join(60)
        assert self.faults == []
        return self.sent


@pytest.fixture
def fleet(url, open_database, monkeypatch):
    """Begins a fleet whose members hear each other at once."""
    monkeypatch.setattr(accord, "LOOK_SECONDS", 0.02)
    return lambda desk, *to, **more: Fleet(desk, open_database, url, *to, **more)


def test_each_mail_goes_once_and_by_weight(store, fleet):
    desk = office(store, 240)
    with CatchAll() as one, CatchAll() as three:
        fleet(desk, To(port=one.port, weight=1), To(port=three.port, weight=3)).end()
        went = Counter(mail.recipient for mail in (*one.messages, *three.messages))
        assert abs(one.count - 60) <= SENDERS * 2 * AHEAD
    assert went == {reader(number): 1 for number in range(240)}
    assert desk.states() == {"accepted": 240}


def test_a_rate_holds_over_all(store, fleet):
    """A second's worth may go at once, all else takes its time: what the database lent before an instant is known."""
    desk = office(store, 90)
    arrived = []

    def plan(point, count):
        if point == "dot":
            arrived.append(time.monotonic())

    began = time.monotonic()
    with FaultyPeer(features=MODES["pipelined"], plan=plan) as peer:
        fleet(desk, To(port=peer.port, rate=60.0)).end()
    assert desk.states() == {"accepted": 90}
    early = [number - 60 * (at - began) for number, at in enumerate(sorted(arrived), 1)]
    assert max(early) <= 60 * 1.05, "more than a second's worth ahead of the rate"


def test_a_warm_up_plan_is_never_exceeded(store, fleet):
    desk = office(store, 90)
    with CatchAll() as relay:
        to = To(port=relay.port, plan=WarmUp(first=37, growth=1.0, since=datetime.now(UTC).date()))
        sent = fleet(desk, to).end()
        assert relay.count <= 37
        assert {one.problem for one in sent} == {None}
        # What one held while another ended is there for the next.
        fleet(desk, to).end()
        assert relay.count == 37
    assert desk.states() == {"accepted": 37, "open": 53}


def test_a_pause_is_heard_by_all(store, fleet):
    desk = office(store, 300)
    with CatchAll() as relay:
        operator = Relays(
            store=store,
            exits=(Known(name="smtp", place=f"127.0.0.1:{relay.port}", connections=4),),
            clock=desk.world.clock,
        )
        running = fleet(desk, To(port=relay.port, rate=40.0))
        until(lambda: relay.count > 10)
        operator.pause("smtp")
        sent = running.end()
        assert relay.count < 300
        assert [len(one.passed_over) for one in sent] == [1] * SENDERS
        assert {one.problem for one in sent} == {None}
        before = relay.count
        assert desk.states() == {"accepted": before, "open": 300 - before}
        operator.resume("smtp")
        fleet(desk, To(port=relay.port)).end()
        assert relay.count == 300
    assert desk.states() == {"accepted": 300}


def test_a_421_to_one_costs_all_of_them_connections(store, fleet):
    desk = office(store, 500)
    open_now: list[int] = [0]
    log: list[int] = []
    seen: list[int] = []

    class Counted(FaultyPeer):
        def _serve(self, sock):
            with self._lock:
                open_now[0] += 1
            try:
                super()._serve(sock)
            finally:
                with self._lock:
                    open_now[0] -= 1

    def plan(point, count):
        if point == "dot":
            log.append(open_now[0])
            return "late"
        if point == "mail" and not seen and max(log, default=0) == 4 * SENDERS:
            seen.append(len(log))
            return "421"
        return None

    with Counted(features=MODES["pipelined"], plan=plan, seconds=0.01) as peer:
        sent = fleet(desk, To(port=peer.port, step=10_000))
        sent.end()
        assert sorted(peer.log) == sorted(reader(number) for number in range(500))
    (at,) = seen
    assert max(log[:at]) == 4 * SENDERS
    assert max(log[(at + 500) // 2 : -20]) <= 2 * SENDERS
    assert [outlet.throttle.allowed(time.monotonic()) for (outlet,) in sent.outlets] == [2] * SENDERS


def test_a_rest_that_one_was_asked_for_is_kept_by_all(store, fleet):
    desk = office(store, 300)
    asked = []

    def plan(point, count):
        if point == "rcpt" and count == 20:
            asked.append(count)
            return "slow down"
        return "late" if point == "dot" else None

    with FaultyPeer(features=MODES["pipelined"], plan=plan, seconds=0.02) as peer:
        running = fleet(desk, To(port=peer.port))
        sent = running.end()
    assert asked == [20]
    assert desk.states().get("open", 0) > 50
    assert all("the relay refuses mail" in str(one.problem) for one in sent)
    assert all(outlet.throttle.wait(time.monotonic()) > 300 for (outlet,) in running.outlets)
