"""Routes that readers follow from their mails. Each reads a token, calls one service, and answers with one page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest.app import App
from digest.model.errors import DigestError, InputError, NotFound
from digest.model.people import OWN_NAMES, Profile, Subscription, SubscriptionState
from digest.services.subscribe import Choices
from digest.services.taste import Asked
from digest.web.forms import TooLarge, read_form

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
)
#: What the buttons of the feedback page post.
_WORDS = {"more": 1, "less": -1, "nothing": 0}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class _Headers:
    """Puts the strict headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers)


class Pages:
    """The handlers, over one App. ``current`` gives the App in force: a reload replaces it."""

    def __init__(self, current: Callable[[], App]) -> None:
        self._current = current

    def application(self) -> ASGIApp:
        routes = [
            Route("/unsubscribe/{token}", self.ask_to_leave, methods=["GET"]),
            Route("/unsubscribe/{token}", self.leave, methods=["POST"]),
            Route("/preferences/{token}", self.ask_preferences, methods=["GET"]),
            Route("/preferences/{token}", self.save_preferences, methods=["POST"]),
            Route("/preferences/{token}/said", self.show_said, methods=["GET"]),
            Route("/preferences/{token}/said", self.take_back, methods=["POST"]),
            Route("/preferences/{token}/said.json", self.export_said, methods=["GET"]),
            Route("/feedback/{token}/{entry}", self.ask_for_a_word, methods=["GET"]),
            Route("/feedback/{token}/{entry}", self.keep_a_word, methods=["POST"]),
            Route("/confirm/{token}", self.ask_to_confirm, methods=["GET"]),
            Route("/confirm/{token}", self.confirm, methods=["POST"]),
            Route("/never/{token}", self.ask_never, methods=["GET"]),
            Route("/never/{token}", self.never, methods=["POST"]),
            Route("/read/{key}", self.read, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
        ]
        app = Starlette(
            routes=routes,
            exception_handlers={
                404: self._not_found,
                405: self._not_found,
                TooLarge: self._too_large,
                DigestError: self._trouble,
                Exception: self._trouble,
            },
        )
        app.router.redirect_slashes = False  # one-click must never meet a redirect
        return _Headers(app)  # around all, so that the answer to a fault of ours has them too

    async def health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ask_to_leave(self, request: Request) -> Response:
        token = request.path_params["token"]
        found = await run_in_threadpool(self._current().subscribe.look_up, token)
        if not found:
            return await self._dead_link()
        return await self._page("unsubscribe", {"action": f"/unsubscribe/{token}", "digests": self._named(found)})

    async def leave(self, request: Request) -> Response:
        """The page's button, and RFC 8058 one-click: no cookie, no redirect, the same answer a second time."""
        token = request.path_params["token"]
        form = await read_form(request)
        only = form.get("digest", [])
        found = await run_in_threadpool(self._current().subscribe.leave_by_token, token, only)
        if not found:
            return await self._dead_link()
        left = [one for one in found if one.state is SubscriptionState.UNSUBSCRIBED]
        if not left:  # the form named a digest that is not in this mail
            return await self.ask_to_leave(request)
        return await self._page("unsubscribed", {"digests": self._named(left)})

    async def ask_preferences(self, request: Request) -> Response:
        return await self._preferences(request, problems=())

    async def save_preferences(self, request: Request) -> Response:
        token = request.path_params["token"]
        form = await read_form(request)
        mine = await self._mine(token)
        if mine is None:
            return await self._dead_link()
        app = self._current()
        try:
            choices = _choices(form, mine, app.subscribe.digest(mine.digest).profile)
            saved = await run_in_threadpool(app.subscribe.choose, mine, choices)
        except InputError as error:
            return await self._preferences(request, problems=(str(error),), status=422)
        title = self._title(saved.digest)
        return await self._page("saved", {"title": title, "lines": _holds(saved), "back": f"/preferences/{token}"})

    async def show_said(self, request: Request) -> Response:
        """All that a reader said of papers."""
        mine = await self._mine(request.path_params["token"])
        return await self._said(request, mine) if mine is not None else await self._dead_link()

    async def take_back(self, request: Request) -> Response:
        """Takes back one word (field ``undo``, an id) or all of them (field ``forget``)."""
        mine = await self._mine(request.path_params["token"])
        if mine is None:
            return await self._dead_link()
        form, tastes = await read_form(request), self._current().tastes
        if "forget" in form:
            await run_in_threadpool(tastes.forget, mine.subscriber_id)
        elif paper := _first(form, "undo"):
            with suppress(NotFound):  # the second click of two: it is taken back already
                await run_in_threadpool(tastes.undo, mine.subscriber_id, [paper])
        return await self._said(request, mine)

    async def export_said(self, request: Request) -> Response:
        mine = await self._mine(request.path_params["token"])
        if mine is None:
            return await self._dead_link()
        document = await run_in_threadpool(self._current().tastes.export, mine.subscriber_id)
        return JSONResponse(document, headers={"content-disposition": 'attachment; filename="tastes.json"'})

    async def ask_for_a_word(self, request: Request) -> Response:
        token, entry = request.path_params["token"], request.path_params["entry"]
        found = await run_in_threadpool(self._current().tastes.asked, token, entry)
        return await self._word(request, found, kept=False)

    async def keep_a_word(self, request: Request) -> Response:
        token, entry = request.path_params["token"], request.path_params["entry"]
        value = _WORDS.get(_first(await read_form(request), "say"))
        if value is None:  # no button of ours
            return await self.ask_for_a_word(request)
        found = await run_in_threadpool(self._current().tastes.answer, token, entry, value)
        return await self._word(request, found, kept=True)

    async def ask_to_confirm(self, request: Request) -> Response:
        token = request.path_params["token"]
        found = await run_in_threadpool(self._current().subscribe.confirmable, token)
        if found is None:
            return await self._dead_link()
        return await self._page("confirm", {"action": f"/confirm/{token}", "digests": self._named([found])})

    async def confirm(self, request: Request) -> Response:
        done = await run_in_threadpool(self._current().subscribe.confirm, request.path_params["token"])
        if done is None:
            return await self._dead_link()
        lines = [f"{self._title(done.digest)} will come to your inbox.", "You can leave at any time with one click."]
        return await self._page("message", {"title": "You are subscribed", "lines": lines})

    async def ask_never(self, request: Request) -> Response:
        token = request.path_params["token"]
        found = await run_in_threadpool(self._current().subscribe.confirmable, token)
        return await self._page("never", {"action": f"/never/{token}"}) if found else await self._dead_link()

    async def never(self, request: Request) -> Response:
        done = await run_in_threadpool(self._current().subscribe.never, request.path_params["token"])
        if not done:
            return await self._dead_link()
        return await self._page("message", {"title": "Done", "lines": ["We will never write to your address again."]})

    async def read(self, request: Request) -> Response:
        """The web copy: the very HTML that was mailed, without anybody's tokens."""
        html = await run_in_threadpool(self._current().preview.stored_html, request.path_params["key"])
        if html is None:
            return await self._dead_link()
        return HTMLResponse(html)

    async def _preferences(self, request: Request, *, problems: Sequence[str], status: int = 200) -> Response:
        token = request.path_params["token"]
        mine = await self._mine(token)
        if mine is None:
            return await self._dead_link()
        context = await run_in_threadpool(self._preferences_context, mine, token, problems)
        return await self._page("preferences", context, status)

    async def _said(self, request: Request, mine: Subscription) -> Response:
        tastes = self._current().tastes
        said = await run_in_threadpool(tastes.said_by, mine.subscriber_id)
        words, people = await run_in_threadpool(tastes.leanings, mine.subscriber_id)
        context = {
            "action": f"/preferences/{request.path_params['token']}/said",
            "back": f"/preferences/{request.path_params['token']}",
            "words": words,
            "people": people,
            "said": [
                {
                    "id": one.work,
                    "title": one.title or one.work,
                    "url": one.url if one.url.startswith(("https://", "http://")) else "",
                    "value": one.value,
                    "day": one.day.isoformat(),
                }
                for one in said
            ],
        }
        return await self._page("said", context)

    async def _word(self, request: Request, found: Asked | None, *, kept: bool) -> Response:
        if found is None:
            return await self._dead_link()
        context = {
            "action": f"/feedback/{request.path_params['token']}/{request.path_params['entry']}",
            "title": found.entry.title or found.entry.work,
            "value": found.value,
            "kept": kept,
        }
        return await self._page("feedback", context)

    def _preferences_context(self, mine: Subscription, token: str, problems: Sequence[str]) -> Mapping[str, object]:
        app = self._current()
        digest = app.subscribe.digest(mine.digest)
        profile = app.subscribe.profile_of(digest, mine)
        schedule_at = mine.send_at or digest.schedule.send_at
        days = mine.days or digest.schedule.days
        chosen = {name for name, _ in profile.categories}
        offered = dict.fromkeys([*(name for name, _ in digest.profile.categories), *chosen])
        several = len(app.subscribe.show(mine.address)) > 1
        return {
            "action": f"/preferences/{token}",
            "title": digest.title,
            "send_at": schedule_at.strftime("%H:%M"),
            "timezone": mine.timezone or digest.schedule.timezone,
            "days": [{"number": n, "name": name, "chosen": n in days} for n, name in enumerate(_DAYS)],
            "max_items": profile.max_items or "",
            "layout": profile.layout,
            "chosen_language": profile.language,
            "languages": _languages(profile.language),
            "categories": [
                {"code": code, "title": app.category_title(code), "chosen": code in chosen} for code in offered
            ],
            "joined": mine.joined if several else None,
            "problems": list(problems),
            "said": f"/preferences/{token}/said",
            "unsubscribe": f"/unsubscribe/{mine.secret}",
        }

    async def _mine(self, token: str) -> Subscription | None:
        return await run_in_threadpool(self._current().subscribe.preferences_of, token)

    def _title(self, name: str) -> str:
        return next((d.title for d in self._current().config.digests if d.name == name), name)

    def _named(self, found: Sequence[Subscription]) -> list[Mapping[str, str]]:
        return [{"name": one.digest, "title": self._title(one.digest)} for one in found]

    async def _page(self, name: str, context: Mapping[str, object], status: int = 200) -> Response:
        html = await run_in_threadpool(self._current().renderer.page, name, context)
        return HTMLResponse(html, status_code=status)

    async def _dead_link(self) -> Response:
        lines = [
            "It is not one of ours, or it is too old.",
            "The newest mail you got from us has links that work; answering it reaches the sender.",
        ]
        return await self._page("message", {"title": "This link does not work", "lines": lines}, 404)

    async def _not_found(self, _request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return await self._page("message", {"title": "There is nothing here", "lines": ["Check the address."]}, status)

    async def _too_large(self, _request: Request, _error: Exception) -> Response:
        return await self._page("message", {"title": "That was too much", "lines": ["The form is too large."]}, 413)

    async def _trouble(self, _request: Request, _error: Exception) -> Response:
        lines = ["It was our fault, and nothing was changed.", "Please try again in a few minutes."]
        return await self._page("message", {"title": "Something went wrong", "lines": lines}, 503)


def _languages(current: str) -> list[Mapping[str, str]]:
    """What a reader may choose from: ours, and his own where it has a region."""
    offered: list[Mapping[str, str]] = [{"code": code, "name": name} for code, name in OWN_NAMES.items()]
    base = current.split("-")[0]
    if current not in OWN_NAMES and base in OWN_NAMES:
        offered.insert(0, {"code": current, "name": f"{OWN_NAMES[base]} ({current})"})
    return offered


def _choices(form: Mapping[str, list[str]], mine: Subscription, general: Profile) -> Choices:
    """What the preferences form says;

    InputError names the field that cannot be. Ticked categories keep the digest's weights.
    """
    preferences = dict(mine.preferences)
    most = _first(form, "max_items")
    if most:
        if not re.fullmatch(r"[0-9]{1,3}", most) or not 1 <= int(most) <= 200:
            raise InputError(f"{most!r} is not a number from 1 to 200", where="At most so many papers")
        preferences["max_items"] = int(most)
    else:
        preferences.pop("max_items", None)
    if layout := _first(form, "layout"):
        preferences["layout"] = layout
    weights = dict(general.categories)
    wished = form.get("categories", [])
    if wished:
        bounds = {code: {"min": least} | ({} if most is None else {"max": most}) for code, least, most in general.seats}
        preferences["categories"] = {
            code: {"weight": weights.get(code, 1.0), **bounds[code]} if code in bounds else weights.get(code, 1.0)
            for code in wished
        }
    else:
        preferences.pop("categories", None)
    language = _first(form, "language") or mine.language
    days = sorted({int(day) for day in form.get("days", []) if day in "0123456" and len(day) == 1})
    if not days:
        raise InputError("tick at least one day, or unsubscribe", where="Days")
    return Choices(
        language=language if language != general.language else "",
        timezone=_first(form, "timezone"),
        send_at=_first(form, "send_at")[:5],
        days=tuple(days),
        preferences=preferences,
        joined=("yes" in form.get("joined", [])),
    )


def _first(form: Mapping[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0].strip()


def _holds(saved: Subscription) -> list[str]:
    days = ", ".join(_DAYS[day] for day in saved.days) or "every day"
    at = saved.send_at.strftime("%H:%M") if saved.send_at else ""
    lines = [f"It comes at {at} ({saved.timezone}) on {days}." if at else f"It comes on {days}."]
    if most := saved.preferences.get("max_items"):
        lines.append(f"At most {most} papers.")
    return lines
