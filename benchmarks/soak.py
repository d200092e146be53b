"""Does the daemon live for months? ``python benchmarks/soak.py --minutes 60 [--day-seconds 30] [--url postgresql://…]``.

`digest run` in a process of its own, with its pages, monitoring, three sources and a relay, and a clock by which a day
lasts half a minute. New papers every day; a send that takes a third of it; strangers and readers at the pages, one of
whom joins each day, confirms and leaves; SIGHUP now and then. SIGTERM in the midst of a send, early and at the end.

The laws: every stop ends with 0 within 10 s. Every reader got every day's mail exactly once and every paper exactly
once; who joined or left meanwhile, each day between; the ledger counts what the relay counts, and every delivery is
accounted for; every line of the log is a JSON object without an error or a reader. Memory is that of the long process
between the two stops, by quarter, and is judged from twenty minutes on. While a day's mails are not all there, the
clock waits at the next one's first hour, and before a slot while nobody asked for a paper of that day; for how long, is
told. Exit code 1 if a law is broken.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from accelerated import BEGIN, DAY, HOURS, SOURCES, Clock, Feeds, Mailbox, Web

from digest.app import App, build
from digest.cli.door import Door
from digest.cli.logs import log_to_stderr
from digest.config import load
from digest.daemon.running import run

HERE = Path(__file__).parent
SLOT = timedelta(hours=7, minutes=30)
DRAIN_SECONDS = 10.0
#: A shorter run says nothing of memory: caches fill.
WARM_MINUTES = 20

CONFIG = """
[database]
url = "{url}"
[mail]
from = "Digest <digest@example.org>"
[smtp]
host = "127.0.0.1"
port = {smtp}
security = "none"
connections = 4
rate = {rate}
[delivery]
lease = "{lease}"
expire_after = "10d"
[web]
bind = "127.0.0.1:{web}"
monitor = "127.0.0.1:{monitor}"
public_url = "http://127.0.0.1:{web}"
[fetch]
arxiv_api = ""
{sources}
[[digest]]
name = "daily"
title = "The Daily"
send_at = "07:30"
timezone = "UTC"
join = true
archive = true
max_items = 50
"""
SOURCE = """[[source]]
id = "{name}"
kind = "feed"
url = "http://127.0.0.1:{port}/{name}.json"
every = "3h"
allow_private = true
"""


@dataclass
class Daemon:
    """The process under test."""

    config: Path
    clock: Path
    pace: float
    log: Path
    process: subprocess.Popen[bytes] | None = None
    drains: list[float] = field(default_factory=list[float])
    statuses: list[int] = field(default_factory=list[int])
    resident: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """(the machine's seconds, megabytes) of the process that runs."""

    def start(self) -> None:
        told = self.log.read_text().count('"started"') if self.log.exists() else 0
        command = [sys.executable, __file__, "--serve", str(self.config), str(self.clock), str(self.pace)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.resident.clear()
        wait(lambda: self.log.read_text().count('"started"') > told, 60, "the daemon did not start")

    def stop(self) -> None:
        assert self.process is not None
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.statuses.append(self.process.wait(120))
        self.drains.append(time.monotonic() - start)

    def sample(self) -> None:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        self.resident.append((time.monotonic(), int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1000))


def wait(condition: Callable[[], bool], seconds: float, trouble: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(trouble)
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def serve(config: Path, clock: Path, pace: float) -> int:
    """The daemon's own process."""
    log_to_stderr(Door(command="run", json=True))
    now = Clock(clock)

    def rebuild() -> App:
        return build(load(config, {}), clock=now)

    return run(rebuild(), rebuild=rebuild, pace=timedelta(seconds=pace))


class Soak:
    """One run from the first day to the laws."""

    def __init__(self, options: argparse.Namespace, folder: Path, end: ExitStack) -> None:
        self.options = options
        self.day = options.day_seconds
        self.clock = Clock(folder / "clock", day_seconds=self.day)
        self.mailbox = Mailbox()
        end.callback(self.mailbox.close)
        self.feeds = Feeds(self.clock)
        end.callback(self.feeds.shutdown)
        web, monitor = free_port(), free_port()
        self.base, self.monitor = f"http://127.0.0.1:{web}", f"http://127.0.0.1:{monitor}"
        self.config = folder / "config.toml"
        self.config.write_text(
            CONFIG.format(
                url=options.url or f"sqlite:///{folder}/digest.db",
                smtp=self.mailbox.port,
                rate=max(5.0, options.readers / self.day * 3),
                lease=f"{max(1, round(120 / self.day))}d",  # two minutes of the machine's
                web=web,
                monitor=monitor,
                sources="".join(SOURCE.format(name=name, port=self.feeds.server_port) for name in SOURCES),
            )
        )
        self.readers = [f"reader-{number}@example.org" for number in range(options.readers)]
        app = self.app()
        for address in self.readers:
            app.subscribe.add(address, "daily")
        app.close()
        log = Path(options.log or folder / "log")
        log.unlink(missing_ok=True)
        self.daemon = Daemon(self.config, folder / "clock", self.day / 60, log)
        end.callback(lambda: self.daemon.process and self.daemon.process.kill())
        self.reloads = 0

    def app(self) -> App:
        return build(load(self.config, {}), clock=self.clock)

    def run(self) -> dict[str, object]:
        self.daemon.start()
        begin = time.monotonic()
        until = begin + 60 * self.options.minutes
        web = Web(self.base, self.monitor, self.clock, self.mailbox, self.options.rate)
        try:
            self.live(min(begin + 2.5 * self.day, until))
            self.stop_midst_send()
            self.live(until, reload_every=10 * self.day)
            last = self.stop_midst_send()
            memory = self.memory()
            self.live(time.monotonic() + 60, done=lambda: self.complete(last))
        finally:
            web.close()
        self.daemon.stop()
        self.clock.runs(False)
        return self.told(web, last, memory)

    def complete(self, day: date) -> bool:
        got = self.mailbox.editions
        return self.mailbox.per_day[day] >= len(self.readers) and all(day in got[one] for one in self.readers)

    def live(self, until: float, *, reload_every: float = 0.0, done: Callable[[], bool] = lambda: False) -> None:
        """Time goes by, unless yesterday's mails are not there, or nothing of today was fetched before the slot."""
        assert self.daemon.process is not None
        looked, reloaded = 0.0, time.monotonic()
        while time.monotonic() < until and not done():
            now = self.clock()
            yesterday = now.date() - DAY
            # Before the first papers of a day: else yesterday's mail, should it be late, would bring them, too.
            is_young = now.hour == 0 and now.minute < 30
            is_served = yesterday < BEGIN.date() or self.complete(yesterday)
            # Looks were due since the first papers came; where the machine lets nobody look, a mail would have none.
            is_read = now < slot(now.date()) - DAY / 48 or self.feeds.newest == now.date()
            self.clock.runs(is_young or (is_served and is_read))
            if time.monotonic() - looked > min(1.0, self.day / 5):
                looked = time.monotonic()
                self.daemon.sample()
            if reload_every and time.monotonic() - reloaded > reload_every:
                reloaded = time.monotonic()
                self.reloads += 1
                self.daemon.process.send_signal(signal.SIGHUP)
            if self.daemon.process.poll() is not None:
                raise SystemExit(f"the daemon has ended:\n{self.daemon.log.read_text()[-3000:]}")
            time.sleep(min(0.05, self.day / 200))

    def stop_midst_send(self) -> date:
        """SIGTERM when some mails of a day have gone, and a new process; gives that day."""
        day: list[date] = []

        def midst() -> bool:
            today = self.clock().date()
            if len(self.readers) * 0.2 <= self.mailbox.per_day[today] < len(self.readers) * 0.8:
                day.append(today)
            return bool(day)

        self.live(time.monotonic() + 3 * self.day + 60, done=midst)
        if not day:
            raise SystemExit("no send was seen in its midst")
        self.daemon.sample()
        self.before = list(self.daemon.resident)
        self.daemon.stop()
        self.clock.runs(False)
        self.daemon.start()
        self.clock.runs(True)
        return day[0]

    def memory(self) -> list[float]:
        """Median megabytes by quarter of the process that was stopped last."""
        held = self.before
        start, length = held[0][0], max(1e-9, held[-1][0] - held[0][0])
        quarters = [[mb for at, mb in held if int(min(3, 4 * (at - start) / length)) == one] for one in range(4)]
        return [round(statistics.median(one), 1) if one else 0.0 for one in quarters]

    def told(self, web: Web, last: date, memory: list[float]) -> dict[str, object]:
        """Figures, and what is wrong with them."""
        app = self.app()
        status = app.report.status()
        database = "sqlite" if app.store.is_sqlite else "postgresql"
        app.close()
        wrong = [*self.of_readers(last), *self.of_joiners(web, last), *self.of_papers(last)]
        identity = status.deliveries  # with what was pruned
        caught = self.mailbox.count
        if identity["accepted"] != caught or identity["planned"] != caught + identity["open"] + identity["suppressed"]:
            wrong.append(f"the relay took {caught} mails, the ledger says {identity}")
        if max(self.daemon.drains) > DRAIN_SECONDS or any(self.daemon.statuses):
            wrong.append(f"stops took {self.daemon.drains} s and ended with {self.daemon.statuses}")
        if web.failed:
            wrong.append(f"{len(web.failed)} answers failed, such as {web.failed[:3]}")
        log = self.daemon.log.read_text()
        wrong += of_log(log)
        if self.options.minutes >= WARM_MINUTES and memory[3] > 1.1 * memory[1]:
            wrong.append(f"memory grows: {memory}")
        days = (last - BEGIN.date()).days + 1
        return {
            "database": database,
            "days": days,
            "mails": caught,
            "readers": len(self.readers),
            "joined": len(web.joined),
            "left": len(web.left),
            "papers": status.entries,
            "requests": dict(sorted(web.statuses.items())),
            "slowest_answer_seconds": round(web.slowest, 2),
            "reloads": log.count('"reloaded"'),
            "drain_seconds": [round(one, 2) for one in self.daemon.drains],
            "resident_megabytes_by_quarter": memory,
            "most_resident_megabytes": max(mb for _, mb in self.before),
            "clock_held_seconds": round(self.clock.held, 1),
            "ledger": identity,
            "wrong": wrong,
        }

    def of_readers(self, last: date) -> list[str]:
        """Every day's mail exactly once."""
        days = [BEGIN.date() + number * DAY for number in range((last - BEGIN.date()).days + 1)]
        wrong: list[str] = []
        for address in self.readers:
            got = {day: len(mails) for day, mails in self.mailbox.editions[address].items()}
            missing = [str(day) for day in days if day not in got]
            twice = [str(day) for day, number in got.items() if number > 1]
            if missing or twice:
                wrong.append(f"{address} has no mail of {missing}, more than one of {twice}")
        return wrong[:10]

    def of_joiners(self, web: Web, last: date) -> list[str]:
        """Each day between yes and no, at most one around it, none after."""
        wrong: list[str] = []
        for address, since in web.joined.items():
            until = web.left.get(address, datetime.max.replace(tzinfo=UTC) - DAY)
            got = {day: len(mails) for day, mails in self.mailbox.editions[address].items()}
            owed = [BEGIN.date() + number * DAY for number in range((last - BEGIN.date()).days + 1)]
            owed = [one for one in owed if since + DAY < slot(one) < until - DAY and one < last]
            missing = [str(day) for day in owed if day not in got]
            odd = [str(day) for day, number in got.items() if number > 1 or slot(day) > until + DAY / 4]
            if missing or odd:
                wrong.append(f"{address} joined {since} left {until}: lacks {missing}, should not have {odd}")
        return wrong[:10]

    def of_papers(self, last: date) -> list[str]:
        """Every paper that was there an update before the last slot, exactly once."""
        due = {
            f"{BEGIN.date() + day * DAY:%Y%m%d}{source}{number}"
            for day in range((last - BEGIN.date()).days + 1)
            for source in SOURCES
            for number in range(len(HOURS))
        }
        late = {f"{last:%Y%m%d}{source}{number}" for source in SOURCES for number in range(len(HOURS))}
        wrong: list[str] = []
        for address in self.readers:
            printed = Counter(
                mark for mails in self.mailbox.editions[address].values() for one in mails for mark in one.marks
            )
            lacks, twice = due - late - printed.keys(), [mark for mark, number in printed.items() if number > 1]
            if lacks or twice:
                wrong.append(f"{address} lacks the papers {sorted(lacks)[:6]}, has twice {sorted(twice)[:6]}")
        return wrong[:10]


def slot(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + SLOT


def of_log(log: str) -> list[str]:
    """Each line a JSON object, none of an error, no reader named."""
    wrong: list[str] = []
    for line in log.splitlines():
        try:
            level = json.loads(line)["level"]
        except (ValueError, KeyError):
            level = "no JSON"
        if level in ("no JSON", "error", "critical") or re.search(r"(reader|joiner)-\d", line):
            wrong.append(f"the log: {line[:600]}")
    return wrong[:5]


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        sys.exit(serve(Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])))
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--minutes", type=float, default=3.0)
    given.add_argument("--day-seconds", type=float, default=30.0)
    given.add_argument("--readers", type=int, default=200)
    given.add_argument("--rate", type=float, default=15.0, help="requests a second")
    given.add_argument("--url", default="", help="a database with nothing in it; SQLite in a temporary folder without")
    given.add_argument("--log", default="", help="where the daemon's log is kept")
    options = given.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as end:
        told = Soak(options, Path(name), end).run()
    print(json.dumps(told, indent=1))
    sys.exit(bool(told["wrong"]))


if __name__ == "__main__":
    main()
