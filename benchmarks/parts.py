"""A large ledger with and without parts: ``python benchmarks/parts.py [DELIVERIES] [--weeks 13] [--rounds 300]``.

A PostgreSQL of our own with so many accepted deliveries of as many weeks, written as the program of the revision before
had its table. Told are the seconds in which an upgrade keeps everybody else from the ledger; those in which its weeks
get tables of their own afterwards; and then, of the ledger in one table and in parts side by side: what a day's mails
are sent with (the gate, and settling, of 30 mails in a transaction that is rolled back, by turns), and what retention
takes to let a week go, with the log (WAL) that it writes. The daily totals must be the same. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import psycopg
from alembic import command
from prepared import PostgreSQL, postgresql
from processes import machine
from sqlalchemy import text

from digest.model.mail import DeliveryId, Due, MessageKey
from digest.services.tending.parts import Parts
from digest.storage import folding, migrate, partitioning
from digest.storage.engine import Store, open_store
from digest.storage.lane import Accepted, Lane
from digest.storage.partitions import week_of

MONDAY = date(2026, 3, 2)
GROUP = 30
BEFORE = "0011"
_READERS = (
    "INSERT INTO subscribers (address, created_at, joined) "
    "SELECT 'reader' || n || '@example.org', now(), false FROM generate_series(1, :readers) n"
)
_SUBSCRIPTIONS = (
    "INSERT INTO subscriptions (subscriber_id, digest, state, secret, created_at, confirmed_at, language, days, "
    "preferences, last_slot_date, send_at, timezone) SELECT id, 'daily', 'confirmed', 's' || id, now(), now(), '', "
    "'[]', '{}', '', '', '' FROM subscribers"
)
_DELIVERIES = (
    "INSERT INTO deliveries (kind, digest, subscriber_id, subscription_id, address, address_key, local_date, "
    "notice_key, message_key, state, lease, next_at, attempts, reason, enhanced, remote, created_at, settled_at) "
    "SELECT 'edition', 'daily', s.subscriber_id, s.id, 'reader' || s.id || '@example.org', md5('k' || s.id), d.day, "
    "'', md5('m' || d.day), 'accepted', '', d.day, 1, '', '2.0.0', '2.0.0 Ok: queued as ' || md5('q' || s.id), d.day, "
    "d.day + interval '1 minute' FROM (SELECT CAST(:day AS date) AS day) d, subscriptions s"
)


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("deliveries", type=int, nargs="?", default=2_000_000)
    given.add_argument("--weeks", type=int, default=13)
    given.add_argument("--rounds", type=int, default=300)
    options = given.parse_args()
    alone = machine()
    days = [MONDAY + timedelta(days=n) for n in range(7 * options.weeks)]
    with postgresql() as server:
        url = server.create()
        fill(url, options.deliveries // len(days), days)
        told: dict[str, object] = {
            **alone,
            "deliveries": options.deliveries,
            "weeks": options.weeks,
            "upgrade_seconds": timed(url, lambda store: migrate.upgrade(store)),
        }
        vacuum(url)
        both = {"in one table": url, "in parts": beside(server, url)}
        told["weeks_get_tables_seconds"] = timed(both["in parts"], lambda store: taken_apart(store, days))
        vacuum(both["in parts"])
        told["microseconds_a_mail"] = sent(both, days[-1], options.rounds)
        told["a_week_goes"] = {name: gone(at, days) for name, at in both.items()}
        totals = {name: asked(at, "SELECT sum(count), count(*) FROM delivery_totals") for name, at in both.items()}
        assert len({*totals.values()}) == 1, totals
    print(json.dumps(told, indent=1))


def fill(url: str, readers: int, days: list[date]) -> None:
    """The ledger as it was before it could be in parts."""
    store = open_store(url)
    with store.transaction() as tx:
        command.upgrade(migrate._config(tx), BEFORE)
        tx.execute(text(_READERS), {"readers": readers})
        tx.execute(text(_SUBSCRIPTIONS))
    for day in days:
        with store.transaction() as tx:
            tx.execute(text(_DELIVERIES), {"day": day})
    store.close()
    print(f"filled with {readers} mails a day", file=sys.stderr)


def taken_apart(store: Store, days: list[date]) -> None:
    partitioning.LARGE_ROWS = 1
    long_after = datetime.combine(days[-1] + timedelta(days=30), datetime.min.time(), UTC)
    done = Parts(store=store, clock=lambda: long_after).move()
    assert done.left == 0, done


def sent(urls: Mapping[str, str], day: date, rounds: int) -> dict[str, object]:
    """Microseconds a mail of the two statements that each costs, in the middle of all rounds, and their ratio."""
    stores = {name: open_store(url) for name, url in urls.items()}
    dues: dict[str, list[Due]] = {}
    lanes: dict[str, Lane] = {}
    took: dict[str, list[float]] = {name: [] for name in urls}
    for name, store in stores.items():
        with store.transaction() as tx:
            some = "SELECT id FROM deliveries WHERE local_date = :day ORDER BY id LIMIT :n"
            ids = list(tx.execute(text(some), {"day": day, "n": GROUP}).scalars())
            tx.execute(text("UPDATE deliveries SET state = 'leased', lease = 'a' WHERE id = ANY(:ids)"), {"ids": ids})
        dues[name] = [
            Due(DeliveryId(one), "edition", "", MessageKey(""), None, None, str(day), 0, "", "") for one in ids
        ]
        lanes[name] = Lane(store, "a")
    now = datetime.now(UTC)
    for _ in range(rounds):
        for name, lane in lanes.items():
            raw = lane._connected()
            lane._raw.commit = lambda: None  # both statements, and nothing of them stays
            begin = time.perf_counter()
            _, passed = lane._group(raw, (), dues[name], now, now, "r:25")
            kept, _ = lane._group(raw, [Accepted(one, 250, "", "ok") for one in dues[name]], (), now, now, "")
            took[name].append(time.perf_counter() - begin)
            assert (len(passed), kept) == (GROUP, GROUP)
            lane._raw.rollback()
    for name, lane in lanes.items():
        lane._drop()
        with stores[name].transaction() as tx:
            tx.execute(text("UPDATE deliveries SET state = 'accepted', lease = '' WHERE lease = 'a'"))
        stores[name].close()
    middle = {name: statistics.median(all_of) for name, all_of in took.items()}
    told: dict[str, object] = {name: round(1e6 * seconds / GROUP, 1) for name, seconds in middle.items()}
    return told | {"ratio": round(middle["in parts"] / middle["in one table"], 2)}


def gone(url: str, days: list[date]) -> dict[str, float]:
    """What it takes to let the oldest week go: seconds, and megabytes of log."""
    before = datetime.combine(week_of(days[0]).until, datetime.min.time(), UTC)

    def go(store: Store) -> None:
        rows = Parts(store=store, clock=lambda: before).drop(before)
        while True:
            with store.transaction() as tx:
                step = folding.fold(tx, before)
            rows += step
            if not step:
                break
        assert rows == 7 * asked(url, "SELECT count(*) FROM subscribers")[0], rows

    begin = asked(url, "SELECT pg_current_wal_lsn() - '0/0'")[0]
    seconds = timed(url, go)
    return {
        "seconds": seconds,
        "log_megabytes": round(float(asked(url, "SELECT pg_current_wal_lsn() - '0/0'")[0] - begin) / 1e6, 1),
    }


def timed(url: str, work: Callable[[Store], object]) -> float:
    store = open_store(url)
    begin = time.perf_counter()
    work(store)
    seconds = time.perf_counter() - begin
    store.close()
    return round(seconds, 2)


def beside(server: PostgreSQL, url: str) -> str:
    return server.create(template=url.partition("?")[0].rpartition("/")[2])


def vacuum(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def asked(url: str, query: str) -> tuple[int, ...]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone() or ()  # pyright: ignore[reportArgumentType, reportCallIssue]


if __name__ == "__main__":
    main()
