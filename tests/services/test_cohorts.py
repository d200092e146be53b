"""A slot in cohorts: who serves which part, that each reader is served and counted once, and what a crash leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from digest.model.errors import Conflict
from digest.model.people import SuppressionReason
from digest.services.ports import Work
from digest.services.publishing.cohorts import LEASE, Cohorts, Held, cohorts_for
from digest.services.publishing.due import Wishes
from digest.services.publishing.publish import Publish
from digest.storage import deliveries, editions, people, slots
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.lacking import Part
from tests.services.cohorts import SLOT, check, crowd, told
from tests.services.world import DAILY, World, print_edition, with_profile
from tests.storage.papers import SLOT_AT

DAY = timedelta(days=1)
ONLY_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"])


@pytest.fixture
def world(store: Store) -> World:
    """One digest with a paper, a few minutes after its slot."""
    world = World(store)
    world.source()
    world.paper(1)
    return world


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small slots are cut up as large ones are."""
    monkeypatch.setattr("digest.services.publishing.cohorts._FEW", 20)
    monkeypatch.setattr("digest.services.publishing.cohorts._OF_A_COHORT", 10)


def counted(store: Store) -> tuple[int, int, int]:
    """(cohorts by preferences, rows of cohorts, those that are done) of the slot."""
    with store.reading() as tx:
        of = tx.execute(select(slots.slots.c.cohorts)).scalar_one()
        number, done = tx.execute(select(func.count(), func.count(slots.cohorts.c.done_at))).one()
    return of, number, done


def by(publish: Publish, holder: str) -> tuple[Publish, Cohorts]:
    """A worker of another name, and its hand on the cohorts."""
    mine = replace(publish, holder=holder)
    return mine, mine._cohorts(mine.digests)


def served(publish: Publish, world: World) -> int:
    return sum(one.readers for one in publish.work(world.now, threading.Event()))


# How a slot is cut up


@pytest.mark.parametrize(
    ("readers", "cohorts"), [(1, 0), (4_999, 0), (5_000, 2), (50_000, 20), (200_000, 64), (5_000_000, 64)]
)
def test_a_small_slot_is_one_cohort_and_a_large_one_of_some_thousands_each(readers, cohorts):
    assert cohorts_for(readers) == cohorts


def test_a_slot_is_opened_once_with_as_many_cohorts_as_the_database_can_tell_apart(world, cut):
    crowd(world, 30)
    assert world.publish.open_due(world.now) == 1
    assert counted(world.store) == ((0, 1, 0) if world.store.is_sqlite else (3, 4, 0))
    assert by(world.publish, "other")[1].open(Wishes(world.publish.profile_of, world.now)) == 0


def test_who_looked_for_slots_lately_looked_for_all_workers(world):
    other, _ = by(world.publish, "elsewhere:1:2")
    assert world.publish.open_due(world.now) == 0
    crowd(world, 1)
    assert other.open_due(world.now) == 0
    world.now += timedelta(minutes=1)
    assert other.open_due(world.now) == 1


@ONLY_POSTGRESQL
def test_workers_are_called_with_what_makes_work_for_them(world, cut):
    calls: list[tuple[Work, bool]] = []
    publish = replace(world.publish, wake=lambda tx, work: calls.append((work, tx.in_transaction())))
    crowd(world, 30)
    publish.open_due(world.now)
    assert calls == [(Work.PUBLISH, True)]
    publish.work(world.now, threading.Event())
    # Whoever takes a cohort and leaves others calls for those; the last one is nobody's before all others are done.
    assert {*calls[1:]} == {(Work.DELIVER, True), (Work.PUBLISH, True)}


def test_for_a_slot_of_one_cohort_nobody_is_called_to_publish(world):
    calls: list[Work] = []
    crowd(world, 3)
    publish = replace(world.publish, wake=lambda tx, work: calls.append(work))
    publish.run(world.now)
    assert calls == [Work.DELIVER]


# Many at once


def noting(printed: list[str]):
    """Prints, and notes the key of each edition that it does."""

    def printing(some, digests):
        printed.append(some[0].key)
        return print_edition(some, digests)

    return printing


