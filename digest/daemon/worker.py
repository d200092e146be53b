"""`digest worker`: one process of a fleet beside a PostgreSQL. It does at a call what `digest run` does by the minute.

Fetching, publishing, delivering and reading what comes back go on beside each other, each one at a time in a process.
For more processors there are more processes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from digest.app import App
from digest.daemon.jobs import Daemon, guarded
from digest.daemon.memory import settle
from digest.daemon.standing import heeding
from digest.fleet.calls import Calls, quieten
from digest.fleet.tables import install
from digest.model.errors import DigestError
from digest.services.ports import Work

if TYPE_CHECKING:
    from digest.web.server import WebServer

log = structlog.get_logger("digest")

_MINUTE = timedelta(minutes=1)
#: What is under way is waited for. A farewell to a queue that cannot be reached is not, as it carries no truth.
_FAREWELL_SECONDS = 5.0
#: Between signs of life.
_SIGN_SECONDS = 10.0
#: What of the App a worker needs that does nothing but publish. There may be many on a machine, and all services
#: together take an eighth of such a one's memory.
_TO_PUBLISH = ("publish", "renderer", "crew")


def run_worker(
    app: App,
    *,
    roles: Sequence[Work] = tuple(Work),
    monitor: str = "",
    rebuild: Callable[[], App] | None = None,
    pace: timedelta = _MINUTE,
) -> int:
    """Works until SIGTERM or SIGINT, ends what is under way, and gives the exit code: 0, or 1 where it ended because it
    could not hear any more. Raises DigestError when it cannot start. Called or not, it looks every ``pace``.
    """
    settle()
    quieten()
    needs = _TO_PUBLISH if {*roles} == {Work.PUBLISH} and not monitor else ()
    app = replace(app, needs=needs)
    app.crew.enlist()
    install(app.store)
    fresh = None if rebuild is None else lambda: replace(rebuild(), needs=needs)
    daemon = Daemon(app.ready(), rebuild=fresh, names=tuple(roles))
    calls = _Calling(daemon, roles, pace)
    servers = _watched(daemon, calls, monitor) if monitor else {}
    signs = _Signs(daemon, tuple(roles))
    signs.give()
    log.info("started", database=app.store.where, roles=[role.value for role in roles], holder=app.parts.holder)

    def is_well() -> bool:
        return calls.is_alive() and all(server.is_alive for server in servers.values())

    reload = guarded("reload", daemon.reload, daemon)
    with heeding() as heard:
        signs.start()
        calls.start()
        with ThreadPoolExecutor(1, "reload") as aside:
            heard.until_stopped(lambda: aside.submit(reload), is_well=is_well)
            heard.drain(daemon.on_the_wire if Work.DELIVER in roles else dict)
            daemon.stop.set()
            daemon.app.hurry()
        calls.end()
        signs.end()
        for server in servers.values():
            server.close()
        daemon.app.close()
    log.info("stopped")
    return int(calls.has_failed)


class _Calling(threading.Thread):
    """Hears calls in a thread of its own; ``end`` waits for what is under way."""

    def __init__(self, daemon: Daemon, roles: Sequence[Work], pace: timedelta) -> None:
        super().__init__(name="calls", daemon=True)
        does = {
            Work.FETCH: partial(_fetch, daemon),
            Work.PUBLISH: daemon.publish_with_others,
            Work.DELIVER: daemon.send,
            Work.INBOUND: partial(_tidy, daemon),
        }
        self._under_way: set[object] = set()
        handlers = {role: self._counted(guarded(role.value, does[role], daemon)) for role in roles}
        self._calls = Calls(daemon.app.store, handlers)
        self._pace = pace
        self._loop = asyncio.new_event_loop()
        self._serving: asyncio.Task[None] | None = None
        self.has_failed = False

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._serving = self._loop.create_task(self._calls.serve(pace=self._pace))
        try:
            self._loop.run_until_complete(self._serving)
        except asyncio.CancelledError:
            pass
        except Exception:
            log.exception("calls", problem="a fault of ours; the process ends and is to be started again")
            self.has_failed = True
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            self._loop.close()

    def end(self) -> None:
        def cancel() -> None:
            if self._serving is not None:
                self._serving.cancel()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(cancel)
        idle = 0.0
        while self.is_alive() and idle < _FAREWELL_SECONDS:
            self.join(0.5)
            idle = 0.0 if self._under_way else idle + 0.5
        if self.is_alive():
            log.warning("the queue could not be told that this process ends; it will find out")

    def _counted(self, work: Callable[[], None]) -> Callable[[], None]:
        """So that we know whether something is under way."""

        def counted() -> None:
            turn = object()
            self._under_way.add(turn)
            try:
                work()
            finally:
                self._under_way.remove(turn)

        return counted


def _watched(daemon: Daemon, calls: _Calling, monitor: str) -> dict[str, WebServer]:
    """What monitoring asks, at that address. Raises DigestError when it is taken."""
    from digest.daemon.listeners import watch

    return watch(lambda: daemon.app, daemon.pulse, lambda: not calls.has_failed, monitor)


class _Signs(threading.Thread):
    """Gives signs of life by the seconds, and keeps to the clock that all share."""

    def __init__(self, daemon: Daemon, roles: tuple[Work, ...]) -> None:
        super().__init__(name="signs", daemon=True)
        self._daemon = daemon
        self._roles = roles
        self._started_at = daemon.app.clock()
        self._crew = daemon.app.crew
        self._over = threading.Event()

    def give(self) -> None:
        crew = self._daemon.app.crew
        if crew is not self._crew:  # after a reload we have another name
            self._crew.leave()
            self._crew = crew
        crew.sign(self._roles, self._started_at, self._daemon.refused)

    def run(self) -> None:
        while not self._over.wait(_SIGN_SECONDS):
            try:
                self.give()
            except DigestError as error:
                log.warning("no sign of life could be given", problem=str(error))

    def end(self) -> None:
        self._over.set()
        self.join()
        try:
            self._crew.leave()
        except DigestError as error:
            log.warning("the others are not told that this process ended", problem=str(error))


def _fetch(daemon: Daemon) -> None:
    """Fetches; a slot that came due meanwhile is published when that is done, so that the newest stands in it."""
    try:
        daemon.fetch()
    finally:
        with daemon.app.store.transaction() as tx:
            daemon.app.parts.wake(tx, Work.PUBLISH)
    daemon.ask()


def _tidy(daemon: Daemon) -> None:
    """One worker at a time: two would read the same mails of a mailbox."""
    with daemon.app.crew.alone("inbound") as alone:
        if alone:
            daemon.tidy()
