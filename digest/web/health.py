"""For a watcher: that we answer at all."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.web.pages import Site


def routes(_site: Site) -> list[Route]:
    return [Route("/health", _health, methods=["GET"])]


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")
