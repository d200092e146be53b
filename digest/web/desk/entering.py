"""Logging in at the desk, by password or by a link that works once, and logging out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.web.desk.door import Desk, Visit, place_of
from digest.web.forms import first, read_form
from digest.web.guard import is_from_here, peer_of

_WRONG = (
    "This name and password do not go together, or there were too many tries. After a quarter of an hour the count "
    "begins anew; `digest desk link NAME` on the server makes a link that logs in at once."
)


#: A try takes 32 MB and 0.2 s of a processor: more at once, and guessing would stop the daemon.
_TRIES_AT_ONCE = 2


def routes(desk: Desk) -> list[Route]:
    room = _Entering(desk)
    return [
        Route("/desk/login", room.ask, methods=["GET"]),
        Route("/desk/login", room.log_in, methods=["POST"]),
        Route("/desk/enter/{secret}", room.offer, methods=["GET"]),
        Route("/desk/enter/{secret}", room.enter, methods=["POST"]),
        desk.post("/desk/logout", room.log_out),
    ]


@dataclass(frozen=True, slots=True)
class _Entering:
    desk: Desk
    # Who waits for a try waits outside of the threads that answer all other pages.
    trying: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_TRIES_AT_ONCE))

    async def ask(self, request: Request) -> Response:
        self.desk.must_be_open()
        return await self._form(place_of(request.query_params.get("to", "")))

    async def log_in(self, request: Request) -> Response:
        self.desk.must_be_open()
        form = await read_form(request)
        app, to = self.desk.site.app(), place_of(first(form, "to"))
        name = first(form, "name")
        if not is_from_here(request, app.config.sender.public_url):
            return await self._form(to, name=name, problem="Please press the button once more.", status=403)
        password = form.get("password", [""])[0]
        session = await to_thread.run_sync(app.operators.log_in, name, password, peer_of(request), limiter=self.trying)
        if session is None:
            return await self._form(to, name=name, problem=_WRONG, status=403)
        return self.desk.let_in(session, to)

    async def offer(self, request: Request) -> Response:
        """A page with a button: what looks at links in mails and chats uses nothing up."""
        self.desk.must_be_open()
        secret = request.path_params["secret"]
        works = await run_in_threadpool(self.desk.site.app().operators.is_link, secret)
        context = {"works": works, "action": self.desk.site.at(request.url.path)}
        return await self._page("enter", context, status=200 if works else 404)

    async def enter(self, request: Request) -> Response:
        self.desk.must_be_open()
        app = self.desk.site.app()
        session = None
        if is_from_here(request, app.config.sender.public_url):
            secret = request.path_params["secret"]
            session = await run_in_threadpool(app.operators.enter, secret, peer_of(request))
        if session is None:
            return await self._page("enter", {"works": False, "action": ""}, status=404)
        return self.desk.let_in(session, "/desk")

    async def log_out(self, visit: Visit) -> Response:
        await run_in_threadpool(visit.app.operators.log_out, visit.session)
        return self.desk.let_out()

    async def _form(self, to: str, *, name: str = "", problem: str = "", status: int = 200) -> Response:
        return await self._page("login", {"to": to, "name": name[:100], "problem": problem}, status=status)

    async def _page(self, name: str, context: Mapping[str, object], *, status: int) -> Response:
        """In the frame of readers' pages, for nobody is logged in."""
        site = self.desk.site
        return await site.page(f"desk/{name}", {"root": site.at(""), **context}, status=status)
