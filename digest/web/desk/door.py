"""The desk's one door: who is logged in, whether a form is the desk's own, and the frame of its pages.

A room hands its handlers to ``Desk.get`` and ``Desk.post``; they are called with a Visit, and only for an operator.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from digest.app import App
from digest.model.errors import DigestError, InputError, NotFound, UsageError
from digest.services.access.operators import SESSION, Session
from digest.web.forms import first, read_form
from digest.web.guard import is_from_here
from digest.web.pages import Site

HOME = "/desk"
#: What the frame of every page links to: (path, name).
PLACES = (
    ("/desk", "Today"),
    ("/desk/plots", "Plots"),
    ("/desk/digests", "Digests"),
    ("/desk/sources", "Sources"),
    ("/desk/subscribers", "Subscribers"),
    ("/desk/papers", "Papers"),
    ("/desk/machines", "Machines"),
    ("/desk/log", "Log"),
)
#: The form's field that another site cannot know.
CSRF = "csrf"
_MOST_PATH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One request of an operator. ``form`` holds the fields of a POST."""

    request: Request
    site: Site
    session: Session
    form: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def app(self) -> App:
        return self.site.app()

    @property
    def who(self) -> str:
        return self.session.operator

    @property
    def query(self) -> QueryParams:
        return self.request.query_params

    @property
    def path(self) -> Mapping[str, Any]:
        return self.request.path_params

    def said(self, name: str) -> str:
        """A field of the form, without spaces around it; "" where it is not there."""
        return first(self.form, name)

    async def page(self, name: str, context: Mapping[str, object], *, status: int = 200) -> Response:
        """templates/pages/desk/NAME.html.j2 in the desk's frame."""
        here = self.request.url.path
        frame = {
            "operator": self.who,
            "csrf": self.session.csrf,
            "root": self.site.at(""),
            "places": [{"path": path, "name": said, "here": _is_below(here, path)} for path, said in PLACES],
            "done": self.query.get("done", "")[:300],
        }
        return await self.site.page(f"desk/{name}", {**frame, **context}, status=status)

    async def note(self, deed: str, about: str = "", detail: str = "") -> None:
        """Writes into the log what was just done. ``about`` names no person: "subscriber 12"."""
        await run_in_threadpool(self.app.operators.note, self.who, deed, about, detail)

    def back(self, path: str, done: str = "", **query: str) -> Response:
        """After a POST: to a page that says what was done, so that loading it again does nothing twice. ``path`` is as
        the routes have it."""
        said = {**query, **({"done": done} if done else {})}
        to = self.site.at(path)
        return RedirectResponse(f"{to}?{urlencode(said)}" if said else to, status_code=303)


Handler = Callable[[Visit], Awaitable[Response]]
#: Gives the fields of a form; raises TooLarge.
ReadForm = Callable[[Request], Awaitable[Mapping[str, list[str]]]]


@dataclass(frozen=True, slots=True)
class Desk:
    site: Site
    after_deeds: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    """Called after every deed that was done, before its answer."""

    def changed(self) -> None:
        for call in self.after_deeds:
            call()

    def get(self, path: str, handler: Handler) -> Route:
        """A page: it changes nothing."""

        async def answer(request: Request) -> Response:
            session = await self.session(request)
            if session is None:
                return self._ask_to_log_in(request)
            return await self._called(handler, Visit(request=request, site=self.site, session=session))

        return Route(path, answer, methods=["GET"])

    def post(self, path: str, handler: Handler, *, read: ReadForm = read_form) -> Route:
        """A deed: it is done for a form of the desk itself, and for no other site's. ``read`` is called for operators
        only, so it may take more than a stranger may send.
        """

        async def answer(request: Request) -> Response:
            session = await self.session(request)
            if session is None:
                return self._ask_to_log_in(request)
            form = await read(request)
            visit = Visit(request=request, site=self.site, session=session, form=form)
            is_ours = hmac.compare_digest(first(form, CSRF).encode(), session.csrf.encode())
            if not is_ours or not is_from_here(request, self.site.app().config.sender.public_url):
                return await visit.page(
                    "said",
                    {
                        "title": "Nothing was done",
                        "lines": ["This form is not one of this session: go back, load the page again, and repeat it."],
                    },
                    status=403,
                )
            response = await self._called(handler, visit)
            if response.status_code < 400:
                self.changed()
            return response

        return Route(path, answer, methods=["POST"])

    async def session(self, request: Request) -> Session | None:
        self.must_be_open()
        secret = request.cookies.get(self.cookie, "")
        return await run_in_threadpool(self.site.app().operators.session, secret)

    def must_be_open(self) -> None:
        """Without operators there is no desk: 404, like every other address that is not ours."""
        if not self.site.app().operators.enabled:
            raise HTTPException(404)

    @property
    def cookie(self) -> str:
        """The prefix makes the browser hold it to this very host, over TLS (RFC 6265bis, 4.1.3)."""
        return "__Host-desk" if self._is_secure else "desk"

    @property
    def _is_secure(self) -> bool:
        return self.site.app().config.sender.public_url.startswith("https:")

    def let_in(self, session: Session, to: str) -> Response:
        response = RedirectResponse(self.site.at(to), status_code=303)
        response.set_cookie(
            self.cookie,
            session.secret,
            max_age=int(SESSION.total_seconds()),
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def let_out(self) -> Response:
        response = RedirectResponse(self.site.at("/desk/login"), status_code=303)
        response.delete_cookie(self.cookie, path="/", secure=self._is_secure, httponly=True, samesite="lax")
        return response

    def _ask_to_log_in(self, request: Request) -> Response:
        wanted = request.url.path if request.method == "GET" else HOME
        if request.method == "GET" and request.url.query:
            wanted += f"?{request.url.query}"
        return RedirectResponse(self.site.at(f"/desk/login?to={quote(wanted[:_MOST_PATH])}"), status_code=303)

    async def _called(self, handler: Handler, visit: Visit) -> Response:
        """What an operator named wrongly is said on a page of the desk; our own faults go the way of all others."""
        try:
            return await handler(visit)
        except (InputError, NotFound, UsageError) as error:
            status = 404 if isinstance(error, NotFound) else 422
            lines = told(error)
            return await visit.page("said", {"title": "That could not be done", "lines": lines}, status=status)


def told(error: DigestError) -> list[str]:
    """What happened, to what, and what to do, as the lines of a page."""
    where = f"{error.where}: {error.what}" if error.where else error.what
    return [one for one in (where, error.try_) if one]


def place_of(text: str) -> str:
    """Where to go after logging in: a page of the desk, whatever somebody put into the link."""
    is_ours = text == HOME or text.startswith((f"{HOME}/", f"{HOME}?"))
    is_plain = len(text) <= _MOST_PATH and text.isprintable() and "\\" not in text and "//" not in text
    return text if is_ours and is_plain else HOME


def _is_below(here: str, path: str) -> bool:
    return here == path or (path != HOME and here.startswith(f"{path}/"))
