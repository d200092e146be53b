"""Measures what one mail, reader, profile and feed cost, by the benchmarks beside this file, on a PostgreSQL.

Each cost is the difference between a small and a large run, or the slope over several, so that what a run costs once is
in none. Gives what capacity.Costs reads, and how it was measured. Takes some minutes, and wants a machine on which
nobody else works. Does I/O.
"""

from __future__ import annotations

import gc
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fetching
import fleet
import psycopg
from books import Books, books, clients, sizes
from prepared import PAPERS_20KB, PostgreSQL, Prepared, configure, copied, postgresql, prepare
from processes import HERE, machine

from digest.sources.asking.fetch import Fetcher
from digest.storage import migrate
from digest.storage.engine import open_store

#: Milliseconds that a line to the relay takes in each direction.
NEAR, FAR = 5.0, 25.0
#: With so few a process waits for the relay more than it works.
CONNECTIONS = 4
#: (readers, profiles) of two slots that differ in their readers, and one that differs in its profiles from the first.
SLOTS = ((2_000, 500), (22_000, 500), (2_000, 2_000))
FEEDS, FEW, MANY = 100, 5, 55
_WORK = ("worker_cpu", "database_cpu", "transactions", "rows", "log_bytes")


def measured(*, mails: int, rounds: int) -> dict[str, Any]:
    """All units. ``mails``: of each run that sends; the median of ``rounds`` counts."""
    alone = machine()
    with tempfile.TemporaryDirectory() as name, postgresql() as server:
        folder = Path(name)
        ready = prepare(folder / "ready", mails, items=PAPERS_20KB, profiles=50, server=server)
        sent = sending(ready, server, folder, rounds)
        connected, resting = at_rest(ready, server, folder)
        version = _version(server)
    slots = [slot(readers, profiles) for readers, profiles in SLOTS]
    published = of_slots(slots)
    connected["publish"] += 2  # one to serve its cohort, one to look at what is next; counted by nobody else
    sent["worker_bytes"] = {
        "deliver": sent.pop("deliver_bytes"),
        "publish": 1e6 * max(max(one["most_megabytes_by_quarter"]) for slot in slots for one in slot["workers"]),
        "fetch": resting["fetch"],
    }
    connected["deliver"] = max(connected["deliver"], sent.pop("deliver_connections"))
    return {
        "measured": {
            **alone,
            "at": datetime.now(UTC).date().isoformat(),
            "python": platform.python_version(),
            "postgresql": version,
            "mails": mails,
            "rounds": rounds,
        },
        **published,
        **sent,
        **feeds(),
        "connections": connected,
        "wire_bytes": ready.bytes_a_mail,
    }


def sending(ready: Prepared, server: PostgreSQL, folder: Path, rounds: int) -> dict[str, Any]:
    """A mail, and for how long a connection has one in hand beside a near relay and a far one."""
    runs: dict[float, list[dict[str, float]]] = {NEAR: [], FAR: []}
    for _ in range(rounds):
        for each_way, told in runs.items():
            told.append(fleet.measure(ready, server, folder, 1, CONNECTIONS, each_way=each_way))
            print("sending", each_way, told[-1], file=sys.stderr)
    near, far = (_medians(runs[each_way]) for each_way in (NEAR, FAR))
    names = ("cpu", "database_cpu", "beside_cpu")
    cpu, database_cpu, beside = (near[f"{name}_microseconds_a_mail"] / 1e6 for name in names)
    holds = [CONNECTIONS / run["mails_a_second"] for run in (near, far)]
    round_trips = (holds[1] - holds[0]) / (2 * (FAR - NEAR) / 1e3)
    busy = near["mails_a_second"] * (cpu + database_cpu + beside) / (machine()["cores"] or 1)
    return {
        "mail": {
            "worker_cpu": cpu,
            "database_cpu": database_cpu,
            "transactions": near["transactions_a_mail"],
            "rows": near["rows_written_a_mail"],
            "log_bytes": near["log_bytes_a_mail"],
        },
        "beside_cpu": beside,
        "round_trips": round_trips,
        "overhead": max(0.0, holds[0] - round_trips * 2 * NEAR / 1e3) * (1 - busy),
        "delivery_heap_bytes": near["delivery_heap_bytes"],
        "delivery_index_bytes": near["delivery_index_bytes"],
        "deliver_bytes": 1e6 * near["most_megabytes"],
        "deliver_connections": near["database_connections_a_worker"],
    }


