"""[[smtp]] weight and warm_up: from the file and from the environment, and what is refused."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from digest.config import from_table
from digest.model.errors import ConfigError

MAIL = {"mail": {"from": "digest@example.org"}}


def relays(folder, *smtp, **environ):
    return from_table({**MAIL, "smtp": list(smtp)}, folder=folder, environ=environ).relays


def test_without_them_relays_stand_in_order_and_without_a_plan(tmp_path):
    assert [(one.weight, one.warm_up) for one in relays(tmp_path, {}, {"host": "b"})] == [(0, None)] * 2


@pytest.mark.parametrize("day", [date(2026, 11, 22), "2026-11-22"])
def test_a_plan_begins_on_a_date_of_toml_or_a_text(tmp_path, day):
    (relay,) = relays(tmp_path, {"weight": 3, "warm_up": {"first": 500, "from": day, "until": 4000}})
    plan = relay.warm_up
    assert (relay.weight, plan.first, plan.growth, plan.since, plan.until) == (3, 500, 1.5, date(2026, 11, 22), 4000)


def test_a_plan_comes_from_the_environment_too(tmp_path):
    (relay,) = relays(tmp_path, {}, DIGEST_SMTP__WARM_UP='{"first": 5, "from": "2026-11-22"}')
    assert (relay.warm_up.first, relay.warm_up.since) == (5, date(2026, 11, 22))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"weight": -1}, "weight should be"),
        ({"weight": 1.5}, "weight should be"),
        ({"warm_up": {"first": 5}}, "warm_up.from is missing"),
        ({"warm_up": {"first": 0, "from": "2026-11-22"}}, "warm_up.first should be"),
        ({"warm_up": {"first": 5, "from": "tomorrow"}}, "warm_up.from should be a date"),
        ({"warm_up": {"first": 5, "from": datetime(2026, 11, 22, 8)}}, "warm_up.from should be a date"),
        ({"warm_up": {"first": 5, "from": "2026-11-22", "growth": 0.5}}, "warm_up.growth should be"),
        ({"warm_up": {"first": 5, "from": "2026-11-22", "grow": 2}}, "warm_up.grow is not known"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, wrong, told):
    with pytest.raises(ConfigError, match=told):
        relays(tmp_path, wrong)
