"""A large database moved to the other kind and back: ``python benchmarks/move.py [DELIVERIES] [--entries 100000]``.

A SQLite file of a million deliveries to 100,000 readers, most of them accepted, some with earlier tries, and of 100,000
works with their names, sightings, votes and authors, is moved to a PostgreSQL of our own and from there into another
file, by `digest db move`. Told are, for each way, seconds, rows a second, processor time of ours and of the server, and
the most memory that the command held. In the end both files must hold the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prepared import DIGEST, PostgreSQL, postgresql
from processes import machine, started

from digest.storage import migrate, rows
from digest.storage.base import metadata
from digest.storage.engine import Store, open_store

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_READERS_PART = 10
_CONFIG = """
[database]
url = "{url}"
[mail]
from = "Digest <digest@example.org>"
[[digest]]
name = "papers"
"""
_LOOK_SECONDS = 0.1


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("deliveries", type=int, nargs="?", default=1_000_000)
    given.add_argument("--entries", type=int)
    options = given.parse_args()
    entries = options.entries or max(1, options.deliveries // 10)
    alone = machine()
    with tempfile.TemporaryDirectory() as name, postgresql() as server:
        folder = Path(name)
        old, between, new = folder / "old.db", server.create(), folder / "new.db"
        print("filling", file=sys.stderr)
        held = fill(f"sqlite:///{old}", options.deliveries, entries)
        told = {
            **alone,
            "deliveries": options.deliveries,
            "entries": entries,
            "rows": sum(held.values()),
            "megabytes": round(old.stat().st_size / 1e6),
            "to_postgresql": measure(folder, f"sqlite:///{old}", between, server),
            "to_sqlite": measure(folder, between, f"sqlite:///{new}", server),
            "equal": sums(f"sqlite:///{old}") == sums(f"sqlite:///{new}"),
        }
    print(json.dumps(told, indent=1))
    if not told["equal"]:
        raise SystemExit("what came back is not what went")


def measure(folder: Path, source: str, target: str, server: PostgreSQL) -> dict[str, float]:
    """One way."""
    print(f"moving {source.partition(':')[0]}", file=sys.stderr)
    config = folder / "config.toml"
    config.write_text(_CONFIG.format(url=source), "utf-8")
    before = server.cpu()
    command = [sys.executable, "-c", DIGEST, "db", "move", target, "--config", str(config), "--json"]
    with started(command) as one:
        while (done := one.end(wait=False)) is None:
            time.sleep(_LOOK_SECONDS)
    if done.status:
        raise SystemExit(done.told)
    moved = sum(json.loads(done.told)["moved"].values())
    return {
        "seconds": round(done.seconds, 1),
        "rows_a_second": round(moved / done.seconds),
        "cpu_seconds": round(done.cpu, 1),
        "server_cpu_seconds": round(server.cpu() - before, 1),
        "megabytes": round(done.megabytes, 1),
    }


def fill(url: str, deliveries: int, entries: int) -> dict[str, int]:
    """Writes plain rows, table by table; gives how many of each."""
    readers = max(1, deliveries // _READERS_PART)
    sizes = {
        "sources": 20,
        "subscribers": readers,
        "subscriptions": readers,
        "entries": entries,
        "aliases": 2 * entries,
        "sightings": entries,
        "votes": 2 * entries,
        "authorships": 4 * entries,
        "editions": max(1, deliveries // 1_000),
        "messages": max(1, deliveries // 1_000),
        "deliveries": deliveries,
        "attempts": deliveries // 20,
    }
    store = open_store(url)
    migrate.ready(store)
    with store.transaction() as tx:
        rows.foreseen(tx)
        for table in metadata.sorted_tables:
            if table.name in sizes:
                rows.write(tx, table, _rows(table.name, sizes))
    store.close()
    return sizes


def _rows(name: str, sizes: dict[str, int]) -> Iterator[rows.Plain]:
    columns = list(metadata.tables[name].columns)
    special = _SPECIAL.get(name, {})
    for number in range(1, sizes[name] + 1):
        yield tuple(
            special[column.name](number, sizes) if column.name in special else _usual(column, number, sizes)
            for column in columns
        )


def _usual(column: Any, number: int, sizes: dict[str, int]) -> object:
    key = next(iter(column.foreign_keys), None)
    if key is not None and key.column.table is not column.table:
        return (number - 1) % sizes[key.column.table.name] + 1
    kind = type(column.type).__name__
    if column.nullable:
        return None
    return {
        "Instant": lambda: at(number),
        "Date": lambda: at(number)[:10],
        "JSON": lambda: '["one", "two"]',
        "Boolean": lambda: number % 2,
        "LargeBinary": lambda: number.to_bytes(4, "big") * 5_000,
        "BigInteger": lambda: number,
        "Integer": lambda: number % 100,
        "Float": lambda: number / 7,
    }.get(kind, lambda: f"{column.name} {number}"[: getattr(column.type, "length", None) or 100])()


def at(number: int) -> str:
    return (_BEGIN + timedelta(seconds=number, microseconds=number)).strftime("%Y-%m-%d %H:%M:%S.%f")


_Maker = Callable[[int, dict[str, int]], object]
_SPECIAL: dict[str, dict[str, _Maker]] = {
    "sources": {"id": lambda n, _: f"source {n}"},
    "sightings": {"entry_id": lambda n, _: n, "source_id": lambda n, _: f"source {n % 20 + 1}"},
    "votes": {"entry_id": lambda n, s: (n - 1) % s["entries"] + 1, "source_id": lambda n, _: f"source {n % 20 + 1}"},
    "authorships": {"key": lambda n, s: f"author {n * 7 % s['entries']} {n}"},
    "entries": {
        "title": lambda n, _: f"On the volume {n} of sets of measures and what becomes of them",
        "abstract": lambda n, _: f"We show, for {n} cases, that what was believed holds. " * 24,
        "authors": lambda n, _: json.dumps([f"Author {n + k} Somebody" for k in range(5)]),
        "published_at": lambda n, _: at(n),
        "arxiv_id": lambda n, _: f"26{n % 12 + 1:02}.{n:05}",
    },
    "subscribers": {"address": lambda n, _: f"reader{n}@example.org"},
    "subscriptions": {"state": lambda n, _: "confirmed", "digest": lambda n, _: "papers"},
    "deliveries": {
        "kind": lambda n, _: "edition",
        "digest": lambda n, _: "papers",
        "address": lambda n, s: f"reader{(n - 1) % s['subscribers'] + 1}@example.org",
        "address_key": lambda n, s: f"{(n - 1) % s['subscribers'] + 1:064x}",
        "local_date": lambda n, s: f"2026-01-{(n - 1) // s['subscribers'] % 28 + 1:02}",
        "notice_key": lambda n, _: "",
        "subscriber_id": lambda n, s: (n - 1) % s["subscribers"] + 1,
        "subscription_id": lambda n, s: (n - 1) % s["subscriptions"] + 1,
        "edition_id": lambda n, s: (n - 1) % s["editions"] + 1,
        "message_key": lambda n, s: f"{(n - 1) % s['messages'] + 1:064x}",
        "state": lambda n, _: "accepted" if n % 50 else "rejected",
        "lease": lambda n, _: "",
        "attempts": lambda n, _: 1,
        "reason": lambda n, _: "",
        "code": lambda n, _: 250,
        "remote": lambda n, _: "2.0.0 Ok: queued as 4XyZ",
        "settled_at": lambda n, _: at(n),
        "tried_at": lambda n, _: at(n),
        "relay": lambda n, _: "smtp.example.org:587",
    },
}


def sums(url: str) -> dict[str, tuple[int, str]]:
    """What stands in a database, by table, but for what is there of the move itself."""
    store: Store = open_store(url)
    told: dict[str, tuple[int, str]] = {}
    with store.reading() as tx:
        for table in metadata.sorted_tables:
            if table.name == "meta":
                continue
            held = rows.Sum(table)
            for row in rows.read(tx, table):
                held.add(row)
            told[table.name] = (held.rows, held.checksum)
    store.close()
    return told


if __name__ == "__main__":
    main()
