"""A sender killed at any instant: the next run goes on, nothing is lost, nothing goes twice, doubts are named.

``KILLS=200 pytest tests/acceptance/test_kill.py`` kills so often on each database; without it, a few times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.acceptance.kill_run import (
    AROUND,
    CONNECTIONS,
    DOUBTFUL,
    ON_THE_WIRE,
    POINTS,
    Plan,
    new_signal,
    sender,
    start,
)
from tests.acceptance.laws import again, check, crowd, held, joined
from tests.acceptance.taker import Taker
from tests.services.sending import office, reader, until

KILLS = int(os.environ.get("KILLS", "6"))
MAILS = 90
READERS = [reader(number) for number in range(MAILS)]


def killed(plan: Plan) -> None:
    process = start(plan)
    process.join(30)
    assert process.exitcode == -signal.SIGKILL


def time_of(point: str, usual: int) -> int:
    """At which passing a run of ``MAILS`` dies there: the ``usual`` one where each mail passes.

    It claims a few times only, and how often a group both settles and lets pass depends on how the answers fall: on a
    busy machine all may come at once, again and again.
    """
    return {"claim": 2, "group": 1}.get(point.partition(",")[0], usual)


def sent_on(store, plan: Plan) -> None:
    assert sender(store, plan).run().problem is None


@pytest.mark.parametrize(
    ("point", "chunking"), [(point, False) for point in POINTS] + [(point, True) for point in ON_THE_WIRE]
)
def test_killed_there_the_next_run_goes_on_and_holds_what_is_doubtful(store, url, point, chunking):
    office(store, MAILS)
    with Taker(chunking=chunking) as relay:
        plan = Plan(url=url, port=relay.port, point=point, number=time_of(point, 7))
        killed(plan)
        doubtful = held(store)
        sent_on(store, plan)
        uncertain, _ = check(store, relay, READERS, doubts=CONNECTIONS)
    assert uncertain == doubtful
    if point in DOUBTFUL:
        assert doubtful


@pytest.mark.parametrize("point", DOUBTFUL)
def test_with_the_policy_resend_a_doubtful_mail_goes_again_as_it_was(store, url, point):
    office(store, MAILS)
    with Taker(chunking=True) as relay:
        plan = Plan(url=url, port=relay.port, resend=True, point=point, number=time_of(point, 5))
        killed(plan)
        sent_on(store, plan)
        uncertain, _ = check(store, relay, READERS, doubts=CONNECTIONS, resend=True)
    assert uncertain


@pytest.mark.parametrize(
    "point", ["gate, not committed", "gate, committed", "content written", "settle, not committed"]
)
def test_a_joined_mail_is_held_or_sent_as_one(store, url, point):
    joined(store, 30)
    with Taker() as relay:
        plan = Plan(url=url, port=relay.port, point=point, number=3)
        killed(plan)
        sent_on(store, plan)
        check(store, relay, READERS[:30], doubts=CONNECTIONS)


@pytest.mark.parametrize("resend", [False, True], ids=["hold", "resend"])
@pytest.mark.parametrize("point", AROUND)
def test_killed_as_it_begins_or_ends(store, url, point, resend):
    office(store, MAILS)
    with Taker() as relay:
        if point.startswith("recover"):
            killed(Plan(url=url, port=relay.port, point="content written", number=5, resend=resend))
        plan = Plan(url=url, port=relay.port, point=point, stop_at=5, resend=resend)
        killed(plan)
        sent_on(store, plan)
        check(store, relay, READERS, doubts=CONNECTIONS, resend=resend)


def test_killed_at_random_instants_again_and_again(store, url, capsys):
    """Rounds of a few hundred mails, each killed until it is through: so kills hit claims, groups and ends alike."""
    readers = 300 if KILLS >= 100 else 150
    crowd(store, readers)
    everyone = [reader(number) for number in range(readers)]
    chance = random.Random(os.environ.get("SEED", "20260504"))
    kills = mails = unsure = twice = rounds = 0
    while kills < KILLS:
        rounds += 1
        resend, chunking = rounds % 2 == 0, rounds % 4 > 1
        again(store)
        of_round = 0
        with Taker(hesitates=0.02, chunking=chunking) as relay:
            plan = Plan(url=url, port=relay.port, resend=resend)
            while True:
                left = readers - len(relay.copies())
                ready = new_signal()
                process = start(plan, ready)
                assert ready.wait(60)
                time.sleep(chance.uniform(0, 0.3 + left * 0.01 / CONNECTIONS))  # connecting takes its time
                process.kill()
                process.join(30)
                assert held(store) <= CONNECTIONS
                if process.exitcode == 0:
                    break
                assert process.exitcode == -signal.SIGKILL
                of_round += 1
            sent_on(store, plan)
            found = check(store, relay, everyone, doubts=CONNECTIONS * of_round, resend=resend)
            mails += relay.count
        kills, unsure, twice = kills + of_round, unsure + found[0], twice + found[1]
    with capsys.disabled():
        print(f"\n{kills} kills in {rounds} rounds, {mails} mails, {unsure} uncertain, {twice} duplicates of these")


def test_a_new_process_sends_on_within_seconds(store, url, capsys):
    readers = 20_000 if KILLS >= 100 else 600
    crowd(store, readers)
    with Taker() as relay:
        plan = Plan(url=url, port=relay.port)
        first = start(plan)
        until(lambda: relay.count > readers // 2, seconds=120)
        first.kill()
        first.join(30)
        at, before = time.monotonic(), relay.count
        # From nothing: Python starts, and imports all of it.
        command = [sys.executable, "-m", "tests.acceptance.kill_run", url, str(relay.port)]
        assert subprocess.run(command, timeout=200).returncode == 0
        seconds = relay.taken[before][0] - at
        check(store, relay, [reader(number) for number in range(readers)], doubts=CONNECTIONS)
    with capsys.disabled():
        print(f"\n{readers} mails, killed at {before}; sent on after {seconds:.2f} s")
    assert seconds < 5 or os.getloadavg()[0] > (os.cpu_count() or 1)  # on a machine that is not busy otherwise
