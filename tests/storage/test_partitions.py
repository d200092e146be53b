"""The ledger in parts, on a real PostgreSQL: what has its own, what stands in the rest, and that no row is lost between
them or counted twice.
"""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import event, insert, select, text, update

from digest.model.errors import StorageError
from digest.model.mail import DeliveryState, Outcome, OutcomeKind
from digest.services.tending.parts import Parts
from digest.services.tending.upkeep import Upkeep
from digest.storage import copy, deliveries, folding, locking, migrate, partitioning, partitions, people, sending
from digest.storage.lane import Accepted, Lane
from digest.storage.partitions import month_of, week_of

NOW = datetime(2026, 5, 27, 6, 0, tzinfo=UTC)  # a Wednesday, in the last week of its month
TODAY = NOW.date()
MANY = partitioning.LARGE_READERS
BUSY = Outcome(kind=OutcomeKind.DEFERRED, code=450, enhanced="4.2.1", remote="busy")


@pytest.fixture
def database():
    return "postgresql"


def reader(tx, number):
    """A reader of the digest: the ids of both."""
    row = {"address": f"r{number}@example.org", "created_at": NOW, "joined": False}
    who = tx.execute(insert(people.subscribers).values(row).returning(people.subscribers.c.id)).scalar_one()
    link = {"digest": "daily", "state": "confirmed", "created_at": NOW, "confirmed_at": NOW, "language": ""}
    link |= {"days": [], "preferences": {}, "secret": str(number), "send_at": "", "timezone": "", "last_slot_date": ""}
    link |= {"subscriber_id": who}
    return who, tx.execute(insert(people.subscriptions).values(link).returning(people.subscriptions.c.id)).scalar_one()


def edition(tx, number, day, *, state="accepted", created=None):
    """Plans an edition of a new reader; gives its id."""
    at = created or datetime.combine(day, time(6), UTC)
    who, subscription = reader(tx, number)
    row = deliveries.plan_row(
        kind="edition",
        address=f"r{number}@example.org",
        address_key=str(number),
        message_key="m",
        now=at,
        digest="daily",
        subscriber_id=who,
        subscription_id=subscription,
        local_date=day,
    )
    made = tx.execute(insert(deliveries.deliveries).values(row).returning(deliveries.deliveries.c.id)).scalar_one()
    settled = at if state == "accepted" else None
    this = update(deliveries.deliveries).where(deliveries.deliveries.c.id == made)
    tx.execute(this.values(state=state, settled_at=settled))
    return made


def notice(tx, key):
    row = deliveries.plan_row(
        kind="confirm", address="new@example.org", address_key="k", message_key="m", now=NOW, notice_key=key
    )
    return deliveries.plan(tx, [row])


def make(store, *wanted):
    with store.transaction() as tx:
        return [partitioning.make(tx, part) for part in wanted]


def held(store):
    """The numbers of rows, by table."""
    with store.reading() as tx:
        return {
            name: number
            for name in partitions.tables(tx)
            if (number := tx.execute(text(f"SELECT count(*) FROM {name}")).scalar_one())
        }


def names(store):
    with store.reading() as tx:
        return [part.name for part in partitions.parts(tx)]


def test_a_week_begins_on_a_monday_and_a_month_on_its_first():
    assert week_of(date(2027, 1, 3)).name == "deliveries_2026_12_28"
    assert week_of(date(2026, 12, 28)) == week_of(date(2027, 1, 3))
    assert week_of(date(2027, 1, 3)).next == week_of(date(2027, 1, 4))
    assert month_of(date(2026, 12, 31)).next == month_of(date(2027, 1, 1))
    assert month_of(date(2028, 2, 29)).bounds == ("'2028-02-01 00:00:00+00'", "'2028-03-01 00:00:00+00'")