@ONLY_POSTGRESQL
def test_four_workers_serve_each_reader_once_and_print_each_profile_once(world, monkeypatch):
    monkeypatch.setattr("digest.services.publishing.cohorts._OF_A_COHORT", 250)
    monkeypatch.setattr("digest.services.publishing.cohorts._FEW", 250)
    crowd(world, 2_000, profiles=80)
    printed: list[str] = []
    publish = replace(world.publish, print_edition=noting(printed))
    publish.open_due(world.now)
    begin = threading.Barrier(4)

    def work(name: str) -> int:
        mine, _ = by(publish, name)
        begin.wait()
        return served(mine, world)

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(work, ("a", "b", "c", "d")))
    assert sum(parts) == 2_000
    assert sum(part > 0 for part in parts) > 1
    check(world.store, 2_000)
    assert told(world.store) == {"readers": 2_000, "planned": 2_000}
    assert len(printed) == len(set(printed)) == 80
    assert counted(world.store) == (8, 9, 9)


def test_two_digests_of_one_instant_never_print_a_work_twice_for_a_reader(store, cut):
    """Each shows one of two papers; both are composed before either is written."""
    first, second = (replace(with_profile(DAILY, max_items=1), name=name) for name in ("first", "second"))
    world = World(store, digests=(first, second))
    world.source()
    world.paper(1)
    world.paper(2)
    crowd(world, 40, profiles=2)
    both = threading.Barrier(2)
    waited = threading.local()

    def printing(some, digests):
        if not getattr(waited, "once", False):
            waited.once = True
            both.wait(10)
        return print_edition(some, digests)

    def run(name: str):
        return replace(world.publish, holder=name, print_edition=printing).run(world.now, digests=[name])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, ("first", "second")))
    with store.reading() as tx:
        rows = tx.execute(select(deliveries.deliveries.c.subscriber_id, deliveries.deliveries.c.edition_id)).all()
        works = editions.entry_ids(tx, {row.edition_id for row in rows})
    sent = [(row.subscriber_id, work) for row in rows for work in works[row.edition_id]]
    assert len(sent) == len(set(sent)) == 80, "each reader both papers, each once"


@ONLY_POSTGRESQL
def test_who_moves_to_a_cohort_that_is_done_is_served_with_the_last_one(world, cut):
    crowd(world, 30, profiles=3)
    publish, cohorts = by(world.publish, "fast")
    publish.open_due(world.now)
    for _ in range(3):
        held = cohorts.take()
        assert held is not None and held.cohort.part is not None
        cohorts.finish(held, Wishes(publish.profile_of, world.now))
    assert served(world.publish, world) == 30
    assert told(world.store) == {"readers": 30, "planned": 30}


# Preferences that very many share


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, cut: None) -> None:
    """A few readers are already many, and are read a few at a time."""
    monkeypatch.setattr("digest.services.publishing.cohorts.PAGE", 5)


def ranges(store: Store) -> list[Part]:
    """The ranges of ids that a cohort left to others."""
    with store.reading() as tx:
        query = select(slots.cohorts.c.counted).where(slots.cohorts.c.number >= slots.RANGES)
        return [Part(**counted[""]) for counted in tx.execute(query.order_by(slots.cohorts.c.number)).scalars()]


class Divided(threading.Event):
    """Stops a worker when so many cohorts have left readers to ranges of ids."""

    def __init__(self, store: Store, number: int = 1) -> None:
        super().__init__()
        self._store = store
        self._number = number

    def is_set(self) -> bool:
        return len({part.number for part in ranges(self._store)}) >= self._number


@ONLY_POSTGRESQL
@pytest.mark.parametrize("profiles", [1, 2])
def test_readers_of_one_preference_are_shared_by_all_workers_and_printed_once(world, shared, profiles):
    """Of 2 profiles one is the digest's own."""
    crowd(world, 120, profiles)
    printed: list[str] = []
    publish = replace(world.publish, print_edition=noting(printed))
    publish.open_due(world.now)
    publish.work(world.now, Divided(world.store, profiles))
    all_plan = threading.Barrier(3)

    def work(name: str) -> int:
        waited: list[Work] = []

        def wake(tx: Tx, work: Work) -> None:
            """Nobody's first range is written before each of the others has one to write."""
            if work is Work.DELIVER and not waited:
                waited.append(work)
                all_plan.wait(30)

        return served(by(replace(publish, wake=wake), name)[0], world)

    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(work, ("a", "b", "c")))
    assert min(parts) > 0
    assert sum(parts) < 120
    assert len(printed) == len(set(printed)) == profiles
    check(world.store, 120)
    assert told(world.store) == {"readers": 120, "planned": 120}


