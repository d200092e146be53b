"""The daemon: exactly one edition a local date through changed clocks, two at once send nothing twice, signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2
import pytest

from digest.app import App, build
from digest.config import from_table, load
from digest.daemon.jobs import Daemon, guarded
from digest.daemon.listeners import listen
from digest.model.errors import ConfigError, StorageError
from digest.model.feeds import FetchRequest, FetchResponse
from digest.services.fetching.ingest import Ingest
from digest.sources.people.openalex import OPENALEX
from digest.storage import deliveries
from tests.apps import having

ROOT = Path(__file__).parents[1]
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
NIGHTS = [
    (BERLIN, date(2026, 3, 29), "03:30"),
    (BERLIN, date(2026, 10, 25), "02:30"),
    (NEW_YORK, date(2026, 3, 8), "03:30"),
    (NEW_YORK, date(2026, 11, 1), "02:30"),
]


def config(url: str, zone: str, **sections: object) -> dict[str, object]:
    return {
        "database": {"url": url},
        "mail": {"from": "Digest <digest@example.org>"},
        "smtp": {"transport": "folder", "path": "out", "connections": 2},
        "web": {"enabled": False, "public_url": "https://digest.example.org"},
        "fetch": {"arxiv_api": ""},
        "source": {"id": "lab", "kind": "feed", "url": "lab.json", "every": "30m"},
        "digest": {"name": "daily", "title": "Daily", "send_at": "02:30", "timezone": zone, "max_items": 50},
        **sections,
    }


def feed(folder: Path, numbers: range, prefix: str = "note") -> None:
    """The lab's feed shows these notes."""
    items = [
        {
            "id": f"{prefix}-{number}",
            "url": f"https://lab.example.org/{prefix}/{number}",
            "title": f"{prefix.title()} number {number} of the harbour laboratory",
            "content_text": "What the harbour's instruments said.",
            "authors": [{"name": f"Mira Author{number}"}],
        }
        for number in numbers
    ]
    shown = {"version": "https://jsonfeed.org/version/1.1", "title": "The lab", "items": items}
    written = folder / "lab.json.new"
    written.write_text(json.dumps(shown), "utf-8")
    written.replace(folder / "lab.json")


def mailed(*folders: Path) -> Counter[str]:
    """How many mails each address has got."""
    found: Counter[str] = Counter()
    for folder in folders:
        for mail in folder.glob("*.eml"):
            (line,) = [one for one in mail.read_bytes().split(b"\r\n\r\n")[0].split(b"\r\n") if one.startswith(b"To: ")]
            found[line[4:].decode()] += 1
    return found


def count(*folders: Path) -> int:
    """How many mails there are, without a look into them."""
    return sum(len(list(folder.glob("*.eml"))) for folder in folders)


def ledger(app: App) -> list[deliveries.Delivery]:
    with app.store.reading() as tx:
        return list(deliveries.listing(tx, limit=10_000))


def test_a_relay_that_cannot_be_used_for_half_an_hour_is_told_to_the_operator_and_once_it_works_no_more(url, tmp_path):
    now = [datetime(2026, 5, 4, 0, 40, tzinfo=UTC)]
    mail = {"from": "Digest <digest@example.org>", "alerts_to": ["ops@example.org"]}
    app = build(from_table(config(url, BERLIN, mail=mail), folder=tmp_path), clock=lambda: now[0])
    daemon = Daemon(app)
    app.subscribe.add("ada@example.org", "daily")
    feed(tmp_path, range(1, 4))
    (tmp_path / "out").write_text("no folder")

    def alerts() -> list[str]:
        return [row.notice_key for row in ledger(app) if row.kind == "alert"]

    for minutes in (0, 20, 29):
        now[0] = datetime(2026, 5, 4, 0, 40, tzinfo=UTC) + timedelta(minutes=minutes)
        daemon.tick()
        assert alerts() == []
    now[0] += timedelta(minutes=1)
    for _ in range(2):
        daemon.tick()
        assert alerts() == ["deliveries:daily:2026-05-04"]
    (tmp_path / "out").unlink()
    now[0] += timedelta(hours=2)
    daemon.tick()
    assert mailed(tmp_path / "out") == {"ada@example.org": 1, "ops@example.org": 1}
    assert daemon.refused is None
    app.close()


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_slot_is_published_though_fetching_fails(url, tmp_path, monkeypatch):
    now = [datetime(2026, 5, 4, 0, 20, tzinfo=UTC)]
    app = build(from_table(config(url, BERLIN), folder=tmp_path), clock=lambda: now[0])
    app.subscribe.add("ada@example.org", "daily")
    feed(tmp_path, range(1, 4))
    daemon = Daemon(app)
    daemon.tick()
    now[0] += timedelta(hours=2)

    def fail(self, *args, **options):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Ingest, "run", fail)
    daemon.tick()
    assert mailed(tmp_path / "out") == {"ada@example.org": 1}
    app.close()


