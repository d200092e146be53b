"""How soon `digest --help` is there: ``python benchmarks/startup.py``.

Its wall time beside that of an interpreter that does nothing, the best of ten each, and what it imports from outside
the standard library.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

IMPORTS = """
import json, sys
sys.argv = ["digest", "--help"]
from digest.cli import main
try:
    main()
except SystemExit:
    pass
tops = {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted(tops - sys.stdlib_module_names - {"__main__"})), file=sys.stderr)
"""
HELP = "import sys; sys.argv = ['digest', '--help']; from digest.cli import main; main()"


def wall(code: str) -> float:
    """Seconds, the best of ten."""
    rounds: list[float] = []
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        rounds.append(time.perf_counter() - start)
    return min(rounds)


def main() -> None:
    loaded = subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True).stderr
    nothing, usage = wall("pass"), wall(HELP)
    print(
        json.dumps(
            {
                "help_seconds": round(usage, 3),
                "python_alone_seconds": round(nothing, 3),
                "help_per_python_alone": round(usage / nothing, 1),
                "imports": json.loads(loaded.strip().splitlines()[-1]),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
