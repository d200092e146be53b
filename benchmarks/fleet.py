"""What a fleet delivers: ``python benchmarks/fleet.py [--mails 20000] [--workers 0,1,2,4] [--connections 8]``.

A real PostgreSQL; a server that takes mails and answers every line after 10 ms (proxy.c before sink.c). So many worker
processes, each with so few connections that it waits more than it works, share what waits; beside them, by turns in the
same rounds, `digest send`, which needs no queue. Sending is paused until all processes stand ready. Told are mails a
second from the moment sending goes on to the last mail, what a mail costs the processes and the database in processor
time, in transactions, rows and bytes that it writes there and keeps, and the most memory and connections to the
database of a worker. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from books import books, clients, sizes
from prepared import PAPERS_20KB, PostgreSQL, Prepared, configure, copied, postgresql, prepare
from processes import Server, machine, own_sink, proxy

WORKER = """
import sys
from datetime import timedelta
from pathlib import Path
from digest.app import build
from digest.cli.door import Door
from digest.cli.logs import log_to_stderr
from digest.config import load
from digest.daemon.worker import run_worker
from digest.services.ports import Work
log_to_stderr(Door(command="worker"))
roles = [Work(name) for name in sys.argv[2:]]
sys.exit(run_worker(build(load(Path(sys.argv[1]), {})), roles=roles, pace=timedelta(seconds=5)))
"""
SEND = "import sys; sys.argv[0] = 'digest'; from digest.cli import main; main()"
EACH_WAY = 5.0
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--mails", type=int, default=20_000)
    given.add_argument("--profiles", type=int, default=50)
    given.add_argument("--workers", default="0,1,2,4", help="0 is `digest send`")
    given.add_argument("--connections", type=int, default=8)
    given.add_argument("--rounds", type=int, default=3)
    options = given.parse_args()
    numbers = [*map(int, options.workers.split(","))]
    fleets = [number for number in numbers if number]
    told: dict[int, list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name, postgresql() as server:
        folder = Path(name)
        ready = prepare(folder / "ready", options.mails, items=PAPERS_20KB, profiles=options.profiles, server=server)
        for turn in range(options.rounds):
            for number in numbers[turn % len(numbers) :] + numbers[: turn % len(numbers)]:
                told[number].append(measure(ready, server, folder, number, options.connections))
                print(number or "digest send", told[number][-1], file=sys.stderr)
    one = [run["mails_a_second"] for run in told[fleets[0]]]
    print(
        json.dumps(
            {
                **machine(),
                "mails": options.mails,
                "connections_a_process": options.connections,
                "round_trip_milliseconds": 2 * EACH_WAY,
                "bytes_a_mail": ready.bytes_a_mail,
                "times_one_worker": {
                    str(number): [
                        round(run["mails_a_second"] / base, 2) for run, base in zip(told[number], one, strict=True)
                    ]
                    for number in fleets[1:]
                },
                "runs": {
                    str(number or "digest send"): {
                        key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]
                    }
                    for number, runs in told.items()
                },
            },
            indent=1,
        )
    )


def measure(
    ready: Prepared,
    server: PostgreSQL,
    folder: Path,
    workers: int,
    connections: int,
    *,
    each_way: float = EACH_WAY,
) -> dict[str, float]:
    """One run of so many workers; of `digest send` for 0. ``each_way``: milliseconds between us and the relay."""
    with (
        copied(ready, folder / "copy", server) as mine,
        own_sink(folder) as taker,
        proxy(folder, taker.port, milliseconds=each_way) as between,
        psycopg.connect(mine.database, autocommit=True) as database,
    ):
        smtp = f'host = "127.0.0.1"\nport = {between.port}\nsecurity = "none"\nconnections = {connections}'
        path = configure(mine, smtp)
        database.execute("INSERT INTO pauses (digest, since_at) VALUES ('*', now())")
        with crew(path, workers) as processes:
            found = timed(database, server, taker, mine.mails, processes, path)
        states = database.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall()
        assert states == [("accepted", mine.mails)], states
        kept, indexed = sizes(database)["deliveries"]
    return {
        **found,
        "beside_cpu_microseconds_a_mail": 1e6 * (taker.cpu + between.cpu) / ready.mails,
        "delivery_heap_bytes": kept / ready.mails,
        "delivery_index_bytes": indexed / ready.mails,
    }


@contextmanager
def crew(path: Path, number: int, *roles: str) -> Generator[list[subprocess.Popen[bytes]]]:
    """So many workers of some roles ("deliver" without any), all of them ready; they are told to end with the block."""
    command = [sys.executable, "-c", WORKER, str(path), *(roles or ("deliver",))]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(number)]
    try:
        for process in processes:
            assert process.stderr is not None
            while b"started" not in process.stderr.readline():
                assert process.poll() is None
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.communicate()


def timed(
    database: psycopg.Connection,
    server: PostgreSQL,
    taker: Server,
    mails: int,
    processes: list[subprocess.Popen[bytes]],
    path: Path,
) -> dict[str, float]:
    """From the moment that sending goes on until all was taken and written down."""
    before = {process.pid: used(process.pid) for process in processes}
    earlier, asked, connected = books(database, server), 0, 0
    begin = time.perf_counter()
    database.execute("DELETE FROM pauses")
    most: dict[int, float] = defaultdict(float)
    if processes:
        wake(database)
        while open_ones(database):
            for process in processes:
                most[process.pid] = max(most[process.pid], resident(process.pid))
            connected = max(connected, clients(database))
            asked += 2
            time.sleep(0.05)
        seconds = time.perf_counter() - begin
        cpu = sum(used(process.pid) - before[process.pid] for process in processes)
    else:
        sending = subprocess.Popen([sys.executable, "-c", SEND, "send", "--config", str(path), "--json"],
                                   stdout=subprocess.DEVNULL)  # fmt: skip
        until(lambda: taker.mails > 0)
        begin, started = time.perf_counter(), used(sending.pid)
        while open_ones(database):
            most[sending.pid] = max(most[sending.pid], resident(sending.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - begin
        cpu = used(sending.pid) - started
        sending.wait()
    did = books(database, server, settle=True).since(earlier)
    return {
        "mails_a_second": mails / seconds,
        "cpu_microseconds_a_mail": 1e6 * cpu / mails,
        "database_cpu_microseconds_a_mail": 1e6 * did.cpu / mails,
        "transactions_a_mail": max(0.0, did.transactions - asked) / mails,
        "rows_written_a_mail": did.rows / mails,
        "log_bytes_a_mail": did.log_bytes / mails,
        "most_megabytes": max(most.values()),
        "database_connections_a_worker": connected / max(1, len(processes)),
    }


def wake(database: psycopg.Connection) -> None:
    """The call that whoever plans deliveries makes."""
    database.execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock)"
        " VALUES ('deliver', 'digest.deliver', 'deliver') ON CONFLICT DO NOTHING"
    )


def open_ones(database: psycopg.Connection) -> bool:
    row = database.execute(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE state IN ('queued', 'deferred'))"
        " OR EXISTS (SELECT 1 FROM deliveries WHERE lease <> '')"
    ).fetchone()
    return row == (True,)


def used(pid: int) -> float:
    """Processor seconds of a process so far, with its children that have ended."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, values[11:15])) / _TICKS


def resident(pid: int) -> float:
    """Megabytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


if __name__ == "__main__":
    main()
