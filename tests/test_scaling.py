"""How far it scales: the laws of the arithmetic, and that the page says what it gives (benchmarks/capacity.py)."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    import capacity
    import scaling
finally:
    sys.path.pop(0)

from capacity import Costs, Machine, Wish, Work  # noqa: E402

NOTHING = Work(worker_cpu=0.0, database_cpu=0.0, transactions=0.0, rows=0.0, log_bytes=0.0)
#: Round numbers, so that a test can be worked out by hand.
COSTS = Costs(
    mail=Work(worker_cpu=0.001, database_cpu=0.0005, transactions=0.5, rows=3.0, log_bytes=2_000.0),
    reader=NOTHING,
    profile=Work(worker_cpu=0.01, database_cpu=0.004, transactions=4.0, rows=16.0, log_bytes=20_000.0),
    feed=NOTHING,
    entry=NOTHING,
    beside_cpu=0.0005,
    round_trips=2.0,
    overhead=0.0,
    wire_bytes=20_000.0,
    entry_wire_bytes=0.0,
    subscriber_bytes=500.0,
    delivery_heap_bytes=700.0,
    delivery_index_bytes=300.0,
    message_bytes=10_000.0,
    edition_bytes=5_000.0,
    entry_bytes=0.0,
    connections={"deliver": 6.0, "publish": 7.0, "fetch": 5.0},
    worker_bytes={"deliver": 1e8, "publish": 2e8, "fetch": 1e8},
)
WISH = Wish(subscribers=3_600_000, profiles=1_000, window=3_600.0, relay_latency=0.1, connections=10)
#: All of a core may be used, so that nothing is divided by a share of it.
MACHINE = Machine(busy=1 - 1e-9)
ENDLESS = Machine(database_cores=10**9, connections=10**9, log=1e18, commits=1e12, disk=1e21, relay=1e12, busy=1 - 1e-9)


def test_mails_under_way_are_the_rate_times_the_time_each_is_in_hand():
    """Little's law: 1,000 a second, of which each waits for two answers of 100 ms."""
    need = capacity.needs(COSTS, WISH, MACHINE)
    assert need.rate == 1_000
    assert need.in_flight == pytest.approx(200)
    assert need.delivering == 20


def test_where_the_relay_is_near_processor_time_says_how_many_deliver():
    need = capacity.needs(COSTS, replace(WISH, relay_latency=0.0, subscribers=7_200_000), MACHINE)
    assert (need.rate, need.in_flight, need.delivering) == (2_000, 0, 3)  # 2.000000002 of them


def test_each_unit_is_times_its_number_and_over_the_window():
    need = capacity.needs(COSTS, WISH, MACHINE)
    assert need.database_cores == pytest.approx((3_600_000 * 0.0005 + 1_000 * 0.004) / 3_600)
    assert need.log == pytest.approx((3_600_000 * 2_000 + 1_000 * 20_000) / 3_600)
    assert need.commits == pytest.approx((3_600_000 * 0.5 + 1_000 * 4) / 3_600)
    assert need.network == pytest.approx(1_000 * 20_000)
    assert need.connections == 20 * 6 + 1 * 7 + 1 * 5
    assert need.worker_bytes == pytest.approx(20 * 1e8 + 2e8 + 1e8)


def test_the_disk_holds_what_is_kept_for_as_long_as_it_is_kept():
    wish = replace(WISH, deliveries_days=200, days=300, ages=1_000)
    need = capacity.needs(COSTS, wish, MACHINE)
    assert need.disk_a_day == 3_600_000 * 1_000 + 1_000 * 15_000
    assert need.disk_for_ever == 1_000 * 5_000
    kept = 200 * 3_600_000 * 1_000 + 300 * 1_000 * 10_000 + 1_000 * 1_000 * 5_000
    assert need.disk == 3_600_000 * 500 + kept
    young = capacity.needs(COSTS, replace(wish, ages=1), MACHINE)
    assert young.disk == 3_600_000 * 500 + need.disk_a_day


