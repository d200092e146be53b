"""The rooms of the web as one application: their routes, the headers of every answer, and the pages for troubles."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from digest.app import App
from digest.model.errors import DigestError
from digest.web import api, archive, desk, health, reading, webhooks
from digest.web.figures import Pulse
from digest.web.forms import TooLarge
from digest.web.headers import Headers
from digest.web.pages import Site
from digest.web.readers import choosing, confirming, data, feedback, joining, leaving

#: A room is a module with ``routes(site)``; the first route that fits a path answers.
_ROOMS = (leaving, choosing, data, feedback, joining, confirming, reading, archive, desk, api, webhooks, health)


def routes(site: Site) -> list[Route]:
    """Of all rooms."""
    return [route for room in _ROOMS for route in room.routes(site)]


def application(current: Callable[[], App], pulse: Callable[[], Pulse | None] = lambda: None) -> ASGIApp:
    """All pages, over one App. ``current`` gives the App in force, ``pulse`` the daemon's, where they run in it."""
    site = Site(current, pulse)
    troubles = _Troubles(site)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        yield
        for finish in site.at_end:
            await run_in_threadpool(finish)

    app = Starlette(
        routes=routes(site),
        lifespan=lifespan,
        exception_handlers={
            404: troubles.not_found,
            405: troubles.not_found,
            TooLarge: troubles.too_large,
            ClientDisconnect: troubles.gone,
            DigestError: troubles.ours,
            Exception: troubles.ours,
        },
    )
    app.router.redirect_slashes = False  # one-click must never meet a redirect
    # Around all, so that the answer to a fault of ours has them, too.
    return Headers(app, lambda: current().config.sender.public_url)


@dataclass(frozen=True, slots=True)
class _Troubles:
    site: Site

    async def not_found(self, _request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return await self.site.message("There is nothing here", "Check the address.", status=status)

    async def too_large(self, _request: Request, _error: Exception) -> Response:
        return await self.site.message("That was too much", "The form is too large.", status=413)

    async def gone(self, _request: Request, _error: Exception) -> Response:
        """Who went away amidst a form reads no answer, and is no fault of ours to log."""
        return Response(status_code=400)

    async def ours(self, _request: Request, _error: Exception) -> Response:
        return await self.site.message(
            "Something went wrong",
            "It was our fault, and nothing was changed.",
            "Please try again in a few minutes.",
            status=503,
        )
