"""politeness: one request at a time for each host, a pause between them; the clock and the sleep are the test's."""

from __future__ import annotations

import threading
import time

from digest.sources.asking.politeness import Turns


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_all_hosts_of_arxiv_share_one_pause_of_three_seconds_from_the_end_of_the_last_request():
    clock = Clock()
    turns = Turns(clock=lambda: clock.now, sleep=clock.sleep)
    for host in ("rss.arxiv.org", "export.arxiv.org", "arxiv.org", "EXPORT.arxiv.org."):
        with turns.turn(host):
            clock.now += 1.0
    assert clock.slept == [3.0, 3.0, 3.0]


def test_no_pause_is_made_when_enough_time_has_passed_and_none_for_other_hosts():
    clock = Clock()
    turns = Turns(clock=lambda: clock.now, sleep=clock.sleep)
    with turns.turn("arxiv.org"):
        pass
    clock.now += 3.0
    with turns.turn("arxiv.org"), turns.turn("notarxiv.org"):
        pass
    with turns.turn("notarxiv.org"):
        pass
    assert clock.slept == []


def test_the_pause_is_kept_after_a_request_that_failed():
    clock = Clock()
    turns = Turns(clock=lambda: clock.now, sleep=clock.sleep)
    try:
        with turns.turn("arxiv.org"):
            raise RuntimeError
    except RuntimeError:
        pass
    with turns.turn("arxiv.org"):
        pass
    assert clock.slept == [3.0]


def test_two_requests_to_one_host_never_overlap_but_those_to_two_hosts_do():
    turns = Turns({"shared.example": 0.0})
    inside, most = 0, {"same": 0, "other": 0}
    lock = threading.Lock()

    def visit(host: str, key: str) -> None:
        nonlocal inside
        with turns.turn(host):
            with lock:
                inside += 1
                most[key] = max(most[key], inside)
            time.sleep(0.05)
            with lock:
                inside -= 1

    for key, hosts in (("same", ["a.shared.example", "b.shared.example"]), ("other", ["x.example", "y.example"])):
        threads = [threading.Thread(target=visit, args=(host, key)) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == {"same": 1, "other": 2}
