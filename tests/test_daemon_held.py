"""Mails that wait because every relay is held: told once when it begins, once when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from digest.app import App, build
from digest.config import from_table
from digest.daemon.jobs import Daemon
from tests.acceptance.faulty import MODES, FaultyPeer
from tests.test_daemon import BERLIN, config, feed

PAGE = Path(__file__).parents[1] / "docs" / "operating-a-fleet.md"
BEGINS, ENDS = "no relay may take mails now, they wait", "mails wait for no relay any more"


class Desk:
    """A daemon with readers whose slot is due, and what it says of the relays."""

    def __init__(self, url: str, folder: Path, *smtp: dict[str, object]) -> None:
        self.now = datetime(2026, 5, 4, 0, 40, tzinfo=UTC)
        table = config(url, BERLIN, smtp=list(smtp))
        self.app: App = build(from_table(table, folder=folder), clock=lambda: self.now)
        self.daemon = Daemon(self.app)
        feed(folder, range(1, 4))
        for name in ("ada", "bea"):
            self.app.subscribe.add(f"{name}@example.org", "daily")
        self.daemon.look()

    def send(self, minutes: int = 1) -> list[tuple[str, Any]]:
        """What one more send says: (event, what it names)."""
        self.now += timedelta(minutes=minutes)
        with capture_logs() as said:
            self.daemon.send()
        told = (BEGINS, ENDS, "relay")
        return [(one["event"], one.get("relays") or one.get("problem")) for one in said if one["event"] in told]


@pytest.fixture
def closing() -> Iterator[list[App]]:
    apps: list[App] = []
    yield apps
    for app in apps:
        app.close()


def test_paused_ones_are_named_with_what_to_do(url, tmp_path, closing):
    folder = {"transport": "folder"}
    desk = Desk(url, tmp_path, {**folder, "path": "one"}, {**folder, "path": "two"})
    closing.append(desk.app)
    one, two = (row.place for row in desk.app.relays.listing())
    desk.app.relays.pause(one)
    desk.app.relays.pause(two)
    why = [f"{place}: paused, `digest relays resume {place}` gives it mails again" for place in (one, two)]
    assert [desk.send() for _ in range(3)] == [[(BEGINS, why)], [], []]
    desk.app.relays.resume(two)
    assert [desk.send() for _ in range(2)] == [[(ENDS, None)], []]
    desk.app.relays.pause(two)  # nothing waits any more
    assert desk.send() == []


def test_a_warm_up_plan_that_is_used_up_holds_them_until_the_next_day(url, tmp_path, closing):
    plan = {"first": 1, "growth": 1, "from": "2026-05-01"}
    desk = Desk(url, tmp_path, {"transport": "folder", "path": "one", "warm_up": plan})
    closing.append(desk.app)
    why = f"{tmp_path / 'one'}: used up until 2026-05-05 00:00 UTC, its warm-up plan lets no more mails go today"
    if not desk.app.store.is_sqlite:  # its own clock says what day it is
        why = why.replace("2026-05-05", f"{datetime.now(UTC).date() + timedelta(days=1)}")
    assert [desk.send() for _ in range(2)] == [[(BEGINS, [why])], []]


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_relay_that_asks_for_a_rest_is_told_with_its_end_and_not_each_minute(url, tmp_path, closing):
    def plan(point: str, count: int) -> str | None:
        return "slow down" if point == "rcpt" and count == 1 else None

    with FaultyPeer(features=MODES["in-turn"], plan=plan) as peer:
        smtp = {"host": "127.0.0.1", "port": peer.port, "security": "none", "connections": 1}
        desk = Desk(url, tmp_path, smtp)
        closing.append(desk.app)
        first = desk.send()
        assert [event for event, _ in first] == [BEGINS, "relay"]
        (why,) = first[0][1]
        (row,) = desk.app.relays.listing()
        assert why.startswith(f"127.0.0.1:{peer.port}: resting until {row.until:%Y-%m-%d %H:%M} UTC, the relay refuses")
        assert [desk.send() for _ in range(4)] == [[], [], [], []]
        desk.app.relays.resume(row.place)
        assert desk.send() == [(ENDS, None)]
        assert sorted(peer.log) == ["ada@example.org", "bea@example.org"]


@pytest.mark.parametrize("said", [BEGINS, ENDS, "stopping already, what is under way is finished", "ended at once"])
def test_the_page_explains_what_the_log_says(said):
    assert said in PAGE.read_text("utf-8").partition("\n## Troubles and remedies\n")[2]
