"""Several ways out: who takes over, where a doubtful mail may go again, what one relay's trouble costs the others."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from digest.delivery.catchall import CatchAll
from digest.delivery.pool import RateLimit, Throttle
from digest.model.mail import DeliveryState
from digest.model.people import SuppressionReason
from digest.services.sending import dispatch
from digest.services.sending.outlets import Outlet
from digest.storage import deliveries
from tests.acceptance.faulty import MODES, FaultyPeer
from tests.delivery.peers import playing
from tests.services.sending import Mails, answering, office, reader, way

PIPELINED = MODES["pipelined"]


def outlets(*ports: int, connections: int = 2, **settings: object) -> tuple[Outlet, ...]:
    """Each with a throttle of its own."""
    return tuple(
        Outlet(
            relay=replace(way(port, connections=connections, **settings), name=f"relay {number}"),
            throttle=Throttle(connections),
            rates=RateLimit(None, {}),
        )
        for number, port in enumerate(ports)
    )


def places(desk) -> dict[str, str]:
    """Where each mail was offered last, as the ledger remembers it."""
    with desk.store.reading() as tx:
        table = deliveries.deliveries
        return {row.address: row.relay for row in tx.execute(table.select())}


def readdress(desk, addresses: dict[str, str]) -> None:
    table = deliveries.deliveries
    with desk.store.transaction() as tx:
        for old, new in addresses.items():
            tx.execute(table.update().where(table.c.address == old).values(address=new))


class TestFallBack:
    @pytest.mark.parametrize("how", ["down", "greeting", "throttled", "refuses MAIL", "hangs up at MAIL"])
    def test_the_second_takes_over_what_the_first_does_not_take(self, store, how):
        desk = office(store, 12)
        say = {
            "throttled": ("rcpt", "451 4.7.28 too many mails from you"),
            "refuses MAIL": ("mail", "451 4.3.0 not now"),
            "hangs up at MAIL": ("mail", "421 4.3.2 closing"),
        }.get(how)
        first_mails = Mails()
        if how == "greeting":
            script = lambda talk: talk.say("554 5.7.1 go away")  # noqa: E731
        else:
            point, words = say or ("mail", "")
            script = answering(first_mails, **{point: lambda _: words})
        with CatchAll() as gone:
            nowhere = gone.port
        with playing(*[script] * 60) as first, CatchAll() as second:
            ways = outlets(nowhere if how == "down" else first.port, second.port, connections=1)
            sent = desk.sender(outlets=ways).run()
            assert sent.problem is None
            assert (len(first_mails.taken), second.count) == (0, 12)
            assert ways[0].throttle.allowed(0.0) == (0 if how in ("throttled", "hangs up at MAIL") else 1)
        assert desk.states() == {"accepted": 12}
        assert {row.attempts for row in desk.rows()} == {1}

    def test_the_first_is_preferred_while_it_works(self, store):
        desk = office(store, 30)
        with CatchAll() as first, CatchAll() as second:
            desk.sender(outlets=outlets(first.port, second.port)).run()
            assert (first.count, second.count) == (30, 0)

    def test_a_relay_that_lets_few_in_is_sent_to_over_these(self, store):
        """Its refusals of some connections come while others are still being opened."""
        desk = office(store, 30)

        def plan(point, count):
            if point == "greeting":
                return None if count in (1, 4) else "421"
            return None

        with FaultyPeer(features=PIPELINED, plan=plan) as first, CatchAll() as second:
            desk.sender(outlets=outlets(first.port, second.port, connections=4)).run()
            assert (len(first.contents), second.count) == (30, 0)
        assert desk.states() == {"accepted": 30}


class TestADoubtfulMail:
    def test_with_resend_it_goes_only_where_it_may_have_arrived(self, store):
        desk = office(store, 6)

        def plan(point, count):
            return "drop" if point == "dot" and count == 2 else None

        with FaultyPeer(features=PIPELINED, plan=plan) as first, CatchAll() as second:
            sender = desk.sender(outlets=outlets(first.port, second.port, connections=1), resend=True)
            sender.run()
            (doubtful,) = [row.address for row in desk.rows() if row.state is DeliveryState.DEFERRED]
            assert places(desk)[doubtful] == f"127.0.0.1:{first.port}"
            # Now the second comes first. The doubtful one goes to its old place nevertheless.
            desk.later(minutes=6)
            turned = desk.sender(outlets=outlets(second.port, first.port, connections=1), resend=True)
            turned.run()
            assert second.count == 0
            assert Counter(address for address, _ in first.contents)[doubtful] == 1
            assert first.log[doubtful] == ["unsure", "yes"]
        assert desk.states() == {"accepted": 6}

    @pytest.mark.parametrize("again", ["drop", "421", "4xx"])
    def test_trouble_at_its_next_try_does_not_set_it_free(self, store, again):
        """Whatever its relay says then, the first copy may lie there."""
        desk = office(store, 1)

        def plan(point, count):
            if point == "dot" and count == 1:
                return "drop"
            return again if point == "rcpt" and 2 <= count <= 5 else None

        with FaultyPeer(features=PIPELINED, plan=plan) as first, CatchAll() as second:
            ways = outlets(second.port, first.port, connections=1)
            desk.sender(outlets=outlets(first.port, connections=1), resend=True).run()
            for _ in range(6):
                desk.later(hours=1)
                desk.steady += 3600
                desk.sender(outlets=ways, resend=True).run()
            assert (second.count, len(first.contents)) == (0, 1)
        assert desk.states() == {"accepted": 1}

    def test_a_thousand_that_are_bound_elsewhere_hold_up_nobody(self, store):
        desk = office(store, 1200)
        with CatchAll() as first, CatchAll() as second:
            table = deliveries.deliveries
            with store.transaction() as tx:
                tx.execute(table.update().where(table.c.id <= 1150).values(relay=f"127.0.0.1:{second.port}"))
            sent = desk.sender(outlets=outlets(first.port, second.port)).run()
            assert (sent.problem, first.count, second.count) == (None, 50, 1150)
        assert desk.states() == {"accepted": 1200}

    def test_where_its_relay_is_down_it_waits_and_the_others_go(self, store):
        desk = office(store, 4)
        with CatchAll() as first:
            with CatchAll() as gone:
                port = gone.port
            table = deliveries.deliveries
            with store.transaction() as tx:
                tx.execute(table.update().where(table.c.address == reader(2)).values(relay=f"127.0.0.1:{port}"))
            desk.sender(outlets=outlets(first.port, port)).run()
            assert first.count == 3
            assert desk.states() == {"accepted": 3, "open": 1}
            # A place that is no longer configured cannot hold it back.
            desk.later(minutes=10)
            desk.sender(outlets=outlets(first.port)).run()
            assert first.count == 4
        assert desk.states() == {"accepted": 4}


class TestRates:
    def test_each_relay_keeps_its_own(self, store):
        """The first is slow by rule; the run keeps to it and does not turn to the second."""
        desk = office(store, 8)
        with CatchAll() as first, CatchAll() as second:
            one, two = outlets(first.port, second.port)
            one = replace(one, rates=RateLimit(4.0, {}))
            began = time.monotonic()
            desk.sender(outlets=(one, two), seconds=time.monotonic).run()
            assert time.monotonic() - began > 0.8
            assert (first.count, second.count) == (8, 0)
        assert desk.states() == {"accepted": 8}

    def test_a_slow_domain_does_not_hold_up_the_others(self, store):
        desk = office(store, 40)
        readdress(desk, {reader(n): f"slow-{n}@slow.example" for n in range(4)})
        arrived: dict[str, float] = {}

        def noted(address):
            arrived[address] = time.monotonic()
            return "250 ok"

        with playing(answering(Mails(), dot=noted)) as peer:
            rates = RateLimit(None, {"slow.example": 2.0})
            desk.sender(way(peer.port), rates=rates, seconds=time.monotonic).run()
        slow = sorted(at for address, at in arrived.items() if address.endswith("@slow.example"))
        quick = [at for address, at in arrived.items() if not address.endswith("@slow.example")]
        assert (len(slow), len(quick)) == (4, 36)
        assert slow[-1] - slow[0] > 0.8  # a second's worth at once, then one each half a second
        assert max(quick) < slow[-1]


class TestConnections:
    def test_they_grow_while_mails_wait_and_never_beyond_the_limit(self, store):
        desk = office(store, 400)
        open_now, most = [0], [0]

        class Counted(FaultyPeer):
            def _serve(self, sock):
                with self._lock:
                    open_now[0] += 1
                    most[0] = max(most[0], open_now[0])
                try:
                    super()._serve(sock)
                finally:
                    with self._lock:
                        open_now[0] -= 1

        def plan(point, count):
            return "late" if point == "dot" else None

        with Counted(features=PIPELINED, plan=plan, seconds=0.01) as peer:
            ways = outlets(peer.port, connections=12)
            desk.sender(outlets=ways, seconds=time.monotonic).run()
        assert desk.states().keys() <= {"accepted", "uncertain"}
        assert 4 < most[0] <= 12

    def test_a_421_that_halves_the_connections_still_lets_the_run_end(self, store):
        desk = office(store, 12)

        def plan(point, count):
            return "421" if point == "mail" and count in (1, 2) else None

        with FaultyPeer(features=PIPELINED, plan=plan) as peer:
            ways = outlets(peer.port, connections=4)
            sent = desk.sender(outlets=ways).run()
            assert sent.problem is None
            assert sorted(address for address, _ in peer.contents) == [reader(n) for n in range(12)]
        assert desk.states() == {"accepted": 12}
        assert ways[0].throttle.allowed(0.0) < 4

    def test_commands_go_singly_for_good_where_the_server_loses_what_follows(self, store):
        desk = office(store, 12)

        def plan(point, count):
            return "lose" if point in ("mail", "dot") else None

        with FaultyPeer(features=PIPELINED, plan=plan) as peer:
            (outlet,) = outlets(peer.port, connections=3, timeout=0.4)
            sent = desk.sender(outlets=(outlet,)).run()
            assert (sent.problem, outlet.plain) == (None, True)
            assert Counter(address for address, _ in peer.contents) == {reader(n): 1 for n in range(12)}
            before = peer.reached["greeting"]
            desk.later(days=1)
            desk.world.paper(2, seen_at=desk.world.now - timedelta(hours=1))
            desk.world.publish.run(desk.world.now)
            desk.sender(outlets=(outlet,)).run()
            assert peer.reached["greeting"] - before <= 3
        assert desk.states() == {"accepted": 24}


def test_a_relay_that_is_down_for_a_day_is_waited_for(store):
    """What is still worth sending then goes out, the rest has expired; nobody has lost an attempt."""
    desk = office(store, 5)
    with CatchAll() as gone:
        port = gone.port
    early = desk.rows()[0]
    table = deliveries.deliveries
    with store.transaction() as tx:
        tx.execute(table.update().where(table.c.id == early.id).values(expires_at=desk.world.now + timedelta(hours=8)))
    told = set()
    for _ in range(24 * 6):
        sent = desk.sender(outlets=outlets(port)).run()
        told.add(str(sent.problem))
        assert sent.tried == 0
        desk.later(minutes=10)
        desk.steady += 600
    assert len([text for text in told if text != "None"]) == 1, told
    assert desk.states() == {"expired": 1, "open": 4}
    with CatchAll() as back:
        desk.sender(outlets=outlets(back.port)).run()
        assert back.count == 4
    assert desk.states() == {"accepted": 4, "expired": 1}
    assert {row.attempts for row in desk.rows() if row.state is DeliveryState.ACCEPTED} == {1}


def test_a_list_with_many_dead_addresses_reaches_the_living_and_suppresses_the_dead(store):
    desk = office(store, 500)
    dead = {f"reader-{n:02d}@example.net" for n in range(500) if n % 10 < 3}

    mails = Mails()
    gone = answering(mails, rcpt=lambda a: "550 5.1.1 no such user" if a in dead else "250 ok")
    with playing(gone) as peer:
        (outlet,) = outlets(peer.port, connections=1)
        sent = desk.sender(outlets=(outlet,)).run()
    assert sent.problem is None
    assert sorted(mails.to) == sorted(row.address for row in desk.rows() if row.address not in dead)
    assert desk.states() == {"accepted": 350, "rejected": 150}
    listed = desk.world.subscribe.suppressions()
    assert {one.address for one in listed} == dead
    assert {one.reason for one in listed} == {SuppressionReason.HARD_BOUNCE}
    assert outlet.throttle.allowed(0.0) == 1
    assert len(peer.talks) == 1, "a dead address costs no connection"


def test_odd_addresses_arrive_and_one_that_the_relay_cannot_take_fails_alone(store):
    desk = office(store, 5)
    odd = ["o'brien+papers@example.net", '"quoted.name"@example.net', "jürgen@example.net", "a&b=c/d@example.net"]
    readdress(desk, dict(zip([reader(n) for n in range(4)], odd, strict=True)))
    mails = Mails()
    with playing(answering(mails)) as peer:
        assert desk.send(peer.port).problem is None
    assert sorted(mails.to) == sorted([odd[0], odd[1], odd[3], reader(4)])
    assert desk.states() == {"accepted": 4, "rejected": 1}
    assert "SMTPUTF8" in desk.row("jürgen@example.net").reason
    assert desk.world.subscribe.suppressions() == ()


def test_it_is_waited_long_enough_for_a_reply_to_the_dot():
    assert timedelta(seconds=way(1).dot_timeout) < dispatch.SENDING_LEASE
