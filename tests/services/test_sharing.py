"""Relays that share the mails by weight, that are warmed up, or that the operator pauses: one process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest.delivery.catchall import CatchAll
from digest.delivery.pool import RateLimit, Throttle
from digest.delivery.warmup import WarmUp
from digest.model.errors import RelayError, UsageError
from digest.model.mail import DeliveryId, Due, MessageKey
from digest.services.sending import accord
from digest.services.sending.outlets import AHEAD, Outlet, Ways
from digest.services.sending.relays import Known, Relays
from digest.services.sending.slices import Quota
from digest.storage import deliveries, editions, relays
from tests.delivery.peers import playing
from tests.services.sending import Mails, answering, office, reader, way

MAIL = Due(DeliveryId(1), "edition", reader(1), MessageKey("k"), None, None, "2026-05-04", 0, "", "")


@pytest.fixture
def database():
    """What both do is tested with the tables, and by four senders at once."""
    return "sqlite"


def outlet(port, number, *, weight=0, connections=2):
    relay = way(port, connections=connections, name=f"relay {number}")
    return Outlet(relay=relay, throttle=Throttle(connections), rates=RateLimit(None, {}), weight=weight)


def place(port):
    return f"127.0.0.1:{port}"


def hand(desk, *ports, plan=None):
    """The operator's."""
    exits = tuple(
        Known(name=f"relay {number}", place=place(port), connections=2, plan=plan) for number, port in enumerate(ports)
    )
    return Relays(store=desk.store, exits=exits, clock=desk.world.clock)


def warmed(desk, port, first, growth=1.0):
    """A relay that may send so many mails a day, from today on."""
    found = outlet(port, 0)
    plan = WarmUp(first=first, growth=growth, since=today(desk))
    found.quota = Quota(desk.store, found.relay.place, plan, desk.world.clock, lambda: desk.steady)
    return found


def today(desk):
    """By the clock that counts: SQLite's is ours."""
    return (desk.world.now if desk.store.is_sqlite else datetime.now(UTC)).date()


class TestWeights:
    def test_mails_are_shared_in_their_proportion_and_the_others_wait(self, store):
        desk = office(store, 120)
        with CatchAll() as first, CatchAll() as third, CatchAll() as none:
            ways = (outlet(none.port, 0), outlet(first.port, 1, weight=1), outlet(third.port, 3, weight=3))
            assert desk.sender(outlets=ways).run().problem is None
            assert abs(first.count - 30) <= 2 * AHEAD
            assert (none.count, first.count + third.count) == (0, 120)
        assert desk.states() == {"accepted": 120}

    def test_one_that_is_down_gives_its_share_to_the_others_and_then_comes_who_has_no_weight(self, store):
        desk = office(store, 12)
        with CatchAll() as gone:
            port = gone.port
        with CatchAll() as second, CatchAll() as last:
            ways = (outlet(last.port, 0), outlet(port, 1, weight=9), outlet(second.port, 2, weight=1))
            desk.sender(outlets=ways).run()
            assert (second.count, last.count) == (12, 0)
            hand(desk, second.port).pause(place(second.port))
            assert desk.states() == {"accepted": 12}
            desk.later(days=1)
            desk.world.paper(2, seen_at=desk.world.now - timedelta(hours=1))
            desk.world.publish.run(desk.world.now)
            desk.sender(outlets=ways).run()
            assert (second.count, last.count) == (12, 12)

    def test_runs_of_one_mail_are_shared_too(self):
        """What is sent through the day goes one by one, each in a run of its own."""
        both = (outlet(1, 1, weight=1), outlet(2, 2, weight=1))
        taken = {1: 0, 2: 0}
        for now in range(40):
            ways = Ways(both)
            ways.choose(float(now))
            quick = next(one for one in ways.all if ways.turn(one, float(now)))
            ways.took(quick, MAIL, float(now))
            taken[quick.outlet.relay.port] += 1
        assert abs(taken[1] - taken[2]) <= AHEAD + 1

    def test_who_was_away_does_not_get_all_that_the_others_took_meanwhile(self):
        one, two = outlet(1, 1, weight=1), outlet(2, 2, weight=1)
        ways = Ways((one, two))
        first, second = ways.all
        two.paused_at = datetime.now(UTC)
        ways.choose(0.0)
        for _ in range(1000):
            ways.took(first, MAIL, 0.0)
        one.share += 1000  # alone it keeps no count; as if it had
        two.paused_at = None
        ways.choose(1.0)
        assert [ways.turn(each, 1.0) for each in (first, second)] == [False, True]
        for _ in range(2 * (AHEAD + 1)):
            assert ways.turn(second, 1.0)
            ways.took(second, MAIL, 1.0)
        assert not ways.turn(second, 1.0)

    def test_one_that_takes_nothing_for_long_holds_up_nobody(self):
        ways = Ways((outlet(1, 1, weight=1), outlet(2, 2, weight=1)))
        first, _ = ways.all
        ways.choose(0.0)
        for _ in range(AHEAD + 1):
            assert ways.turn(first, 0.0)
            ways.took(first, MAIL, 0.0)
        assert not ways.turn(first, 4.0)
        assert ways.turn(first, 6.0)


