"""A warm-up plan is arithmetic: so many mails a day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from digest.delivery.warmup import WarmUp

START = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("days", "allowed"), [(-3, 500), (0, 500), (1, 750), (2, 1125), (3, 1687), (5, 3796), (6, None), (4000, None)]
)
def test_each_day_has_so_many_times_more_until_there_is_no_limit(days, allowed):
    plan = WarmUp(first=500, growth=1.5, since=START, until=4_000)
    assert plan.allowed(START + timedelta(days=days)) == allowed


def test_without_growth_it_is_a_limit_a_day_for_good():
    plan = WarmUp(first=10, growth=1.0, since=START)
    assert {plan.allowed(START + timedelta(days=days)) for days in (0, 1, 100_000)} == {10}


def test_a_plan_without_an_end_ends_by_itself():
    assert WarmUp(first=1, growth=2.0, since=START).allowed(START + timedelta(days=100_000)) is None
