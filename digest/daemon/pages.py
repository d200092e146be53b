"""`digest web`: the pages without the jobs, in a process of their own beside `digest run`.

Both meet in the database only. What a page asks for by mail, the daemon sends.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from digest.app import App
from digest.daemon.listeners import listen
from digest.daemon.memory import settle
from digest.daemon.standing import heeding, swapped
from digest.web.figures import Pulse

log = structlog.get_logger("digest")


def run_pages(app: App, *, rebuild: Callable[[], App]) -> int:
    """Answers until SIGTERM or SIGINT, ends what is being answered, and gives the exit code 0.

    ``[web] enabled`` says whether `digest run` answers, and nothing here. Raises DigestError when it cannot start.
    """
    settle()
    current = [app.ready()]

    def put(fresh: App) -> App:
        old, current[0] = current[0], fresh
        return old

    pulse = Pulse(started_at=app.clock(), jobs=())
    servers = listen(lambda: current[0], lambda: pulse, pages=True)
    log.info("started", database=app.store.where, **{name: server.where for name, server in servers.items()})
    with heeding() as heard:
        with ThreadPoolExecutor(1, "reload") as aside:
            heard.until_stopped(
                lambda: aside.submit(swapped, rebuild, put),
                is_well=lambda: all(server.is_alive for server in servers.values()),
            )
            heard.drain(dict)
        for server in servers.values():
            server.close()
        current[0].close()
    log.info("stopped")
    return 0
