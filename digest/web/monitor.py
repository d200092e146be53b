"""What monitoring asks: is the process alive, is it ready, and its figures in Prometheus' text format.

Served at an address of its own (`[web] monitor`), never beside readers' pages: how many readers a digest has is for its
operator. The figures are worked out at most every ``FRESH_SECONDS``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from digest import __version__
from digest.app import App
from digest.model.errors import DigestError
from digest.services.status.fleet import FleetStatus
from digest.services.status.report import Status
from digest.web.figures import STILL, Figures, Pulse

FRESH_SECONDS = 10.0


class Monitor:
    """Answers over the App in force. ``pulse`` is the daemon's; it is no longer alive when ``is_well`` says so."""

    def __init__(
        self, current: Callable[[], App], pulse: Callable[[], Pulse], is_well: Callable[[], bool] = lambda: True
    ) -> None:
        self._is_well = is_well
        self._current = current
        self._pulse = pulse
        self._lock = threading.Lock()
        self._held: tuple[float, Status, FleetStatus] | None = None
        self._registry = CollectorRegistry()
        self._registry.register(Figures(self.figures))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/health", self._health, methods=["GET"]),
                Route("/ready", self._ready, methods=["GET"]),
                Route("/metrics", self._metrics, methods=["GET"]),
            ]
        )

    def problems(self) -> tuple[str, ...]:
        """Why the daemon is not ready; empty when it is."""
        return tuple(self._wrong())

    def figures(self) -> tuple[Status, FleetStatus, Pulse]:
        """(the status, the fleet's, both not older than FRESH_SECONDS; the pulse). Raises DigestError when the store
        cannot be read.
        """
        with self._lock:
            now = time.monotonic()
            if self._held is None or now - self._held[0] > FRESH_SECONDS:
                app = self._current()
                self._held = now, app.report.status(), app.fleet.look()
            return self._held[1], self._held[2], self._pulse()

    def _wrong(self) -> Iterator[str]:
        try:
            status, _, pulse = self.figures()
        except DigestError as error:
            yield f"the database cannot be read: {error.what}"
            return
        if status.restored:
            yield "the database was restored from a backup; say so with: digest db restored"
        for job in pulse.standing_still(self._current().clock()):
            yield f"the job {job.name} has not come to an end for {int(STILL.total_seconds() // 60)} minutes"

    async def _health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n") if self._is_well() else PlainTextResponse("stuck\n", status_code=503)

    async def _ready(self, _request: Request) -> Response:
        problems = await run_in_threadpool(self.problems)
        told = {"ready": not problems, "problems": list(problems), "version": __version__}
        return JSONResponse(told, status_code=503 if problems else 200)

    async def _metrics(self, _request: Request) -> Response:
        try:
            text = await run_in_threadpool(generate_latest, self._registry)
        except DigestError as error:
            return PlainTextResponse(f"the database cannot be read: {error.what}\n", status_code=503)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
