"""The child of the kill test: sends what is planned, and kills itself at the instant that it is told.

No handler runs, no buffer is flushed: SIGKILL, in the midst of a transaction where the point says so.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from itertools import count
from typing import Any, NoReturn

from digest.app import dead_holders
from digest.delivery.relay import Session
from digest.services.deliver import Deliver
from digest.storage import sending
from digest.storage.engine import Store, open_store
from tests.services.sending import Office, way
from tests.services.world import World

CONNECTIONS = 2
#: Where a run can be killed, in the order of a mail's life.
POINTS = (
    "claimed, not committed",
    "claimed",
    "content sent, before the gate",
    "gate passed, not committed",
    "gate committed, before the dot",
    "answered, before settling",
    "settled, not committed",
)
#: At these the dot may have gone, so the mail on the wire must be held as uncertain.
DOUBTFUL = POINTS[4:]


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def sender(store: Store, port: int, *, resend: bool) -> Deliver:
    """A sender as the composition root makes it: named after this process, knowing which others are dead."""
    holder = f"{socket.gethostname()[:30]}:{os.getpid()}:{time.time_ns()}"
    office = Office(store, World(store))
    return office.sender(
        way(port), connections=CONNECTIONS, resend=resend, holder=holder, dead=dead_holders, seconds=time.monotonic
    )


def live(url: str, port: int, resend: bool, point: str, number: int) -> None:
    """Sends, and dies at the ``number``-th time that ``point`` is passed; without a point it lives on."""
    passed = count(1)

    def at(name: str) -> None:
        if name == point and next(passed) == number:
            die()

    for name, function in (("claimed, not committed", "claim"), ("gate passed, not committed", "about_to_send")):
        setattr(sending, function, _then(getattr(sending, function), lambda name=name: at(name)))
    sending.settle = _then(sending.settle, lambda: at("settled, not committed"))
    service = sender(open_store(url), port, resend=resend)
    plain = service.connect[0]

    def connect() -> Session:
        at("claimed")
        session = plain()
        submit = session.submit

        def watched(envelope: Any, segments: Any, before_dot: Callable[[], bool]) -> Any:
            def gate() -> bool:
                at("content sent, before the gate")
                go = before_dot()
                at("gate committed, before the dot")
                return go

            outcome = submit(envelope, segments, gate)
            at("answered, before settling")
            return outcome

        session.submit = watched  # type: ignore[method-assign]
        return session

    object.__setattr__(service, "connect", (connect,))
    service.run()


def _then(function: Callable[..., Any], after: Callable[[], None]) -> Callable[..., Any]:
    def both(*args: Any, **rest: Any) -> Any:
        result = function(*args, **rest)
        after()
        return result

    return both
