"""turns: a few documents are parsed at once, none while much waits to be written, and nobody waits for ever."""

from __future__ import annotations

import threading

from digest.services.fetching.turns import Turns


def taking(turns: Turns, size: int = 1) -> tuple[threading.Thread, threading.Event, threading.Event]:
    """A thread that wants a turn; (it, when it has its turn, what ends it)."""
    has, leave = threading.Event(), threading.Event()

    def act() -> None:
        with turns.turn(size):
            has.set()
            leave.wait(30)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread, has, leave


def test_a_few_at_once_and_the_next_when_one_has_done():
    turns = Turns(at_once=2, unwritten=10, crowd=1000)
    some = [taking(turns) for _ in range(2)]
    assert all(has.wait(30) for _, has, _ in some)
    thread, has, leave = taking(turns)
    assert not has.wait(0.05)
    some[0][2].set()
    assert has.wait(30)
    for one, _, end in (*some, (thread, has, leave)):
        end.set()
        one.join(30)


def test_nobody_parses_while_much_waits_to_be_written():
    turns = Turns(at_once=4, unwritten=10, crowd=1000)
    turns.read(10)  # as many as may wait
    with turns.turn(1):
        turns.read(5)
    thread, has, leave = taking(turns)
    assert not has.wait(0.05)
    turns.written(10)
    assert has.wait(30)
    leave.set()
    thread.join(30)


def test_where_nothing_is_written_any_more_nobody_waits_for_it():
    turns = Turns(at_once=4, unwritten=10, crowd=1000)
    turns.read(99)
    some = [taking(turns) for _ in range(5)]
    turns.end()
    assert all(has.wait(30) for _, has, _ in some)
    for thread, _, leave in some:
        leave.set()
        thread.join(30)


def test_there_is_a_crowd_once_many_bytes_have_waited():
    turns = Turns(at_once=1, unwritten=10, crowd=100)
    with turns.turn(99) as is_crowded:
        assert not is_crowded
    with turns.turn(100) as is_crowded:
        assert is_crowded
    with turns.turn(1) as is_crowded:
        assert is_crowded  # it lasts: the processes are there now
