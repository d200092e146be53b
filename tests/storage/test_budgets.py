"""What several processes share of a relay: slices of a rate, slices of a day's plan, pauses and rests."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from digest.model.mail import Outcome, OutcomeKind, Scope
from digest.storage import relays

PLACE = "relay.example.org:587"
NOW = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)
SLOW = Outcome(kind=OutcomeKind.DEFERRED, scope=Scope.RELAY, code=421, enhanced="4.7.0", remote="slow down")


def rate(store, rate, *, back=0.0, now=NOW, domain=""):
    with store.transaction() as tx:
        return relays.take_rate(tx, PLACE, domain, rate=rate, back=back, now=now)


def quota(store, limit, *, most=64, now=NOW):
    with store.transaction() as tx:
        return relays.take_quota(tx, PLACE, allowed=lambda day: limit, most=most, now=now)


def standing(store, now=NOW):
    with store.reading() as tx:
        return relays.standing(tx, now)[PLACE]


class TestRates:
    @pytest.mark.parametrize("database", ["sqlite"])
    def test_a_second_of_it_is_there_at_first_in_slices_of_a_quarter(self, store):
        assert [rate(store, 0.01 * 2**12)[0] for _ in range(5)] == [10, 10, 10, 10, 0]

    def test_who_comes_too_early_is_told_when_to_come(self, store):
        assert rate(store, 0.001) == (1.0, 0.0)
        mails, wait = rate(store, 0.001)
        assert (mails, wait) == (0.0, pytest.approx(1000, abs=1))
        assert rate(store, 0.001, domain="gmail.com") == (1.0, 0.0), "each domain has its own"

    @pytest.mark.parametrize("database", ["sqlite"])
    def test_it_fills_with_time_and_never_beyond_a_second(self, store):
        assert rate(store, 4)[0] == 1
        for _ in range(3):
            rate(store, 4)
        assert rate(store, 4) == (0.0, 0.25)
        assert rate(store, 4, now=NOW + timedelta(seconds=0.25)) == (1.0, 0.0)
        later = NOW + timedelta(hours=1)
        assert [rate(store, 4, now=later)[0] for _ in range(5)] == [1, 1, 1, 1, 0]
        assert rate(store, 4, now=NOW)[0] == 0, "a clock set back gives nothing"

    def test_what_comes_back_can_be_had_again(self, store):
        assert rate(store, 0.001)[0] == 1
        with store.transaction() as tx:
            relays.give_back_rate(tx, PLACE, "", rate=0.001, back=1.0)
        assert rate(store, 0.001)[0] == 1
        assert rate(store, 0.001, back=1.0)[0] == 1
        with store.transaction() as tx:
            relays.give_back_rate(tx, PLACE, "", rate=0.001, back=9.0)
        assert [rate(store, 0.001)[0] for _ in range(2)] == [1, 0]

    def test_many_at_once_get_no_more_than_there_is(self, url, open_database):
        taken = []

        def take(store):
            for _ in range(8):
                taken.append(rate(store, 0.04 * 2**10, back=0.0)[0])

        threads = [threading.Thread(target=take, args=(open_database(url),)) for _ in range(4)]
        began = datetime.now(UTC)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        passed = (datetime.now(UTC) - began).total_seconds()
        assert 40 <= sum(taken) <= 40.96 * (1 + passed)


class TestAWarmUpPlan:
    def test_slices_grow_smaller_and_their_sum_is_the_plan(self, store):
        slices = []
        while mails := quota(store, 100)[0].mails:
            slices.append(mails)
        assert (slices[0], slices[-1], sum(slices)) == (25, 1, 100)
        assert quota(store, 100)[0].mails == 0
        assert quota(store, 120)[0].mails == 5, "a plan that was changed counts at once"

    def test_what_comes_back_is_for_the_others_on_that_day_only(self, store):
        first, day = quota(store, 8)
        with store.transaction() as tx:
            relays.give_back_quota(tx, PLACE, first.mails, day - timedelta(days=1))
            relays.give_back_quota(tx, PLACE, 1, day)
        assert standing(store).spent == first.mails - 1

    def test_a_new_day_begins_at_nothing_and_an_old_one_never_comes_back(self, store):
        now = datetime.now(UTC)
        assert quota(store, 3, now=now)[0].mails == 1
        for day, spent in ((now.date() - timedelta(days=1), 0), (now.date() + timedelta(days=9), 3)):
            with store.transaction() as tx:
                tx.execute(relays.relays.update().values(day=day, spent=3))
            found = standing(store, now)
            assert found.spent_on(found.today) == spent
            assert quota(store, 3, now=now)[0].mails == (0 if spent else 1)

    @pytest.mark.parametrize("database", ["sqlite"])
    def test_a_slice_lasts_to_midnight_in_utc(self, store):
        assert quota(store, 9)[0].seconds == 18 * 3600
        assert quota(store, None)[0] == (64, 18 * 3600, None)

    def test_four_at_once_never_take_more_than_the_plan(self, url, open_database):
        taken = []

        def take(store):
            while mails := quota(store, 50, now=datetime.now(UTC))[0].mails:
                taken.append(mails)

        threads = [threading.Thread(target=take, args=(open_database(url),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(taken) == 50


class TestStanding:
    def test_a_pause_is_heard_and_ends(self, store):
        with store.transaction() as tx:
            assert relays.pause(tx, PLACE, NOW)
            assert not relays.pause(tx, PLACE, NOW)
        found = standing(store)
        assert found.paused_at is not None and found.paused_at <= found.at
        with store.transaction() as tx:
            assert relays.resume(tx, PLACE, NOW)
            assert not relays.resume(tx, PLACE, NOW)
            assert not relays.resume(tx, "elsewhere:25", NOW)
        assert standing(store).paused_at is None

    def test_a_rest_is_only_ever_lengthened_and_the_operator_ends_it(self, store):
        for seconds in (600, 60):
            with store.transaction() as tx:
                relays.slow(tx, PLACE, by="a", rest=timedelta(seconds=seconds), connections=1, cause=SLOW, now=NOW)
        found = standing(store)
        assert found.cause == SLOW and (found.slowed_by, found.connections) == ("a", 1)
        assert found.rests_until is not None
        assert 590 < (found.rests_until - found.at).total_seconds() <= 600
        with store.transaction() as tx:
            assert relays.resume(tx, PLACE, NOW)
        freed = standing(store)
        assert (freed.rests_until, freed.cause, freed.slowed_by) == (None, None, "")

    def test_nothing_is_known_of_a_relay_that_went_well(self, store):
        with store.reading() as tx:
            assert relays.standing(tx, NOW) == {}

    def test_a_day_of_the_plan_is_told_in_utc(self, store):
        assert relays.Standing(at=NOW).today == date(2026, 5, 4)
