"""Ctrl-C and SIGTERM as an event, seen at once whatever the main thread waits for."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from digest.daemon.signals import listening

_HEARD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable(hurry: Callable[[], None] = lambda: None) -> Generator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that what is on the wire is finished; the second one insists.

    ``hurry`` is called then, in a thread, to end what waits for others.

    A system may give a signal to any thread, and the interpreter runs handlers in the main one alone, which sees
    nothing while it waits for a lock without end.
    """
    stop = threading.Event()
    came = 0

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came += 1
        if came > 1:
            raise KeyboardInterrupt

    def listen() -> None:
        with ear:
            while heard := ear.recv(64):
                if not stop.is_set() and set(heard) & set(_HEARD):
                    stop.set()
                    hurry()

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    try:
        with listening(_HEARD, on_signal) as ear:
            listener.start()
            yield stop
    finally:
        listener.join()