@ONLY_POSTGRESQL
def test_two_digests_in_one_mail_stay_together_where_their_readers_are_cut_into_ranges(store, shared):
    daily, weekly = (replace(with_profile(DAILY, max_items=1), name=name) for name in ("daily", "weekly"))
    world = World(store, digests=(daily, weekly))
    world.source()
    world.paper(1)
    world.paper(2)
    crowd(world, 60)
    with store.transaction() as tx:
        tx.execute(people.subscribers.update().values(joined=True))
    world.publish.run(world.now)
    assert ranges(store)
    for name in ("daily", "weekly"):
        assert told(store, replace(SLOT, digest=name)) == {"readers": 60, "planned": 60}
    with store.reading() as tx:
        rows = tx.execute(select(deliveries.deliveries.c.subscriber_id, deliveries.deliveries.c.message_key)).all()
    assert (len(rows), len(set(rows))) == (120, 60), "one mail each"


@ONLY_POSTGRESQL
def test_who_prefers_or_is_something_else_when_his_range_comes_is_served_once(world, shared):
    """One wishes something of his own by then, one leaves, one joins, and one was of another cohort that is done."""
    crowd(world, 60)
    world.publish.open_due(world.now)
    world.publish.work(world.now, Divided(world.store))
    with world.store.transaction() as tx:
        rows = tx.execute(
            select(people.subscriptions.c.id, people.subscribers.c.address)
            .join(people.subscribers, people.subscribers.c.id == people.subscriptions.c.subscriber_id)
            .where(people.subscriptions.c.last_slot_at.is_(None))
            .order_by(people.subscriptions.c.id.desc())
            .limit(4)
        ).all()
        for row, word in zip(rows, ("own", "other", "third"), strict=False):
            mine = people.subscriptions.update().where(people.subscriptions.c.id == row.id)
            tx.execute(mine.values(preferences={"keywords": [word]}))
    world.subscribe.leave(rows[3].address)
    world.now += timedelta(minutes=1)
    world.reader("late@example.org", since=world.now)
    world.publish.work(world.now, threading.Event())
    assert told(world.store) == {"readers": 61, "planned": 60, "gone": 1}


@ONLY_POSTGRESQL
def test_a_range_whose_holder_died_is_gone_on_with_and_the_slot_stays_open_meanwhile(world, shared):
    crowd(world, 60)
    world.publish.open_due(world.now)
    world.publish.work(world.now, Divided(world.store))
    _, dying = by(world.publish, "elsewhere:1:2")
    while (held := dying.take()) is not None and held.cohort.number < slots.RANGES:
        dying.finish(held, Wishes(world.publish.profile_of, world.now))  # nobody is in it
    assert served(world.publish, world) == 40
    (one,) = world.report.status().open_slots
    assert one.waiting == 10
    world.now += LEASE
    assert served(world.publish, world) == 10
    check(world.store, 60)
    assert told(world.store) == {"readers": 60, "planned": 60}
    assert world.report.status().open_slots == ()


@ONLY_POSTGRESQL
def test_a_complete_slot_that_was_cut_into_ranges_is_opened_again_without_them(world, shared):
    crowd(world, 60)
    world.publish.run(world.now)
    before = ranges(world.store)
    world.now += timedelta(hours=2)
    world.reader("late@example.org", since=world.now)
    assert [one.planned for one in world.publish.run(world.now).slots] == [1]
    assert ranges(world.store) == before
    for number in range(40):
        world.reader(f"later{number}@example.org", since=world.now)
    assert [one.planned for one in world.publish.run(world.now).slots] == [40]
    assert ranges(world.store)[: len(before)] == before
    assert len(ranges(world.store)) > len(before)
    assert told(world.store) == {"readers": 101, "planned": 101}


