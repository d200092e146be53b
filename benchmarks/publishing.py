"""A slot that many workers publish: ``python benchmarks/publishing.py [SUBSCRIBERS] [--profiles P] [--workers 4]``.

A million subscribers of a hundred thousand profiles on a PostgreSQL of our own; mails of 20 KB. As many processes as
there are workers call what `digest worker` calls: one opens the slot, all serve its cohorts until none is left. Told
are the seconds, the processor time a profile, of the workers and beside it of the server, what the server was made to
write and keep, and of each worker the most memory that it held in each quarter of its time. In the end every reader
must have one delivery, each profile one edition that was printed once, and the slot must count them all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import sample
from books import books, sizes
from prepared import PAPERS_20KB, postgresql
from processes import machine, started
from sqlalchemy import func, select

from digest.app import App, build
from digest.config import load
from digest.daemon.memory import settle
from digest.model.editions import Digest, Edition, Slot
from digest.model.mail import Message
from digest.storage import deliveries, editions, slots

_LOOK_SECONDS = 0.1
_READERS = ("subscribers", "subscriptions")
#: What grows with readers, not with editions.
_OF_READERS = ("deliveries", *_READERS)


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("subscribers", type=int, nargs="?", default=1_000_000)
    given.add_argument("--profiles", type=int, default=100_000)
    given.add_argument("--workers", type=int, default=4)
    given.add_argument("--papers", type=int, default=300)
    given.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = given.parse_args()
    if options.worker is not None:
        print(json.dumps(worked(options.worker)))
        return
    alone = machine()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        server = stack.enter_context(postgresql())
        url = server.create()
        folder = Path(name)
        app = sample.application(folder, database=url, max_items=PAPERS_20KB)
        sample.fill(app, options.papers, days=2)
        sample.crowd(app, options.subscribers, sample.wishes(options.profiles))
        with app.store.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
            connection.commit()
        database = stack.enter_context(psycopg.connect(url, autocommit=True))
        before, had = books(database, server, settle=True), sizes(database)
        print("publishing", file=sys.stderr)
        begin = time.perf_counter()
        found = measure(folder, options.workers)
        seconds = time.perf_counter() - begin
        did, has = books(database, server, settle=True).since(before), sizes(database)
        check(app, options.subscribers, options.profiles, found)
        app.close()
    cpu = sum(one["cpu"] for one in found)
    frozen = {name: sum(size) - sum(had.get(name, (0, 0))) for name, size in has.items() if name not in _OF_READERS}
    told = {
        **alone,
        "subscribers": options.subscribers,
        "profiles": options.profiles,
        "seconds": round(seconds, 1),
        "workers_cpu_milliseconds_a_profile": round(1e3 * cpu / options.profiles, 2),
        "server_cpu_milliseconds_a_profile": round(1e3 * did.cpu / options.profiles, 2),
        "server": {"cpu": round(did.cpu, 2), "log_bytes": did.log_bytes, "rows": did.rows, "commits": did.transactions},
        "frozen_bytes": {name: size for name, size in frozen.items() if size},
        "bytes_a_subscriber": round(sum(sum(had[name]) for name in _READERS) / options.subscribers),
        "workers": found,
    }
    print(json.dumps(told, indent=1))


def measure(folder: Path, workers: int) -> list[dict[str, Any]]:
    """What each worker tells when the slot is complete."""
    command = [sys.executable, __file__, "--worker", str(folder)]
    with ExitStack() as stack:
        running = [stack.enter_context(started(command)) for _ in range(workers)]
        ended = [one.end() for one in running]
    for one in ended:
        if one is None or one.status:
            raise SystemExit(f"a worker ended badly:\n{one.told[-2000:] if one else ''}")
    return [json.loads(one.told.splitlines()[-1]) for one in ended if one]


def worked(folder: Path) -> dict[str, object]:
    """One worker, from when it is ready to the end of the slot."""
    settle()
    app = build(load(folder / "config.toml", {}), clock=lambda: sample.NOW)
    renders = 0
    plain = app.publish.print_edition

    def counting(some: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
        nonlocal renders
        renders += 1
        return plain(some, digests)

    publish = replace(app.publish, print_edition=counting)
    memory: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            memory.append(resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, begin, readers = time.process_time(), time.perf_counter(), 0
    publish.open_due(sample.NOW)
    while not is_complete(app):
        served = publish.work(sample.NOW, threading.Event())
        readers += sum(one.readers for one in served)
        if not served:
            time.sleep(0.05)  # the slot is being opened, or others have the last of it
    seconds, cpu = time.perf_counter() - begin, time.process_time() - start
    over.set()
    watcher.join()
    app.close()
    return {
        "readers": readers,
        "renders": renders,
        "seconds": round(seconds, 1),
        "cpu": round(cpu, 2),
        "cpu_to_start": round(start, 2),
        "most_megabytes_by_quarter": quarters(memory),
    }


def quarters(memory: list[float]) -> list[int]:
    size = max(1, len(memory) // 4)
    return [round(max(memory[at : at + size], default=0)) for at in range(0, 4 * size, size)]


def resident() -> float:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def slot_of(app: App) -> Slot:
    (digest,) = app.config.digests
    due, _ = app.report.occasions(digest, sample.NOW)
    assert due is not None
    return due


def is_complete(app: App) -> bool:
    with app.store.reading() as tx:
        return slots.told_of(tx, slot_of(app)) is not None


def check(app: App, readers: int, profiles: int, found: list[dict[str, Any]]) -> None:
    with app.store.reading() as tx:
        told = slots.told_of(tx, slot_of(app))
        planned = tx.execute(select(func.count(deliveries.deliveries.c.subscriber_id.distinct()))).scalar_one()
        rows = tx.execute(select(func.count()).select_from(deliveries.deliveries)).scalar_one()
        printed = tx.execute(select(func.count()).select_from(editions.editions)).scalar_one()
    assert told == {"readers": readers, "planned": readers}, told
    assert planned == rows == readers, (planned, rows)
    assert printed == profiles + 1, printed  # and the digest's own
    assert sum(one["renders"] for one in found) == printed, found


if __name__ == "__main__":
    main()