def test_few_readers_need_no_parts_and_many_have_them_ahead_of_time(store):
    with store.reading() as tx:
        assert partitioning.wanted(tx, TODAY, readers=MANY - 1) == ()
        found = partitioning.wanted(tx, TODAY, readers=MANY)
    assert [part.name for part in found] == [
        "deliveries_2026_05_25",
        "deliveries_2026_06_01",
        "deliveries_2026_06_08",
        "attempts_2026_05",
        "attempts_2026_06",
        "attempts_2026_07",
    ]
    assert make(store, *found) == [0] * 6
    assert names(store) == sorted(part.name for part in found)
    with store.reading() as tx:
        assert partitioning.wanted(tx, TODAY, readers=MANY) == ()
        a_week_later = partitioning.wanted(tx, TODAY + timedelta(days=7), readers=MANY)
    assert [part.name for part in a_week_later] == ["deliveries_2026_06_15", "attempts_2026_08"]
    # Two processes may make the same: the second finds it there.
    assert make(store, found[0]) == [0]


def test_the_upkeep_makes_them_by_the_number_of_readers(store, monkeypatch):
    monkeypatch.setattr(partitioning, "LARGE_READERS", 1)
    upkeep = Upkeep(store=store, digests=(), clock=lambda: NOW)
    upkeep.prune(retention_days=30)
    assert names(store) == []
    with store.transaction() as tx:
        reader(tx, 1)
    parts = Parts(store=store, clock=lambda: NOW)
    assert parts.are_late()
    upkeep.prune(retention_days=30)
    assert len(names(store)) == 6
    assert not parts.are_late()


def test_each_row_stands_where_it_belongs_and_its_key_holds(store):
    make(store, week_of(TODAY), month_of(TODAY))
    with store.transaction() as tx:
        here = edition(tx, 1, TODAY)
        there = edition(tx, 2, TODAY - timedelta(days=7))
        assert (notice(tx, "ask"), notice(tx, "ask"), notice(tx, "again")) == (1, 0, 1)
        again = deliveries.plan_row(
            kind="edition", address="a", address_key="k", message_key="m", now=NOW, digest="daily", local_date=TODAY
        )
        theirs = deliveries.deliveries.c
        for one in (here, there):
            row = tx.execute(select(theirs.subscriber_id, theirs.local_date).where(theirs.id == one)).one()
            assert deliveries.plan(tx, [again | row._asdict()]) == 0
    assert held(store) == {"deliveries_2026_05_25": 1, "deliveries_rest": 3}
    with store.reading() as tx:
        assert {one.kind for one in deliveries.listing(tx)} == {"edition", "confirm"}
        assert [one.id for one in deliveries.listing(tx, local_date=TODAY)] == [here]


def test_at_midnight_of_the_first_a_missing_part_loses_nothing_and_is_made_up_for(store, monkeypatch):
    """Nobody made June's in time: its tries stand in the rest, are told all the same, and move when June is over."""
    make(store, month_of(TODAY), week_of(TODAY))
    new_year = datetime(2026, 6, 1, 0, 0, tzinfo=UTC)
    with store.transaction() as tx:
        one = edition(tx, 1, TODAY, state="queued")
    for at in (new_year - timedelta(microseconds=1), new_year):
        with store.transaction() as tx:
            (due,) = sending.claim(tx, lease="a", now=at, until=at + timedelta(minutes=2), limit=5)
            sending.settle(
                tx, due.id, "a", state=DeliveryState.DEFERRED, outcome=BUSY, now=at, next_at=at, reason="busy"
            )
    assert held(store) == {"deliveries_2026_05_25": 1, "attempts_2026_05": 1, "attempts_rest": 1}
    with store.reading() as tx:
        assert [row.started_at for row in deliveries.tries(tx, one)] == [
            new_year - timedelta(microseconds=1),
            new_year,
        ]
        # It has begun, so it stays where it is for now; the month after it is made.
        assert [p.name for p in partitioning.wanted(tx, new_year.date(), readers=MANY) if p.of == "attempts"] == [
            "attempts_2026_07",
            "attempts_2026_08",
        ]
    monkeypatch.setattr(partitioning, "LARGE_ROWS", 1)
    for day, moved in ((8, {}), (9, {"attempts_2026_06": 1})):
        parts = Parts(store=store, clock=lambda day=day: datetime(2026, 7, day, tzinfo=UTC))
        assert parts.move().rows == moved
    assert held(store) == {"deliveries_2026_05_25": 1, "attempts_2026_05": 1, "attempts_2026_06": 1}


