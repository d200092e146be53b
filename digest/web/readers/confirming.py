"""The last click of joining, and its opposite: an address that nobody may enter again."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.web.pages import Site


def routes(site: Site) -> list[Route]:
    room = _Confirming(site)
    return [
        Route("/confirm/{token}", room.ask_to_confirm, methods=["GET"]),
        Route("/confirm/{token}", room.confirm, methods=["POST"]),
        Route("/never/{token}", room.ask_never, methods=["GET"]),
        Route("/never/{token}", room.never, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Confirming:
    site: Site

    async def ask_to_confirm(self, request: Request) -> Response:
        token = request.path_params["token"]
        found = await run_in_threadpool(self.site.app().subscribe.confirmable, token)
        if found is None:
            return await self.site.dead_link()
        context = {"action": self.site.at(f"/confirm/{token}"), "digests": self.site.named([found])}
        return await self.site.page("confirm", context)

    async def confirm(self, request: Request) -> Response:
        done = await run_in_threadpool(self.site.app().welcome.confirm, request.path_params["token"])
        if done is None:
            return await self.site.dead_link()
        return await self.site.message(
            "You are subscribed",
            f"{self.site.title(done.digest)} will come to your inbox.",
            "You can leave at any time with one click.",
        )

    async def ask_never(self, request: Request) -> Response:
        token = request.path_params["token"]
        found = await run_in_threadpool(self.site.app().subscribe.confirmable, token)
        if found is None:
            return await self.site.dead_link()
        return await self.site.page("never", {"action": self.site.at(f"/never/{token}")})

    async def never(self, request: Request) -> Response:
        done = await run_in_threadpool(self.site.app().subscribe.never, request.path_params["token"])
        if not done:
            return await self.site.dead_link()
        return await self.site.message("Done", "We will never write to your address again.")
