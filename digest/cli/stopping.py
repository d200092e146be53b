"""Ctrl-C and SIGTERM as an event, seen at once whatever the main thread waits for."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

_HEARD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable(hurry: Callable[[], None] = lambda: None) -> Generator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that what is on the wire is finished; the second one insists.

    ``hurry`` is called then, in a thread, to end what waits for others.

    A system may give a signal to any thread, and the interpreter runs handlers in the main one alone, which sees
    nothing while it waits for a lock without end. The number is therefore read where the interpreter writes it at once.
    """
    stop = threading.Event()
    came = 0

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came += 1
        if came > 1:
            raise KeyboardInterrupt

    def listen() -> None:
        while heard := ear.recv(64):
            if not stop.is_set() and set(heard) & set(_HEARD):
                stop.set()
                hurry()

    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    listener = threading.Thread(target=listen, name="signals", daemon=True)
    before = {number: signal.signal(number, on_signal) for number in _HEARD}
    woken = signal.set_wakeup_fd(mouth.fileno())
    listener.start()
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        mouth.close()
        listener.join()
        ear.close()