def test_what_is_being_written_to_is_not_moved(store, monkeypatch):
    monkeypatch.setattr(partitioning, "LARGE_ROWS", 1)
    old = TODAY - timedelta(days=21)
    with store.transaction() as tx:
        late = edition(tx, 1, old, state="deferred")
        edition(tx, 2, old)
        edition(tx, 3, TODAY)
    parts = Parts(store=store, clock=lambda: NOW)
    assert (parts.move().rows, parts.move().left) == ({}, 1)
    with store.transaction() as tx:
        assert partitioning.make(tx, week_of(TODAY + timedelta(days=7))) == 0
        sending.expire(tx, NOW)
        tx.execute(update(deliveries.deliveries).where(deliveries.deliveries.c.id == late).values(settled_at=NOW))
        this = update(deliveries.deliveries).where(deliveries.deliveries.c.local_date == TODAY)
        tx.execute(this.values(lease="a"))
    assert parts.move().left == 1
    with store.transaction() as tx:
        tx.execute(this.values(lease=""))
    assert parts.move().rows == {"deliveries_2026_05_04": 2}
    assert held(store) == {"deliveries_2026_05_04": 2, "deliveries_rest": 1}


def test_parts_are_made_one_by_one_and_whoever_is_interrupted_goes_on(store, monkeypatch):
    monkeypatch.setattr(partitioning, "LARGE_ROWS", 2)
    weeks = [TODAY - timedelta(days=7 * n) for n in (5, 4, 3)]
    with store.transaction() as tx:
        for number, day in enumerate(weeks * 2):
            edition(tx, number, day)
        edition(tx, 10, TODAY - timedelta(days=42))  # too few for a part
    parts = Parts(store=store, clock=lambda: NOW)
    told = []

    def progress(name, rows, number, of):
        told.append((name, rows, number, of))
        if number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.move(progress)
    assert told == [("deliveries_2026_04_20", 2, 0, 3), ("deliveries_2026_04_27", 2, 1, 3)]
    assert held(store) == {"deliveries_2026_04_20": 2, "deliveries_rest": 5}
    assert parts.move().rows == {"deliveries_2026_04_27": 2, "deliveries_2026_05_04": 2}
    assert held(store)["deliveries_rest"] == 1


def test_a_part_goes_whole_and_leaves_the_same_counts(store):
    first = TODAY - timedelta(days=90)
    make(store, week_of(first), week_of(first).next, month_of(first))
    with store.transaction() as tx:
        leading = edition(tx, 1, week_of(first).since)
        edition(tx, 2, week_of(first).since)
        following = edition(tx, 3, week_of(first).until)
        notice(tx, "k")
        mine = deliveries.deliveries.c
        tx.execute(update(deliveries.deliveries).where(mine.id == following).values(leader_id=leading))
        tx.execute(
            deliveries.totals.insert().values(
                digest="daily", kind="edition", local_date=week_of(first).since, state="accepted", count=5
            )
        )
        before = deliveries.counts(tx), deliveries.counts(tx, local_date=week_of(first).since)
    parts = Parts(store=store, clock=lambda: NOW)
    at = datetime.combine(week_of(first).until, time(12), UTC)
    assert parts.drop(at - timedelta(days=1)) == 0
    assert parts.drop(at) == 2
    assert held(store) == {week_of(first).next.name: 1, "deliveries_rest": 1}
    with store.reading() as tx:
        assert (deliveries.counts(tx), deliveries.counts(tx, local_date=week_of(first).since)) == before
        assert deliveries.one(tx, following).leader_id is None
    # What has a part goes with it, and never row by row.
    with store.transaction() as tx:
        assert folding.fold(tx, NOW + timedelta(days=1)) == 0


@pytest.mark.parametrize("why", ["unsettled", "young", "leading"])
def test_a_part_that_is_still_needed_stays(store, why):
    first = TODAY - timedelta(days=90)
    make(store, week_of(first))
    until = datetime.combine(week_of(first).until, time(12), UTC)
    with store.transaction() as tx:
        created = until if why == "young" else None
        one = edition(
            tx, 1, week_of(first).since, state="deferred" if why == "unsettled" else "accepted", created=created
        )
        if why == "leading":
            other = edition(tx, 2, week_of(first).until, state="queued")
            mine = deliveries.deliveries.c
            tx.execute(update(deliveries.deliveries).where(mine.id == other).values(leader_id=one))
    assert Parts(store=store, clock=lambda: NOW).drop(until) == 0
    assert names(store) == [week_of(first).name]