@pytest.mark.parametrize("more", [{"subscribers": 36_000_000}, {"profiles": 50_000}, {"window": 900.0}])
def test_more_in_the_same_time_or_the_same_in_less_needs_no_less_of_anything(more: dict[str, Any]):
    little, much = (capacity.needs(COSTS, wish, MACHINE) for wish in (WISH, replace(WISH, **more)))
    for resource in capacity.RESOURCES:
        assert resource.needed(much) >= resource.needed(little), resource.name
    assert (much.delivering, much.machines) >= (little.delivering, little.machines)


@pytest.mark.parametrize(
    ("short", "first", "until"),
    [
        ({"relay": 500.0}, "the relay", 500 * 3_600),
        ({"database_cores": 1}, "database cores", (3_600 - 1_000 * 0.004) / 0.0005),
        ({"log": 1e6}, "the server's log (WAL)", (1e6 * 3_600 - 1_000 * 20_000) / 2_000),
        ({"commits": 100.0}, "commits", (100 * 3_600 - 1_000 * 4) / 0.5),
        # 11 delivering processes of 6, and 12 for the others; each of them does 50 a second.
        ({"connections": 12 + 11 * 6}, "database connections", 11 * 50 * 3_600),
    ],
)
def test_what_there_is_too_little_of_breaks_first_and_at_the_number_that_follows_from_it(
    short: dict[str, Any], first: str, until: float
):
    order = capacity.in_order(COSTS, WISH, replace(ENDLESS, **short))
    most, resource = order[0]
    assert resource.name == first
    assert most == pytest.approx(until, rel=1e-4)
    enough, too_many = (replace(WISH, subscribers=number) for number in (most, most + 1))
    machine = replace(ENDLESS, **short)
    assert capacity.share(resource, COSTS, enough, machine) <= 1 < capacity.share(resource, COSTS, too_many, machine)


def test_a_slot_of_very_many_profiles_lacks_publishers_whatever_else_there_is():
    costly = replace(COSTS, reader=replace(NOTHING, worker_cpu=0.001))
    most, resource = capacity.in_order(costly, WISH, ENDLESS)[0]
    assert resource.name == "publishers of one slot"
    assert most == pytest.approx((capacity.MOST_PUBLISHERS * 3_600 - 1_000 * 0.01) / 0.001, rel=1e-4)


def test_digests_are_shared_out_among_databases_until_each_has_enough():
    machine = replace(ENDLESS, log=1e6)
    need = capacity.needs(COSTS, WISH, machine)
    assert capacity.databases(COSTS, WISH, machine) == math.ceil(need.log / 1e6) == 3
    assert capacity.databases(COSTS, WISH, ENDLESS) == 1
    assert capacity.databases(COSTS, WISH, replace(ENDLESS, relay=1.0)) == 1  # another database is no relay


def test_a_machine_delivers_what_its_connections_hold_until_its_cores_are_full():
    few = capacity.delivers(COSTS, workers=1, connections=10, relay_latency=0.1, cores=2)
    assert few == pytest.approx(10 / 0.2)
    many = capacity.delivers(COSTS, workers=8, connections=1_000, relay_latency=0.1, cores=2)
    assert many == pytest.approx(2 / 0.002)
    busy = replace(COSTS, overhead=0.01)
    rate = capacity.delivers(busy, workers=1, connections=100, relay_latency=0.1, cores=2)
    assert rate * capacity.hold(busy, 0.1, rate * 0.002 / 2) == pytest.approx(100)


def test_the_page_says_what_the_committed_costs_give():
    told = json.loads(scaling.UNITS.read_text("utf-8"))
    page = scaling.PAGE.read_text("utf-8")
    assert page == scaling.documented(page, told), "run `python benchmarks/scaling.py --document`"
    assert {f"<!-- {name} -->" for name in scaling.BLOCKS} <= set(page.splitlines())


def test_times_are_read_as_people_write_them():
    assert [scaling.seconds(text) for text in ("50ms", "30s", "10min", "2h")] == [0.05, 30.0, 600.0, 7_200.0]