def test_two_that_wait_for_each_other_try_again(world, monkeypatch):
    crowd(world, 3)
    plain, failed = people.hold_all, []

    def slow(tx, ids):
        if len(failed) < 2:
            failed.append(True)
            raise Conflict("two writers waited for each other")
        plain(tx, ids)

    monkeypatch.setattr(people, "hold_all", slow)
    assert [one.planned for one in world.publish.run(world.now).slots] == [3]


# What a crash leaves


def held_by(world: World, holder: str) -> tuple[Publish, Held]:
    """A worker that took the slot's cohort and does nothing with it."""
    publish, cohorts = by(world.publish, holder)
    publish.open_due(world.now)
    held = cohorts.take()
    assert held is not None
    return publish, held


def test_a_cohort_is_free_when_its_lease_runs_out_or_its_holder_is_dead(world):
    crowd(world, 3)
    held_by(world, "elsewhere:1:2")
    assert world.publish.run(world.now).busy
    dead = replace(world.publish, dead=lambda holders: [one for one in holders if one.startswith("elsewhere:1:2")])
    _, cohorts = by(dead, "b")
    again = cohorts.take()
    assert again is not None
    assert served(world.publish, world) == 0
    world.now += LEASE
    assert served(world.publish, world) == 3
    assert told(world.store) == {"readers": 3, "planned": 3}


def test_who_wakes_after_its_lease_changes_nothing(world):
    """It stood still while it printed; another one served its readers meanwhile."""
    crowd(world, 3)
    calls: list[int] = []

    def slow(some, digests):
        calls.append(1)
        world.now += LEASE
        assert served(world.publish, world) == 3
        return print_edition(some, digests)

    sleeper = replace(world.publish, holder="sleeper", print_edition=slow)
    assert sleeper.run(world.now).slots == ()
    assert calls == [1]
    check(world.store, 3)


@ONLY_POSTGRESQL
def test_who_stands_still_while_it_writes_is_cut_off_by_the_server(world):
    """Its readers and its cohort are locked meanwhile, so a lease that runs out is not enough."""
    crowd(world, 1)
    _, held = held_by(world, "stands")
    with world.store.transaction() as tx:
        held.renew(tx, world.now)
        assert tx.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one() == "5min"
        # Nobody waits for it: another one finds nothing to take.
        _, cohorts = by(world.publish, "other")
        world.now += 2 * LEASE
        assert cohorts.take() is None


def test_who_is_told_to_stop_leaves_the_rest_to_others_at_once(world, monkeypatch):
    monkeypatch.setattr("digest.services.publishing.serving._TOGETHER", 1)
    crowd(world, 4, profiles=2)
    stop = threading.Event()

    def last(some, digests):
        stop.set()
        return print_edition(some, digests)

    halting = replace(world.publish, holder="halting", print_edition=last)
    halting.open_due(world.now)
    halting.work(world.now, stop)
    assert told(world.store) is None
    assert served(world.publish, world) == 2
    check(world.store, 4)


def test_a_failure_leaves_the_slot_open_and_status_names_it(world):
    crowd(world, 4)

    def fails(some, digests):
        raise RuntimeError("no template")

    with pytest.raises(RuntimeError):
        replace(world.publish, print_edition=fails).run(world.now)
    (one,) = world.report.status().open_slots
    assert (one.digest, one.slot, one.since) == ("daily", SLOT.key, world.now)
    assert (one.readers, one.waiting, one.is_late) == (4, 4, False)
    world.now += timedelta(hours=1, seconds=1)
    assert world.report.status().open_slots[0].is_late
    world.publish.run(world.now)
    assert world.report.status().open_slots == ()


def test_a_slot_that_was_left_open_is_closed_when_the_next_one_is_due(world):
    crowd(world, 4)
    world.publish.open_due(world.now)
    world.now += DAY
    assert [one.planned for one in world.publish.run(world.now).slots] == [4]
    assert told(world.store) == {"readers": 4, "overtaken": 4}
    assert told(world.store, replace(SLOT, local_date=SLOT.local_date + DAY, at=SLOT.at + DAY)) == {
        "readers": 4,
        "planned": 4,
    }


# The identity


