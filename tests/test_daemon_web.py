"""`digest web`: the pages in a process of their own, beside a daemon that has them off, on one database."""

from __future__ import annotations

import email
import email.policy
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path

import httpx2
import pytest

from tests.test_daemon import ROOT, feed, ledger, mailed, toml, with_readers

#: The daemon with a short minute.
DAEMON = """
import sys
from datetime import timedelta
from pathlib import Path
from digest.app import build
from digest.cli.door import Door
from digest.cli.logs import log_to_stderr
from digest.config import load
from digest.daemon.running import run

log_to_stderr(Door(command="run", json=True))
sys.exit(run(build(load(Path(sys.argv[1]), {})), pace=timedelta(seconds=0.2)))
"""
PAGES = "from digest.cli import main; main()"


class Process:
    """One of the two."""

    def __init__(self, path: Path, log: Path, *command: str, environ: dict[str, str] | None = None) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", *command],
            stdout=subprocess.DEVNULL,
            stderr=log.open("w"),
            cwd=ROOT,
            env={**os.environ, "DIGEST_CONFIG": str(path), **(environ or {})},
        )

    def events(self) -> list[dict[str, str]]:
        """What it has logged; every line must be a JSON object."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines(keepends=True) if line[-1:] == "\n"]

    def said(self, event: str) -> bool:
        return any(one["event"] == event for one in self.events())

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def pages(path: Path, environ: dict[str, str] | None = None) -> Iterator[Process]:
    with ended(Process(path, path.with_name("web.log"), PAGES, "--json", "web", environ=environ)) as process:
        process.wait_for(lambda: process.said("started"))
        yield process


@contextmanager
def ended(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.process.kill()
        process.process.wait()


def configured(path: Path, url: str, **changes: str) -> str:
    """Writes the configuration of both; gives the pages' address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rewrite(path, url, port, **changes)
    return f"http://127.0.0.1:{port}"


def rewrite(path: Path, url: str, port: int, **changes: str) -> None:
    text = toml(url, **{"extra": "join = true", **changes})
    place = f'bind = "127.0.0.1:{port}"\npublic_url = "http://127.0.0.1:{port}"'
    path.write_text(text.replace('public_url = "https://digest.example.org"', place))


def mails(folder: Path, address: str) -> list[EmailMessage]:
    raw = [path.read_bytes() for path in folder.glob("*.eml")]
    mine = [email.message_from_bytes(one, policy=email.policy.default) for one in raw]
    return sorted((one for one in mine if one["To"] == address), key=lambda mail: mail["Date"].datetime)


def link(mail: EmailMessage, page: str) -> str:
    return re.search(rf"http://\S+/{page}/\S+", mail.get_body(("plain",)).get_content())[0]


# SQLite is what two processes share with more trouble; each step by itself is shown on both.
@pytest.mark.parametrize("database", ["sqlite"])
def test_who_joins_at_the_pages_gets_his_mail_from_the_daemon_and_leaves_at_the_pages(url, tmp_path):
    path, out = tmp_path / "config.toml", tmp_path / "out"
    base = configured(path, url)
    feed(tmp_path, range(1, 4))
    app = with_readers(path, 3)
    daemon_log = tmp_path / "daemon.log"
    with pages(path) as web, ended(Process(path, daemon_log, DAEMON, str(path))) as daemon, httpx2.Client() as client:
        form = re.search(r'name="form" value="([^"]+)"', client.get(f"{base}/join/daily").text)[1]
        daemon.wait_for(lambda: mailed(out).total() == 3)
        time.sleep(2)  # a form that comes back sooner is a machine's
        assert client.post(f"{base}/join/daily", data={"email": "ada@example.org", "form": form}).status_code == 200
        daemon.wait_for(lambda: mailed(out)["ada@example.org"] == 1)
        (question,) = mails(out, "ada@example.org")
        assert client.post(link(question, "confirm")).status_code == 200
        daemon.wait_for(lambda: mailed(out)["ada@example.org"] == 2)
        welcome = next(one for one in mails(out, "ada@example.org") if "Welcome" in one["Subject"])
        leave = str(welcome["List-Unsubscribe"]).partition("<")[2].partition(">")[0]
        assert client.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        assert (web.stop(), daemon.stop()) == (0, 0)
        events = [*web.events(), *daemon.events()]
    assert [one.state.value for one in app.subscribe.show("ada@example.org")] == ["unsubscribed"]
    assert {row.state.value for row in ledger(app)} == {"accepted"}
    assert [event for event in events if event["level"] in ("error", "warning")] == []
    assert [event["web"] for event in events if event["event"] == "started"] == [base.removeprefix("http://"), "off"]
    app.close()


@pytest.mark.parametrize("database", ["sqlite"])
def test_alone_it_answers_does_no_job_and_reads_its_configuration_anew(url, tmp_path):
    path = tmp_path / "config.toml"
    base = configured(path, url, title="The First")
    port = int(base.rpartition(":")[2])
    feed(tmp_path, range(1, 4))
    app = with_readers(path, 1)
    environ = {"DIGEST_WEB__MONITOR": "127.0.0.1:0", "NOTIFY_SOCKET": f"@{tmp_path.name}{os.getpid()}"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + environ["NOTIFY_SOCKET"][1:])
        systemd.settimeout(20)
        with pages(path, environ) as web, httpx2.Client() as client:
            assert systemd.recv(100) == b"READY=1"
            (started,) = web.events()
            ready = client.get(f"http://{started['monitor']}/ready")
            assert (ready.status_code, ready.json()["problems"]) == (200, [])
            assert "digest_job_end" not in re.sub(
                "(?m)^#.*", "", client.get(f"http://{started['monitor']}/metrics").text
            )
            assert client.get(f"{base}/health").text == "ok\n"
            assert "The First" in client.get(f"{base}/join/daily").text
            for title, said in (("The Second", "reloaded"), ("", "not reloaded, the old configuration stays")):
                rewrite(path, url, port, title=title or 'x"\ncolour = "red')
                web.process.send_signal(signal.SIGHUP)
                web.wait_for(lambda said=said: web.said(said))
                assert "The Second" in client.get(f"{base}/join/daily").text
            assert web.stop() == 0
        heard = [b""]
        while heard[-1] != b"STOPPING=1":
            heard.append(systemd.recv(100))
        assert {b"RELOADING=1", b"READY=1"} <= set(heard)
    assert [event["event"] for event in web.events()][-2:] == ["stopping", "stopped"]
    assert (ledger(app), app.report.status().entries, mailed(tmp_path / "out").total()) == ([], 0, 0)
    app.close()


@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.parametrize(
    ("environ", "code", "said"),
    [({}, 1, "cannot listen there"), ({"DIGEST_NOW": "2026-05-04T07:30:00Z"}, 2, "unset it for digest web")],
)
def test_what_keeps_it_from_starting_is_told(url, tmp_path, environ, code, said):
    path = tmp_path / "config.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        rewrite(path, url, taken.getsockname()[1])
        ran = subprocess.run(
            [sys.executable, "-c", PAGES, "web"],
            env={**os.environ, "DIGEST_CONFIG": str(path), **environ},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr and "Traceback" not in ran.stderr
