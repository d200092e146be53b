"""The clock is set back or forward by an hour in the midst of sending: nothing goes twice, nothing is lost."""

from __future__ import annotations

import time

import pytest

from tests.acceptance.kill_run import CONNECTIONS
from tests.acceptance.laws import check, crowd
from tests.acceptance.taker import Taker
from tests.services.sending import reader, way

READERS = 120
EVERYONE = [reader(number) for number in range(READERS)]


@pytest.mark.parametrize("hours", [-1, 1])
def test_in_the_midst_of_a_run(store, hours):
    desk = crowd(store, READERS)

    def turn(number: int, recipient: str) -> None:
        if number == 60:
            desk.later(hours=hours)

    with Taker(hesitates=0.01, at_mail=turn) as relay:
        desk.send(relay.port, connections=CONNECTIONS, seconds=time.monotonic)
        desk.later(hours=1)  # what was to go before the clock was set back is due again
        desk.send(relay.port, connections=CONNECTIONS, seconds=time.monotonic)
        assert check(store, relay, EVERYONE, doubts=0) == (0, 0)
        assert relay.count == READERS


@pytest.mark.parametrize("hours", [-1, 1])
def test_while_another_sender_looks_for_lost_ones(store, hours):
    """By the clock that was set forward the first one's leases have lapsed, its mails' replies too."""
    desk = crowd(store, READERS)
    other = desk.sender(way(1), holder="host:2:2")

    def turn(number: int, recipient: str) -> None:
        if number in (60, 90):
            desk.later(hours=hours)
            other.recover()

    with Taker(hesitates=0.01, at_mail=turn) as relay:
        desk.send(relay.port, connections=CONNECTIONS, seconds=time.monotonic)
        for _ in range(2):
            desk.later(hours=2)
            desk.send(relay.port, connections=CONNECTIONS, seconds=time.monotonic)
        check(store, relay, EVERYONE, doubts=2 * CONNECTIONS if hours > 0 else 0)