class TestAPausedRelay:
    def test_it_gets_no_mail_and_the_next_one_does(self, store):
        desk = office(store, 6)
        with CatchAll() as first, CatchAll() as second:
            operator = hand(desk, first.port, second.port)
            assert operator.pause("relay 0") == (place(first.port), True)
            assert operator.pause(place(first.port)) == (place(first.port), False)
            ways = (outlet(first.port, 0), outlet(second.port, 1))
            sent = desk.sender(outlets=ways).run()
            assert (first.count, second.count, sent.problem) == (0, 6, None)
            assert [one.where for one in sent.passed_over] == [f"relay 0 ({place(first.port)})"]
            assert "it is paused since" in sent.passed_over[0].what
            assert operator.resume("relay 0") == (place(first.port), True)
        assert [one.state for one in operator.listing()] == ["ready", "ready"]

    def test_where_it_is_the_only_one_all_waits_and_nothing_is_wrong(self, store):
        desk = office(store, 3)
        with CatchAll() as first:
            operator = hand(desk, first.port)
            operator.pause("relay 0")
            sent = desk.sender(outlets=(outlet(first.port, 0),)).run()
            assert (sent.tried, sent.problem, len(sent.passed_over), first.count) == (0, None, 1, 0)
            operator.resume("relay 0")
            desk.sender(outlets=(outlet(first.port, 0),)).run()
            assert first.count == 3

    def test_in_the_middle_of_a_run_what_is_on_the_wire_is_finished(self, store, monkeypatch):
        monkeypatch.setattr(accord, "LOOK_SECONDS", 0.0)
        desk = office(store, 20)
        mails = Mails()

        def paused(address):
            if len(mails.taken) == 4:
                operator.pause("relay 0")
            return "250 ok"

        with playing(answering(mails, dot=paused), answering(mails)) as peer:
            operator = hand(desk, peer.port)
            sent = desk.sender(outlets=(outlet(peer.port, 0, connections=1),)).run()
            assert 5 <= len(mails.taken) <= 7
            assert desk.states() == {"accepted": len(mails.taken), "open": 20 - len(mails.taken)}
            assert sent.problem is None
            (row,) = operator.listing()
            assert (row.state, row.name) == ("paused", "relay 0")
            operator.resume("relay 0")
            desk.sender(outlets=(outlet(peer.port, 0, connections=1),)).run()
        assert desk.states() == {"accepted": 20}

    def test_what_is_bound_to_it_waits_and_says_so(self, store):
        desk = office(store, 3)
        table = deliveries.deliveries
        with CatchAll() as first, CatchAll() as second:
            with store.transaction() as tx:
                tx.execute(table.update().where(table.c.address == reader(1)).values(relay=place(first.port)))
            operator = hand(desk, first.port, second.port)
            operator.pause("relay 0")
            desk.sender(outlets=(outlet(first.port, 0), outlet(second.port, 1))).run()
            assert (first.count, second.count) == (0, 2)
            assert desk.row(reader(1)).reason.startswith(f"it may only go to {place(first.port)}: it is paused since")
            assert [one.bound for one in operator.listing()] == [1, 0]
            operator.resume("relay 0")
            desk.later(minutes=6)
            desk.sender(outlets=(outlet(first.port, 0), outlet(second.port, 1))).run()
            assert first.count == 1
        assert desk.states() == {"accepted": 3}
        assert desk.row(reader(1)).reason == ""

    def test_a_test_copy_does_not_go_there_either(self, store):
        desk = office(store, 1)
        with CatchAll() as first, CatchAll() as second:
            operator = hand(desk, first.port, second.port)
            operator.pause("relay 0")
            with store.reading() as tx:
                message = editions.message(tx, desk.rows()[0].message_key)
            sender = desk.sender(outlets=(outlet(first.port, 0), outlet(second.port, 1)))
            copied = sender.copy(message, "me@example.org")
            assert (first.count, second.count, len(copied.passed_over)) == (0, 1, 1)
            operator.pause("relay 1")
            with pytest.raises(RelayError, match="it is paused since"):
                sender.copy(message, "me@example.org")

    def test_a_name_that_is_no_relay_is_refused_with_those_there_are(self, store):
        operator = hand(office(store, 0), 25)
        with pytest.raises(UsageError) as caught:
            operator.pause("smtp 9")
        assert caught.value.try_ == f"one of: {place(25)}"

    def test_one_that_left_the_configuration_is_told_and_can_be_resumed(self, store):
        desk = office(store, 0)
        hand(desk, 25).pause("relay 0")
        assert [(one.name, one.place, one.state) for one in hand(desk).listing()] == [("-", place(25), "paused")]
        assert hand(desk).resume(place(25)) == (place(25), True)
        assert hand(desk).listing() == ()


