"""Leaving: the page with one button, and one-click unsubscribing as RFC 8058 has it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.model.people import SubscriptionState
from digest.web.forms import read_form
from digest.web.pages import Site


def routes(site: Site) -> list[Route]:
    room = _Leaving(site)
    return [
        Route("/unsubscribe/{token}", room.ask, methods=["GET"]),
        Route("/unsubscribe/{token}", room.leave, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Leaving:
    site: Site

    async def ask(self, request: Request) -> Response:
        token = request.path_params["token"]
        found = await run_in_threadpool(self.site.app().subscribe.look_up, token)
        if not found:
            return await self.site.dead_link()
        context = {"action": f"/unsubscribe/{token}", "digests": self.site.named(found)}
        return await self.site.page("unsubscribe", context)

    async def leave(self, request: Request) -> Response:
        """The page's button, and RFC 8058 one-click: no cookie, no redirect, the same answer a second time."""
        token = request.path_params["token"]
        form = await read_form(request)
        only = form.get("digest", [])
        found = await run_in_threadpool(self.site.app().subscribe.leave_by_token, token, only)
        if not found:
            return await self.site.dead_link()
        left = [one for one in found if one.state is SubscriptionState.UNSUBSCRIBED]
        if not left:  # the form named a digest that is not in this mail
            return await self.ask(request)
        return await self.site.page("unsubscribed", {"digests": self.site.named(left)})
