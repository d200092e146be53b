"""A few accelerated days of the daemon under load, with stops in the midst of a send: nothing lost, nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_reader_gets_every_day_s_mail_once_though_the_daemon_is_stopped_in_its_midst(url):
    command = ["benchmarks/soak.py", "--minutes", "0.1", "--day-seconds", "2", "--readers", "12", "--url", url]
    run = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300)
    told = json.loads(run.stdout) if run.stdout else run.stderr
    assert (told["wrong"], run.returncode) == ([], 0), run.stderr
    assert told["days"] >= 2 and told["mails"] >= 2 * 12 and len(told["drain_seconds"]) == 3