def test_each_reader_of_a_slot_is_counted_once_whatever_became_of_him(world):
    """Who left or paused before his turn, while it was printed, is suppressed, has nothing to read, or came since."""
    who = {name: world.reader(f"{name}@example.org") for name in ("stays", "early", "leaves", "pauses", "banned")}
    world.reader("nothing@example.org", preferences={"categories": {"cs.RO": 1}})
    world.subscribe.suppress("banned@example.org", SuppressionReason.COMPLAINT)

    def printing(some, digests):
        if who:
            world.subscribe.leave(who.pop("leaves").address)
            world.subscribe.pause(who.pop("pauses"), SLOT_AT.date() + 9 * DAY)
            who.clear()
        return print_edition(some, digests)

    publish = replace(world.publish, print_edition=printing)
    publish.open_due(world.now)
    world.subscribe.leave("early@example.org")
    world.now += timedelta(minutes=1)
    world.reader("late@example.org", since=world.now)
    publish.work(world.now, threading.Event())
    assert told(world.store) == {
        "readers": 7,
        "planned": 2,
        "suppressed": 1,
        "nothing": 1,
        "left": 1,
        "paused": 1,
        "gone": 1,
    }


def test_who_joins_after_a_slot_was_completed_opens_it_again(world):
    crowd(world, 3)
    world.publish.run(world.now)
    world.now += timedelta(hours=2)
    assert world.publish.run(world.now).slots == ()
    world.reader("late@example.org", since=world.now)
    assert [one.planned for one in world.publish.run(world.now).slots] == [1]
    assert told(world.store) == {"readers": 4, "planned": 4}


@ONLY_POSTGRESQL
def test_many_who_join_after_a_slot_was_completed_are_served_in_cohorts(world, cut):
    world.reader("first@example.org")
    world.publish.run(world.now)
    assert counted(world.store) == (0, 1, 1)
    crowd(world, 30, profiles=3)
    world.publish.run(world.now)
    assert counted(world.store) == (3, 4, 4)
    assert told(world.store) == {"readers": 31, "planned": 31}


def test_a_mail_of_two_digests_is_counted_in_both_slots(store):
    weekly = replace(with_profile(DAILY, max_items=1), name="weekly")
    world = World(store, digests=(with_profile(DAILY, max_items=1), weekly))
    world.source()
    world.paper(1)
    world.paper(2)
    for name in ("daily", "weekly"):
        world.reader(digest=name, joined=True)
    world.publish.run(world.now)
    for name in ("daily", "weekly"):
        assert told(store, replace(SLOT, digest=name)) == {"readers": 1, "planned": 1}


def test_slots_of_before_a_date_are_forgotten_with_their_cohorts(world):
    crowd(world, 1)
    world.publish.run(world.now)
    with world.store.transaction() as tx:
        assert slots.prune(tx, SLOT.local_date) == 0
        assert slots.prune(tx, SLOT.local_date + DAY) == 1
        assert tx.execute(select(slots.cohorts)).all() == []


@pytest.fixture
def planned(world: World) -> Callable[[int], int]:
    """Plans mails to so many readers, with a slash, a tab and a letter of three bytes; gives how many are new."""

    def plan(number: int) -> int:
        with world.store.transaction() as tx:
            made = people.add_subscribers(tx, [f"r{n}@example.org" for n in range(number)], world.now)
            like = deliveries.plan_row(
                kind="edition",
                address="",
                address_key="",
                message_key="m",
                now=world.now,
                digest="it's",
                local_date=SLOT.local_date,
                expires_at=world.now,
            )
            each = [
                {"subscriber_id": one, "address": f"a\\b\t\u20ac {one}", "edition_id": None} for one in made.values()
            ]
            return deliveries.plan_alike(tx, like, each)

    return plan


def test_deliveries_written_together_are_those_that_were_not_there(world, planned):
    assert (planned(3), planned(5), planned(5)) == (3, 2, 0)
    with world.store.reading() as tx:
        rows = tx.execute(select(deliveries.deliveries).order_by(deliveries.deliveries.c.id)).all()
    assert [(row.address, row.digest, row.expires_at) for row in rows] == [
        (f"a\\b\t\u20ac {row.subscriber_id}", "it's", world.now) for row in rows
    ]
