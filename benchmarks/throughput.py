"""What a mail costs in `digest send`, beside Postfix's load generator:
``python benchmarks/throughput.py [--rounds 7] [--few 5000] [--many 50000] [--database sqlite|postgresql]``.

Mails of 60 KB, each with its own stamps, into smtp-sink: the whole command with its ledger, its slot published before,
against ``smtp-source -d -s 16 -l 60000`` into a sink of the same kind. Both run with few and with many mails; the
difference is what a mail costs, the rest is start-up. In every run the ledger must say accepted, and the sink must have
counted, all mails. The sink's processor time is shown because on two cores it is the wall.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from prepared import PAPERS_60KB, PostgreSQL, Prepared, copied, postgresql, prepare, send
from processes import Cost, Run, in_turn, machine, marginal, postfix_sink, ratios, smtp_source, spread

OURS, THEIRS = "digest send", "smtp-source"


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--rounds", type=int, default=7)
    given.add_argument("--few", type=int, default=5_000)
    given.add_argument("--many", type=int, default=50_000)
    given.add_argument("--connections", type=int, default=192)
    given.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = given.parse_args()
    alone = machine()
    costs: dict[str, list[Cost]] = defaultdict(list)
    sinks: dict[str, list[float]] = defaultdict(list)
    servers: list[float] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        server = stack.enter_context(postgresql()) if options.database == "postgresql" else None
        ready = {
            mails: prepare(folder / f"with-{mails}", mails, items=PAPERS_60KB, server=server)
            for mails in (options.few, options.many)
        }
        size = ready[options.few].bytes_a_mail
        assert size >= 60_000, size
        for _, program in in_turn((OURS, THEIRS), options.rounds):
            runs: list[tuple[int, Run]] = []
            loads: list[float] = []
            behind: list[float] = []
            for mails, prepared in ready.items():
                one, load, ledger = measure(program, prepared, options.connections, folder, server)
                runs.append((mails, one))
                loads.append(load)
                behind.append(ledger)
            more = options.many - options.few
            costs[program].append(marginal(*runs))
            sinks[program].append((loads[1] - loads[0]) / more)
            if program == OURS and server is not None:
                servers.append((behind[1] - behind[0]) / more)
    print(json.dumps({**alone, **report(options, size, costs, sinks, servers)}, indent=1))


def measure(
    program: str, prepared: Prepared, connections: int, folder: Path, server: PostgreSQL | None
) -> tuple[Run, float, float]:
    """(the run, processor seconds of the sink, those of the database server) for as many mails as are prepared."""
    with copied(prepared, folder / "copy", server) as mine, postfix_sink(folder) as sink:
        before = server.cpu() if server else 0.0
        if program == OURS:
            one = send(mine, sink.port, connections=connections)
        else:
            one = smtp_source(sink.port, prepared.mails)
        behind = (server.cpu() if server else 0.0) - before
        assert sink.mails == prepared.mails, (program, sink.mails, prepared.mails)
    return one, sink.cpu, behind


def report(
    options: argparse.Namespace,
    size: int,
    costs: dict[str, list[Cost]],
    sinks: dict[str, list[float]],
    servers: list[float],
) -> dict[str, object]:
    ours, theirs = costs[OURS], costs[THEIRS]
    told: dict[str, object] = {
        "database": options.database,
        "rounds": options.rounds,
        "mails": [options.few, options.many],
        "bytes_a_mail": size,
        "rate_per_smtp_source": ratios([one.rate for one in ours], [one.rate for one in theirs]),
        "cpu_per_smtp_source": ratios([one.cpu for one in ours], [one.cpu for one in theirs]),
        "sink_cpu_per_the_other": ratios(sinks[OURS], sinks[THEIRS]),
    }
    for program in (OURS, THEIRS):
        told[program] = {
            "mails_a_second": spread([one.rate for one in costs[program]], 0),
            "cpu_microseconds_a_mail": spread([1e6 * one.cpu for one in costs[program]], 1),
            "start_up_seconds": spread([one.start for one in costs[program]]),
            "sink_cpu_microseconds_a_mail": spread([1e6 * one for one in sinks[program]], 1),
        }
    if servers:
        told["postgresql_cpu_microseconds_a_mail"] = spread([1e6 * one for one in servers], 1)
    return told


if __name__ == "__main__":
    main()
