"""Do the laws hold on a fleet that is ill-treated? ``python benchmarks/chaos.py [--events 200] [--readers 400]
[--workers 4] [--seed 1] [--uncertain hold|resend]``.

A PostgreSQL of our own, `digest worker` in processes of their own, each on a machine whose clock is up to five minutes
wrong, sources with new papers every day, three digests of which some readers have two in one mail, and a mail server
that thinks before it answers. A minute of the workers' lasts a second, and when a slot is done time leaps to the next.
Meanwhile, at random instants: a worker is killed, or stands still until all its leases are lost; the database cuts all
connections, restarts or crashes, or its disk is full; the mail server is away; all workers are replaced one after the
other, half of them by another version; the queue's calls are lost, or doubled; readers join, confirm, leave and pause;
mails come back from mailboxes that are no more.

After each of these every delivery is in one known state, and what came of a slot's readers sums up to those who were
served, and to the mails that were planned. In the end, after a quiet day: nothing is lost; nothing came twice but what
was uncertain before (with ``hold`` nothing at all), and that as the same bytes; no reader got a paper twice; nobody got
a mail that passed the gate after he had left, or after his address was suppressed, nor was planned one of a day that he
paused; all that came back was heard; no worker ended by itself or spoke of a fault of ours. Prints JSON; exit code 1 if
a law is broken. The same seed gives the same events in the same order, but not at the same instants of the machine.

``--only "disk full,bounces come back"`` leaves out the others. Where this process may not mount a disk (it is not root,
or this is not Linux) none is full, and ``left_out`` says so.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import ExitStack
from datetime import datetime, timedelta
from datetime import time as hour
from pathlib import Path

import chaos_laws
import psycopg
from accelerated import BEGIN, DAY, HOURS, SOURCES, Feeds
from brittle import Brittle, brittle
from chaos_people import BOUNCES_TO, People
from unruly import COULD_NOT_START, LEASE, PAST_LEASES, Fast, Hand, Place, Sink, have_ready

from digest.app import App, build
from digest.config import load
from digest.storage import people
from digest.storage.engine import Store

#: Of a hundred events.
EVENTS = {
    "worker killed": 23,
    "worker stopped past its leases": 6,
    "connections cut": 11,
    "database crashed": 5,
    "database restarted": 5,
    "disk full": 6,
    "mail server away": 8,
    "workers replaced": 3,
    "calls lost": 8,
    "calls doubled": 8,
    "readers join and leave": 11,
    "bounces come back": 6,
}
MORNING, EVENING = hour(7, 30), hour(19, 30)
#: Digest -> (hour, papers, every so many readers have it).
DIGESTS = {"daily": (MORNING, 3, 1), "extra": (MORNING, 3, 3), "evening": (EVENING, 4, 2)}
_JOINED = 6
"""So many readers have one that wishes daily and extra in one mail."""
PATIENCE = 150.0
#: A database that is away may be waited for by half a minute: nothing that was sent is forgotten.
DRAIN_SECONDS = 45.0

CONFIG = """
[database]
url = "{url}"
[mail]
from = "Digest <digest@example.org>"
bounces_to = "{bounces_to}"
[smtp]
host = "127.0.0.1"
port = {smtp}
security = "none"
connections = 4
[delivery]
lease = "{lease}m"
uncertain = "{uncertain}"
[web]
enabled = false
public_url = "https://digest.example.org"
[fetch]
arxiv_api = ""
[inbound]
maildir = "{box}"
"""
SOURCE = """[[source]]
id = "{name}"
kind = "feed"
url = "http://127.0.0.1:{port}/{name}.json"
every = "3h"
allow_private = true
"""
DIGEST = """[[digest]]
name = "{name}"
title = "The {name}"
send_at = "{at:%H:%M}"
timezone = "UTC"
max_items = {papers}
"""


class Stuck(Exception):
    """What was to come does not."""


class Chaos:
    """One run from the first day to the laws."""

    def __init__(self, options: argparse.Namespace, folder: Path, server: Brittle, end: ExitStack) -> None:
        self.options = options
        self.folder = folder
        self.server = server
        self.chance = random.Random(options.seed)
        self.clock = Fast(folder / "clock", new=True)
        self.sink = end.enter_context(Sink(options.hesitates))
        self.feeds = Feeds(self.clock)  # type: ignore[arg-type]
        end.callback(self.feeds.shutdown)
        self.url = server.create()
        self.box = folder / "box"
        self.config = folder / "config.toml"
        self.config.write_text(self._configured())
        self.app: App = build(load(self.config, {}), clock=self.clock)
        end.callback(self.app.close)
        enrol(self.app.store, options.readers)
        self.people = People(self.app, self.sink.taken, self.chance, self.box, self._later)
        self.events: Counter[str] = Counter()
        self.disk: Counter[str] = Counter()
        """What the server did when its disk was full."""
        self.left = self._dealt()
        self.wrong: list[str] = []
        self.ended: Counter[int] = Counter()
        """Exit codes of workers that were not killed by us."""
        self.asked: list[int] = []
        """Workers that were asked where they stand, for they did not end."""
        self.longest_drain = 0.0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._database: psycopg.Connection[object] | None = None
        self._next_event = float("inf")
        self._next_look = 0.0
        self._is_rolling = False
        self.owed: list[tuple[str, datetime]] = []
        self.logs = Path(options.logs or folder / "logs")
        self.logs.mkdir(parents=True)
        self.crew: list[Hand] = []
        end.callback(self._end)

    def _configured(self) -> str:
        text = CONFIG.format(
            url=self.url,
            smtp=self.sink.port,
            lease=int(LEASE.total_seconds() // 60),
            uncertain=self.options.uncertain,
            bounces_to=BOUNCES_TO,
            box=self.box,
        )
        text += "".join(SOURCE.format(name=name, port=self.feeds.server_port) for name in SOURCES)
        return text + "".join(
            DIGEST.format(name=name, at=at, papers=papers) for name, (at, papers, _) in DIGESTS.items()
        )

    def _dealt(self) -> list[str]:
        """What is to happen: each kind once, and the rest as the dice fall."""
        kinds = [one for one in EVENTS if one in self.options.only and one not in self.left_out]
        if not kinds:
            raise SystemExit("none of these events can happen here: only root on Linux can fill a disk of its own")
        weights = [EVENTS[one] for one in kinds]
        rest = self.chance.choices(kinds, weights=weights, k=max(0, self.options.events - len(kinds)))
        dealt = [*kinds, *rest][: self.options.events]
        self.chance.shuffle(dealt)
        return dealt

    @property
    def left_out(self) -> list[str]:
        return [] if self.server.has_own_disk else ["disk full"]

    # The run

    def run(self) -> dict[str, object]:
        begin = time.monotonic()
        self.clock.leap(BEGIN + timedelta(minutes=30))
        self.app.ready()
        have_ready()
        self.crew = [self._start(number) for number in range(self.options.workers)]
        days = 0
        try:
            self.live(lambda: self._asks("SELECT count(*) FROM sources WHERE last_ok_at IS NOT NULL", len(SOURCES)))
            for at in (MORNING, EVENING):
                self.live(lambda at=at: self._is_settled(datetime.combine(BEGIN.date() - DAY, at, tzinfo=BEGIN.tzinfo)))
            self._next_event = time.monotonic()
            while self.left:
                self.day(days)
                days += 1
            self.calm()
            self.day(days)
        except Stuck as error:
            self.wrong.append(f"stuck on day {days} in {self.clock()}: {error}")
        self.calm()
        for hand in self.crew:
            self._dismiss(hand)
        self.live_on(lambda: not any(hand.is_there for hand in self.crew), DRAIN_SECONDS)
        self.look()
        figures, wrong = chaos_laws.in_the_end(
            self.app.store, self.app.keys, self.people, self.owed, resend=self.options.uncertain == "resend"
        )
        self.check(newest=1_000)
        self.wrong += wrong
        told, faults = of_logs(self.logs, self.asked)
        self.wrong += faults
        return {
            "uncertain_policy": self.options.uncertain,
            "seed": self.options.seed,
            "workers": self.options.workers,
            "readers": self.options.readers,
            "events": dict(sorted(self.events.items())),
            "left_out": self.left_out,
            "disk_full": dict(self.disk),
            "joined": len(self.people.confirmed),
            "left": sum(one.subscription is not None for one in self.people.barred),
            "paused": len(self.people.paused),
            "bounced": len(self.people.bounced),
            "slots": len(self.owed),
            **figures,
            "exit_codes": dict(self.ended),
            "longest_drain_seconds": round(self.longest_drain, 1),
            "log": told,
            "seconds": round(time.monotonic() - begin, 1),
            "wrong": self.wrong[:40],
        }

    def day(self, number: int) -> None:
        """New papers, and both slots."""
        day = BEGIN + number * DAY
        self.clock.leap(day + timedelta(hours=max(HOURS) + 1))
        papers = len(SOURCES) * len(HOURS) * (number + 1)
        self.live(lambda: self._asks("SELECT count(*) FROM entries", papers))
        for at in (MORNING, EVENING):
            slot = datetime.combine(day.date(), at, tzinfo=day.tzinfo)
            self.owed += [(name, slot) for name, (theirs, _, _) in DIGESTS.items() if theirs == at]
            self.clock.leap(slot - timedelta(seconds=20))
            self.live(lambda slot=slot: self._is_settled(slot))
            print(f"{slot} done, {len(self.left)} events to come, {self.sink.count} mails", file=sys.stderr)

    def _is_settled(self, slot: datetime) -> bool:
        """Whether everybody was served a slot, and all that was planned has its end."""
        names = [name for name, (at, _, _) in DIGESTS.items() if at == slot.time()]
        waits = (
            "SELECT (SELECT count(*) FROM slots WHERE completed_at IS NULL)"
            " + (SELECT count(*) FROM deliveries WHERE state IN ('queued', 'leased', 'sending', 'deferred'))"
            " + (SELECT count(*) FROM subscriptions WHERE digest = ANY(%s) AND state = 'confirmed'"
            " AND coalesce(last_slot_at, '-infinity') < %s AND coalesce(paused_until, '-infinity') <= %s)"
        )
        return self._asks(waits, 0, (names, slot, slot.date()))

    def live(self, done: Callable[[], bool]) -> None:
        """Until something has come about. Raises Stuck."""
        if not self.live_on(done, PATIENCE):
            raise Stuck(json.dumps(self._stands(), default=str))

    def live_on(self, done: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        asked = 0.0
        while time.monotonic() < end:
            self.pump()
            if time.monotonic() - asked > 0.15:
                if done():
                    return True
                asked = time.monotonic()
            time.sleep(0.01)
        return False

    def pump(self) -> None:
        """What is due now, of what was begun before and of new trouble; and who ended."""
        while self._agenda and self._agenda[0][0] <= time.monotonic():
            heapq.heappop(self._agenda)[2]()
        for number, hand in enumerate(self.crew):
            if not hand.is_there:
                self._replace(number, hand)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + 0.3
            self.people.confirm()
            self.look()
        if self.left and time.monotonic() >= self._next_event:
            kind = self.left.pop()
            self._next_event = time.monotonic() + self.chance.uniform(0.1, 2 * self.options.pause)
            if self._befalls(kind):
                self.events[kind] += 1
            else:
                self.left.insert(self.chance.randrange(len(self.left) + 1), kind)  # nobody was there for it
            self.check()

    def _befalls(self, kind: str) -> bool:
        """False where it could not happen now."""
        try:
            return TROUBLES[kind](self)
        except psycopg.OperationalError:
            # Who stands still has the queue's rows, and only we can let him go on; or the disk is full.
            return False

    def calm(self) -> None:
        """All that is broken is whole again."""
        self.left = []
        self.live_on(lambda: not self._agenda and self.people.is_quiet, 60)

    def check(self, newest: int = chaos_laws.NEWEST) -> None:
        try:
            wrong = chaos_laws.identity(self.database, newest=newest)
        except psycopg.Error:
            self._database = None  # cut with the others, or away: the next time will do
            return
        self.wrong += [one for one in wrong if one not in self.wrong]

    def look(self) -> None:
        """Who is not to be written to any more."""
        try:
            self.people.watch(self.database)
        except psycopg.Error:
            self._database = None

    # Trouble

    def kill(self) -> bool:
        hand = self._somebody()
        if hand is not None:
            hand.kill()
        return hand is not None

    def stop(self) -> bool:
        hand = self._somebody()
        if hand is not None:
            hand.send(signal.SIGSTOP)
            self._later(PAST_LEASES, lambda: hand.send(signal.SIGCONT))
        return hand is not None

    def cut(self) -> bool:
        with psycopg.connect(self.server.admin, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        return True

    def restart(self, mode: str = "fast") -> bool:
        if self.server.is_full:
            return False  # it could not start again
        self.server.restart(mode)
        return True

    def crash(self) -> bool:
        return self.restart("immediate")

    def fill(self) -> bool:
        if self.server.is_full:
            return False
        came = self.server.fill(log=self.chance.random() < 0.5)
        self.disk[came] += 1
        if not came:
            self.wrong.append("the disk was full, and the server did not notice")
        self._later(self.chance.uniform(1, 6), self.server.clear)
        return True

    def come_and_go(self) -> bool:
        return self.people.come_and_go()

    def bounce(self) -> bool:
        return self.people.bounce()

    def relay_away(self) -> bool:
        if self.sink.is_down:
            return False
        self.sink.fall()
        self._later(self.chance.uniform(0.5, 5), lambda: setattr(self.sink, "is_down", False))
        return True

    def replace_all(self) -> bool:
        """As in an upgrade: each is told to end, and when it has ended the next one."""
        if self._is_rolling:
            return False
        self._is_rolling = True
        version = f"99.{self.events['workers replaced']}"

        def turn(number: int) -> None:
            if number == len(self.crew):
                self._is_rolling = False
                return
            hand = self.crew[number]
            self._dismiss(hand, version if number % 2 else "")
            self._when_gone(hand, lambda: turn(number + 1))

        turn(0)
        return True

    def lose_calls(self) -> bool:
        """Half of those that wait or are being heard; or all of them."""
        which = self.chance.choice(["id % 2 = 0", "true"])
        with psycopg.connect(self.url, options="-c lock_timeout=2s") as database:
            database.execute("UPDATE procrastinate_periodic_defers SET job_id = NULL")
            database.execute(f"DELETE FROM procrastinate_jobs WHERE {which}")  # type: ignore[arg-type]
        return True

    def double_calls(self) -> bool:
        with psycopg.connect(self.url, options="-c lock_timeout=2s") as database:
            for work in ("fetch", "publish", "deliver", "inbound"):
                for _ in range(self.chance.randint(1, 4)):
                    database.execute(
                        "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES (%s, %s)",
                        (work, f"digest.{work}"),
                    )
        return True

    # Workers

    def _somebody(self) -> Hand | None:
        there = [hand for hand in self.crew if hand.is_at_work]
        return self.chance.choice(there) if there else None

    def _start(self, number: int, version: str = "") -> Hand:
        skews = (0, 300, -300, 45, -120)
        place = Place(
            config=self.config,
            clock=self.folder / "clock",
            logs=self.logs,
            skew=skews[number % len(skews)],
            cut=max(2, self.options.readers // 4),
        )
        return Hand.start(place, version or "1.0.0")

    def _replace(self, number: int, hand: Hand) -> None:
        """Somebody has ended: after a moment there is a new one, as systemd would have it."""
        if hand.is_mourned:
            return
        hand.is_mourned = True
        code = hand.process.exitcode or 0
        if not hand.is_killed:
            self.ended[code] += 1
            expected = (0,) if hand.leaves_since is not None else (COULD_NOT_START,)
            # Told to end before it was ready, it had nothing to end.
            early = hand.leaves_since is not None and code in (COULD_NOT_START, -signal.SIGTERM)
            if code not in expected and not early:
                self.wrong.append(f"a worker ended by itself, or not as it should: {code}")
        if hand.leaves_since is not None:
            self.longest_drain = max(self.longest_drain, time.monotonic() - hand.leaves_since)
        version = hand.next_version
        if version is None:
            return
        self._later(self.chance.uniform(0.1, 1.0), lambda: self._put(number, version))

    def _put(self, number: int, version: str) -> None:
        self.crew[number] = self._start(number, version)

    def _dismiss(self, hand: Hand, version: str | None = None) -> None:
        """Tells a worker to end; with a version another one of it comes."""
        hand.next_version = version
        if not hand.is_there:
            return
        hand.leaves_since = time.monotonic()
        hand.send(signal.SIGCONT)
        hand.send(signal.SIGTERM)

    def _when_gone(self, hand: Hand, go_on: Callable[[], None]) -> None:
        if not hand.is_there:
            self._later(1.0, go_on)
            return
        if hand.leaves_since is not None and time.monotonic() - hand.leaves_since > DRAIN_SECONDS:
            self.wrong.append(f"worker {hand.process.pid} did not end within {DRAIN_SECONDS:.0f} s")
            self.asked.append(hand.process.pid or 0)
            hand.send(signal.SIGUSR1)  # it says in its log where it stands
            self._later(0.5, hand.kill)
        self._later(1.0, lambda: self._when_gone(hand, go_on))

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (time.monotonic() + seconds, next(self._numbers), what))

    def _end(self) -> None:
        for hand in self.crew:
            hand.kill()
            hand.process.join()
        if self._database is not None:
            self._database.close()

    # What is

    @property
    def database(self) -> psycopg.Connection[object]:
        if self._database is None or self._database.closed:
            self._database = psycopg.connect(self.url, autocommit=True)
        return self._database

    def _asks(self, query: str, expected: int, values: tuple[object, ...] = ()) -> bool:
        try:
            row = self.database.execute(query, values).fetchone()  # type: ignore[arg-type]
        except psycopg.Error:
            self._database = None
            return False
        return row == (expected,)

    def _stands(self) -> dict[str, object]:
        """For whoever wants to know why nothing goes on."""
        asked = {
            "slots": "SELECT digest, slot_at FROM slots WHERE completed_at IS NULL",
            "cohorts": "SELECT number, holder, until, done_at FROM cohorts WHERE done_at IS NULL",
            "deliveries": "SELECT state, lease, min(leased_until), min(next_at), max(reason), count(*) FROM deliveries"
            " WHERE state IN ('queued', 'leased', 'sending', 'deferred') GROUP BY 1, 2",
            "calls": "SELECT queue_name, task_name, status, count(*) FROM procrastinate_jobs GROUP BY 1, 2, 3",
            "papers": "SELECT count(*) FROM entries",
            "sources": "SELECT id, next_at, last_ok_at FROM sources",
            "relays": "SELECT * FROM relays",
        }
        told: dict[str, object] = {"there": [hand.is_there for hand in self.crew]}
        for name, query in asked.items():
            try:
                told[name] = self.database.execute(query).fetchall()  # type: ignore[arg-type]
            except psycopg.Error as error:
                told[name] = str(error)
        return told


TROUBLES: dict[str, Callable[[Chaos], bool]] = {
    "worker killed": Chaos.kill,
    "worker stopped past its leases": Chaos.stop,
    "connections cut": Chaos.cut,
    "database crashed": Chaos.crash,
    "database restarted": Chaos.restart,
    "disk full": Chaos.fill,
    "mail server away": Chaos.relay_away,
    "workers replaced": Chaos.replace_all,
    "calls lost": Chaos.lose_calls,
    "calls doubled": Chaos.double_calls,
    "readers join and leave": Chaos.come_and_go,
    "bounces come back": Chaos.bounce,
}


def enrol(store: Store, number: int) -> None:
    """Confirmed readers of a week ago, with eight profiles."""
    since = BEGIN - 7 * DAY
    plain: dict[str, object] = {"state": "confirmed", "created_at": since, "confirmed_at": since, "days": []}
    plain |= {"language": "", "timezone": "", "send_at": "", "last_slot_date": ""}
    who = [{"address": f"r{n:05d}@example.net", "created_at": since, "joined": n % _JOINED == 0} for n in range(number)]
    with store.transaction() as tx:
        ids = tx.execute(people.subscribers.insert().returning(people.subscribers.c.id), who).scalars().all()
        for name, (_, _, every) in DIGESTS.items():
            theirs = [
                plain
                | {"subscriber_id": one, "digest": name, "secret": f"{name:.3}{n:019d}"}
                | {"preferences": {"keywords": [f"word{n % 8}"]} if n % 8 else {}}
                for n, one in enumerate(ids)
                if n % every == 0
            ]
            tx.execute(people.subscriptions.insert(), theirs)


def of_logs(folder: Path, asked: Collection[int]) -> tuple[dict[str, int], list[str]]:
    """How often the workers said what, and what they should never say; those that were ``asked`` where they stand say
    that besides."""
    told: Counter[str] = Counter()
    wrong: list[str] = []
    logs = [log for log in sorted(folder.iterdir()) if int(log.stem) not in asked]
    for line in (line for log in logs for line in log.read_text("utf-8").splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            said = {"level": "no JSON", "event": line}
        level, event = str(said.get("level", "")), str(said.get("event", ""))
        if level != "info" or event == "started":
            told[f"{level}: {event[:60]}"] += 1
        if "fault of ours" in line or "Traceback" in line or level == "no JSON":
            wrong.append(f"the log: {line[-1500:]}")
    return dict(told.most_common(25)), wrong[:10]


def _kinds(text: str) -> list[str]:
    found = [one.strip() for one in text.split(",")]
    if unknown := [one for one in found if one not in EVENTS]:
        raise argparse.ArgumentTypeError(f"there is no event {unknown[0]!r}; known are: {', '.join(EVENTS)}")
    return found


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--events", type=int, default=200)
    given.add_argument("--readers", type=int, default=400)
    given.add_argument("--workers", type=int, default=4)
    given.add_argument("--seed", type=int, default=1)
    given.add_argument("--uncertain", choices=("hold", "resend"), default="hold")
    given.add_argument("--pause", type=float, default=1.0, help="seconds between two events, in the mean")
    given.add_argument("--hesitates", type=float, default=0.15, help="so long at most the mail server thinks of a mail")
    given.add_argument("--logs", default="", help="a new folder, where the workers' logs are kept")
    given.add_argument("--only", type=_kinds, default=list(EVENTS), help="these events alone, with commas")
    options = given.parse_args()
    with tempfile.TemporaryDirectory() as name, brittle() as server, ExitStack() as end:
        told = Chaos(options, Path(name), server, end).run()
    print(json.dumps(told, indent=1))
    sys.exit(bool(told["wrong"]))


if __name__ == "__main__":
    main()
