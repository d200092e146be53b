"""The world around a fleet that is ill-treated: a fast clock with machines that disagree on it, a mail server that goes
away and comes back, workers that are killed, stopped and replaced.

Used by chaos.py. Everything listens on loopback or on a socket in a temporary folder.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import mmap
import multiprocessing
import os
import signal
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from accelerated import BEGIN

from digest.app import App, build, clocks
from digest.cli.door import Door
from digest.cli.logs import log_to_stderr
from digest.config import load
from digest.daemon import worker
from digest.model.errors import DigestError
from digest.services.publishing import cohorts
from digest.services.sending import dispatch
from digest.services.tending import crew
from digest.storage import workers
from tests.acceptance.taker import Taker

#: A minute of the workers' lasts a second.
SPEED = 60.0
#: A sender's leases, which are shortened as the days are; a cohort's is not and lasts five seconds.
LEASE, SENDING_LEASE = timedelta(minutes=6), timedelta(minutes=8)
#: So many seconds in the stocks, and every lease is lost.
PAST_LEASES = 10.0
#: What a worker that could not start gives, as while the database is away.
COULD_NOT_START = 75
_OFFSET = struct.Struct("dd")
_context = multiprocessing.get_context("forkserver")


class Fast:
    """The time of the workers: it goes faster than that of the machine, and leaps when nobody has anything to do.

    In a file that all processes map: (the machine's time at the beginning, seconds leapt over). The second alone
    changes, and is written at once.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        if new:
            path.write_bytes(_OFFSET.pack(time.time(), 0.0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _OFFSET.size)

    def at(self, real: float) -> datetime:
        began, leapt = _OFFSET.unpack_from(self._map)
        return BEGIN + timedelta(seconds=(real - began) * SPEED + leapt)

    def __call__(self) -> datetime:
        return self.at(time.time())

    def leap(self, until: datetime) -> None:
        """Nothing happens before that instant any more."""
        ahead = (until - self()).total_seconds()
        if ahead > 0:
            began, leapt = _OFFSET.unpack_from(self._map)
            _OFFSET.pack_into(self._map, 0, began, leapt + ahead)


class Sink(Taker):
    """A mail server that can go away in the midst of everything, and come back."""

    def __init__(self, hesitates: float) -> None:
        self.is_down = False
        self._talks: set[socket.socket] = set()
        super().__init__(hesitates=hesitates)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if not self.is_down:
            self._talks.add(request)
        return not self.is_down

    def shutdown_request(self, request: Any) -> None:
        self._talks.discard(request)
        super().shutdown_request(request)

    def fall(self) -> None:
        """Hangs up on everybody, and takes no call."""
        self.is_down = True
        for talk in list(self._talks):
            with suppress(OSError):
                talk.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a worker works."""

    config: Path
    clock: Path
    logs: Path
    skew: float
    """So many seconds its machine's clock is ahead."""
    cut: int
    """From so many readers on slots are cut into cohorts."""


@dataclass(kw_only=True)
class Hand:
    """A worker's process."""

    process: ForkServerProcess
    version: str
    leaves_since: float | None = None
    """When it was told to end."""
    is_killed: bool = False
    is_mourned: bool = False
    """That it ended was taken note of."""
    next_version: str | None = ""
    """Of whoever takes its place: empty is the usual one, None nobody."""

    @classmethod
    def start(cls, place: Place, version: str) -> Hand:
        """A process of its own, forked from a server that has everything imported."""
        process = _context.Process(target=serve, args=(place, version), daemon=True)
        process.start()
        return cls(process=process, version=version)

    @property
    def is_there(self) -> bool:
        return self.process.is_alive()

    @property
    def is_at_work(self) -> bool:
        """Whether it may be ill-treated: it is there, and was not told to end."""
        return self.is_there and self.leaves_since is None

    def send(self, number: int) -> None:
        assert self.process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.is_killed = True
        self.send(signal.SIGKILL)


def have_ready() -> None:
    """What this process has imported of ours the server of processes will have, too."""
    ours = [name for name in sys.modules if name.startswith(("digest.", "procrastinate"))]
    _context.set_forkserver_preload([*sorted(ours), __name__])


def tell_where() -> None:
    """Says on standard error where each thread and each task of this process stands."""
    faulthandler.dump_traceback()
    for thread in threading.enumerate():
        loop = getattr(thread, "_loop", None)
        for task in asyncio.all_tasks(loop) if loop is not None else ():
            task.print_stack(file=sys.stderr)


def serve(place: Place, version: str) -> None:
    """A worker's own process."""
    os.dup2(os.open(place.logs / f"{os.getpid()}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT), sys.stderr.fileno())
    signal.signal(signal.SIGUSR1, lambda *_: tell_where())
    log_to_stderr(Door(command="worker", json=True))
    fast = Fast(place.clock)
    shared = clocks.Agreed.__call__

    def agreed(self: clocks.Agreed) -> datetime:
        return fast.at(shared(self).timestamp())

    changes: list[tuple[Any, str, object]] = [
        (clocks, "system_clock", lambda: fast() + timedelta(seconds=place.skew)),
        (clocks.Agreed, "__call__", agreed),
        (crew, "__version__", version),
        (worker, "_SIGN_SECONDS", 0.4),
        (workers, "SILENT", timedelta(minutes=4)),
        (dispatch, "SENDING_LEASE", SENDING_LEASE),
        (dispatch, "_RENEW_SECONDS", 0.5),
        (cohorts, "_FEW", place.cut),
        (cohorts, "_OF_A_COHORT", max(1, place.cut // 2)),
    ]
    for module, name, value in changes:
        assert hasattr(module, name), name
        setattr(module, name, value)

    def rebuild() -> App:
        return build(load(place.config, {}))

    try:
        sys.exit(worker.run_worker(rebuild(), rebuild=rebuild, pace=timedelta(seconds=1)))
    except DigestError as error:
        print(json.dumps({"level": "warning", "event": "could not start", "problem": str(error)}), file=sys.stderr)
        sys.exit(COULD_NOT_START)