class TestWhatAnotherWasAsked:
    def test_who_begins_later_keeps_a_rest_until_the_operator_ends_it(self, store):
        desk = office(store, 6)
        with playing(answering(Mails(), rcpt=lambda address: "451 4.7.28 too many mails from you")) as peer:
            first = desk.sender(outlets=(outlet(peer.port, 0, connections=1),))
            assert first.run().problem is not None
            operator = hand(desk, peer.port)
            (row,) = operator.listing()
            assert (row.state, row.until is not None) == ("resting", True)
            assert "too many mails from you" in row.detail
        with CatchAll() as relay:
            moved = relays.relays.update().values(place=place(relay.port))
            with store.transaction() as tx:
                tx.execute(moved)
            later = desk.sender(outlets=(outlet(relay.port, 0),), holder="host:2:1")
            desk.later(minutes=6)
            told = later.run().problem
            assert told is not None and "sending goes on in" in told.what
            desk.later(seconds=1)
            assert hand(desk, relay.port).resume("relay 0") == (place(relay.port), True)
            assert later.run().problem is None
        assert desk.states() == {"accepted": 5, "deferred": 1}

    def test_its_own_words_are_no_news_to_it(self, store):
        desk = office(store, 4)

        def once(address, asked=[]):  # noqa: B006
            asked.append(address)
            return "421 4.3.2 closing" if len(asked) == 1 else "250 ok"

        with playing(*[answering(Mails(), rcpt=once)] * 4) as peer:
            (mine,) = ways = (outlet(peer.port, 0, connections=2),)
            desk.sender(outlets=ways).run()
            desk.sender(outlets=ways).run()
        with store.reading() as tx:
            (found,) = relays.standing(tx, desk.world.now).values()
        assert (found.slowed_by, found.connections, mine.heard_at) == ("host:1:1", 1, found.slowed_at)
        assert desk.states() == {"accepted": 4}


class TestAWarmUpPlan:
    def test_no_more_than_the_days_mails_go_whatever_restarts(self, store):
        desk = office(store, 30)
        with CatchAll() as relay:
            sent = desk.sender(outlets=(warmed(desk, relay.port, 11),)).run()
            assert (relay.count, sent.problem) == (11, None)
            assert [one.what for one in sent.passed_over] == ["today's 11 mails of its warm-up plan are used up"]
            again = desk.sender(outlets=(warmed(desk, relay.port, 11),)).run()
            assert (again.tried, relay.count) == (0, 11)
            (row,) = hand(desk, relay.port, plan=WarmUp(first=11, growth=1.0, since=today(desk))).listing()
            assert (row.state, row.warm_up.allowed, row.warm_up.used, row.warm_up.left) == ("used up", 11, 11, 0)
            with store.transaction() as tx:  # the night passes
                tx.execute(relays.relays.update().values(day=today(desk) - timedelta(days=1)))
            desk.sender(outlets=(warmed(desk, relay.port, 11),)).run()
            assert relay.count == 22
        assert desk.states() == {"accepted": 22, "open": 8}

    def test_what_does_not_fit_goes_by_another_relay(self, store):
        desk = office(store, 20)
        with CatchAll() as fresh, CatchAll() as old:
            ways = (warmed(desk, fresh.port, 5), outlet(old.port, 1))
            assert desk.sender(outlets=ways).run().problem is None
            assert (fresh.count, old.count) == (5, 15)
        assert desk.states() == {"accepted": 20}

    def test_what_was_taken_and_not_needed_is_given_back(self, store):
        desk = office(store, 3)
        with CatchAll() as relay:
            desk.sender(outlets=(warmed(desk, relay.port, 1000),)).run()
            assert relay.count == 3
        with store.reading() as tx:
            (found,) = relays.standing(tx, desk.world.now).values()
        assert found.spent == 3

    def test_a_plan_that_has_no_limit_any_more_counts_nothing(self, store):
        desk = office(store, 3)
        with CatchAll() as relay:
            grown = warmed(desk, relay.port, 5)
            grown.quota.plan = WarmUp(first=5, growth=1.5, since=today(desk), until=5)
            desk.sender(outlets=(grown,)).run()
            assert relay.count == 3
        (row,) = hand(desk, relay.port, plan=grown.quota.plan).listing()
        assert (row.state, row.warm_up) == ("ready", None)
