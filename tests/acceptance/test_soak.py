"""A few accelerated days of the daemon under load, with stops in the midst of a send: nothing lost, nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Its parts last until an hour of the accelerated clock, which waits for a machine that is busy, not for so many of the
#: machine's seconds: then the number of days does not depend on the machine.
BY_ITS_CLOCK = """
import sys, time
sys.path.insert(0, "benchmarks")
import soak

class ByItsClock(soak.Soak):
    lived = 0

    def live(self, until, **options):
        if "done" not in options:
            ends = soak.BEGIN + self.lived * soak.DAY
            self.lived += 1
            until, options = time.monotonic() + 120, {"done": lambda: self.clock() >= ends}
        super().live(until, **options)
        self.clock.runs(False)  # until the next part: no slot comes while something is stopped

soak.Soak = ByItsClock
soak.main()
"""


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_reader_gets_every_day_s_mail_once_though_the_daemon_is_stopped_in_its_midst(url):
    """It is stopped in the midst of the first day's send and of the second's."""
    options = ["--day-seconds", "4", "--readers", "12", "--rate", "5", "--url", url]
    command = [sys.executable, "-c", BY_ITS_CLOCK, *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert run.stdout, run.stderr
    told = json.loads(run.stdout)
    assert (told["wrong"], run.returncode) == ([], 0), run.stderr
    assert told["days"] >= 2 and told["mails"] >= 2 * 12 and len(told["drain_seconds"]) == 3
