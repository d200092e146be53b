"""What points at itself does not outlive its minute in a process that stays."""

from __future__ import annotations

import gc
import weakref

from digest.daemon import memory


class Knot:
    """Points at itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_a_send_put_out_of_sight_is_collected_by_the_minute(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    collector = memory.Collector()
    gc.disable()
    try:
        knot = weakref.ref(Knot())
        gc.freeze()
        gc.unfreeze()
        now[0] = 59.0
        collector.by_the_minute()
        assert knot() is not None
        now[0] = 60.0
        collector.by_the_minute()
        assert knot() is None
    finally:
        gc.enable()


def test_settling_changes_nothing_that_a_caller_could_see():
    memory.settle()
    assert bytearray(10_000_000).count(0) == 10_000_000
