"""Asking to join: one mail a day to an address, limits that hold between processes, and nothing told to strangers."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from digest.model.errors import InputError, NotFound, UsageError
from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.readers.admission import MOST_OF_A_NETWORK, Asked, Outcome, mailbox_of, network_of
from digest.services.readers.subscribe import Choices
from digest.storage import admission, deliveries
from digest.storage.base import metadata
from tests.services.road import DAY, Road

OPEN = {"name": "daily", "title": "The Daily", "send_at": "07:30", "timezone": "Europe/Berlin", "join": True}
HOUR = timedelta(hours=1)


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, OPEN, {"name": "weekly", "title": "Weekly"})
    yield made
    made.app.close()


def ask(road, address="ada@example.org", *, peer="192.0.2.1", digest="daily", **choices) -> str:
    asked = Asked(address=address, digest=digest, choices=Choices(**choices), peer=peer)
    return road.app.admission.join(asked).outcome.value


def remind(road, address="ada@example.org", *, peer="192.0.2.1", digest="") -> str:
    return road.app.admission.remind(Asked(address=address, digest=digest, peer=peer)).outcome.value


def planned(road) -> list[tuple[str, str]]:
    with road.app.store.reading() as tx:
        return [(one.kind, one.address) for one in deliveries.listing(tx, limit=100_000)]


def number_of(road, table) -> int:
    with road.app.store.reading() as tx:
        return tx.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one()


class TestOneMailADay:
    def test_to_an_address_however_often_and_from_wherever_it_is_asked_for(self, road):
        said = [ask(road, peer=f"198.51.100.{n}") for n in range(30)]
        assert said == ["planned", *["repeated"] * 29]
        road.now += DAY - timedelta(seconds=1)
        assert ask(road) == "repeated"
        road.now += timedelta(seconds=1)
        assert ask(road) == "planned"
        assert planned(road) == [("confirmation", "ada@example.org")] * 2

    def test_midnight_is_no_new_day_and_another_digest_no_other_address(self, road):
        road.now = road.now.replace(hour=23, minute=59)
        assert ask(road) == "planned"
        road.now += timedelta(minutes=2)
        assert [ask(road, digest="weekly"), remind(road)] == ["repeated", "repeated"]

    def test_to_a_mailbox_whatever_stands_behind_a_plus_or_between_gmails_dots(self, road):
        spellings = ("ada@example.org", "ADA@EXAMPLE.ORG", "ada+1@example.org", "ada+news@example.org")
        assert [ask(road, one) for one in spellings] == ["planned", *["repeated"] * 3]
        assert [ask(road, one) for one in ("b.o@gmail.com", "bo+x@gmail.com")] == ["planned", "repeated"]
        assert [ask(road, one) for one in ("c.y@example.org", "cy@example.org")] == ["planned", "planned"]

    def test_of_processes_that_ask_at_one_instant_one_plans_it(self, road):
        said: list[str] = []
        start = threading.Barrier(6)

        def other(number):
            start.wait()
            said.append(ask(road, peer=f"198.51.100.{number}"))

        threads = [threading.Thread(target=other, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(said) == ["planned", *["repeated"] * 5]
        assert planned(road) == [("confirmation", "ada@example.org")]


class TestLimits:
    def test_one_network_plans_so_many_mails_an_hour_and_others_go_on(self, road):
        said = [ask(road, f"victim{n}@example.org") for n in range(MOST_OF_A_NETWORK + 5)]
        assert said == [*["planned"] * MOST_OF_A_NETWORK, *["crowded"] * 5]
        assert ask(road, peer="192.0.2.2") == "planned"
        road.now += HOUR
        assert ask(road, "late@example.org") == "planned"

    def test_a_network_is_told_when_it_may_ask_again(self, road):
        began = road.now
        for _ in range(MOST_OF_A_NETWORK):
            ask(road)
        road.now += timedelta(minutes=10)
        told = road.app.admission.join(Asked(address="bo@example.org", digest="daily", peer="192.0.2.1"))
        assert (told.outcome, told.until) == (Outcome.CROWDED, began + HOUR)

    def test_ten_thousand_requests_of_one_network_plan_no_more_than_that(self, road):
        """From as many addresses of it; what comes behind the limit is all alike, so two hundred stand for all."""
        for n in range(200):
            asked = Asked(address=f"v{n}@example.org", digest="daily", peer=f"2001:db8:0:1::{n:x}")
            road.app.admission.join(asked)
        assert len(planned(road)) == MOST_OF_A_NETWORK
        assert number_of(road, "subscribers") == MOST_OF_A_NETWORK

    def test_all_networks_together_plan_so_many_an_hour_and_the_operator_is_not_held_up(self, road):
        door = replace(road.app.admission, most_an_hour=3)
        said = [
            door.join(Asked(address=f"v{n}@example.org", digest="daily", peer=f"192.0.2.{n}")).outcome.value
            for n in range(5)
        ]
        assert said == ["planned", "planned", "planned", "full", "full"]
        assert door.join(Asked(address="v4@example.org", digest="daily")).outcome is Outcome.PLANNED
        road.now += HOUR
        assert door.join(Asked(address="v3@example.org", digest="daily", peer="192.0.2.9")).outcome is Outcome.PLANNED

    def test_one_victim_asked_for_again_and_again_does_not_close_the_door_for_others(self, road):
        door = replace(road.app.admission, most_an_hour=3)
        for n in range(50):
            door.join(Asked(address="ada@example.org", digest="daily", peer=f"192.0.2.{n}"))
        assert door.join(Asked(address="bo@example.org", digest="daily", peer="192.0.2.99")).outcome is Outcome.PLANNED

    def test_addresses_of_one_household_are_one_network(self):
        same = {network_of(one) for one in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::1%eth0")}
        assert same == {"2001:db8:1:2::/64"}
        assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
        assert network_of("192.0.2.2") != network_of("192.0.2.1")
        assert {network_of(one) for one in ("", "testclient", "1.2.3.4.5", "x" * 5000)} == {"unknown"}

    @pytest.mark.parametrize(
        ("address", "mailbox"),
        [
            ("ada+news@example.org", "ada@example.org"),
            ("a.d.a+x@gmail.com", "ada@gmail.com"),
            ("a.d.a@example.org", "a.d.a@example.org"),
            ("+x@example.org", "+x@example.org"),
            ('"a+b"@example.org', '"a+b"@example.org'),
        ],
    )
    def test_a_mailbox_is_where_mail_ends_up(self, address, mailbox):
        assert mailbox_of(address) == mailbox

    def test_what_is_counted_names_nobody_and_is_dropped_when_its_time_is_over(self, road):
        ask(road)
        with road.app.store.reading() as tx:
            keys = tx.execute(select(metadata.tables["allowances"].c.key)).scalars().all()
        assert len(keys) == 3
        assert all(len(key) == 64 and "@" not in key for key in keys)
        road.now += HOUR
        road.app.prune()
        assert number_of(road, "allowances") == 1, "the mailbox's day"
        road.now += DAY
        road.app.prune()
        assert number_of(road, "allowances") == 0


class TestWhoStandsBehindAnAddress:
    def test_a_reader_gets_a_link_of_his_own_and_keeps_his_settings(self, road):
        held = road.reader(language="de", timezone="Asia/Tokyo")
        assert ask(road, language="fr", timezone="UTC") == "planned"
        assert planned(road) == [("link", held.address)]
        (now,) = road.app.subscribe.show(held.address)
        assert (now, number_of(road, "wishes")) == (held, 0)
        road.deliver()
        (mail,) = road.mails()
        text = mail.get_body(("plain",)).get_content()
        assert "https://digest.example.org/preferences/" in text
        assert mail["List-Unsubscribe"] is not None
        assert mail["Subject"] == "Ihr Link zu The Daily"

    @pytest.mark.parametrize("reason", list(SuppressionReason))
    def test_who_must_not_be_written_to_gets_nothing_and_is_counted_all_the_same(self, road, reason):
        road.app.subscribe.suppress("ada@example.org", reason)
        assert [ask(road), ask(road)] == ["silent", "repeated"]
        assert (planned(road), number_of(road, "subscribers")) == ([], 0)

    def test_who_was_erased_stays_forgotten(self, road):
        held = road.reader()
        road.app.subscribe.erase(held.address)
        assert ask(road) == "silent"
        assert planned(road) == []

    def test_who_left_is_asked_and_stays_away_until_the_yes(self, road):
        held = road.reader(timezone="Asia/Tokyo")
        road.app.subscribe.leave(held.address)
        assert ask(road, timezone="UTC") == "planned"
        (now,) = road.app.subscribe.show(held.address)
        assert (now.state, now.timezone) == (SubscriptionState.UNSUBSCRIBED, "Asia/Tokyo")
        assert planned(road) == [("confirmation", held.address)]

    def test_a_lost_link_is_sent_to_readers_only(self, road):
        assert remind(road, "nobody@example.org") == "silent"
        ask(road, "bo@example.org")
        road.now += DAY
        assert remind(road, "bo@example.org") == "silent", "who never said yes"
        road.reader("ada@example.org", digest="weekly")
        assert [remind(road), remind(road)] == ["planned", "repeated"]
        assert planned(road) == [("confirmation", "bo@example.org"), ("link", "ada@example.org")]

    def test_the_operator_is_told_a_readers_links(self, road):
        held = road.reader()
        (links,) = road.app.admission.links("ADA@example.org")
        token = links.preferences.rpartition("/")[2]
        assert road.app.subscribe.preferences_of(token).id == held.id
        assert links.unsubscribe == f"https://digest.example.org/unsubscribe/{held.secret}"
        with pytest.raises(NotFound, match="is not a subscriber"):
            road.app.admission.links("nobody@example.org")
        with pytest.raises(UsageError, match="no links without it"):
            replace(road.app.admission, public_url="").links(held.address)


class TestSending:
    def test_who_was_put_on_the_list_meanwhile_is_not_written_to(self, road):
        ask(road)
        road.app.subscribe.suppress("ada@example.org", SuppressionReason.REQUEST)
        road.deliver()
        assert road.rows() == [("ada@example.org", "daily", "suppressed")]

    def test_a_question_that_could_not_be_sent_in_two_days_is_not_sent_at_all(self, road):
        ask(road)
        road.now += timedelta(days=2, minutes=1)
        road.deliver()
        assert road.rows() == [("ada@example.org", "daily", "expired")]

    def test_people_asked_in_one_language_on_one_day_share_a_message_and_have_tokens_of_their_own(self, road):
        for name, language in (("ada", "de"), ("bo", "de"), ("cy", "")):
            ask(road, f"{name}@example.org", language=language)
        assert number_of(road, "messages") == 2
        road.deliver()
        links = {re.search(r"/confirm/\S+", mail.get_body(("plain",)).get_content())[0] for mail in road.mails()}
        assert len(links) == 3


class TestBadInput:
    @pytest.mark.parametrize(
        "address",
        [
            "",
            "ada",
            "ada@",
            "@x.org",
            "a da@x.org",
            "a@x.org\r\nBcc: b@x.org",
            "a@x.org,b@x.org",
            "a" * 309 + "@example.org",
        ],
    )
    def test_what_is_no_address_is_refused_and_counts_for_nothing(self, road, address):
        with pytest.raises(InputError, match="is not an e-mail address"):
            ask(road, address)
        assert (planned(road), number_of(road, "allowances")) == ([], 0)

    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("Ada+News@Example.ORG", "ada+news@example.org"),
            ('"a b"@example.org', '"a b"@example.org'),
            ("ada@münchen.example", "ada@xn--mnchen-3ya.example"),
            ("jörg@example.org", "jörg@example.org"),
        ],
    )
    def test_strange_addresses_are_kept_as_they_are_mailed(self, road, typed, kept):
        assert ask(road, typed) == "planned"
        assert planned(road) == [("confirmation", kept)]

    def test_a_digest_that_does_not_exist_is_a_wrong_call(self, road):
        with pytest.raises(UsageError, match='no digest "hourly"'):
            ask(road, digest="hourly")


class TestForgetting:
    def test_who_never_answers_is_forgotten_after_a_month(self, road):
        ask(road, "ada-of-london@example.org")
        road.deliver()
        road.now += timedelta(days=30)
        assert road.app.prune().requests == 0
        road.now += timedelta(seconds=1)
        assert road.app.prune().requests == 1
        with road.app.store.reading() as tx:
            for table in metadata.sorted_tables:
                for row in tx.execute(select(table)):
                    assert "ada-of-london" not in str(tuple(row)), table.name
        assert ask(road, "ada-of-london@example.org") == "planned", "and may ask again"

    def test_two_who_were_asked_at_one_instant_can_both_be_forgotten(self, road):
        for name in ("ada", "bo", "cy"):
            ask(road, f"{name}@example.org")
        road.now += timedelta(days=31)
        assert road.app.prune().requests == 3

    def test_a_reader_who_asked_for_another_digest_stays_a_reader(self, road):
        held = road.reader(digest="weekly")
        ask(road, held.address)
        road.now += timedelta(days=31)
        assert road.app.prune().requests == 1
        assert {one.digest: one.state.value for one in road.app.subscribe.show(held.address)} == {
            "weekly": "confirmed",
            "daily": "pending",
        }

    def test_erasing_takes_the_wishes_along(self, road):
        ask(road, timezone="UTC")
        assert number_of(road, "wishes") == 1
        road.app.subscribe.erase("ada@example.org")
        assert number_of(road, "wishes") == 0

    def test_a_wish_is_written_over_by_a_later_one(self, road):
        ask(road, timezone="UTC")
        road.now += DAY
        ask(road, timezone="Asia/Tokyo")
        (link,) = road.app.subscribe.show("ada@example.org")
        with road.app.store.reading() as tx:
            assert admission.wished(tx, link.id) == {"timezone": "Asia/Tokyo"}


def test_whoever_is_erased_while_their_mail_is_printed_gets_none(road):
    road.reader("ada@example.org", "daily")
    inner = road.app.admission

    def printing(*given):
        road.app.subscribe.erase("ada@example.org")
        return inner.print_letter(*given)

    asked = Asked(address="ada@example.org", digest="daily", peer="192.0.2.1")
    assert replace(inner, print_letter=printing).join(asked).outcome is Outcome.SILENT
    assert road.rows() == []
