"""`digest send` over a line with a round trip of 10 ms, beside Postfix's load generator:
``python benchmarks/delay.py [--rounds 7] [--connections 64] [--few 2000] [--many 20000]``.

Mails of 60 KB into smtp-sink through a proxy of ours (proxy.c) that holds every byte for 5 ms in each direction and
limits nothing else; ``smtp-source -d -s 16 -l 60000`` goes through one of the same kind. As in throughput.py the cost
of a mail is the difference between few and many of them; smtp-source, being slow here, gets a fifth of both. What the
proxy itself lets through is measured once without delay, by smtp-source with as many sessions as we have connections.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

from prepared import PAPERS_60KB, Prepared, copied, prepare, send
from processes import Cost, Run, in_turn, machine, marginal, postfix_sink, proxy, ratios, smtp_source, spread

OURS, THEIRS = "digest send", "smtp-source"
EACH_WAY = 5.0


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--rounds", type=int, default=7)
    given.add_argument("--few", type=int, default=2_000)
    given.add_argument("--many", type=int, default=20_000)
    given.add_argument("--connections", type=int, default=64)
    options = given.parse_args()
    alone = machine()
    costs: dict[str, list[Cost]] = defaultdict(list)
    waits: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready = [prepare(folder / f"with-{n}", n, items=PAPERS_60KB) for n in (options.few, options.many)]
        for _, program in in_turn((OURS, THEIRS), options.rounds):
            runs: list[tuple[int, Run]] = []
            load = 0.0
            for prepared in ready:
                mails, one, load = measure(program, prepared, options.connections, folder)
                runs.append((mails, one))
            costs[program].append(marginal(*runs))
            if program == OURS:
                waits.append(load)
        passing = undelayed(options.many, options.connections, folder)
    ours, theirs = costs[OURS], costs[THEIRS]
    print(
        json.dumps(
            {
                **alone,
                "round_trip_milliseconds": 2 * EACH_WAY,
                "connections": options.connections,
                "rounds": options.rounds,
                "mails": [options.few, options.many],
                "bytes_a_mail": ready[0].bytes_a_mail,
                "rate_per_smtp_source": ratios([one.rate for one in ours], [one.rate for one in theirs]),
                "mails_a_second": {name: spread([one.rate for one in found], 0) for name, found in costs.items()},
                "proxy_cpu_microseconds_a_mail": spread(waits, 1),
                "proxy_without_delay_mails_a_second": round(passing),
            },
            indent=1,
        )
    )


def measure(program: str, prepared: Prepared, connections: int, folder: Path) -> tuple[int, Run, float]:
    """(mails, the run, microseconds of the proxy's processor a mail)."""
    mails = prepared.mails if program == OURS else prepared.mails // 5
    with copied(prepared, folder / "copy") as mine, postfix_sink(folder) as sink:
        with proxy(folder, sink.port, milliseconds=EACH_WAY) as between:
            if program == OURS:
                one = send(mine, between.port, connections=connections)
            else:
                one = smtp_source(between.port, mails)
        assert sink.mails == mails, (program, sink.mails, mails)
    return mails, one, 1e6 * between.cpu / mails


def undelayed(mails: int, sessions: int, folder: Path) -> float:
    """Mails a second through the proxy when it waits for nothing."""
    with postfix_sink(folder) as sink, proxy(folder, sink.port, milliseconds=0) as between:
        return mails / smtp_source(between.port, mails, sessions=sessions).seconds


if __name__ == "__main__":
    main()
