"""queues: one after the other within a queue, at once between queues; who waits holds no thread."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from digest.services.fetching.queues import Queues


def test_everything_is_done_once_and_nothing_of_one_queue_at_once():
    inside: Counter[str] = Counter()
    most: Counter[str] = Counter()
    done: list[str] = []
    lock = threading.Lock()

    def act(thing: str) -> None:
        with lock:
            inside[thing[0]] += 1
            most[thing[0]] = max(most[thing[0]], inside[thing[0]])
        time.sleep(0.005)
        with lock:
            inside[thing[0]] -= 1
            done.append(thing)

    things = [f"{queue}{number}" for number in range(5) for queue in "abcd"]
    Queues(things, act, key=lambda thing: thing[0], free_in=lambda thing: 0.0).run(8, "test")
    assert sorted(done) == sorted(things)
    assert set(most.values()) == {1}
    assert [thing for thing in done if thing[0] == "a"] == ["a0", "a1", "a2", "a3", "a4"]


def test_a_queue_that_has_to_wait_leaves_its_thread_to_the_others():
    done: list[str] = []
    things = ["slow 1", "slow 2", *(f"quick {n}" for n in range(20))]
    pauses = lambda thing: 0.3 if thing.startswith("slow") else 0.0  # noqa: E731
    started = time.monotonic()
    Queues(things, done.append, key=lambda thing: thing.split()[0], free_in=pauses).run(1, "test")
    assert done[0] == "slow 1" and done[-1] == "slow 2"
    assert 0.3 <= time.monotonic() - started < 2


def test_what_fails_is_raised_and_nothing_new_is_begun():
    done: list[int] = []

    def act(number: int) -> None:
        if number == 3:
            raise ValueError("three")
        done.append(number)

    with pytest.raises(ValueError, match="three"):
        Queues(range(10), act, key=lambda number: number, free_in=lambda number: 0.0).run(1, "test")
    assert done == [0, 1, 2]


def test_nothing_to_do_is_done_at_once():
    Queues([], print, key=lambda thing: thing, free_in=lambda thing: 0.0).run(8, "test")


def test_more_is_asked_for_when_few_queues_are_left_and_until_there_is_none():
    """Two queues of three are under way until more has come; then one is few, and there is nothing more."""
    parts = [["c1", "d1", "a3"], []]
    has_more = threading.Event()
    done: list[str] = []
    left_when_asked: list[int] = []

    def act(thing: str) -> None:
        if thing in ("a1", "b1"):
            has_more.wait(5)
        done.append(thing)

    def more() -> list[str]:
        left_when_asked.append(len(done))
        has_more.set()
        return parts.pop(0)

    things = ["a1", "b1", "a2"]
    Queues(things, act, key=lambda thing: thing[0], free_in=lambda thing: 0.0, more=more, few=3).run(4, "test")
    assert sorted(done) == ["a1", "a2", "a3", "b1", "c1", "d1"]
    assert left_when_asked[0] == 0 and len(left_when_asked) == 2
    assert [thing for thing in done if thing[0] == "a"] == ["a1", "a2", "a3"]


def test_enough_queues_ask_for_nothing_and_what_fails_in_asking_is_raised():
    done: list[int] = []

    def more() -> list[int]:
        raise ValueError(f"after {len(done)}")

    with pytest.raises(ValueError, match=r"after [34]"):
        Queues(range(4), done.append, key=lambda n: n, free_in=lambda n: 0.0, more=more, few=2).run(1, "test")
