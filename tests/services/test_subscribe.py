"""Who reads what: addresses are put right or refused, leaving holds, erasing leaves nobody, choices are checked."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from digest.model.errors import InputError, NotFound, UsageError
from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.readers.subscribe import Choices, normal_address
from digest.storage import deliveries, lacking, people
from digest.storage.base import metadata
from tests.services.world import DAILY, World

WEEKLY = replace(DAILY, name="weekly", title="The Weekly", list_id="weekly.example.org")
ADDRESS = "ada@example.org"


@pytest.fixture
def world(store):
    return World(store, digests=(DAILY, WEEKLY))


def states(world, address=ADDRESS):
    return {one.digest: one.state.value for one in world.subscribe.show(address)}


class TestAddresses:
    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("ada@example.org", "ada@example.org"),
            ("  Ada@Example.ORG \n", "ada@example.org"),
            ("ada+papers@example.org", "ada+papers@example.org"),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
            ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
            ("O'Neil!#$%&*/=?^_`{|}~@example.org", "o'neil!#$%&*/=?^_`{|}~@example.org"),
            ("Jörg+Papers@example.org", "jörg+papers@example.org"),
            ("Jo\u0308rg@example.org", "jörg@example.org"),
            ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
            ("ΑΒ@example.org", "αβ@example.org"),
            ('"a b"@example.org', '"a b"@example.org'),
            ('"A,\\"b\\""@example.org', '"a,\\"b\\""@example.org'),
            ('"ada"@example.org', "ada@example.org"),
        ],
    )
    def test_one_form_is_kept(self, written, kept):
        assert normal_address(written) == kept
        assert normal_address(kept) == kept

    @given(st.from_regex(r"\A[\w+-]{1,30}\Z") | st.from_regex(r'\A"[ -!#-\[\]-~]{1,30}"\Z'))
    def test_what_is_kept_is_a_line_of_a_header_and_is_kept_again(self, local):
        try:
            kept = normal_address(f"{local}@example.org")
        except InputError:
            return
        assert kept.isprintable()
        assert normal_address(kept) == kept

    @pytest.mark.parametrize(
        "written",
        [
            "", "ada", "ada@", "@example.org", "ada@@example.org", "ada@example", "ada@localhost", "a da@example.org",
            "ada@example.org, bo@example.org", "Ada <ada@example.org>", "<ada@example.org>", '"a\tb"@example.org',
            "ada@[127.0.0.1]", "ada@example.org\r\nBcc: x@example.org", "ada\x00@example.org", "ada\u202e@example.org",
            '""@example.org', "jö\u200drg@example.org",
            "ada@-x.example", "ada@ex ample.org", f"{'a' * 400}@example.org", ".ada@example.org",
        ],
    )  # fmt: skip
    def test_what_is_no_address_that_we_can_write_to_is_refused(self, written):
        with pytest.raises(InputError, match="is not an e-mail address"):
            normal_address(written)

    def test_two_spellings_are_one_reader_with_one_subscription(self, world):
        first = world.subscribe.add(ADDRESS, "daily")
        for spelling in ("ADA@EXAMPLE.ORG", " Ada@example.org "):
            assert world.subscribe.add(spelling, "daily") == first
        assert len(world.subscribe.everybody()) == 1
        assert world.subscribe.leave("Ada@Example.org") == 1
        world.subscribe.suppress("bo@bücher.example", SuppressionReason.COMPLAINT)
        with pytest.raises(InputError, match="suppression list"):
            world.subscribe.add("BO@xn--bcher-kva.example", "daily")

    def test_an_unknown_digest_and_an_unknown_reader_are_named(self, world):
        with pytest.raises(UsageError, match='no digest "dayly"'):
            world.subscribe.add(ADDRESS, "dayly")
        with pytest.raises(NotFound):
            world.subscribe.leave("nobody@example.org")
        assert world.subscribe.everybody() == ()


class TestLeaving:
    def test_one_digest_or_all_and_a_second_time_is_a_no_op(self, world):
        for digest in ("daily", "weekly"):
            world.subscribe.add(ADDRESS, digest)
        assert world.subscribe.leave(ADDRESS, "weekly") == 1
        assert states(world) == {"daily": "confirmed", "weekly": "unsubscribed"}
        assert [world.subscribe.leave(ADDRESS), world.subscribe.leave(ADDRESS)] == [1, 0]

    def test_a_token_works_as_often_as_it_is_used_and_after_every_return(self, world):
        held = world.subscribe.add(ADDRESS, "daily", choices=Choices(timezone="Asia/Tokyo"))
        for _ in range(3):
            for _ in range(2):
                (left,) = world.subscribe.leave_by_token(held.secret)
                assert left.state is SubscriptionState.UNSUBSCRIBED
            world.now += timedelta(days=400)
            back = world.subscribe.add(ADDRESS, "daily")
            assert (back.secret, back.timezone, back.state) == (held.secret, "Asia/Tokyo", SubscriptionState.CONFIRMED)

    def test_a_joined_token_ends_those_it_names_and_parts_of_rubbish_are_passed_over(self, world):
        one, two = (world.subscribe.add(ADDRESS, digest) for digest in ("daily", "weekly"))
        assert world.subscribe.leave_by_token("rubbish") is None
        assert world.subscribe.leave_by_token("") is None
        found = world.subscribe.leave_by_token(f"..x.{one.secret}.{two.secret}.", ["weekly"])
        assert {link.digest: link.state.value for link in found} == {"daily": "confirmed", "weekly": "unsubscribed"}
        world.subscribe.leave_by_token(f"{one.secret}.{two.secret}")
        assert states(world) == {"daily": "unsubscribed", "weekly": "unsubscribed"}


class TestSuppressing:
    def test_it_is_listed_once_and_lifted_once(self, world):
        assert [world.subscribe.suppress(ADDRESS, SuppressionReason.OPERATOR, "asked") for _ in range(2)] == [
            True,
            False,
        ]
        (listed,) = world.subscribe.suppressions()
        assert (listed.address, listed.reason, listed.detail) == (ADDRESS, SuppressionReason.OPERATOR, "asked")
        assert [world.subscribe.lift("ADA@example.org"), world.subscribe.lift(ADDRESS)] == [True, False]
        assert world.subscribe.add(ADDRESS, "daily").state is SubscriptionState.CONFIRMED

    def test_who_is_listed_may_still_be_recorded_as_having_left(self, world):
        world.subscribe.suppress(ADDRESS, SuppressionReason.COMPLAINT)
        world.subscribe.add(ADDRESS, "daily", state=SubscriptionState.UNSUBSCRIBED)
        assert states(world) == {"daily": "unsubscribed"}


class TestErasing:
    def erased(self, world):
        world.source()
        world.paper(1)
        held = world.reader(ADDRESS, language="de", timezone="Asia/Tokyo")
        world.publish.run(world.now)
        world.deliver.run()
        world.subscribe.suppress(ADDRESS, SuppressionReason.COMPLAINT, f"complained by {ADDRESS}")
        world.subscribe.erase(ADDRESS)
        return held

    def test_nothing_in_the_database_names_the_person(self, world):
        held = self.erased(world)
        with world.store.reading() as tx:
            everything = json.dumps(
                [[repr(tuple(row)) for row in tx.execute(select(t))] for t in metadata.sorted_tables]
            )
        for trace in (ADDRESS, "ada@", held.secret, "Asia/Tokyo"):
            assert trace not in everything

    def test_a_tombstone_and_a_keyed_hash_stay(self, world):
        self.erased(world)
        (listed,) = world.subscribe.suppressions()
        assert (listed.address, listed.reason, len(listed.key)) == ("", SuppressionReason.ERASED, 64)
        with world.store.reading() as tx:
            (grave,) = tx.execute(select(people.subscribers)).all()
            (row,) = deliveries.listing(tx)
        assert (grave.address, grave.erased_at) == (None, world.now)
        assert (row.address, row.state.value) == ("", "accepted")
        with pytest.raises(NotFound):
            world.subscribe.show(ADDRESS)

    def test_the_address_cannot_be_added_again_until_the_list_is_lifted_and_is_then_somebody_new(self, world):
        held = self.erased(world)
        for spelling in (ADDRESS, "ADA@Example.org"):
            with pytest.raises(InputError, match=r"suppression list \(erased\).*suppressions remove"):
                world.subscribe.add(spelling, "daily")
        assert world.subscribe.lift(ADDRESS)
        fresh = world.subscribe.add(ADDRESS, "daily")
        assert fresh.secret != held.secret
        assert (fresh.subscriber_id != held.subscriber_id, fresh.timezone, dict(fresh.preferences)) == (True, "", {})
        assert world.subscribe.leave_by_token(held.secret) is None

    @pytest.mark.parametrize("database", ["postgresql"])
    def test_it_waits_for_who_is_just_planning_a_mail_and_takes_that_out_too(self, world, monkeypatch):
        world.source()
        world.paper(1)
        world.reader(ADDRESS)
        real, erasing = lacking.served, threading.Thread(target=world.subscribe.erase, args=(ADDRESS,))

        def served(tx, *given):
            real(tx, *given)
            erasing.start()
            erasing.join(0.5)  # it would have been through

        monkeypatch.setattr(lacking, "served", served)
        world.publish.run(world.now)
        erasing.join()
        with world.store.reading() as tx:
            (row,) = deliveries.listing(tx)
        assert (row.address, row.state.value, row.reason) == ("", "suppressed", "erased")

    def test_two_can_be_erased(self, world):
        for address in (ADDRESS, "bo@example.org"):
            world.reader(address)
            world.subscribe.erase(address)
        assert len(world.subscribe.suppressions()) == 2


class TestChoosing:
    def test_what_is_left_out_stays_and_empty_returns_to_the_digests(self, world):
        held = world.subscribe.add(ADDRESS, "daily", choices=Choices(language="de", timezone="Asia/Tokyo", days=(1,)))
        same = world.subscribe.choose(held, Choices(send_at="7:05"))
        assert (same.language, same.timezone, same.days, f"{same.send_at:%H:%M}") == ("de", "Asia/Tokyo", (1,), "07:05")
        plain = world.subscribe.choose(held, Choices(language="", timezone="", days=(), send_at=""))
        assert (plain.language, plain.timezone, plain.days, plain.send_at) == ("", "", (), None)

    def test_what_could_not_be_printed_is_refused_before_anything_is_written(self, world):
        for choices in (
            Choices(timezone="Nowhere/Town"), Choices(timezone="/etc/localtime"), Choices(timezone="Europe"),
            Choices(language="pt"), Choices(send_at="24:00"), Choices(send_at="7"), Choices(send_at="07:30:00"),
            Choices(preferences={"max_items": -1}), Choices(preferences={"keywrods": ["x"]}),
            Choices(preferences={"weights": {"trend": "all"}}), Choices(preferences={"categories": 7}),
        ):  # fmt: skip
            with pytest.raises(InputError):
                world.subscribe.add(ADDRESS, "daily", choices=choices)
        assert world.subscribe.everybody() == ()

    @pytest.mark.parametrize(("written", "kept"), [("de", "de"), ("de_at", "de-AT"), ("ZH-hans", "zh-Hans")])
    def test_a_language_is_kept_in_one_spelling(self, world, written, kept):
        held = world.subscribe.add(ADDRESS, "daily", choices=Choices(language=written))
        assert held.language == kept
        assert world.subscribe.choose(held, Choices(language=written)) == held

    @pytest.mark.parametrize("written", ["pt", "german", "de; DROP", "en_US.UTF-8", " ", "\x1b[31m"])
    def test_a_language_that_mails_are_not_written_in_is_refused_and_what_was_chosen_stays(self, world, written):
        held = world.subscribe.add(ADDRESS, "daily", choices=Choices(language="fr"))
        for again in (
            lambda: world.subscribe.add(ADDRESS, "daily", choices=Choices(language=written)),
            lambda: world.subscribe.choose(held, Choices(language=written, timezone="Asia/Tokyo")),
        ):
            with pytest.raises(InputError) as caught:
                again()
            error = caught.value
            assert (error.what, error.where) == (f"{written!r} is not a language that mails are written in", "language")
            assert "known are: en (English), de (German)" in error.try_
        assert world.subscribe.show(ADDRESS) == (held,)

    def test_every_spelling_of_an_hour_can_be_read_back(self, world):
        for send_at in ("7:5", "07:05", "7:05"):
            held = world.subscribe.add(ADDRESS, "daily", choices=Choices(send_at=send_at))
            assert f"{held.send_at:%H:%M}" == "07:05"
            world.publish.run(world.now)
