"""What several workers of one command are told when their parent is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARENT = "import sys; from digest.daemon.crew import run_crew; sys.exit(run_crew(sys.argv[1:], 1))"
#: Writes down what it is told, and ends at a Ctrl-C only.
MEMBER = """
import signal, sys
signal.alarm(60)
said = open(sys.argv[1], "a", buffering=1)
told = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
signal.pthread_sigmask(signal.SIG_BLOCK, told)
print("ready", file=said)
while (number := signal.sigwait(told)) != signal.SIGINT:
    print(signal.Signals(number).name, file=said)
sys.exit(130)
"""


def test_a_stop_is_passed_on_each_time_and_a_ctrl_c_as_one_only_where_they_stop_already(tmp_path: Path):
    said = tmp_path / "said"
    crew = subprocess.Popen([sys.executable, "-c", PARENT, sys.executable, "-c", MEMBER, str(said)], cwd=ROOT)
    expected = ["ready"]

    def until_said() -> None:
        end = time.monotonic() + 30
        while not said.exists() or said.read_text("utf-8").split() != expected:
            assert time.monotonic() < end and crew.poll() is None, said.read_text("utf-8")
            time.sleep(0.02)

    try:
        until_said()
        for given, heard in (("SIGHUP", "SIGHUP"), ("SIGINT", "SIGTERM"), ("SIGTERM", "SIGTERM")):
            crew.send_signal(signal.Signals[given])
            expected.append(heard)
            until_said()
        crew.send_signal(signal.SIGINT)
        assert crew.wait(30) == 1, "one of them did not end as it should"
    finally:
        crew.kill()
