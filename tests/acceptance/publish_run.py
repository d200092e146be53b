"""The child of the test of many publishers: takes cohorts until none is free, and may be killed or stopped there."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event as Signal

from digest.app.holders import dead_holders
from digest.model.editions import Digest, Edition
from digest.model.mail import Message
from digest.services.publishing.publish import Publish
from digest.storage.engine import Store, open_store
from tests.acceptance import kill_run
from tests.services.world import World, print_edition

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([kill_run.__name__, "tests.acceptance.publish_run"])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a child publishes: so many seconds an edition, and by a clock that is ahead."""

    url: str
    slowly: float = 0.0
    ahead: float = 0.0


def start(plan: Plan, printing: Signal | None = None) -> ForkServerProcess:
    """A publisher in a process of its own; ``printing`` is set when it has begun to print."""
    process = _context.Process(target=live, args=(plan, printing), daemon=True)
    process.start()
    return process


def new_signal() -> Signal:
    return _context.Event()


def publisher(store: Store, plan: Plan, printing: Signal | None = None) -> tuple[Publish, World]:
    """As the composition root makes it: named after this process, knowing which others are dead."""
    world = World(store)
    world.now += timedelta(seconds=plan.ahead)
    holder = f"{socket.gethostname()[:30]}:{os.getpid()}:{time.time_ns()}"

    def slow(some: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
        if printing is not None:
            printing.set()
        time.sleep(plan.slowly)
        return print_edition(some, digests)

    return replace(world.publish, holder=holder, dead=dead_holders, print_edition=slow), world


def live(plan: Plan, printing: Signal | None = None) -> None:
    publish, world = publisher(open_store(plan.url), plan, printing)
    publish.work(world.now, threading.Event())
