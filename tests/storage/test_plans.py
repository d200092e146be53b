"""What the daemon asks every minute, and `digest send` at its start and end, reads no table of millions from end to
end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event

from digest.model.editions import Slot
from digest.storage import deliveries, entries, lacking, people, trouble
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.lacking import Due

TODAY = date(2026, 5, 4)
READERS = 500
#: Who has not been served today.
LATE = 3


@pytest.fixture
def filled(store: Store, now: datetime) -> Store:
    """Five hundred readers with ten days of mail behind them: all of it accepted but for a few of today."""
    with store.transaction() as tx:
        who = [{"address": f"r{n}@example.org", "created_at": now, "joined": False} for n in range(READERS)]
        ids = tx.execute(people.subscribers.insert().returning(people.subscribers.c.id), who).scalars().all()
        plain = {"digest": "daily", "state": "confirmed", "created_at": now, "confirmed_at": now - timedelta(days=20)}
        plain |= {"language": "", "days": [], "preferences": {}, "last_slot_at": now}
        links = [
            plain
            | {"subscriber_id": one, "secret": str(one), "last_slot_date": str(TODAY - timedelta(days=n < LATE))}
            | {"send_at": "09:00" if n % 50 == 0 else "", "timezone": ""}
            for n, one in enumerate(ids)
        ]
        for link in links[:LATE]:
            link["last_slot_at"] = now - timedelta(days=1)
        tx.execute(people.subscriptions.insert(), links)
        for back in range(10):
            day, at = TODAY - timedelta(days=back), now - timedelta(days=back)
            like = deliveries.plan_row(
                kind="edition", address="", address_key="", message_key="m", now=at, digest="daily", local_date=day
            )
            deliveries.plan_alike(tx, like, [{"subscriber_id": one, "address": f"r{one}@example.org"} for one in ids])
        tx.execute(deliveries.deliveries.update().values(state="accepted", settled_at=now))
        for state, lease, some in (
            ("queued", "", ids[:4]),
            ("leased", "a", ids[4:6]),
            ("sending", "a", ids[6:7]),
            ("deferred", "", ids[7:9]),
            ("rejected", "", ids[9:12]),
        ):
            tx.execute(
                deliveries.deliveries.update()
                .where(deliveries.deliveries.c.subscriber_id.in_(some), deliveries.deliveries.c.local_date == TODAY)
                .values(state=state, lease=lease)
            )
    with store.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    return store


def plans(store: Store, ask: Callable[[Tx], object]) -> list[str]:
    """The lines of the plans of all statements that a question makes."""
    asked: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        asked.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        with store.reading() as tx:
            ask(tx)
    finally:
        event.remove(store.engine, "before_cursor_execute", note)
    lines: list[str] = []
    with store.reading() as tx:
        for statement, parameters in asked:
            explained = f"EXPLAIN {'QUERY PLAN ' if store.is_sqlite else ''}{statement}"
            if statement.startswith("SELECT"):
                lines += [str(row[-1]).strip() for row in tx.exec_driver_sql(explained, parameters)]
    return lines


def reads_whole(lines: list[str], table: str) -> list[str]:
    """The lines that read every row of a table, or every entry of an index of all its rows."""
    partial = ("ix_deliveries_waiting", "ix_deliveries_held", "ix_deliveries_troubled", "ix_subscriptions_hour")
    return [
        line
        for line in lines
        if (line.startswith(f"SCAN {table}") and not any(name in line for name in partial))
        or f"Seq Scan on {table}" in line
    ]


def test_the_scan_is_seen(filled: Store):
    """The measure itself: what does read a whole table is called so on both databases."""
    lines = plans(filled, lambda tx: tx.exec_driver_sql("SELECT count(*) FROM deliveries WHERE remote = 'x'").all())
    assert reads_whole(lines, "deliveries")


@pytest.mark.parametrize(
    "ask",
    [
        lambda tx: deliveries.counts(tx, digest="daily", local_date=TODAY),
        lambda tx: trouble.newest(tx, "daily", datetime.fromisoformat("2026-05-01T00:00:00+00:00")),
        lambda tx: trouble.was_alerted(tx, "deliveries:daily:2026-05-04"),
        deliveries.next_due,
        deliveries.needed_messages,
    ],
    ids=["counts", "newest", "was_alerted", "next_due", "needed_messages"],
)
def test_no_question_of_the_minute_reads_all_deliveries(filled: Store, ask: Callable[[Tx], object]):
    assert reads_whole(plans(filled, ask), "deliveries") == []


def test_what_is_open_is_counted_by_the_indexes_that_hold_only_that(filled: Store):
    """The end of a send: a day of a million accepted mails is counted in one index, and no row of it is looked at."""
    lines = " ".join(plans(filled, lambda tx: deliveries.counts(tx, digest="daily", local_date=TODAY)))
    for name in ("ix_deliveries_waiting", "ix_deliveries_held", "ix_deliveries_troubled"):
        assert name in lines


def test_the_hours_of_ones_own_are_known_without_reading_the_others(filled: Store):
    if filled.is_sqlite:  # PostgreSQL reads a table of so few pages at once
        assert "ix_subscriptions_hour" in " ".join(plans(filled, lambda tx: lacking.own_hours(tx, "daily")))
        slot = Slot(digest="daily", local_date=TODAY, at=datetime.fromisoformat("2026-05-04T05:30:00+00:00"))
        usual = Due(slot=slot, joined_until=None)
        lines = plans(filled, lambda tx: lacking.lacking(tx, "daily", ("09:00", ""), usual=usual, other=usual))
        assert "ix_subscriptions_hour" in " ".join(lines)


def test_the_counts_are_those_of_the_rows(filled: Store):
    with filled.reading() as tx:
        assert deliveries.counts(tx, digest="daily", local_date=TODAY) == {
            "accepted": READERS - 12,
            "queued": 4,
            "leased": 2,
            "sending": 1,
            "deferred": 2,
            "rejected": 3,
        }
        assert deliveries.counts(tx, digest="daily")["accepted"] == 10 * READERS - 12
        assert deliveries.counts(tx)["accepted"] == 10 * READERS - 12
        assert deliveries.counts(tx, digest="other") == {"accepted": 0}


def test_the_oldest_that_waits_is_told(filled: Store, now: datetime):
    with filled.reading() as tx:
        found = trouble.newest(tx, "daily", now - timedelta(days=3))
    assert found is not None
    assert (found.local_date, found.waits_since) == (TODAY, now)


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda tx: entries.find(tx, [], ["four words of title"]), "ix_entries_title_key"),
        (lambda tx: entries.recent(tx, before=datetime.now(UTC), limit=10), "ix_entries_first_seen_at"),
        (
            lambda tx: entries.in_window(tx, since=datetime.now(UTC), until=datetime.now(UTC), source_ids=()),
            "ix_entries_first_seen_at",
        ),
    ],
    ids=["find", "recent", "in_window"],
)
@pytest.mark.parametrize("database", ["sqlite"])
def test_works_are_looked_up_by_what_is_asked(store: Store, ask: Callable[[Tx], object], index: str):
    """Not by whether they were joined to others: few are, which SQLite, without statistics, takes for a good sieve."""
    lines = plans(store, ask)
    assert any(index in line for line in lines) and not any("merged_into=?" in line for line in lines)
