"""What `digest preview` costs on a database of 10,000 papers: ``python benchmarks/preview.py [PAPERS]``.

Wall time, processor time and peak memory of the whole process, the best of three: with the papers spread over thirty
days, and, far beyond what sources bring, with all of them inside the digest's window of three days. The program's
modules are compiled, as those of an installed one are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sample import NOW, application, fill

PREVIEW = "import sys; sys.argv[0] = 'digest'; from digest.cli import main; main()"


def run(folder: Path) -> tuple[float, float, float, dict[str, int]]:
    """(seconds, processor seconds, megabytes at the peak, what was counted) of one preview."""
    arguments = ["preview", "--config", str(folder / "config.toml"), "--out", str(folder / "out"), "--json"]
    # The first of the rounds may have to compile: it writes what it compiled down for the others.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PREVIEW, *arguments, "--at", NOW.isoformat()]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables)
    assert process.stdout is not None
    told = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, told
    seconds = time.perf_counter() - start
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, json.loads(told)["counts"]


def measure(count: int, days: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        app = application(Path(name))
        fill(app, count, days=days)
        app.close()
        rounds = [run(Path(name)) for _ in range(3)]
    seconds, cpu, megabytes, counts = min(rounds, key=lambda one: one[0])
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_megabytes": round(megabytes),
        "candidates": counts["candidates"],
        "printed": counts["printed"],
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    found = {"papers": count, "spread_over_30_days": measure(count, 30), "all_in_the_window": measure(count, 2)}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
