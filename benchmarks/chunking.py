"""BDAT against DATA in `digest send`: ``python benchmarks/chunking.py [--rounds 7] [--few 5000] [--many 50000]``.

Mails of 60 KB into a sink of ours that offers CHUNKING and is no wall (sink.c), with ``[smtp] chunking`` on and off,
and smtp-source, which knows DATA only, into the same. What a mail costs is measured as in throughput.py. The sink
counts mails by the command they came with, so that a run in which nothing was chunked does not pass as one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

from prepared import PAPERS_60KB, Prepared, copied, prepare, send
from processes import Cost, Run, in_turn, machine, marginal, own_sink, ratios, smtp_source, spread

BDAT, DATA, THEIRS = "BDAT", "DATA", "smtp-source"


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--rounds", type=int, default=7)
    given.add_argument("--few", type=int, default=5_000)
    given.add_argument("--many", type=int, default=50_000)
    given.add_argument("--connections", type=int, default=64)
    options = given.parse_args()
    alone = machine()
    costs: dict[str, list[Cost]] = defaultdict(list)
    loads: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready = [prepare(folder / f"with-{n}", n, items=PAPERS_60KB) for n in (options.few, options.many)]
        for _, way in in_turn((BDAT, DATA, THEIRS), options.rounds):
            runs: list[tuple[int, Run]] = []
            load = 0.0
            for prepared in ready:
                one, load = measure(way, prepared, options.connections, folder)
                runs.append((prepared.mails, one))
            costs[way].append(marginal(*runs))
            loads[way].append(load)
    rates = {way: [one.rate for one in found] for way, found in costs.items()}
    cpu = {way: [one.cpu for one in found] for way, found in costs.items()}
    print(
        json.dumps(
            {
                **alone,
                "rounds": options.rounds,
                "mails": [options.few, options.many],
                "bytes_a_mail": ready[0].bytes_a_mail,
                "bdat_rate_per_data": ratios(rates[BDAT], rates[DATA]),
                "bdat_cpu_per_data": ratios(cpu[BDAT], cpu[DATA]),
                "rate_per_smtp_source": {way: ratios(rates[way], rates[THEIRS]) for way in (BDAT, DATA)},
                "cpu_per_smtp_source": {way: ratios(cpu[way], cpu[THEIRS]) for way in (BDAT, DATA)},
                "mails_a_second": {way: spread(found, 0) for way, found in rates.items()},
                "cpu_microseconds_a_mail": {way: spread([1e6 * one for one in found], 1) for way, found in cpu.items()},
                "sink_cpu_microseconds_a_mail": {way: spread(found, 1) for way, found in loads.items()},
            },
            indent=1,
        )
    )


def measure(way: str, prepared: Prepared, connections: int, folder: Path) -> tuple[Run, float]:
    """(the run, microseconds of the sink's processor a mail)."""
    with copied(prepared, folder / "copy") as mine, own_sink(folder) as sink:
        if way == THEIRS:
            one = smtp_source(sink.port, prepared.mails)
        else:
            one = send(mine, sink.port, connections=connections, chunking=way == BDAT)
        expected = (0, prepared.mails) if way == BDAT else (prepared.mails, 0)
        assert (sink.by_data, sink.by_bdat) == expected, (way, sink.by_data, sink.by_bdat)
    return one, 1e6 * sink.cpu / prepared.mails


if __name__ == "__main__":
    main()
