"""How far a warm-up plan is: the day of the plan, what it allows today and what went, in `status` and `relays list`."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = '[smtp]\ntransport = "folder"\npath = "outbox"\n'


@pytest.fixture
def planned(read):
    """Gives the relay a plan whose third day it is."""

    def write(plan: str) -> None:
        config = Path("config.toml")
        config.write_text(config.read_text("utf-8").replace(FOLDER, f"{FOLDER}warm_up = {plan}\n"), "utf-8")

    return write


def warm(told) -> list[str]:
    return [line for line in told.out.splitlines() if "warm-up" in line]


def test_status_tells_of_each_plan_and_of_none_where_there_is_none(call, planned, tmp_path):
    assert (warm(call("status")), call("status", "--json").json["warm_up"]) == ([], [])
    planned("{ first = 1_000, growth = 2, from = 2026-03-01 }")
    assert call("send").code == 0
    outbox = str(tmp_path / "outbox")
    assert warm(call("status")) == [f"The warm-up plan of {outbox}: day 3, 1 of 4,000 today."]
    today = {"day": "2026-03-03", "allowed": 4000, "used": 1, "left": 3999}
    assert call("status", "--json").json["warm_up"] == [{"relay": outbox, "plan_day": 3, **today}]
    assert "day 3, 1 of 4,000 today" in call("relays", "list").out
    (relay,) = call("relays", "list", "--json").json["relays"]
    assert (relay["plan_day"], relay["warm_up"]) == (3, today)


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ("{ first = 500, growth = 2, from = 2026-03-04 }", [": 0 of 500 today."]),  # it begins tomorrow
        ("{ first = 500, growth = 1, from = 2026-03-01 }", [": 0 of 500 today."]),  # each of its days is alike
        ("{ first = 500, growth = 2, from = 2026-03-01, until = 2_000 }", []),  # it is over
    ],
)
def test_the_day_is_told_of_a_plan_that_grows_while_it_does(call, planned, plan, told):
    planned(plan)
    assert [line[line.rindex(":") :] for line in warm(call("status"))] == told
