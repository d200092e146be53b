"""The laws of a fleet that is ill-treated can be broken: what benchmarks/chaos.py says of a gate that stands open."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    import chaos_people
finally:
    sys.path.pop(0)

ADA = "ada@example.net"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def row(number: int, **more: Any) -> Any:
    plain = {"leader_id": None, "kind": "edition", "address": ADA, "subscription_id": 7, "local_date": date(2026, 5, 5)}
    return SimpleNamespace(**{**plain, "id": number, "created_at": NOON + timedelta(days=1), **more})


def arrived(at: float, number: int) -> tuple[float, str, bytes]:
    return at, ADA, f"Message-ID: <m{number}@example.org>\r\n\r\nNews.\r\n".encode()


def of_barred(*rows: Any, at: float, subscription: int | None, passed: frozenset[int] = frozenset()) -> list[str]:
    barred = chaos_people.Barred(address=ADA, subscription=subscription, since=10.0, passed=passed)
    return chaos_people.of_barred([barred], [arrived(at, 1)], rows, {"m1": 1})


def test_a_mail_that_arrives_after_its_reader_had_left_is_told():
    assert of_barred(row(1), at=12.0, subscription=7) == [f"{ADA} got the mail 1 2.0 s after he had left"]


def test_a_mail_that_had_passed_the_gate_or_arrived_before_is_none_of_these():
    assert of_barred(row(1), at=12.0, subscription=7, passed=frozenset({1})) == []
    assert of_barred(row(1), at=9.0, subscription=7) == []


def test_who_left_one_digest_still_gets_another_and_what_he_asked_for():
    assert of_barred(row(1, subscription_id=8), at=12.0, subscription=7) == []
    assert of_barred(row(1, kind="confirmation"), at=12.0, subscription=7) == []


def test_a_mail_of_several_digests_is_of_each_of_them():
    rows = row(1, subscription_id=8), row(2, leader_id=1)
    assert of_barred(*rows, at=12.0, subscription=7) == [f"{ADA} got the mail 1 2.0 s after he had left"]


def test_an_address_that_is_suppressed_gets_nothing_of_any_kind():
    for one in (row(1), row(1, kind="confirmation", subscription_id=None)):
        assert of_barred(one, at=12.0, subscription=None) == [
            f"{ADA} got the mail 1 2.0 s after his address was suppressed"
        ]


def test_a_mail_of_a_paused_day_that_was_planned_long_after_the_pause_stood_is_told():
    pause = chaos_people.Paused(subscription=7, on=date(2026, 5, 5), until=date(2026, 5, 6), at=NOON)
    told = f"{ADA} was planned a mail of 2026-05-05, and had paused from 2026-05-05 to 2026-05-06"
    assert chaos_people.of_pauses([pause], [row(1)]) == [told]
    others = (
        row(2, local_date=date(2026, 5, 6)),
        row(3, subscription_id=8),
        row(4, created_at=NOON),
        row(5, kind="welcome"),
    )
    assert chaos_people.of_pauses([pause], others) == []
