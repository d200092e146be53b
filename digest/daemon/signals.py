"""Signals as bytes that are read, seen at once whatever the main thread waits for."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import FrameType


def _only_heard(_number: int, _frame: FrameType | None) -> None:
    """Without a handler of Python's no number would be written."""


@contextmanager
def listening(
    numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None] = _only_heard
) -> Generator[socket.socket]:
    """An ear where the numbers of these signals arrive, each as a byte; whoever holds it closes it.

    Written at once by the interpreter: an Event set in a handler may be seen only when its wait times out, and not at
    all while the main thread waits for a lock. At the end the handlers of before are back, and the ear hears the end.
    """
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    before = {number: signal.signal(number, handler) for number in numbers}
    woken = signal.set_wakeup_fd(mouth.fileno())
    try:
        yield ear
    finally:
        signal.set_wakeup_fd(woken)
        for number, held in before.items():
            signal.signal(number, held)
        mouth.close()