def test_tables_that_others_hold_are_left_for_another_day(store, monkeypatch):
    monkeypatch.setattr(locking, "_PATIENCE_SECONDS", 0.2)
    make(store, week_of(TODAY - timedelta(days=90)))
    with store.transaction() as other:
        notice(other, "k")
        assert make(store, week_of(TODAY)) == [None]
        assert Parts(store=store, clock=lambda: NOW).drop(NOW) == 0
    assert make(store, week_of(TODAY)) == [0]
    assert names(store) == [week_of(TODAY - timedelta(days=90)).name, week_of(TODAY).name]


def test_parts_come_and_go_while_mails_are_sent(store):
    """A sender that never pauses loses nothing to them, and they find their moment."""
    make(store, week_of(TODAY - timedelta(days=91)), week_of(TODAY - timedelta(days=84)))
    with store.transaction() as tx:
        for number in range(300):
            edition(tx, number, TODAY, state="queued")
        for number in range(300, 303):
            edition(tx, number, TODAY - timedelta(days=91))
    kept, failed = [], []

    def send():
        lane = Lane(store, "a")
        try:
            while len(kept) < 100:
                with store.transaction() as tx:
                    dues = sending.claim(tx, lease="a", now=NOW, until=NOW + timedelta(minutes=5), limit=3)
                _, passed = lane.group((), dues, now=NOW, until=NOW, relay="r:25")
                told = [Accepted(due, 250, "", "ok") for due in dues if due.id in passed]
                kept.append(lane.group(told, (), now=NOW, until=NOW, relay="")[0])
        except Exception as error:
            failed.append(error)
        finally:
            lane.close()

    sender = threading.Thread(target=send)
    sender.start()
    made = make(store, week_of(TODAY + timedelta(days=7)), month_of(TODAY))
    gone = Parts(store=store, clock=lambda: NOW).drop(NOW - timedelta(days=60))
    sender.join(timeout=60)
    assert (failed, made, gone, sum(kept)) == ([], [0, 0], 3, 300)
    assert held(store) == {"deliveries_rest": 300}


def test_a_large_ledger_that_is_moved_here_arrives_in_parts(store, tmp_path, open_database, monkeypatch):
    monkeypatch.setattr(partitioning, "LARGE_ROWS", 3)
    source = open_database(f"sqlite:///{tmp_path / 'one.db'}")
    migrate.ready(source)
    with source.transaction() as tx:
        for number in range(3):
            one = edition(tx, number, TODAY)
            row = {"delivery_id": one, "lease": "a", "started_at": NOW, "outcome": "deferred"}
            tx.execute(insert(deliveries.attempts).values(row | {"enhanced": "", "remote": ""}))
        edition(tx, 3, TODAY - timedelta(days=7))
        notice(tx, "k")
    with source.reading() as tx, store.transaction() as into:
        copy.copy_surely(tx, into)
    assert held(store) == {"deliveries_2026_05_25": 3, "deliveries_rest": 2, "attempts_2026_05": 3}
    with store.transaction() as tx:
        assert notice(tx, "k") == 0
        assert edition(tx, 9, TODAY) > 5


def test_who_may_not_make_tables_is_told_so_after_all_else_is_done(store, monkeypatch):
    monkeypatch.setattr(partitioning, "LARGE_READERS", 1)
    with store.transaction() as tx:
        old = edition(tx, 1, TODAY - timedelta(days=200))
        tx.execute(text("CREATE ROLE poor"))
        tx.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO poor"))
        tx.execute(text("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO poor"))
        tx.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))

    def as_poor(connection, _record):
        connection.cursor().execute("SET ROLE poor")
        connection.commit()

    event.listen(store.engine, "connect", as_poor)
    store.engine.dispose()
    try:
        with pytest.raises(StorageError, match="its user may not do that") as caught:
            Upkeep(store=store, digests=(), clock=lambda: NOW).prune(retention_days=30)
        assert "grant it" in caught.value.try_
        with store.reading() as tx:
            assert deliveries.one(tx, old) is None
    finally:
        event.remove(store.engine, "connect", as_poor)
        store.engine.dispose()
        with store.transaction() as tx:
            tx.execute(text("DROP OWNED BY poor"))
            tx.execute(text("DROP ROLE poor"))
