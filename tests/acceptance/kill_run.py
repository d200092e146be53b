"""The child of the kill test: sends what is planned, and kills itself at the instant that it is told.

No handler runs, no buffer is flushed: SIGKILL, in the midst of a transaction where the point says so.
``python -m tests.acceptance.kill_run URL PORT`` sends from a process of its own that has nothing imported yet.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event as Signal
from typing import Any, NoReturn

from digest.app.holders import dead_holders
from digest.delivery.exchange import Exchange
from digest.delivery.pool import Throttle
from digest.delivery.smtp import SmtpSession
from digest.delivery.wire import Wire
from digest.services.sending.deliver import Deliver
from digest.storage import sending
from digest.storage.base import Tx
from digest.storage.engine import Store, open_store
from digest.storage.lane import Lane
from tests.services.sending import Office, way
from tests.services.world import World

CONNECTIONS = 4
#: Where a run can be killed, in the order of a mail's life. A group is a transaction that settles some mails and lets
#: others pass.
POINTS = (
    "claim, not committed",
    "claim, committed",
    "gate, not committed",
    "gate, committed",
    "content half written",
    "content written",
    "answered",
    "group, not committed",
    "group, committed",
)
#: At these the dot of a mail may have gone whose end is not written down.
DOUBTFUL = POINTS[3:]
ON_THE_WIRE = POINTS[4:7]
#: These are passed when a run is told to stop, and at the beginning of the next one.
AROUND = ("unclaim, not committed", "unclaim, committed", "recover, not committed", "recover, committed")

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.acceptance.kill_run"])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a child sends. Without a ``point`` it lives on, else it dies at the ``number``-th time that it is passed."""

    url: str
    port: int
    resend: bool = False
    point: str = ""
    number: int = 1
    stop_at: int = 0
    """It is told to stop when so many tries have ended; 0: never."""
    lease: float = 600.0
    """Seconds."""
    epoch: float | None = None
    """Its clock goes since this instant (time.time); None: it stands still."""


def start(plan: Plan, ready: Signal | None = None) -> ForkServerProcess:
    """A sender in a process of its own, forked from a server that has everything imported.

    ``ready`` is set when its run begins.
    """
    process = _context.Process(target=live, args=(plan, ready), daemon=True)
    process.start()
    return process


def new_signal() -> Signal:
    return _context.Event()


def sender(store: Store, plan: Plan, **changes: object) -> Deliver:
    """A sender as the composition root makes it: named after this process, knowing which others are dead."""
    holder = f"{socket.gethostname()[:30]}:{os.getpid()}:{time.time_ns()}"
    world = World(store)
    epoch, began = plan.epoch, world.now
    fields: dict[str, object] = {
        "resend": plan.resend,
        "holder": holder,
        "dead": dead_holders,
        "lease": timedelta(seconds=plan.lease),
        "seconds": time.monotonic,
        "clock": (lambda: began) if epoch is None else lambda: began + timedelta(seconds=time.time() - epoch),
    }
    relay = way(plan.port, connections=CONNECTIONS, timeout=30.0, dot_timeout=30.0)
    return Office(store, world, throttle=Throttle(CONNECTIONS)).sender(relay, **fields | changes)


def live(plan: Plan, ready: Signal | None = None) -> None:
    """Sends, and dies where ``plan`` says."""
    passed = count(1)

    def due(name: str) -> bool:
        return name == plan.point and next(passed) == plan.number

    service = sender(_watched(open_store(plan.url), due), plan)
    _watch_wire(due)
    stop = threading.Event()

    def progress(ended: int) -> None:
        if plan.stop_at and ended >= plan.stop_at:
            stop.set()

    if ready is not None:
        ready.set()
    service.run(stop=stop, progress=progress)


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _watched(store: Store, due: Callable[[str], bool]) -> Store:
    """The store, which looks before and after each commit whether it is time to die."""
    done: set[str] = set()

    def before_commit() -> None:
        if any(due(f"{name}, not committed") for name in sorted(done)):
            die()

    def after_commit() -> None:
        if any(due(f"{name}, committed") for name in sorted(done)):
            die()

    def note(name: str, function: str, worth: Callable[[Any, Any], bool]) -> None:
        plain = getattr(sending, function)

        def noting(tx: Tx, *args: Any, **rest: Any) -> Any:
            result = plain(tx, *args, **rest)
            if worth(args, result):
                done.add(name)
            return result

        setattr(sending, function, noting)

    note("claim", "claim", lambda args, found: bool(found))
    note("gate", "gate_joined", lambda args, why: not why)
    note("settle", "settle", lambda args, kept: bool(kept))
    note("unclaim", "unclaim", lambda args, _: bool(args[0]))
    note("recover", "recover", lambda args, found: any(found))
    plain_group = Lane.group

    def group(lane: Lane, accepted: Any, ids: Any, **rest: Any) -> Any:
        done.clear()
        done.update(["settle"] * bool(accepted) + ["gate"] * bool(ids) + ["group"] * bool(accepted and ids))
        result = plain_group(lane, accepted, ids, **rest)
        after_commit()
        return result

    Lane.group = group  # type: ignore[method-assign]
    raw_connection = store.engine.raw_connection
    store.engine.raw_connection = lambda: _Raw(raw_connection(), before_commit)  # type: ignore[method-assign]

    class Watched(Store):
        @contextmanager
        def transaction(self) -> Generator[Tx]:
            done.clear()
            with super().transaction() as tx:
                yield tx
                before_commit()
            after_commit()

    return Watched(store.engine)


class _Raw:
    """A driver's connection, or a cursor of it, that says when it is about to commit."""

    def __init__(self, plain: Any, before_commit: Callable[[], None]) -> None:
        self._plain = plain
        self._before_commit = before_commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def cursor(self) -> _Raw:
        return _Raw(self._plain.cursor(), self._before_commit)

    def commit(self) -> None:
        self._before_commit()
        self._plain.commit()

    def execute(self, statement: str, *args: Any) -> Any:
        if statement == "COMMIT":
            self._before_commit()
        return self._plain.execute(statement, *args)


def _watch_wire(due: Callable[[str], bool]) -> None:
    go, poll, send = SmtpSession.go, Exchange.poll, Wire.send

    def going(session: SmtpSession, following: Any = None) -> Any:
        if due("content half written"):

            def half(wire: Wire, parts: Any) -> None:
                send(wire, [b"".join(parts)[:400]])
                die()

            Wire.send = half  # type: ignore[method-assign]
        refused = go(session, following)
        if due("content written"):
            die()
        return refused

    def polling(exchange: Exchange, seconds: float, gather: int = 0) -> Any:
        events = poll(exchange, seconds, gather)
        if any(event.outcome is not None for event in events) and due("answered"):
            die()
        return events

    SmtpSession.go, Exchange.poll = going, polling  # type: ignore[method-assign]


if __name__ == "__main__":
    sender(open_store(sys.argv[1]), Plan(url=sys.argv[1], port=int(sys.argv[2]))).run()
