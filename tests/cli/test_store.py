"""`digest db`, `digest bounce` and `digest run`."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

from digest.app import build
from digest.config import load


def test_current_and_upgrade_tell_both_revisions(call, installed):
    Path("digest.db").unlink()
    empty = call("db", "current", "--json")
    assert (empty.code, empty.json["current"]) == (1, None)
    done = call("db", "upgrade", "--json")
    assert (done.code, done.json) == (0, {"before": None, "after": empty.json["head"], "parts": {}, "left": 0})
    assert call("db", "current").code == 0


def test_a_backup_refuses_to_send_until_it_is_released(call, read):
    assert call("db", "backup", "copy.db").code == 0
    assert stat.S_IMODE(Path("copy.db").stat().st_mode) == 0o600
    assert call("db", "backup", "copy.db").code == 1
    for left in Path().glob("digest.db*"):
        left.unlink()
    shutil.move("copy.db", "digest.db")
    assert call("send", "--json").json["error"]["what"]
    assert call("send").code == 1
    assert call("db", "restored", "--sent-until", "never").code == 2
    done = call("db", "restored", "--sent-until", "2026-03-03T06:00Z", "--json")
    assert (done.code, done.json["sent_until"]) == (0, "2026-03-03T06:00:00Z")
    assert call("send").code == 0


def test_prune_tells_what_went(call, read):
    assert call("db", "prune", "--json").json == {
        "deliveries": 0,
        "messages": 0,
        "bounces": 0,
        "rounds": 0,
        "requests": 0,
    }


def test_a_mail_that_asks_to_leave_is_obeyed(call, read, monkeypatch):
    app = build(load(Path("config.toml"), {}))
    (secret,) = (one.secret for one in app.subscribe.everybody())
    app.close()

    def piped(raw: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))

    piped(b"From: a@example.org\r\nSubject: lunch?\r\n\r\nhello\r\n")
    assert call("bounce", "--json").json == {
        "heard": "unrelated", "ended": 0, "suppressed": False, "address": "", "delivery_id": None,
    }  # fmt: skip
    piped(f"From: reader@example.org\r\nSubject: unsubscribe {secret}\r\n\r\n".encode())
    assert call("bounce", "--json").json == {
        "heard": "left", "ended": 1, "suppressed": False, "address": "reader@example.org", "delivery_id": None,
    }  # fmt: skip
    assert call("subscribers", "list", "--json").json["subscriptions"][0]["state"] == "unsubscribed"


def test_the_daemon_drains_and_ends_with_0(installed, tmp_path):
    # The clock is the real one: at any hour the slot of today is due.
    config = tmp_path / "config.toml"
    config.write_text(config.read_text("utf-8").replace('send_at = "07:00"', 'send_at = "00:00"'), encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if name != "DIGEST_NOW"}
    environ["DIGEST_WEB__ENABLED"] = "false"
    script = "import sys; from digest.cli import run; sys.exit(run(sys.argv[1:]))"
    daemon = subprocess.Popen(
        [sys.executable, "-c", script, "run", "--json"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert daemon.stderr is not None
    events = []
    for line in daemon.stderr:
        events.append(json.loads(line)["event"])
        if events[-1] == "published":
            daemon.send_signal(signal.SIGTERM)
    said, _ = daemon.communicate(timeout=30)
    assert (daemon.returncode, said, events[0], events[-1]) == (0, "", "started", "stopped")
    assert "fetched" in events


def test_the_daemon_refuses_a_clock_that_stands_still(call, installed):
    done = call("run", "--json")
    assert (done.code, done.json["error"]["where"]) == (2, "DIGEST_NOW")
