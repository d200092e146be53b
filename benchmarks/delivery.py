"""What sending costs: ``python benchmarks/delivery.py [MAILS]``.

Real SMTP over loopback to a catch-all in another process. Memory after the first thousand mails and after the last,
mails a second, and this process's processor time a mail. Every mail passes the whole ledger: leased, the dot announced,
settled.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from sample import NOW, application, fill, resident_megabytes, subscribe

from digest.model.mail import Delivery

CATCH = """
import sys
from digest.delivery.catchall import CatchAll
with CatchAll(keep=False) as server:
    print(server.port, flush=True)
    sys.stdin.readline()
    print(server.count, flush=True)
"""


def main() -> None:
    mails = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    catcher = subprocess.Popen([sys.executable, "-c", CATCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert catcher.stdin is not None and catcher.stdout is not None
    smtp = f'host = "127.0.0.1"\nport = {int(catcher.stdout.readline())}\nsecurity = "none"'
    memory: dict[int, float] = {}

    def watch(_delivery: Delivery, _state: str) -> None:
        done = memory.setdefault(0, 0.0) + 1
        memory[0] = done
        if done in (100, 1_000, mails):
            memory[int(done)] = resident_megabytes()

    with tempfile.TemporaryDirectory() as name:
        joined = application(Path(name), smtp=smtp, at=NOW - timedelta(days=1))
        subscribe(joined, mails)
        joined.close()
        app = application(Path(name), smtp=smtp)
        fill(app, 300, days=2)
        start = time.perf_counter()
        app.publish.run(NOW)
        publishing = time.perf_counter() - start
        start, cpu = time.perf_counter(), time.process_time()
        sent = app.deliver.run(progress=watch)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        assert sent.problem is None, sent.problem
        counts = app.report.status().deliveries
        app.close()
    catcher.stdin.write("\n")
    catcher.stdin.flush()
    received = int(catcher.stdout.readline())
    catcher.wait()
    memory.pop(0)
    print(
        json.dumps(
            {
                "planned": counts["planned"],
                "accepted": counts["accepted"],
                "received": received,
                "publish_seconds": round(publishing, 1),
                "mails_a_second": round(mails / seconds),
                "cpu_milliseconds_a_mail": round(1000 * cpu / mails, 2),
                "resident_megabytes_after": {str(n): round(value, 1) for n, value in sorted(memory.items())},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
