"""answers: what a server says, beside a document or instead of it, about the next request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest.sources.asking.answers import max_age, refusal, rest_after, retry_after

NOW = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"ratelimit": '"api";r=499;t=300', "ratelimit-policy": '"api";q=500;w=300'}, 0),
        ({"ratelimit": '"burst";r=0;t=5, "day";r=0;t=900, "hour";r=7;t=3000'}, 900),
        ({"ratelimit": '"api";r=0', "ratelimit-policy": '"api";q=10;w=60'}, 60),
        ({"ratelimit": "limit=10, remaining=0, reset=7"}, 7),
        ({"ratelimit": "limit=10, remaining=3, reset=7"}, 0),
        ({"x-ratelimit-remaining": "0.0", "x-ratelimit-reset": "411"}, 411),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) - 5)}, 0),
        ({"x-ratelimit-remaining": "0"}, 0),
        ({"retry-after": "Mon, 04 May 2026 06:02:00 GMT"}, 120),
        ({"ratelimit": "nonsense;;==", "x-ratelimit-reset": "soon", "x-ratelimit-remaining": "-"}, 0),
    ],
)
def test_a_budget_that_is_used_up_is_waited_for_and_no_other(headers, seconds):
    assert rest_after(headers, now=NOW) == seconds


def test_retry_after_goes_before_the_reset_of_a_budget():
    headers = {"retry-after": "5", "ratelimit": '"api";r=0;t=100'}
    assert retry_after(headers, now=NOW) == 5


def test_githubs_refusal_for_a_budget_that_is_used_up_is_no_refusal_of_us():
    spent = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) + 90)}
    error = refusal("https://api.github.com/x", 403, spent, now=NOW)
    assert (error.throttled, error.retry_after) == (True, 90)
    assert not refusal("https://api.github.com/x", 403, {"x-ratelimit-remaining": "9"}, now=NOW).throttled


def test_a_server_in_trouble_that_always_tells_its_budget_is_in_trouble():
    assert not refusal("https://h.example", 503, {"ratelimit": '"api";r=9;t=100'}, now=NOW).throttled


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ({"cache-control": "public, max-age=600"}, timedelta(minutes=10)),
        ({"cache-control": 'Max-Age="60"', "age": "20"}, timedelta(seconds=40)),
        ({"cache-control": "max-age=60", "age": "90"}, None),
        ({"cache-control": "max-age=0, must-revalidate"}, None),
        ({"cache-control": "s-maxage=60"}, None),
        ({}, None),
    ],
)
def test_how_long_an_answer_is_fresh(headers, age):
    assert max_age(headers) == age
