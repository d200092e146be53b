"""Leaving: the page with one button, pausing beside it, one-click unsubscribing as RFC 8058 has it, and coming back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.model.errors import InputError
from digest.model.people import Subscription, SubscriptionState
from digest.services.readers.pausing import LONGEST, read_day
from digest.web.forms import first, read_form
from digest.web.pages import Site

#: What the buttons beside the one to leave post, and for how long each pauses.
_SPANS = {"week": timedelta(days=7), "month": timedelta(days=30)}


def routes(site: Site) -> list[Route]:
    room = _Leaving(site)
    return [
        Route("/unsubscribe/{token}", room.ask, methods=["GET"]),
        Route("/unsubscribe/{token}", room.leave, methods=["POST"]),
        Route("/unsubscribe/{token}/pause", room.pause, methods=["POST"]),
        Route("/unsubscribe/{token}/return", room.come_back, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Leaving:
    site: Site

    async def ask(self, request: Request) -> Response:
        token = request.path_params["token"]
        found = await run_in_threadpool(self.site.app().subscribe.look_up, token)
        return await self._asked(token, found)

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
            return await self._asked(token, found)
        return await self._left(token, left)

    async def pause(self, request: Request) -> Response:
        """Pauses every digest of the mail, for a span or until a day (fields ``for``, ``until``), or resumes them."""
        token = request.path_params["token"]
        form = await read_form(request)
        subscribe = self.site.app().subscribe
        found = await run_in_threadpool(subscribe.look_up, token)
        mine = [one for one in found if self._may_pause(one)]
        if not mine:
            return await self._asked(token, found)
        span, typed = first(form, "for"), first(form, "until")
        if span == "resume":
            resumed = [await run_in_threadpool(subscribe.resume, one) for one in mine]
            return await self.site.page("resumed", {"digests": self.site.named(resumed)})
        try:
            days = [_until(span, typed, subscribe.today_of(one)) for one in mine]
            pairs = zip(mine, days, strict=True)
            paused = [await run_in_threadpool(subscribe.pause, one, day) for one, day in pairs]
        except InputError as error:
            return await self._asked(token, found, problem=str(error), typed=typed, status=422)
        context = {
            "action": self.site.at(f"/unsubscribe/{token}/pause"),
            "digests": [self._paused(one) for one in paused],
        }
        return await self.site.page("paused", context)

    async def come_back(self, request: Request) -> Response:
        """Takes back a leaving of the last hour; later, and for a stranger, it does nothing."""
        token = request.path_params["token"]
        back = await run_in_threadpool(self.site.app().subscribe.return_by_token, token)
        if back:
            return await self.site.page("returned", {"digests": self.site.named(back)})
        return await self.ask(request)

    async def _asked(
        self, token: str, found: Sequence[Subscription], *, problem: str = "", typed: str = "", status: int = 200
    ) -> Response:
        """The page that asks; to who has left everything in the mail, the one that says so."""
        if not found:
            return await self.site.dead_link()
        reads = [one for one in found if one.state is not SubscriptionState.UNSUBSCRIBED]
        if not reads:
            return await self._left(token, found)
        may = [one for one in reads if self._may_pause(one)]
        days = [self.site.app().subscribe.today_of(one) for one in may]
        context = {
            "action": self.site.at(f"/unsubscribe/{token}"),
            "digests": self.site.named(reads),
            "pause": self.site.at(f"/unsubscribe/{token}/pause") if may else "",
            "paused": [self._paused(one) for one in may if one.is_paused(self.site.app().subscribe.today_of(one))],
            "first_day": (max(days) + timedelta(days=1)).isoformat() if days else "",
            "last_day": (min(days) + LONGEST).isoformat() if days else "",
            "until": typed,
            "problem": problem,
        }
        return await self.site.page("unsubscribe", context, status=status)

    async def _left(self, token: str, left: Sequence[Subscription]) -> Response:
        app = self.site.app()
        may_return = await run_in_threadpool(app.subscribe.may_return, token)
        names = {one.digest for one in left}
        doors = [one for one in app.admission.open_digests() if one.name in names]
        context = {
            "digests": self.site.named(left),
            "back": self.site.at(f"/unsubscribe/{token}/return") if may_return else "",
            "join": [{"title": one.title, "url": self.site.at(f"/join/{one.name}")} for one in doors],
        }
        return await self.site.page("unsubscribed", context)

    def _may_pause(self, one: Subscription) -> bool:
        known = any(digest.name == one.digest for digest in self.site.app().config.digests)
        return known and one.state is SubscriptionState.CONFIRMED

    def _paused(self, one: Subscription) -> Mapping[str, str]:
        assert one.paused_until is not None, "it is paused"
        return {"title": self.site.title(one.digest), "until": f"{one.paused_until:%A, %d %B %Y}"}


def _until(span: str, typed: str, today: date) -> date:
    """The day that a button or the field beside it names. Raises InputError."""
    return today + _SPANS[span] if span in _SPANS else read_day(typed, today)