def at_rest(ready: Prepared, server: PostgreSQL, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Connections to the database and bytes of memory of a worker of one role that has nothing to do."""
    connected: dict[str, float] = {}
    resting: dict[str, float] = {}
    for role in ("deliver", "publish", "fetch"):
        with (
            copied(ready, folder / "copy", server) as mine,
            psycopg.connect(mine.database, autocommit=True) as database,
        ):
            database.execute("INSERT INTO pauses (digest, since_at) VALUES ('*', now())")
            path = configure(mine, 'host = "127.0.0.1"\nport = 1\nsecurity = "none"')
            with fleet.crew(path, 1, role) as (worker,):
                time.sleep(2)
                connected[role] = clients(database)
                resting[role] = 1e6 * fleet.resident(worker.pid)
    return connected, resting


def slot(readers: int, profiles: int) -> dict[str, Any]:
    """A slot by publishing.py, in a process of its own: its clock is another than that of what was prepared here."""
    command = [sys.executable, str(HERE / "publishing.py"), str(readers), "--profiles", str(profiles), "--workers", "1"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def of_slots(slots: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A reader and a profile, from slots that differ in one of them."""
    first, readers, profiles = map(_sums, slots)
    more_readers, more_profiles = SLOTS[1][0] - SLOTS[0][0], SLOTS[2][1] - SLOTS[0][1]
    frozen = [(one["frozen_bytes"].pop("messages"), sum(one["frozen_bytes"].values())) for one in slots]
    return {
        "reader": {name: max(0.0, (readers[name] - first[name]) / more_readers) for name in first},
        "profile": {name: (profiles[name] - first[name]) / more_profiles for name in first},
        "message_bytes": (frozen[2][0] - frozen[0][0]) / more_profiles,
        "edition_bytes": (frozen[2][1] - frozen[0][1]) / more_profiles,
        "subscriber_bytes": slots[1]["bytes_a_subscriber"],
    }


def _sums(slot: Mapping[str, Any]) -> dict[str, float]:
    server = slot["server"]
    cpu = sum(one["cpu"] for one in slot["workers"])
    return dict(zip(_WORK, (cpu, *(server[name] for name in ("cpu", "commits", "rows", "log_bytes"))), strict=True))


def feeds() -> dict[str, Any]:
    """A poll that finds nothing new, and an entry, from first polls of feeds with few and with many."""
    gc.set_threshold(20_000)  # as the command does
    with tempfile.TemporaryDirectory() as name, postgresql() as server:
        few, _, _ = _polled(Path(name) / "few", server, FEW)
        many, unchanged, kept = _polled(Path(name) / "many", server, MANY)
    more = FEEDS * (MANY - FEW)
    wire = many.pop("wire_bytes") - few.pop("wire_bytes")
    entry = {name: max(0.0, (many[name] - few[name]) / more) for name in many}
    return {
        "feed": {name: value / FEEDS for name, value in unchanged.items()},
        "entry": entry,
        "entry_wire_bytes": wire / more,
        "entry_bytes": kept / (FEEDS * MANY),
    }


def _polled(folder: Path, server: PostgreSQL, entries: int) -> tuple[dict[str, float], dict[str, float], float]:
    """(a first poll of all feeds, a second one that finds nothing new, bytes that the entries take)."""
    folder.mkdir()
    written = fetching.write_feeds(folder, FEEDS * entries, entries)
    url = server.create()
    store = open_store(url)
    migrate.ready(store)
    clock = fetching.Clock()
    fetcher = Fetcher("bench@example.org", resolve=fetching.resolve)
    with ExitStack() as end:
        end.callback(store.close)
        end.callback(fetcher.close)
        port = end.enter_context(fetching.server(folder))
        database = end.enter_context(psycopg.connect(url, autocommit=True))
        had = _all_bytes(database)
        service = fetching.ingest(store, fetcher, fetching.sources(written, port), clock)
        told: list[dict[str, float]] = []
        for _ in range(2):
            before, busy = books(database, server, settle=True), _busy()
            rows = service.run(everything=True)
            assert len(rows) == FEEDS
            cpu = _busy() - busy
            told.append(_as_work(books(database, server, settle=True).since(before), cpu))
            clock.now += fetching.timedelta(hours=3)
        kept = _all_bytes(database) - had
    told[0]["wire_bytes"] = float(sum(file.stat().st_size for file in folder.iterdir()))
    return told[0], told[1], kept


def _as_work(did: Books, cpu: float) -> dict[str, float]:
    return dict(zip(_WORK, (cpu, did.cpu, did.transactions, did.rows, did.log_bytes), strict=True))


def _all_bytes(database: psycopg.Connection) -> float:
    return float(sum(map(sum, sizes(database).values())))


def _busy() -> float:
    """Processor seconds of this process, and of those that parsed for it and have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _version(server: PostgreSQL) -> str:
    with psycopg.connect(server.admin) as database:
        row = database.execute("SHOW server_version").fetchone()
    assert row is not None
    return str(row[0])
