"""What 1, 10 and 100 million subscribers need, and what breaks first: ``python benchmarks/scaling.py``.

``--subscribers 10_000_000 --profiles 100_000 --feeds 5_000 --window 2h --relay-latency 50ms`` asks for one case, and
``--machine database_cores=64,connections=500`` says what there is; all have defaults. It reckons by capacity.py from
the unit costs in unit_costs.json, which ``--measure`` measures and writes (some ten minutes; nobody else should work on
the machine), with what workers then deliver on this machine at several sizes; ``--check`` asks that alone again.
``--document`` writes all of it into the marked blocks of docs/scaling.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import capacity
from capacity import Costs, Machine, Need, Wish

HERE = Path(__file__).parent
UNITS = HERE / "unit_costs.json"
PAGE = HERE.parent / "docs/scaling.md"
SIZES = (1_000_000, 10_000_000, 100_000_000)
#: (workers, connections of each, mails) of the runs that are compared with what is reckoned.
RUNS = ((1, 4, 2_000), (2, 4, 4_000), (2, 8, 4_000), (4, 4, 4_000))
_LATENCIES = (0.010, 0.050)


def main() -> None:
    options = _arguments()
    if options.measure:
        import unit_costs

        _write(unit_costs.measured(mails=options.mails, rounds=options.rounds))
    if options.measure or options.check:
        told = {**_held(), "checked": checked(options.rounds)}
        _write(told)
        print(of_checks(told))
    if options.document:
        PAGE.write_text(documented(PAGE.read_text("utf-8"), _held()), "utf-8")
    if options.measure or options.check or options.document:
        return
    costs = Costs.read(_held())
    wish = Wish(
        subscribers=options.subscribers,
        profiles=options.profiles,
        feeds=options.feeds,
        window=options.window,
        relay_latency=options.relay_latency,
        connections=options.connections,
    )
    print(json.dumps(answer(costs, wish, options.machine), indent=1))


def answer(costs: Costs, wish: Wish, machine: Machine) -> dict[str, Any]:
    """One case in full."""
    need = capacity.needs(costs, wish, machine)
    order = capacity.in_order(costs, wish, machine)
    return {
        "wish": asdict(wish),
        "machine": asdict(machine),
        "needs": {**asdict(need), "publishers": need.publishers, "workers": need.workers},
        "databases": capacity.databases(costs, wish, machine),
        "lasts_until_subscribers": {one.name: most for most, one in order},
        "breaks_first": order[0][1].name,
        "remedy": order[0][1].remedy,
    }


def checked(rounds: int) -> list[dict[str, float]]:
    """What workers delivered on this machine, in the median of some rounds."""
    import statistics

    import fleet
    from prepared import PAPERS_20KB, postgresql, prepare

    told: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name, postgresql() as server:
        folder = Path(name)
        for mails in sorted({mails for _, _, mails in RUNS}):
            ready = prepare(folder / str(mails), mails, items=PAPERS_20KB, profiles=50, server=server)
            for workers, connections, _ in [run for run in RUNS if run[2] == mails]:
                rates = [
                    fleet.measure(ready, server, folder, workers, connections)["mails_a_second"] for _ in range(rounds)
                ]
                told.append(
                    {"workers": workers, "connections": connections, "mails": mails, "rate": statistics.median(rates)}
                )
    return told


# The page


def documented(page: str, told: Mapping[str, Any]) -> str:
    """The page with its marked blocks filled anew. Raises SystemExit for a block that nobody can fill."""

    def fill(found: re.Match[str]) -> str:
        if found[1] not in BLOCKS:
            raise SystemExit(f"{PAGE.name} has a block {found[1]!r}; known are {', '.join(BLOCKS)}")
        return f"<!-- {found[1]} -->\n{BLOCKS[found[1]](told)}\n<!-- end -->"

    return re.sub(r"<!-- (?!end)([a-z ]+) -->\n.*?<!-- end -->", fill, page, flags=re.DOTALL)


def of_measurement(told: Mapping[str, Any]) -> str:
    how = told["measured"]
    return (
        f"Measured on {how['at']} with Python {how['python']} and PostgreSQL {how['postgresql']} on {how['cores']} "
        f"cores, load before {how['load_before']}; {how['mails']:,} mails a run, the median of {how['rounds']}."
    )


def of_units(told: Mapping[str, Any]) -> str:
    costs = Costs.read(told)
    named = {
        "a mail sent": costs.mail,
        "a reader planned": costs.reader,
        "a profile composed": costs.profile,
        "a feed polled, unchanged": costs.feed,
        "a new entry": costs.entry,
    }
    head = ["", "worker's processor", "database's processor", "transactions", "rows written", "log (WAL)"]
    rows = [
        [name, *map(_time, (one.worker_cpu, one.database_cpu)), *map(_short, (one.transactions, one.rows))]
        for name, one in named.items()
    ]
    return _table(head, [[*row, _bytes(one.log_bytes)] for row, one in zip(rows, named.values(), strict=True)])


def of_bytes(told: Mapping[str, Any]) -> str:
    costs = Costs.read(told)
    rows = [
        ["a subscriber with one subscription", _bytes(costs.subscriber_bytes)],
        [
            "a delivery, after it was sent",
            f"{_bytes(costs.delivery_heap_bytes)}, and {_bytes(costs.delivery_index_bytes)} of indexes",
        ],
        ["an edition", _bytes(costs.edition_bytes)],
        ["its mail, encoded", _bytes(costs.message_bytes)],
        ["an entry", _bytes(costs.entry_bytes)],
        ["a mail on the wire", _bytes(costs.wire_bytes)],
        ["an entry on the wire", _bytes(costs.entry_wire_bytes)],
        ["database connections of a worker", _roles(costs.connections, lambda value: f"{value:.0f}")],
        ["memory of a worker", _roles(costs.worker_bytes, _bytes)],
        ["answers of the relay that a mail waits for", _short(costs.round_trips)],
        ["a connection has a mail in hand besides", _time(costs.overhead)],
    ]
    return _table(["what", "is"], rows)


def of_needs(told: Mapping[str, Any]) -> str:
    costs, machine = Costs.read(told), Machine()
    cases = [Wish(subscribers=size, relay_latency=latency) for size in SIZES for latency in _LATENCIES]
    needs = [capacity.needs(costs, case, machine) for case in cases]
    head = ["subscribers, relay's latency"] + [f"{_many(one.subscribers)}, {_time(one.relay_latency)}" for one in cases]
    lines: Sequence[tuple[str, Callable[[Need], str]]] = (
        ("mails a second", lambda need: f"{need.rate:,.0f}"),
        ("mails under way at once", lambda need: f"{need.in_flight:,.0f}"),
        ("workers: delivering", lambda need: f"{need.delivering:,}"),
        ("publishing", lambda need: f"{need.publishers:,}"),
        ("fetching", lambda need: f"{need.fetching:,}"),
        (f"machines of {machine.cores} cores for them", lambda need: f"{need.machines:,}"),
        ("their memory", lambda need: _bytes(need.worker_bytes)),
        ("publishing takes them", lambda need: _time(need.publish_seconds)),
        ("database cores", lambda need: f"{need.database_cores:,.1f}"),
        ("database connections", lambda need: f"{need.connections:,.0f}"),
        ("commits a second", lambda need: f"{need.commits:,.0f}"),
        ("log (WAL) a second", lambda need: _bytes(need.log)),
        ("disk a day", lambda need: _bytes(need.disk_a_day)),
        ("of it for ever", lambda need: _bytes(need.disk_for_ever)),
        (f"disk after {cases[0].ages:,} days", lambda need: _bytes(need.disk)),
        ("to the relay a second", lambda need: _bytes(need.network)),
    )
    rows = [[name, *map(said, needs)] for name, said in lines]
    short = [
        [one.name for one in capacity.RESOURCES if capacity.share(one, costs, case, machine) > 1] for case in cases
    ]
    rows.append(["**of what is below there is too little**", *(", ".join(some) or "nothing" for some in short)])
    shared = [capacity.databases(costs, case, machine) for case in cases]
    return _table(head, [*rows, ["database servers that suffice", *map(str, shared)]])


def of_breaking(told: Mapping[str, Any]) -> str:
    costs, machine, wish = Costs.read(told), Machine(), Wish(subscribers=1)
    rows = [
        [resource.name, _limit(resource, machine), _many(most), resource.remedy]
        for most, resource in capacity.in_order(costs, wish, machine)
    ]
    return _table(["what", "there is", "is enough until", "then"], rows)


def of_assumptions(told: Mapping[str, Any]) -> str:
    del told
    wish, machine = Wish(subscribers=1), Machine()
    deliveries = max(wish.deliveries_days, capacity.LEAST_DELIVERIES)
    return (
        f"{wish.profiles:,} distinct profiles, {wish.feeds:,} feeds that are polled {wish.polls_a_day:.0f} times a day "
        f"and have {wish.entries_a_day:.0f} new entries in it, one mail a reader within {_time(wish.window)}, "
        f"{wish.connections} connections of a delivering process, deliveries kept for {deliveries:.0f} days, encoded "
        f"mails for {wish.days}; nothing busier than {machine.busy:.0%}."
    )


def of_checks(told: Mapping[str, Any]) -> str:
    costs, cores = Costs.read(told), told["measured"]["cores"]
    rows: list[list[str]] = []
    errors: list[float] = []
    for run in told["checked"]:
        reckoned = predicted(costs, run, cores)
        errors.append(reckoned / run["rate"] - 1)
        shape = [f"{run['workers']} × {run['connections']}", f"{run['mails']:,}"]
        rows.append([*shape, f"{reckoned:,.0f}", f"{run['rate']:,.0f}", f"{errors[-1]:+.0%}"])
    head = ["workers × connections", "mails", "reckoned a second", "measured a second", "error"]
    return f"{_table(head, rows)}\n\nThe worst error is {max(map(abs, errors)):.0%}."


def predicted(costs: Costs, run: Mapping[str, Any], cores: int) -> float:
    return capacity.delivers(
        costs, workers=run["workers"], connections=run["connections"], relay_latency=_LATENCIES[0], cores=cores
    )


BLOCKS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "measured": of_measurement,
    "units": of_units,
    "bytes": of_bytes,
    "assumptions": of_assumptions,
    "needs": of_needs,
    "breaking": of_breaking,
    "checks": of_checks,
}


def _limit(resource: capacity.Resource, machine: Machine) -> str:
    value = resource.there_is(machine)
    return (_bytes(value) if value >= 1e6 else f"{value:,.0f}") + resource.unit


def _roles(values: Mapping[str, float], said: Callable[[float], str]) -> str:
    return ", ".join(f"{role} {said(value)}" for role, value in values.items())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def _many(number: int) -> str:
    if number >= 10 * max(SIZES) ** 1.5:
        return "no end"
    if number >= 1e9:
        return f"{number / 1e9:,.3g} billion"
    return f"{number / 1e6:,.3g} million" if number >= 1e6 else f"{number:,}"


def _time(seconds: float) -> str:
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g} B"


# The command


def _arguments() -> argparse.Namespace:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--subscribers", type=int, default=10_000_000)
    given.add_argument("--profiles", type=int, default=Wish(subscribers=1).profiles)
    given.add_argument("--feeds", type=int, default=Wish(subscribers=1).feeds)
    given.add_argument("--window", type=seconds, default=Wish(subscribers=1).window)
    given.add_argument("--relay-latency", type=seconds, default=Wish(subscribers=1).relay_latency)
    given.add_argument("--connections", type=int, default=Wish(subscribers=1).connections)
    given.add_argument("--machine", type=a_machine, default=Machine(), help="name=value,…")
    given.add_argument("--measure", action="store_true")
    given.add_argument("--check", action="store_true")
    given.add_argument("--document", action="store_true")
    given.add_argument("--mails", type=int, default=4_000, help="of a run that measures")
    given.add_argument("--rounds", type=int, default=3)
    return given.parse_args()


def seconds(text: str) -> float:
    """``50ms``, ``30s``, ``10min`` or ``2h``."""
    found = re.fullmatch(r"([\d.]+)(ms|s|min|h)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 50ms, 30s, 10min or 2h")
    return float(found[1]) * {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}[found[2]]


def a_machine(text: str) -> Machine:
    known = {one.name for one in fields(Machine)}
    pairs = [pair.partition("=") for pair in text.split(",")]
    if wrong := [name for name, _, _ in pairs if name not in known]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is nothing of a machine; known are {', '.join(sorted(known))}")
    return replace(Machine(), **{name: float(value) for name, _, value in pairs})


def _held() -> dict[str, Any]:
    return json.loads(UNITS.read_text("utf-8"))


def _write(told: Mapping[str, Any]) -> None:
    rounded = json.loads(json.dumps(told), parse_float=lambda text: float(f"{float(text):.4g}"))
    UNITS.write_text(json.dumps(rounded, indent=1) + "\n", "utf-8")
    print(f"written to {UNITS.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
