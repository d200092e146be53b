"""What fetching costs: ``python benchmarks/fetching.py [unchanged] [reading] [many] [--rounds 5] [--on sqlite]``.

A small server in a process of its own answers on 50 addresses of the loopback. `unchanged`: a run over FEEDS feeds that
have not changed, beside bare clients (a shared httpx2.Client, a shared httpcore2.ConnectionPool) that ask the same with
as many threads, one a host; they take turns in each round. `reading`: a feed of 500 entries fetched, parsed, cleaned
and diffed, beside feedparser with its usual options alone, another feed in each round, so that nothing is remembered of
it; then one that is held already, and that one unchanged. `many`: 100,000 entries in feeds of 500, fetched and stored,
on SQLite and on PostgreSQL, with the memory that this takes, and what the processes take that parse for it. Prints
JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import feedparser
import httpcore2
import httpx2
from prepared import postgresql
from sample import papers
from unchanged import atom, feed_of

from digest.entries.diff import diff
from digest.model.feeds import Source, SourceId
from digest.services.fetching.ingest import Ingest
from digest.services.fetching.keeping import known
from digest.services.fetching.reading import read
from digest.services.fetching.understanding import understood
from digest.sources.asking.fetch import Fetcher
from digest.sources.kinds import KINDS
from digest.sources.workers import Workers
from digest.storage import entries, migrate
from digest.storage.engine import Store, open_store

HOSTS = 50
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

SERVER = r"""
import asyncio, pathlib, sys
folder = pathlib.Path(sys.argv[1])
bodies = {}
class Feed(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.held = transport, b""
    def data_received(self, data):
        self.held += data
        while b"\r\n\r\n" in self.held:
            head, _, self.held = self.held.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode().strip("/")
            if b"if-none-match:" in head.lower():
                self.transport.write(b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n")
                continue
            if path not in bodies:
                file = folder / path
                bodies[path] = file.read_bytes() if file.exists() else (folder / "any").read_bytes()
            body = bodies[path]
            if len(bodies) > 8:
                bodies.clear()
            self.transport.write(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Type: application/atom+xml\r\n"
                                 b"Content-Length: %d\r\n\r\n" % len(body) + body)
async def main():
    server = await asyncio.get_running_loop().create_server(Feed, "0.0.0.0", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def server(folder: Path) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def address(number: int) -> str:
    return f"127.0.1.{number % HOSTS + 1}"


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Names of hosts that stand for machines elsewhere: ``host-7.example`` is 127.0.1.8."""
    del port
    return (address(int(host.removeprefix("host-").partition(".")[0])),)


def sources(count: int, port: int) -> tuple[Source, ...]:
    return tuple(
        Source(
            id=SourceId(f"s{number:04d}"),
            kind="feed",
            url=f"http://host-{number % HOSTS}.example:{port}/{number}",
            allow_private=True,
        )
        for number in range(count)
    )


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def ingest(store: Store, fetcher: Fetcher, configured: tuple[Source, ...], clock: Clock) -> Ingest:
    workers = Workers()
    return Ingest(
        store=store,
        configured=configured,
        kinds=KINDS,
        fetch=fetcher.fetch,
        clock=clock,
        jitter=lambda: 0.5,
        queue=fetcher.queue,
        free_in=fetcher.free_in,
        hang_up=fetcher.hang_up,
        elsewhere=partial(workers.call, understood),
        dismiss=workers.close,
    )


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """(seconds, of these processor time of this process)."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - wall, time.process_time() - cpu


def by_host(count: int, ask: Callable[[int], None]) -> None:
    """Every feed once, a thread a host."""
    with ThreadPoolExecutor(HOSTS) as pool:
        list(pool.map(lambda host: [ask(number) for number in range(host, count, HOSTS)], range(HOSTS)))


def unchanged(count: int, rounds: int) -> dict[str, object]:
    known_tag = {"If-None-Match": '"1"'}

    def httpx_client() -> None:
        limits = httpx2.Limits(max_connections=HOSTS, max_keepalive_connections=HOSTS)
        with httpx2.Client(limits=limits, trust_env=False) as client:

            def ask(number: int) -> None:
                answer = client.get(f"http://{address(number)}:{port}/{number}", headers=known_tag)
                assert answer.status_code == 304

            by_host(count, ask)

    def httpcore_client() -> None:
        with httpcore2.ConnectionPool(max_connections=HOSTS, max_keepalive_connections=HOSTS) as pool:

            def ask(number: int) -> None:
                answer = pool.request("GET", f"http://{address(number)}:{port}/{number}", headers=known_tag)
                assert answer.status == 304

            by_host(count, ask)

    clock = Clock()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "any").write_bytes(atom(1))
        store = open_store(f"sqlite:///{folder / 'digest.db'}")
        migrate.ready(store)
        fetcher = Fetcher("bench@example.org", resolve=resolve)
        with server(folder) as port:
            service = ingest(store, fetcher, sources(count, port), clock)
            first = service.run()
            assert len(first) == count

            def ours() -> None:
                clock.now += timedelta(hours=3)
                rows = service.run(everything=True)
                assert len(rows) == count and all(row.http_status == 304 for row in rows), rows[0]

            costs: dict[str, list[tuple[float, float]]] = {}
            for _ in range(rounds):
                for title, act in (("digest", ours), ("httpx2", httpx_client), ("httpcore2", httpcore_client)):
                    costs.setdefault(title, []).append(timed(act))
        fetcher.close()
        store.close()
    told: dict[str, object] = {"feeds": count, "hosts": HOSTS, "rounds": rounds}
    for title, found in costs.items():
        told[f"{title}_seconds"] = round(statistics.median(wall for wall, _ in found), 3)
    for title in ("httpx2", "httpcore2"):
        for n, what in enumerate(("wall", "cpu")):
            ratios = [a[n] / b[n] for a, b in zip(costs["digest"], costs[title], strict=True)]
            told[f"digest_per_{title}_{what}"] = [round(one, 2) for one in sorted(ratios)]
    return told


def reading(rounds: int, count: int = 500) -> dict[str, object]:
    clock = Clock()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        every = papers(rounds * count, days=3)
        bodies = [feed_of(islice(every, count)) for _ in range(rounds)]
        for number, body in enumerate(bodies):
            (folder / str(number)).write_bytes(body)
        store = open_store(f"sqlite:///{folder / 'digest.db'}")
        migrate.ready(store)
        fetcher = Fetcher("bench@example.org", resolve=resolve)
        with server(folder) as port:
            asked = sources(rounds, port)

            def whole(source: Source) -> None:
                got = read(KINDS["feed"], source, fetcher.fetch, known={}, now=NOW)
                with store.transaction() as tx:
                    taken, held = known(tx, got.entries, now=NOW)
                    assert len(diff(taken, held, source=source, now=NOW, backfill=True)) == count

            service = ingest(store, fetcher, asked[:1], clock)

            def again() -> None:
                clock.now += timedelta(hours=3)
                (row,) = service.run(everything=True)
                assert row.http_status == 304

            costs: dict[str, list[float]] = {}
            for body, source in zip(bodies, asked, strict=True):
                costs.setdefault("feedparser", []).append(timed(lambda: feedparser.parse(body))[1])  # noqa: B023
                costs.setdefault("new", []).append(timed(lambda: whole(source))[1])  # noqa: B023
            service.run()
            for _ in range(rounds):
                costs.setdefault("known", []).append(timed(lambda: whole(asked[0]))[1])
                costs.setdefault("unchanged", []).append(timed(again)[1])
        fetcher.close()
        store.close()
    base = statistics.median(costs["feedparser"])
    new = [one / alone for one, alone in zip(costs["new"], costs["feedparser"], strict=True)]
    return {
        "entries": count,
        "kilobytes": round(len(bodies[0]) / 1000),
        "feedparser_milliseconds": round(1000 * base, 1),
        "new_per_feedparser": [round(ratio, 2) for ratio in sorted(new)],
        "known_per_feedparser": round(statistics.median(costs["known"]) / base, 2),
        "unchanged_per_feedparser": round(statistics.median(costs["unchanged"]) / base, 3),
    }


def many(count: int, on: str, size: int = 500) -> dict[str, object]:
    told: dict[str, object] = {"entries": count}
    with tempfile.TemporaryDirectory() as name, ExitStack() as open_while:
        folder = Path(name)
        written = write_feeds(folder, count, size)
        if on != "postgresql":
            told["sqlite"] = ingested(f"sqlite:///{folder / 'digest.db'}", folder, written)
        if on != "sqlite":
            databases = open_while.enter_context(postgresql())
            told["postgresql"] = ingested(databases.create(), folder, written)
    return {**told, "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000}


def ingested(url: str, folder: Path, written: int) -> dict[str, object]:
    """A first run over so many feeds into an empty database."""
    store = open_store(url)
    migrate.ready(store)
    fetcher = Fetcher("bench@example.org", resolve=resolve)
    grown: list[int] = []
    with server(folder) as port:
        service = ingest(store, fetcher, sources(written, port), Clock())
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall, cpu = timed(lambda: service.run(progress=lambda row: grown.append(resident())))
        workers = resource.getrusage(resource.RUSAGE_CHILDREN)  # those that parsed have ended; the servers have not
    with store.reading() as tx:
        held = entries.count(tx)
    fetcher.close()
    store.close()
    quarter = len(grown) // 4
    return {
        "held": held,
        "seconds": round(wall, 1),
        "cpu": round(cpu, 1),
        "workers_cpu": round(workers.ru_utime + workers.ru_stime - before.ru_utime - before.ru_stime, 1),
        "largest_worker_megabytes": workers.ru_maxrss // 1000,
        "most_megabytes_by_quarter": [max(grown[n * quarter : (n + 1) * quarter]) for n in range(4)],
    }


def write_feeds(folder: Path, count: int, size: int) -> int:
    """Feeds with papers of their own, as files that the server gives; how many."""
    (folder / "any").write_bytes(b"")
    some = []
    number = 0
    for one in papers(count, days=30):
        some.append(one)
        if len(some) == size:
            (folder / str(number)).write_bytes(feed_of(some))
            number, some = number + 1, []
    return number


def resident() -> int:
    """Megabytes of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1_000_000


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("what", nargs="*", default=["unchanged", "reading", "many"])
    given.add_argument("--feeds", type=int, default=1_000)
    given.add_argument("--rounds", type=int, default=5)
    given.add_argument("--entries", type=int, default=100_000)
    given.add_argument("--on", choices=("sqlite", "postgresql", "both"), default="both")
    options = given.parse_args()
    gc.set_threshold(20_000)  # as the command does
    told: dict[str, object] = {}
    if "unchanged" in options.what:
        told["unchanged"] = unchanged(options.feeds, options.rounds)
    if "reading" in options.what:
        told["reading"] = reading(options.rounds)
    if "many" in options.what:
        told["many"] = many(options.entries, options.on)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
