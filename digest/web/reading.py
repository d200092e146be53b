"""The mails on the web: the very HTML that was mailed, without anybody's tokens."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from digest.web.pages import Site


def routes(site: Site) -> list[Route]:
    return [Route("/read/{key}", _Reading(site).read, methods=["GET"])]


@dataclass(frozen=True, slots=True)
class _Reading:
    site: Site

    async def read(self, request: Request) -> Response:
        html = await run_in_threadpool(self.site.app().preview.stored_html, request.path_params["key"])
        if html is None:
            return await self.site.dead_link()
        return HTMLResponse(html)
