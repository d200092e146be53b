"""A sender killed at any instant: the next run goes on, nothing is lost, nothing goes twice, doubts are named."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections import Counter

import pytest

from digest.delivery.catchall import CatchAll
from digest.model.mail import DeliveryState
from tests.acceptance.kill_run import CONNECTIONS, DOUBTFUL, POINTS, live, sender
from tests.services.sending import Office, message_id, office, reader

MAILS = 12


@pytest.fixture(scope="module")
def child():
    """Starts a sender in a process of its own; forked from a server that has everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.acceptance.kill_run"])

    def start(url, port, *, resend=False, point="", number=1):
        process = context.Process(target=live, args=(url, port, resend, point, number), daemon=True)
        process.start()
        return process

    return start


def arrived(relay: CatchAll) -> Counter[str]:
    return Counter(mail.recipient for mail in relay.messages)


def uncertain(desk: Office) -> set[str]:
    return {row.address for row in desk.rows() if row.state is DeliveryState.UNCERTAIN}


def killed(process) -> None:
    process.join(20)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("point", POINTS)
def test_killed_there_the_next_run_goes_on_and_holds_what_is_doubtful(store, url, child, point):
    desk = office(store, MAILS)
    with CatchAll() as relay:
        killed(child(url, relay.port, point=point, number=1 if point.startswith("claimed") else 5))
        before = arrived(relay)
        assert sender(store, relay.port, resend=False).run().problem is None
        after = arrived(relay)
    doubtful = uncertain(desk)
    assert max(after.values()) == 1
    assert after.keys() | doubtful == {reader(n) for n in range(MAILS)}
    assert before.keys() <= after.keys()
    assert len(doubtful) <= CONNECTIONS
    if point in DOUBTFUL:
        assert doubtful
    assert desk.states() == {"accepted": MAILS - len(doubtful), **({"uncertain": len(doubtful)} if doubtful else {})}
    assert {row.address for row in desk.rows() if row.state is DeliveryState.ACCEPTED} <= after.keys()


@pytest.mark.parametrize("point", DOUBTFUL)
def test_with_the_policy_resend_a_doubtful_mail_goes_again_as_it_was(store, url, child, point):
    desk = office(store, MAILS)
    with CatchAll() as relay:
        killed(child(url, relay.port, resend=True, point=point, number=5))
        sender(store, relay.port, resend=True).run()
        mails: dict[str, list[bytes]] = {}
        for mail in relay.messages:
            mails.setdefault(mail.recipient, []).append(mail.content)
    assert mails.keys() == {reader(n) for n in range(MAILS)}
    assert sum(len(copies) - 1 for copies in mails.values()) <= CONNECTIONS
    assert all(len(set(copies)) == 1 for copies in mails.values())
    assert len({message_id(copies[0]) for copies in mails.values()}) == MAILS
    assert desk.states() == {"accepted": MAILS}


def test_killed_at_random_instants_again_and_again(store, url, child):
    desk = office(store, 60)
    chance = random.Random(20260504)
    kills = 0
    with CatchAll() as relay:
        for _ in range(8):
            process = child(url, relay.port)
            sent, until = relay.count, time.monotonic() + 5
            while relay.count == sent and process.is_alive() and time.monotonic() < until:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.03))
            process.kill()
            process.join(20)
            kills += process.exitcode == -signal.SIGKILL
        sender(store, relay.port, resend=False).run()
        after = arrived(relay)
    doubtful = uncertain(desk)
    assert kills >= 2
    assert max(after.values()) == 1
    assert after.keys() | doubtful == {reader(n) for n in range(60)}
    assert len(doubtful) <= CONNECTIONS * kills
    assert sum(desk.states().values()) == desk.states()["accepted"] + len(doubtful) == 60
