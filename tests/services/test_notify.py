"""The operator's alerts: he hears of a trouble once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.delivery.catchall import CatchAll
from digest.model.errors import FetchError
from digest.model.feeds import FetchTrace
from digest.model.people import SuppressionReason
from digest.rendering.message import Head, encode
from digest.services.sending.notify import Notify
from digest.sources.health import judge
from digest.storage import sources
from tests.delivery.peers import playing
from tests.services.sending import WEEKLY, Mails, Office, answering, reader
from tests.services.world import DAILY, KEYS, SENDER, World


class Desk:
    def __init__(self, store, *alerts_to: str, world: World | None = None) -> None:
        self.world = world or World(store)
        self.office = Office(store, self.world)
        self.world.source("lab")
        self.printed: list[dict[str, object]] = []
        self.notify = Notify(
            store=store,
            digests=self.world.digests,
            alerts_to=alerts_to,
            print_alert=self.alert,
            key=KEYS.lasting,
            clock=self.world.clock,
        )

    def alert(self, at, key, context):
        self.printed.append(dict(context))
        return self.mail(at, key, "alert", str(context["title"]))

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
            ended = sources.Ended(held=held, health=health, at=self.world.now, http_status=500, reached=works)
            sources.record(tx, [ended])

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


class TestDeliveriesFailing:
    """``desk.office`` has so many readers with a mail planned each."""

    REFUSED = "550 5.7.1 our reputation is bad"

    @staticmethod
    def desk(store, readers: int, *alerts_to: str, digests=(DAILY,)) -> Desk:
        desk = Desk(store, *(alerts_to or ("ops@example.org",)), world=World(store, digests=digests))
        desk.world.paper(1)
        for number in range(readers):
            for digest in digests:
                desk.world.reader(reader(number), digest.name, joined=len(digests) > 1)
        desk.world.publish.run(desk.world.now)
        return desk

    @staticmethod
    def send(desk: Desk, refused: int, answer: str = REFUSED) -> None:
        """The server refuses the first so many readers."""
        bad = {reader(number) for number in range(refused)}
        with playing(answering(Mails(), rcpt=lambda address: answer if address in bad else "250 ok")) as peer:
            desk.office.send(peer.port)

    def test_over_a_quarter_of_twenty_tried_is_told_once_with_numbers_answer_and_commands(self, store):
        desk = self.desk(store, 20)
        self.send(desk, 6)
        assert desk.notify.deliveries() == ("daily",)
        assert desk.notify.deliveries() == ()
        (context,) = desk.printed
        assert context["title"] == "Mails of The Daily do not get through"
        assert context["lines"] == (
            "Of the 20 mails of 04 May 2026 that were tried, 6 failed: 6 rejected.",
            f"The most frequent answer (6 of them): {self.REFUSED}",
        )
        assert "digest doctor" in context["advice"]
        assert "digest deliveries list --digest daily" in context["advice"]
        assert desk.sent() == ["ops@example.org"]

    def test_what_is_put_off_for_long_counts_as_failing_and_addresses_do_not_part_equal_answers(self, store):
        desk = self.desk(store, 24)
        script = answering(
            Mails(), rcpt=lambda address: "250 ok" if address[7] == "0" else f"450 4.2.1 {address} waits"
        )
        with playing(script) as peer:
            desk.office.send(peer.port)
        assert desk.notify.deliveries() == ()  # a relay that has not seen us before, perhaps
        desk.world.now += timedelta(minutes=30)
        assert desk.notify.deliveries() == ("daily",)
        said = "The most frequent answer (14 of them): 450 4.2.1 reader-10@example.net waits"
        assert desk.printed[0]["lines"] == (
            "Of the 24 mails of 04 May 2026 that were tried, 14 failed: 14 deferred.",
            said,
        )

    @pytest.mark.parametrize(("readers", "refused"), [(20, 5), (19, 19), (20, 0)])
    def test_a_quarter_few_readers_and_nothing_wrong_are_not_told(self, store, readers, refused):
        desk = self.desk(store, readers)
        self.send(desk, refused)
        assert desk.notify.deliveries() == ()

    def test_uncertain_ones_are_counted_and_the_operator_is_asked_about_them(self, store):
        desk = self.desk(store, 20)
        silent = answering(Mails(), dot=lambda address: None)
        with playing(*[silent] * 6, answering(Mails())) as peer:
            desk.office.send(peer.port)
        assert desk.office.states() == {"accepted": 14, "uncertain": 6}
        assert desk.notify.deliveries() == ("daily",)
        assert "6 uncertain" in desk.printed[0]["lines"][0]
        assert "digest deliveries resolve" in desk.printed[0]["advice"]

    def test_the_next_publication_is_told_again_and_an_old_one_never(self, store):
        desk = self.desk(store, 20)
        self.send(desk, 20)
        assert desk.notify.deliveries() == ("daily",)
        desk.world.now += timedelta(days=1)
        desk.office.steady += 86_400  # the hour for which so many refusals stop all sending is long over
        desk.world.paper(2, seen_at=desk.world.now - timedelta(hours=3))
        desk.world.publish.run(desk.world.now)
        assert desk.notify.deliveries() == (), "nothing of it was tried yet"
        self.send(desk, 20)
        assert desk.notify.deliveries() == ("daily",)
        assert len(desk.printed) == 2
        desk.world.now += timedelta(days=3)
        assert desk.notify.deliveries() == ()

    def test_a_relay_that_refuses_for_half_an_hour_while_mails_wait_is_told_once(self, store):
        desk = self.desk(store, 2)
        since, problem = desk.world.now, "127.0.0.1:25: connection refused"

        def told() -> tuple[str, ...]:
            return desk.notify.deliveries(refused=(since, problem))

        desk.world.now += timedelta(minutes=29)
        assert told() == ()
        desk.world.now += timedelta(minutes=1)
        assert [told(), told()] == [("daily",), ()]
        assert desk.printed[0]["lines"] == (
            "No mail server could be used since 2026-05-04 05:35 UTC; 2 mails wait.",
            problem,
        )
        assert desk.sent() == ["ops@example.org", reader(0), reader(1)], "the alert waits with them"

    def test_where_nothing_waits_or_the_operator_paused_it_a_relay_that_refuses_is_not_told(self, store):
        desk = self.desk(store, 2)
        since = desk.world.now
        desk.world.now += timedelta(hours=1)
        desk.office.ledger.pause("daily")
        assert desk.notify.deliveries(refused=(since, "x")) == ()
        desk.office.ledger.resume("daily")
        self.send(desk, 0)
        assert desk.notify.deliveries(refused=(since, "x")) == ()

    def test_a_refusal_of_yesterday_says_nothing_of_mails_that_were_planned_just_now(self, store):
        desk = self.desk(store, 2)
        yesterday = desk.world.now - timedelta(days=1)
        assert desk.notify.deliveries(refused=(yesterday, "x")) == ()
        desk.world.now += timedelta(minutes=30)
        assert desk.notify.deliveries(refused=(yesterday, "x")) == ("daily",)

    def test_each_digest_is_told_for_itself(self, store):
        desk = self.desk(store, 20, digests=(DAILY, WEEKLY))
        self.send(desk, 20)
        desk.world.now += timedelta(minutes=1)
        assert desk.notify.deliveries() == ("daily",), "the weekly had nothing to print beside it"

    def test_without_an_operators_address_nobody_is_told(self, store):
        desk = self.desk(store, 20)
        self.send(desk, 20)
        assert replace(desk.notify, alerts_to=()).deliveries() == ()
