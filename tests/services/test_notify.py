"""Mails that are no editions: the operator hears of a trouble once, and nobody is bombed with questions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.delivery.catchall import CatchAll
from digest.model.errors import FetchError
from digest.model.feeds import FetchTrace, SourceId
from digest.model.people import SubscriptionState, SuppressionReason
from digest.rendering.message import Head, encode
from digest.services.notify import Notify
from digest.sources.health import judge
from digest.storage import sources
from tests.services.sending import Office
from tests.services.world import KEYS, SENDER, World


class Desk:
    def __init__(self, store, *alerts_to: str) -> None:
        self.world = World(store)
        self.office = Office(store, self.world)
        self.world.source("lab")
        self.printed: list[dict[str, object]] = []
        self.notify = Notify(
            store=store,
            alerts_to=alerts_to,
            print_alert=self.alert,
            print_question=self.question,
            key=KEYS.lasting,
            clock=self.world.clock,
        )

    def alert(self, at, key, context):
        self.printed.append(dict(context))
        return self.mail(at, key, "alert", str(context["title"]))

    def question(self, digest, at, key):
        return self.mail(at, key, "confirmation", f"Please confirm {digest}")

    @staticmethod
    def mail(at, key, kind, subject):
        head = Head(sender=SENDER, date=at, listed=False)
        return encode(key=key, kind=kind, subject=subject, preheader="", html="<p>x</p>", text="x", head=head)

    def round(self, *, works: bool = False, hours: float = 3) -> None:
        """One fetch of the source, some hours after the one before."""
        self.world.now += timedelta(hours=hours)
        error = None if works else FetchError("the server is in trouble (HTTP 500)", try_="nothing", http_status=500)
        with self.world.store.transaction() as tx:
            (held,) = sources.all_held(tx)
            health = judge(held.source, FetchTrace(error=error), failures=held.failures, now=self.world.now, jitter=0.0)
            sources.record(
                tx,
                SourceId("lab"),
                health,
                now=self.world.now,
                http_status=500,
                title="",
                keys=None,
                brought_new=False,
                reached=works,
            )

    def sent(self) -> list[str]:
        with CatchAll() as relay:
            self.office.send(relay.port)
            return sorted(mail.recipient for mail in relay.messages)


def test_one_failure_is_weather_five_over_half_a_day_are_told_once(store):
    desk = Desk(store, "ops@example.org", "boss@example.org")
    told = []
    for _ in range(7):
        desk.round()
        told.append(desk.notify.sources())
    assert told == [(), (), (), (), ("lab",), (), ()]
    assert desk.sent() == ["boss@example.org", "ops@example.org"]
    (context,) = desk.printed
    assert context["title"] == "The source LAB feed does not answer"
    assert "5 fetches in a row have failed" in context["lines"][0]
    assert "HTTP 500" in context["lines"][1]
    assert desk.sent() == []


def test_quick_failures_wait_for_the_time_to_pass(store):
    desk = Desk(store, "ops@example.org")
    told = []
    for _ in range(8):
        desk.round(hours=0.1)
        told.append(desk.notify.sources())
    assert told == [()] * 8
    desk.round(hours=12)
    assert desk.notify.sources() == ("lab",)


def test_after_a_recovery_the_next_trouble_is_told_again(store):
    desk = Desk(store, "ops@example.org")
    for _ in range(6):
        desk.round()
    assert desk.notify.sources() == ("lab",)
    desk.round(works=True)
    assert desk.notify.sources() == ()
    for _ in range(6):
        desk.round()
    assert desk.notify.sources() == ("lab",)
    assert desk.sent() == ["ops@example.org"] * 2


def test_without_an_operators_address_nobody_is_told(store):
    desk = Desk(store)
    for _ in range(6):
        desk.round()
    assert (desk.notify.sources(), desk.sent()) == ((), [])


def test_an_operators_address_that_bounced_gets_nothing_more(store):
    desk = Desk(store, "ops@example.org")
    desk.world.subscribe.suppress("ops@example.org", SuppressionReason.HARD_BOUNCE)
    for _ in range(6):
        desk.round()
    assert desk.notify.sources() == ("lab",)
    assert (desk.sent(), desk.office.states()) == ([], {"suppressed": 1})


class TestAsking:
    @pytest.fixture
    def desk(self, store):
        return Desk(store)

    def test_an_address_is_asked_once_a_day_whatever_is_requested(self, desk):
        held = desk.world.subscribe.add("bo@example.org", "daily", state=SubscriptionState.PENDING)
        assert [desk.notify.ask(held) for _ in range(3)] == [True, False, False]
        assert desk.sent() == ["bo@example.org"]
        desk.world.now += timedelta(days=1)
        assert desk.notify.ask(held)
        assert desk.sent() == ["bo@example.org"]

    def test_two_people_asked_on_one_day_have_tokens_of_their_own(self, desk):
        both = [
            desk.world.subscribe.add(f"{name}@example.org", "daily", state=SubscriptionState.PENDING)
            for name in ("bo", "cy")
        ]
        assert [desk.notify.ask(held) for held in both] == [True, True]
        assert desk.sent() == ["bo@example.org", "cy@example.org"]

    def test_who_must_not_be_written_to_is_not_asked(self, desk):
        held = desk.world.subscribe.add("bo@example.org", "daily", state=SubscriptionState.PENDING)
        desk.notify.ask(held)
        desk.world.subscribe.suppress("bo@example.org", SuppressionReason.REQUEST)
        assert desk.sent() == []
        assert desk.office.states() == {"suppressed": 1}

    def test_a_question_that_could_not_be_sent_in_two_days_is_not_sent_at_all(self, desk):
        desk.notify.ask(desk.world.subscribe.add("bo@example.org", "daily", state=SubscriptionState.PENDING))
        desk.world.now += timedelta(days=2, minutes=1)
        assert (desk.sent(), desk.office.states()) == ([], {"expired": 1})
