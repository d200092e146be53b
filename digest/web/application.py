"""The rooms of the web as one application: their routes, the headers of every answer, and the pages for troubles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest.app import App
from digest.model.errors import DigestError
from digest.web import archive, health, reading, webhooks
from digest.web.forms import TooLarge
from digest.web.pages import Site
from digest.web.readers import choosing, confirming, feedback, joining, leaving

#: A room is a module with ``routes(site)``; the first route that fits a path answers.
_ROOMS = (leaving, choosing, feedback, joining, confirming, reading, archive, webhooks, health)
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex"),
)


def application(current: Callable[[], App]) -> ASGIApp:
    """All pages, over one App. ``current`` gives the App in force."""
    site = Site(current)
    troubles = _Troubles(site)
    app = Starlette(
        routes=[route for room in _ROOMS for route in room.routes(site)],
        exception_handlers={
            404: troubles.not_found,
            405: troubles.not_found,
            TooLarge: troubles.too_large,
            DigestError: troubles.ours,
            Exception: troubles.ours,
        },
    )
    app.router.redirect_slashes = False  # one-click must never meet a redirect
    return _Headers(app)  # around all, so that the answer to a fault of ours has them too


class _Headers:
    """Puts the strict headers on every answer, but for those that a room has set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", []))
                names = {name.lower() for name, _ in own}
                message["headers"] = [*own, *(one for one in _HEADERS if one[0] not in names)]
            await send(message)

        await self.app(scope, receive, with_headers)


@dataclass(frozen=True, slots=True)
class _Troubles:
    site: Site

    async def not_found(self, _request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return await self.site.message("There is nothing here", "Check the address.", status=status)

    async def too_large(self, _request: Request, _error: Exception) -> Response:
        return await self.site.message("That was too much", "The form is too large.", status=413)

    async def ours(self, _request: Request, _error: Exception) -> Response:
        return await self.site.message(
            "Something went wrong",
            "It was our fault, and nothing was changed.",
            "Please try again in a few minutes.",
            status=503,
        )
