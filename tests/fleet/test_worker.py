"""`digest worker`: processes that share the work, come and go, and refuse what they cannot work with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from digest.app import build
from digest.cli import run
from digest.config import from_table, load
from digest.model.errors import ConfigError
from digest.services.ports import Work
from digest.storage import server, workers
from digest.storage.engine import Store, open_store
from tests.test_daemon import BERLIN, config, feed, mailed

#: A worker that looks every second instead of every minute.
WORKER = """
import sys
from datetime import timedelta
from digest.app import build
from digest.cli.door import Door
from digest.cli.logs import log_to_stderr
from digest.config import load
from digest.daemon.worker import run_worker
from digest.services.ports import Work
from pathlib import Path
log_to_stderr(Door(command="worker"))
sys.exit(run_worker(build(load(Path(sys.argv[1]), {})), roles=[Work(name) for name in sys.argv[2].split(",")],
                    rebuild=lambda: build(load(Path(sys.argv[1]), {})), pace=timedelta(seconds=1)))
"""


def write(folder: Path, url: str, **sections: object) -> Path:
    """The configuration as a file."""
    table = config(url, BERLIN, **sections)
    lines: list[str] = []
    for name, section in table.items():
        several = name in ("source", "digest", "smtp")
        lines.append(f"[[{name}]]" if several else f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in dict(section).items()]  # type: ignore[call-overload]
    path = folder / "config.toml"
    path.write_text("\n".join(lines), "utf-8")
    return path


@contextmanager
def worker(path: Path, roles: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as said:
        process = subprocess.Popen([sys.executable, "-c", WORKER, str(path), roles], stderr=said, cwd=path.parent)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def until(true: Callable[[], bool], *logs: Path) -> None:
    end = time.monotonic() + 40
    while not true():
        assert time.monotonic() < end, "".join(log.read_text("utf-8") for log in logs)
        time.sleep(0.05)


def test_workers_share_the_work_leave_as_they_should_and_one_that_is_killed_is_replaced(url: str, tmp_path: Path):
    # The slot of every weekday is due a moment after midnight, wherever the tests run.
    path = write(tmp_path, url)
    feed(tmp_path, range(1, 4))
    app = build(load(path, {}))
    now = app.clock()
    early = (now - timedelta(minutes=5)).strftime("%H:%M") if now.hour + now.minute > 10 else "00:00"
    path.write_text(path.read_text("utf-8").replace('"02:30"', f'"{early}"').replace(f'"{BERLIN}"', '"UTC"'), "utf-8")
    for number in range(30):
        app.subscribe.add(f"reader{number}@example.org", "daily")
    logs = [tmp_path / name for name in ("one.log", "two.log", "three.log")]
    everyone = {f"reader{number}@example.org": 1 for number in range(30)}

    def crew() -> list[set[str]]:
        with app.store.reading() as tx:
            return [set(one.roles) for one in workers.living(tx, app.clock())]

    with worker(path, "fetch,publish", logs[0]) as first, worker(path, "deliver,inbound", logs[1]) as second:
        until(lambda: mailed(tmp_path / "out") == everyone, *logs[:2])
        assert sorted(map(sorted, crew())) == [["deliver", "inbound"], ["fetch", "publish"]]
        assert app.fleet.look().troubles == ()
        second.kill()
        second.wait()
        for number in range(30, 40):
            app.subscribe.add(f"reader{number}@example.org", "daily")
        everyone |= {f"reader{number}@example.org": 1 for number in range(30, 40)}
        with worker(path, "deliver", logs[2]) as third:
            first.send_signal(signal.SIGHUP)
            until(lambda: mailed(tmp_path / "out") == everyone, *logs)
            until(lambda: "reloaded" in logs[0].read_text("utf-8"), *logs)
            for process in (first, third):
                process.send_signal(signal.SIGTERM)
            assert [process.wait(30) for process in (first, third)] == [0, 0], logs[0].read_text("utf-8")
    with app.store.reading() as tx:
        # Whoever was killed is missed until it is forgotten.
        assert [one.roles for one in (*workers.living(tx, app.clock()), *workers.lost(tx, app.clock()))] == [
            ("deliver", "inbound")
        ]
    assert "Traceback" not in "".join(log.read_text("utf-8") for log in logs)
    app.close()


def test_a_machine_with_another_secret_is_refused_while_others_work(url: str, tmp_path: Path):
    app = build(from_table(config(url, BERLIN), folder=tmp_path))
    app.crew.sign((Work.DELIVER,), app.clock())
    app.crew.enlist()
    (tmp_path / "secret").write_text("s" * 40, "utf-8")
    (tmp_path / "secret").chmod(0o600)
    web = {"enabled": False, "public_url": "https://digest.example.org", "secret_file": "secret"}
    other = build(from_table(config(url, BERLIN, web=web), folder=tmp_path))
    with pytest.raises(ConfigError, match="secret is another") as refused:
        other.crew.enlist()
    assert "same file" in refused.value.try_
    app.crew.leave()
    other.crew.enlist()
    for one in (app, other):
        one.close()


def test_one_at_a_time_reads_what_came_back(url: str, tmp_path: Path):
    app = build(from_table(config(url, BERLIN), folder=tmp_path))
    other = replace(app.crew, holder="another:1:1")
    with app.crew.alone("inbound") as first, other.alone("inbound") as second:
        assert (first, second) == (True, False)
    with other.alone("inbound") as second:
        assert second
    app.close()


def test_what_is_wrong_with_a_crew_is_named(store: Store, url: str, tmp_path: Path):
    app = build(from_table(config(url, BERLIN), folder=tmp_path))
    assert app.fleet.look().troubles == ()  # nobody: there is no fleet
    for holder, changes in {
        "one:1:1": {},
        "two:2:2": {"ahead": lambda: -301.0},
        "three:3:3": {"zones": "1999a"},
    }.items():
        replace(app.crew, holder=holder, **changes).sign((Work.FETCH, Work.DELIVER), app.clock())
    with store.transaction() as tx:
        tx.execute(workers.workers.update().where(workers.workers.c.holder == "one:1:1").values(version="0.0.1"))
        tx.execute(workers.workers.update().where(workers.workers.c.holder == "three:3:3").values(keys="strange"))
    told = [trouble.what for trouble in app.fleet.look().troubles]
    assert told[:2] == ["no worker does publish", "no worker does inbound"]
    assert any("versions: 0.0.1" in what for what in told)
    assert any("time zone databases: 1999a" in what for what in told)
    assert "the clock of two:2 is 301 s behind" in told
    assert "three:3 has another secret than this process" in told
    with store.transaction() as tx:
        tx.execute(workers.workers.update().values(seen_at=app.clock() - workers.SILENT))
    looked = app.fleet.look()
    assert (len(looked.living), len(looked.lost)) == (0, 3)
    app.close()


def test_machines_whose_clocks_differ_go_by_the_databases_clock(url: str, tmp_path: Path, monkeypatch):
    app = build(from_table(config(url, BERLIN), folder=tmp_path))
    monkeypatch.setattr("digest.app.clocks.system_clock", lambda: datetime.now(UTC) + timedelta(minutes=5))
    assert 299 < app.agree() < 301
    assert abs((app.clock() - datetime.now(UTC)).total_seconds()) < 5
    app.close()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--roles", "fetch,delver"), 'did you mean "deliver"'),
        (("--concurrency", "2", "--monitor", "127.0.0.1:0"), "one address"),
    ],
)
def test_a_wrong_word_is_refused_with_the_right_one(given: tuple[str, ...], says: str, url: str, tmp_path, capsys):
    assert run(["worker", "--config", str(write(tmp_path, url)), *given]) == 2
    assert says in capsys.readouterr().err


def test_a_sqlite_file_is_refused_with_what_to_do(tmp_path, capsys):
    path = write(tmp_path, f"sqlite:///{tmp_path / 'digest.db'}")
    assert run(["worker", "--config", str(path)]) == 2
    told = capsys.readouterr().err
    assert "SQLite" in told
    assert "digest db move" in told
    assert not (tmp_path / "digest.db").exists()


def refused(url: str, needed: int = 12) -> list[str]:
    store = open_store(url)
    try:
        return [str(error) for error in server.unfit(store, needed=needed)]
    finally:
        store.close()


def test_a_server_that_a_fleet_cannot_use_is_named(url: str, monkeypatch):
    assert refused(url) == []
    with psycopg.connect(url, autocommit=True) as admin:
        (name,) = admin.execute("SELECT current_database()").fetchone() or ("",)
        admin.execute("DROP ROLE IF EXISTS plain")
        admin.execute("CREATE ROLE plain LOGIN")
        admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        (told,) = refused(url.replace("postgres:", "plain:"))
        assert "may not create tables" in told
        assert "GRANT USAGE, CREATE" in told
        admin.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(sql.Identifier(name)))
        (told,) = refused(url)
        assert "read-only" in told
        monkeypatch.setattr("digest.storage.server.LEAST_VERSION", 99)
        assert "a fleet needs 99" in refused(url)[0]
        admin.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(sql.Identifier(name)))
        admin.execute("DROP ROLE plain")
    monkeypatch.undo()
    assert "in use" in refused(url, needed=10_000)[0]


def test_several_processes_of_one_command_end_together(url: str, tmp_path: Path):
    path = write(tmp_path, url)
    command = [sys.executable, "-m", "digest", "worker", "--config", str(path), "--roles", "inbound"]
    crew = subprocess.Popen([*command, "--concurrency", "2"], stderr=subprocess.DEVNULL)
    store = open_store(url)

    def holders() -> list[int]:
        with store.reading() as tx:
            return [int(one.holder.split(":")[1]) for one in workers.living(tx, datetime.now(UTC))]

    try:
        until(lambda: len(holders()) == 2)
        os.kill(holders()[0], signal.SIGKILL)
        assert crew.wait(30) == 1
        assert [one for one in holders() if _lives(one)] == []
    finally:
        crew.kill()
        store.close()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
