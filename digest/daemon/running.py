"""`digest run`: the jobs by the minute, the pages and what monitoring asks. APScheduler lives here only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler  # pyright: ignore[reportMissingTypeStubs]

from digest.app import App
from digest.daemon.jobs import JOBS, Daemon, guarded
from digest.daemon.listeners import listen
from digest.daemon.memory import settle
from digest.daemon.standing import heeding

log = structlog.get_logger("digest")

_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def run(app: App, *, rebuild: Callable[[], App] | None = None, pace: timedelta = _MINUTE) -> int:
    """Runs until SIGTERM or SIGINT, drains, and gives the exit code 0. Raises DigestError when it cannot start.

    What is due is looked up every ``pace`` of the machine's time; an App whose clock runs faster wants it shorter.
    """
    settle()
    daemon = Daemon(app.ready(), rebuild=rebuild)
    settings = app.config.web
    servers = listen(lambda: daemon.app, daemon.pulse, pages=settings.enabled)
    kick = threading.Lock()
    scheduler = _schedule(daemon, pace, kick)
    reload = guarded("reload", daemon.reload, daemon)
    with heeding() as heard:
        scheduler.start()  # pyright: ignore[reportUnknownMemberType]
        log.info(
            "started", database=app.store.where, **{"web": "off", **{name: one.where for name, one in servers.items()}}
        )
        # In a thread of its own, one after the other: one that waits for a long send does not swallow the next.
        with ThreadPoolExecutor(1, "reload") as aside:
            heard.until_stopped(
                lambda: aside.submit(reload), is_well=lambda: all(server.is_alive for server in servers.values())
            )
            heard.drain(daemon.on_the_wire)
            with kick:
                daemon.stop.set()
            daemon.app.hurry()
            scheduler.shutdown(wait=True)  # pyright: ignore[reportUnknownMemberType]
        for server in servers.values():
            server.close()
        daemon.app.close()
    log.info("stopped")
    return 0


def _schedule(daemon: Daemon, pace: timedelta, kick: threading.Lock) -> BackgroundScheduler:
    """``kick`` is held while a job speaks to the scheduler; none does once the daemon is told to stop, for the
    scheduler's own stop waits for its jobs and lets nobody speak meanwhile.
    """
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600}
    )

    def look() -> None:
        if not daemon.look():
            return
        with kick:
            if not daemon.stop.is_set():
                now = datetime.now(UTC)
                scheduler.modify_job("send", next_run_time=now)  # pyright: ignore[reportUnknownMemberType]

    now = datetime.now(UTC)
    # The turn that has just passed is made up at once, and all others come on the full minute, as slots do.
    first = now - (now - _EPOCH) % pace
    for name, job in zip(JOBS, (look, daemon.send, daemon.tidy, daemon.ask), strict=True):
        scheduler.add_job(  # pyright: ignore[reportUnknownMemberType]
            guarded(name, job, daemon), "interval", seconds=pace.total_seconds(), id=name, next_run_time=first
        )
    return scheduler
