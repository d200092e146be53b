"""A large ledger on PostgreSQL, in parts: what is asked for every mail, slot and minute reads none of them from end to
end, and what is asked for every mail looks only into the part that it stands in.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, text

from digest.model.editions import Slot
from digest.model.mail import DeliveryId, DeliveryState, Due, MessageKey, Outcome, OutcomeKind
from digest.storage import (
    bounces,
    deliveries,
    glance,
    lacking,
    lane,
    partitioning,
    people,
    relays,
    sending,
    trends,
    trouble,
)
from digest.storage.engine import Store, open_store
from digest.storage.partitions import month_of, week_of
from tests.conftest import PostgreSQL

MONDAY = date(2026, 5, 4)
TODAY = MONDAY + timedelta(days=3)
NOW = datetime(2026, 5, 7, 6, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=2)
READERS = 4_000
WEEKS = [week_of(MONDAY - timedelta(days=7 * n)) for n in (2, 1, 0)]
SLOT = Slot(digest="daily", local_date=TODAY, at=NOW)
BUSY = Outcome(kind=OutcomeKind.DEFERRED, code=450, enhanced="4.2.1", remote="busy")

#: Four thousand readers who were served yesterday; two mails a week for each in three weeks, all of them accepted; and
#: today's, of which the first are on the wire or wait.
_FILL = (
    "INSERT INTO subscribers (address, created_at, joined) "
    "SELECT 'r' || n || '@example.org', :then, false FROM generate_series(1, :readers) n",
    "INSERT INTO subscriptions (subscriber_id, digest, state, secret, created_at, confirmed_at, language, days, "
    "preferences, last_slot_at, last_slot_date, send_at, timezone) SELECT id, 'daily', 'confirmed', 's' || id, :then, "
    ":then, '', '[]', '{}', :yesterday, :day, CASE WHEN id % 50 = 0 THEN '09:00' ELSE '' END, '' FROM subscribers",
    "INSERT INTO deliveries (kind, digest, subscriber_id, subscription_id, address, address_key, local_date, "
    "notice_key, message_key, state, lease, leased_until, next_at, attempts, reason, enhanced, remote, created_at, "
    "settled_at, relay) SELECT 'edition', 'daily', subscriber_id, s.id, a.address, md5(a.address), d.day, '', 'm', "
    "CASE WHEN d.day < :today THEN 'accepted' WHEN s.id % 40 = 0 THEN 'sending' WHEN s.id % 7 = 0 THEN 'queued' "
    "ELSE 'accepted' END, CASE WHEN d.day = :today AND s.id % 40 = 0 THEN 'a' ELSE '' END, :yesterday, :then, 1, '', "
    "'2.0.0', 'ok', d.day + interval '6 hours', CASE WHEN d.day < :today THEN :then END, 'r:25' "
    "FROM generate_series(0, 17) w, LATERAL (SELECT CAST(:today AS date) - w AS day) d, subscriptions s "
    "JOIN subscribers a ON a.id = s.subscriber_id",
    "INSERT INTO attempts (delivery_id, lease, started_at, outcome, enhanced, remote) "
    "SELECT id, 'a', created_at, 'deferred', '', '' FROM deliveries WHERE id % 5 = 0",
)


@pytest.fixture(scope="module")
def large(postgres: PostgreSQL, built_postgresql: str):
    url = postgres.create(built_postgresql)
    store = open_store(url)
    with store.transaction() as tx:
        for part in (*WEEKS, WEEKS[-1].next, month_of(MONDAY - timedelta(days=20)), month_of(MONDAY)):
            assert partitioning.make(tx, part) == 0
        values = {
            "then": NOW - timedelta(days=90),
            "yesterday": NOW - timedelta(days=1),
            "day": str(TODAY - timedelta(days=1)),
            "today": TODAY,
            "readers": READERS,
        }
        for statement in _FILL:
            tx.execute(text(statement), {k: v for k, v in values.items() if f":{k}" in statement})
    with store.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        # As autovacuum does it, which never looks at a whole that is in parts.
        whole = (
            connection.exec_driver_sql(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
            .scalars()
            .all()
        )
        connection.exec_driver_sql(f"VACUUM (ANALYZE) {', '.join(whole)}")
    yield store
    store.close()
    postgres.drop(url)


def plan_of(store: Store, ask) -> str:
    """The plans of all statements that a question makes; nothing of it stays."""
    asked = []

    def note(_connection, _cursor, statement, parameters, _context, many):
        asked.append((statement, parameters[0] if many else parameters))

    lines = []
    with store.engine.connect() as tx:
        event.listen(store.engine, "before_cursor_execute", note)
        try:
            ask(tx)
        finally:
            event.remove(store.engine, "before_cursor_execute", note)
            tx.rollback()
        for statement, parameters in asked:
            if statement.split(None, 1)[0] in ("SELECT", "UPDATE", "WITH", "DELETE", "INSERT"):
                lines += [row[0] for row in tx.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
        tx.rollback()
    assert lines
    return "\n".join(lines)


def read_whole(plan: str) -> list[str]:
    """The large tables that a plan reads from end to end."""
    found = re.findall(r"Seq Scan on (\S+)", plan)
    weeks = tuple(part.name for part in WEEKS)
    return [name for name in found if name in (*weeks, "attempts_2026_05", "subscriptions", "subscribers")]


def parts_in(plan: str) -> set[str]:
    return {name for name in re.findall(r" on (deliveries_\w+)", plan) if not name.endswith("_idx")}


def due(number: int, day: date = TODAY) -> Due:
    return Due(DeliveryId(number), "edition", "", MessageKey(""), None, None, day.isoformat(), 0, "", "")


#: Ids of readers.
SOME = [100, 200, 300, 400, 500]


QUESTIONS = {
    "claim": lambda tx: sending.claim(tx, lease="b", now=NOW, until=UNTIL, limit=200),
    "claim of a digest": lambda tx: sending.claim(tx, lease="b", now=NOW, until=UNTIL, limit=200, digests=["daily"]),
    "settle": lambda tx: sending.settle(
        tx, DeliveryId(40), "a", state=DeliveryState.DEFERRED, outcome=BUSY, now=NOW, next_at=UNTIL
    ),
    "why not": lambda tx: sending.refused_at_gate(tx, DeliveryId(40), "a"),
    "joined": lambda tx: sending.gate_joined(tx, DeliveryId(40), "a", now=NOW, until=UNTIL, relay="r:25"),
    "unclaim": lambda tx: sending.unclaim(tx, [DeliveryId(40), DeliveryId(80)], "a", UNTIL),
    "renew": lambda tx: sending.renew(tx, "a", UNTIL),
    "recover": lambda tx: sending.recover(tx, now=NOW, dead=["a"], resend=True),
    "holders": sending.holders,
    "expire": lambda tx: sending.expire(tx, NOW),
    "wake": lambda tx: sending.wake(tx, NOW),
    "next due": deliveries.next_due,
    "bound": relays.bound,
    "note wait": lambda tx: relays.note_wait(tx, [DeliveryId(40)], "a", "slow"),
    "needed messages": deliveries.needed_messages,
    "history": lambda tx: deliveries.history(tx, SOME, composed_since=NOW - timedelta(days=40)),
    "lacking": lambda tx: lacking.lacking(
        tx, "daily", ("09:00", ""), usual=lacking.Due(slot=SLOT, joined_until=None), other=None, limit=50
    ),
    "standings": lambda tx: lacking.standings(tx, SOME),
    "served": lambda tx: lacking.served(tx, SOME, NOW, TODAY.isoformat()),
    "counts of a day": lambda tx: deliveries.counts(tx, digest="daily", local_date=TODAY),
    "newest": lambda tx: trouble.newest(tx, "daily", NOW - timedelta(days=3)),
    "was alerted": lambda tx: trouble.was_alerted(tx, "deliveries:daily:2026-05-04"),
    "one": lambda tx: deliveries.one(tx, 40),
    "tries": lambda tx: deliveries.tries(tx, 40),
    "of an address": lambda tx: deliveries.listing(tx, address="r40@example.org"),
    "newest few": lambda tx: deliveries.listing(tx, limit=50, newest=True),
    "troubled": lambda tx: deliveries.listing(tx, states=["rejected", "uncertain"]),
    "bounced": lambda tx: bounces.subscriptions_in(tx, DeliveryId(40)),
    "to whom": lambda tx: bounces.sent_to(tx, "r40@example.org", [DeliveryState.ACCEPTED], limit=5),
    "waiting": glance.waiting,
    "held": glance.held,
    "last accepted": lambda tx: glance.last_accepted(tx, among_last=100),
    "planned": lambda tx: glance.planned(tx, "daily", TODAY),
    "newest day": lambda tx: glance.newest_day(tx, "daily"),
    "uncertain": glance.uncertain,
    "by secret": lambda tx: people.by_secret(tx, "s40"),
}


def test_the_measure_sees_what_reads_everything(large):
    plan = plan_of(large, lambda tx: tx.execute(text("SELECT count(*) FROM deliveries WHERE remote = 'x'")).all())
    assert {*read_whole(plan)} == {part.name for part in WEEKS}
    plan = plan_of(large, lambda tx: tx.execute(text("UPDATE subscriptions SET language = 'de'")))
    assert read_whole(plan) == ["subscriptions"]


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_hot_question_reads_a_large_table_from_end_to_end(large, name):
    assert read_whole(plan_of(large, QUESTIONS[name])) == []


@pytest.mark.parametrize(
    ("days", "looked_into"),
    [((TODAY, TODAY), {WEEKS[2].name}), ((TODAY - timedelta(days=4), TODAY), {WEEKS[1].name, WEEKS[2].name})],
    ids=["of a day", "of two weeks"],
)
def test_what_is_asked_for_every_mail_looks_only_into_its_week(large, days, looked_into):
    """The two statements of the lane, as the driver is given them: also when it has prepared them for all values."""
    mails = [due(number, day) for number, day in zip((40, 80), days, strict=True)]
    said = [[DeliveryId(40)], [250], ["2.0.0"], ["ok"]]
    for statement, values in (
        (lane._POSTGRESQL_GATE, (UNTIL, NOW, "r:25", [40, 80], "a", *lane._days(mails))),
        (lane._POSTGRESQL_ACCEPT, (NOW, *said, "a", *lane._days(mails))),
    ):
        with large.engine.connect() as tx:
            lines = tx.exec_driver_sql(f"EXPLAIN {statement}", values).scalars().all()
        plan = "\n".join(lines)
        assert read_whole(plan) == []
        assert parts_in(plan) == {*looked_into, "deliveries_rest"}


def test_a_day_is_counted_in_its_week_alone(large):
    plan = plan_of(large, lambda tx: deliveries.counts(tx, digest="daily", local_date=TODAY))
    assert parts_in(plan) == {WEEKS[2].name}
    assert parts_in(plan_of(large, lambda tx: trends.mails(tx, WEEKS[2].since))) >= {WEEKS[2].name}


def test_the_counts_are_those_of_the_rows(large):
    with large.reading() as tx:
        found = deliveries.counts(tx, digest="daily", local_date=TODAY)
        rows = tx.execute(
            text("SELECT state, count(*) FROM deliveries WHERE local_date = :day GROUP BY state"), {"day": TODAY}
        )
        assert {state: number for state, number in found.items() if number} == dict(row for row in rows)
        assert sum(deliveries.counts(tx).values()) == 18 * READERS