@pytest.mark.parametrize("database", ["sqlite"])
def test_clearing_away_that_fails_is_tried_again_in_an_hour_and_then_daily(url, tmp_path, monkeypatch):
    now = [datetime(2026, 5, 4, 0, 20, tzinfo=UTC)]
    app = build(from_table(config(url, BERLIN), folder=tmp_path), clock=lambda: now[0])
    tried: list[datetime] = []

    def prune(self: App) -> None:
        tried.append(now[0])
        if len(tried) < 3:
            raise StorageError("is locked", where="database")

    monkeypatch.setattr(App, "prune", prune)
    daemon = Daemon(app)
    for _ in range(30 * 4):
        guarded("tidy", daemon.tidy, daemon)()
        now[0] += timedelta(minutes=15)
    assert [int((at - tried[0]).total_seconds() // 3600) for at in tried] == [0, 1, 2, 26]
    app.close()


# People


@pytest.mark.parametrize("database", ["sqlite"])
def test_catalogues_are_asked_hourly_and_at_once_again_while_a_minute_s_share_left_people_over(url, tmp_path):
    now = [datetime(2026, 5, 4, 8, tzinfo=UTC)]
    followed = {"name": "daily", "authors": [f"openalex:A{10_000 + n}" for n in range(25)]}
    app = build(from_table(config(url, BERLIN, digest=followed), folder=tmp_path), clock=lambda: now[0])
    asked: list[str] = []

    def fetch(request: FetchRequest) -> FetchResponse:
        asked.append(request.url)
        person = request.url.partition("?")[0].rpartition("/")[2]
        document = {"id": f"https://openalex.org/{person}", "display_name": f"Name {person}"}
        return FetchResponse(url=request.url, status=200, body=json.dumps(document).encode())

    daemon = Daemon(having(app, people=replace(app.people, catalogues=(OPENALEX,), fetch=fetch)))
    counted: list[int] = []
    for minutes in (0, 1, 2, 30, 60, 7 * 24 * 60 + 120):
        now[0] = datetime(2026, 5, 4, 8, tzinfo=UTC) + timedelta(minutes=minutes)
        asked.clear()
        daemon.tick()
        counted.append(len(asked))
    assert counted == [20, 5, 0, 0, 0, 20]
    app.close()


# Changed clocks


def night(zone: str, day: date) -> Iterator[datetime]:
    """From the noon before to the noon after the next day: each hour of the small ones and every third of the others,
    and every ten minutes around the changed one.
    """
    at = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(days=1)
    close = datetime(day.year, day.month, day.day, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    for _ in range(49):
        local = at.astimezone(ZoneInfo(zone)).hour
        if local < 5 or local % 3 == 0:
            yield at
        if close <= at < close + timedelta(hours=3):
            for minute in range(10, 60, 10):
                yield at + timedelta(minutes=minute)
        at += timedelta(hours=1)


@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.parametrize(("zone", "day", "local"), NIGHTS)
def test_a_digest_at_half_past_two_goes_out_once_in_a_night_of_changed_clocks(url, tmp_path, zone, day, local):
    now = [datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=3)]
    app = build(from_table(config(url, zone), folder=tmp_path), clock=lambda: now[0])
    daemon = Daemon(app)
    app.subscribe.add("ada@example.org", "daily")
    for number, now[0] in enumerate(night(zone, day), 1):
        if number % 10 == 1:
            feed(tmp_path, range(number, number + 3))
        daemon.tick()
    rows = ledger(app)
    assert [row.local_date for row in rows] == [day - timedelta(days=1), day, day + timedelta(days=1)]
    assert {row.state for row in rows} == {"accepted"}
    _, *rows = rows  # the day before was made up when the daemon started
    assert f"{rows[0].created_at.astimezone(ZoneInfo(zone)):%H:%M}" == local
    assert rows[0].created_at.astimezone(ZoneInfo(zone)).fold == 0, "a doubled time is its first turn"
    assert f"{rows[1].created_at.astimezone(ZoneInfo(zone)):%H}" in ("02", "03")
    assert mailed(tmp_path / "out") == {"ada@example.org": 3}
    app.close()


def test_a_tick_missed_over_the_whole_night_is_made_up_once_in_the_morning(url, tmp_path):
    now = [datetime(2026, 3, 28, 12, tzinfo=UTC)]
    app = build(from_table(config(url, BERLIN), folder=tmp_path), clock=lambda: now[0])
    daemon = Daemon(app)
    app.subscribe.add("ada@example.org", "daily")
    feed(tmp_path, range(1, 4))
    daemon.tick()
    now[0] = datetime(2026, 3, 29, 7, tzinfo=UTC)
    for _ in range(3):
        daemon.tick()
        now[0] += timedelta(minutes=1)
    # Joined on the 28th: that day's slot, then the one that was slept through.
    assert [row.local_date for row in ledger(app)] == [date(2026, 3, 28)]
    feed(tmp_path, range(1, 8))
    now[0] = datetime(2026, 3, 30, 7, tzinfo=UTC)
    daemon.tick()
    daemon.tick()
    assert [row.local_date for row in ledger(app)] == [date(2026, 3, 28), date(2026, 3, 30)]
    app.close()


# What listens


def test_readers_pages_and_monitoring_listen_apart(url, tmp_path):
    web = {"bind": "127.0.0.1:0", "monitor": "127.0.0.1:0", "public_url": "https://digest.example.org"}
    app = build(from_table(config(url, BERLIN, web=web), folder=tmp_path))
    daemon = Daemon(app)
    daemon.tick()
    servers = listen(lambda: daemon.app, daemon.pulse, pages=True)
    transport = httpx2.HTTPTransport(retries=20)
    with httpx2.Client(trust_env=False, transport=transport) as client:
        page, figures = (f"http://{servers[name].where}" for name in ("web", "monitor"))
        assert client.get(f"{page}/health").text == "ok\n"
        assert client.get(f"{page}/metrics").status_code == 404
        assert 'digest_readers{digest="daily"} 0.0' in client.get(f"{figures}/metrics").text
        assert client.get(f"{figures}/ready").json()["ready"] is True
    for server in servers.values():
        server.close()
    app.close()


# Two at once


def test_two_daemons_on_one_database_send_nothing_twice(url, tmp_path):
    now = [datetime(2026, 5, 4, 0, 29, tzinfo=UTC)]
    apps: list[App] = []
    for name in ("one", "two"):
        smtp = {"transport": "folder", "path": f"out-{name}", "connections": 2}
        apps.append(build(from_table(config(url, BERLIN, smtp=smtp), folder=tmp_path), clock=lambda: now[0]))
    daemons = [Daemon(app) for app in apps]
    for number in range(20):
        apps[0].subscribe.add(f"reader-{number}@example.org", "daily")
    feed(tmp_path, range(1, 4))
    for daemon in daemons:
        daemon.look()
    errors: list[BaseException] = []

    def tick(daemon: Daemon) -> None:
        try:
            for _ in range(3):
                daemon.tick()
        except BaseException as error:
            errors.append(error)

    for day in range(2):
        now[0] = datetime(2026, 5, 4 + day, 0, 31, tzinfo=UTC)
        threads = [threading.Thread(target=tick, args=(daemon,)) for daemon in daemons]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for daemon in daemons:
            daemon.tick()
        assert not errors
        feed(tmp_path, range(1, 7))
        now[0] += timedelta(hours=2)
        daemons[day].look()
        got = mailed(tmp_path / "out-one", tmp_path / "out-two")
        assert got == {f"reader-{number}@example.org": day + 1 for number in range(20)}
    assert {row.state for row in ledger(apps[0])} == {"accepted"}
    for app in apps:
        app.close()


CHILD = """
import sys
from pathlib import Path
from digest.app import build
from digest.config import load
from digest.daemon.running import run
from tests.apps import having

path = Path(sys.argv[1])
def rebuild():
    return build(load(path, {}))
sys.exit(run(rebuild(), rebuild=rebuild))
"""


def toml(url: str, **changes: str) -> str:
    """The configuration of a child that runs in real time: every hour of the day is past its slot."""
    values = {"title": "Daily", "path": "out", "rate": "1000", "extra": "", **changes}
    return """
[database]
url = "{url}"
[mail]
from = "Digest <digest@example.org>"
[smtp]
transport = "folder"
path = "{path}"
connections = 2
rate = {rate}
[web]
enabled = false
public_url = "https://digest.example.org"
[fetch]
arxiv_api = ""
[[source]]
id = "lab"
kind = "feed"
url = "lab.json"
[[digest]]
name = "daily"
title = "{title}"
send_at = "00:00"
timezone = "UTC"
{extra}
""".format(url=url, **values)


class Child:
    """A daemon in a process of its own."""

    def __init__(self, path: Path, program: str = CHILD) -> None:
        self.log = path.with_suffix(".log")
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=self.log.open("w"), stderr=subprocess.STDOUT, cwd=ROOT
        )

    def said(self, *words: str, times: int = 1) -> bool:
        return all(self.log.read_text().count(word) >= times for word in words)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def running(path: Path, program: str = CHILD) -> Iterator[Child]:
    child = Child(path, program)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.process.kill()
        child.process.wait()


def with_readers(path: Path, number: int) -> App:
    app = build(load(path, {}))
    for one in range(number):
        app.subscribe.add(f"reader-{one}@example.org", "daily")
    return app


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_stop_drains_what_is_being_sent_gives_back_the_rest_and_exits_with_zero(url, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(toml(url, rate="25"))
    feed(tmp_path, range(1, 4))
    app = with_readers(path, 80)
    # Each start goes on where the one before ended.
    for number, at_least in ((signal.SIGTERM, 10), (signal.SIGINT, 0)):
        before = mailed(tmp_path / "out").total()
        with running(path) as child:
            child.wait_for(lambda: count(tmp_path / "out") > before + at_least)  # noqa: B023
            assert child.stop(number) == 0
            assert child.said("stopping", "stopped")
        states = Counter(row.state.value for row in ledger(app))
        assert set(states) == {"accepted", "queued"} and sum(states.values()) == 80
        assert before < mailed(tmp_path / "out").total() == states["accepted"]
    path.write_text(toml(url))
    quick = with_readers(path, 0)
    quick.deliver.run()
    assert mailed(tmp_path / "out") == {f"reader-{one}@example.org": 1 for one in range(80)}
    quick.close()
    app.close()


PUBLISHES_AT_ITS_END = """
import sys, time
from dataclasses import replace
from pathlib import Path
from digest.app import build
from digest.config import load
from digest.daemon.running import run
from tests.apps import having

path = Path(sys.argv[1])
app = build(load(path, {}))

class Publish:
    def run(self, now):
        planned = app.publish.run(now)
        print("planned", flush=True)
        time.sleep(1)
        return planned

sys.exit(run(having(app, publish=Publish())))
"""


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_stop_in_the_moment_in_which_a_slot_is_published_ends_it_too_and_systemd_is_told(url, tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    path.write_text(toml(url))
    feed(tmp_path, range(1, 4))
    app = with_readers(path, 3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        monkeypatch.chdir(tmp_path)
        heard.bind("notify")
        heard.settimeout(20)
        monkeypatch.setitem(os.environ, "NOTIFY_SOCKET", str(tmp_path / "notify"))
        with running(path, PUBLISHES_AT_ITS_END) as child:
            assert heard.recv(100) == b"READY=1"
            child.wait_for(lambda: child.said("planned"))
            child.process.send_signal(signal.SIGTERM)
            child.wait_for(lambda: child.said("stopping"))
            assert child.stop(signal.SIGHUP) == 0, "a hangup disturbs nothing any more"
        said = {heard.recv(100)}
        while b"STOPPING=1" not in said:
            said.add(heard.recv(100))
    assert said <= {b"WATCHDOG=1", b"STOPPING=1"}
    assert {row.state.value for row in ledger(app)} == {"queued"}
    app.close()


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_hangup_reloads_and_a_wrong_file_leaves_the_old_configuration_in_force(url, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(toml(url))
    feed(tmp_path, range(1, 4))
    app = with_readers(path, 1)
    app.close()
    with running(path) as child:
        child.wait_for(lambda: count(tmp_path / "out") == 1)
        path.write_text(toml(url, title="Daily") + '\ncolour = "red"\n')
        child.process.send_signal(signal.SIGHUP)
        child.wait_for(lambda: child.said("the old configuration stays", "colour"))
        path.write_text(toml(url, extra='[[digest]]\nname = "second"\nsend_at = "00:00"\ntimezone = "UTC"'))
        child.process.send_signal(signal.SIGHUP)
        child.wait_for(lambda: child.said("reloaded"))
        assert "Traceback" not in child.log.read_text()
        assert child.stop() == 0
    assert mailed(tmp_path / "out") == {"reader-0@example.org": 1}


SENDS_FOR_LONG = """
import sys, time
from pathlib import Path
from digest.app import build
from digest.config import load
from digest.daemon.running import run
from tests.apps import having

path = Path(sys.argv[1])
app = build(load(path, {}))

class Deliver:
    def run(self, **given):
        print("sending", flush=True)
        time.sleep(2)
        return app.deliver.run(**given)

def rebuild():
    print("building", flush=True)
    return build(load(path, {}))

sys.exit(run(having(app, deliver=Deliver()), rebuild=rebuild))
"""


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_second_hangup_while_the_first_waits_for_a_send_is_obeyed_too(url, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(toml(url))
    feed(tmp_path, range(1, 4))
    with running(path, SENDS_FOR_LONG) as child:
        child.wait_for(lambda: child.said("sending"))
        for times in (1, 2):
            child.process.send_signal(signal.SIGHUP)
            child.wait_for(lambda: child.said("building", times=times))  # noqa: B023
        assert child.stop() == 0
        assert "Traceback" not in child.log.read_text()


def test_two_daemon_processes_on_one_database_send_nothing_twice(url, tmp_path):
    paths = [tmp_path / "one.toml", tmp_path / "two.toml"]
    for path in paths:
        path.write_text(toml(url, path=f"out-{path.stem}"))
    feed(tmp_path, range(1, 4))
    app = with_readers(paths[0], 60)
    app.ingest.run()
    folders = [tmp_path / "out-one", tmp_path / "out-two"]
    with running(paths[0]) as one, running(paths[1]) as two:
        one.wait_for(lambda: count(*folders) >= 60)
        assert (one.stop(), two.stop()) == (0, 0)
        assert "Traceback" not in one.log.read_text() + two.log.read_text()
    assert mailed(*folders) == {f"reader-{number}@example.org": 1 for number in range(60)}
    assert {row.state for row in ledger(app)} == {"accepted"}
    app.close()


# Reload and ticks, within the process


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_reload_swaps_the_app_and_closes_the_old_one_and_a_wrong_one_changes_nothing(url, tmp_path):
    table = config(url, BERLIN)
    first = build(from_table(table, folder=tmp_path))
    offered: list[App] = []

    def rebuild() -> App:
        if not offered:
            raise ConfigError("is wrong", where="config.toml")
        return offered[0]

    daemon = Daemon(first, rebuild=rebuild)
    daemon.reload()
    assert daemon.app is first
    offered.append(build(from_table(table, folder=tmp_path)))
    daemon.reload()
    assert daemon.app is offered[0]
    Daemon(daemon.app).reload()
    daemon.app.close()
