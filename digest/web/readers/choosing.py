"""Choosing what a mail brings and when: one form with all that a reader may wish for, and a look at the next mail.

A form is saved whole or not at all; one that cannot be saved comes back as it was typed, with what is wrong at each
field. The look is a POST, too, for it takes the form as it stands, and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from zoneinfo import ZoneInfo

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.model.errors import DigestError, InputError, NotFound
from digest.model.people import Subscription, SubscriptionState
from digest.services.publishing.preview import Previewed
from digest.services.readers.subscribe import Choices
from digest.web.forms import read_form
from digest.web.guard import is_from_here
from digest.web.pages import Site
from digest.web.readers.fields import Ground, Typed, loose, marks, standing, typed
from digest.web.readers.shown import DAYS, LABELS, listed, shown
from digest.web.readers.wishes import choices_of, pause_of

log = structlog.get_logger("digest")

#: Who may wait for the one thread that prints previews; more are asked to come back.
_MOST_WAITING = 10
_NOTHING = {"when": "", "subject": "", "html": "", "reason": ""}
#: What the page after saving says in a sentence.
_SAID = ("days", "send_at", "timezone", "paused_until")
_STATES = {
    SubscriptionState.PENDING: "You have not said yes to this digest yet, so nothing comes until you do.",
    SubscriptionState.UNSUBSCRIBED: "You have left this digest, and nothing comes. "
    "What you choose here holds when you come back.",
}


def routes(site: Site) -> list[Route]:
    room = _Choosing(site)
    return [
        Route("/preferences/{token}", room.ask, methods=["GET"]),
        Route("/preferences/{token}", room.answer, methods=["POST"]),
    ]


@dataclass(slots=True)
class _Printer:
    """One thread for all previews: each may rank thousands of papers, and others want pages meanwhile."""

    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="preview"))
    _waiting: int = 0

    async def run(self, work: Callable[[], Previewed]) -> Previewed | None:
        """None where too many wait already."""
        if self._waiting >= _MOST_WAITING:
            return None
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


@dataclass(frozen=True, slots=True)
class _Choosing:
    site: Site
    printer: _Printer = field(default_factory=_Printer)

    async def ask(self, request: Request) -> Response:
        mine = await self.site.subscription(request.path_params["token"])
        if mine is None:
            return await self.site.dead_link()
        if not self._is_published(mine):
            return await self._ended(request)
        ground = await run_in_threadpool(self._ground, mine)
        return await self._page(request, ground, ground.typed)

    async def answer(self, request: Request) -> Response:
        """Saves the form, or shows the mail that it would bring (field ``show``)."""
        form = await read_form(request)
        mine = await self.site.subscription(request.path_params["token"])
        if mine is None:
            return await self._dead(request, form)
        if not self._is_published(mine):
            return await self._ended(request)
        try:
            return await self._obey(request, form, mine)
        except NotFound:  # erased while we answered
            return await self.site.dead_link()

    async def _obey(self, request: Request, form: Mapping[str, list[str]], mine: Subscription) -> Response:
        ground = await run_in_threadpool(self._ground, mine)
        said = typed(form, ground)
        choices, problems = choices_of(said, ground, self.site.app().subscribe.check)
        until, wrong = pause_of(said, ground)
        if wrong:
            problems = {"paused_until": wrong, **problems}
        if problems:
            return await self._page(request, ground, said, problems=problems)
        if said.texts.get("paused_until") == ground.typed.texts.get("paused_until"):
            until = mine.paused_until
        if "show" in form:
            return await self._show(request, ground, said, choices, until)
        try:
            saved = await run_in_threadpool(self._save, mine, choices, until)
        except InputError as error:  # it has changed since we looked
            return await self._page(request, ground, said, problems={"form": str(error)})
        return await self._saved(request, saved)

    def _ground(self, mine: Subscription) -> Ground:
        subscribe = self.site.app().subscribe
        digest = subscribe.digest(mine.digest)
        profile = subscribe.profile_of(digest, mine)
        has_several = len(subscribe.show(mine.address)) > 1
        return standing(digest, mine, profile, today=subscribe.today_of(mine), has_several=has_several)

    def _save(self, mine: Subscription, choices: Choices, until: date | None) -> Subscription:
        is_new = until != mine.paused_until
        return self.site.app().subscribe.choose(
            mine, choices, pause_until=until if is_new else None, resumes=is_new and until is None
        )

    async def _saved(self, request: Request, saved: Subscription) -> Response:
        ground = await run_in_threadpool(self._ground, saved)
        said = ground.typed
        days = "every day" if len(said.days) == len(DAYS) else "on " + ", ".join(DAYS[day] for day in said.days)
        lines = [f"It comes {days} at {said.texts['send_at']} ({said.texts['timezone']})."]
        if until := said.texts.get("paused_until"):
            lines.append(f"Nothing comes before {_day(date.fromisoformat(until))}.")
        context = {
            "title": ground.digest.title,
            "lines": lines,
            "listed": listed(said, self.site.app().category_title, without=_SAID),
            "back": self._path(request),
        }
        return await self.site.page("saved", context)

    async def _show(
        self, request: Request, ground: Ground, said: Typed, choices: Choices, until: date | None
    ) -> Response:
        assert ground.mine is not None
        make = partial(self.site.app().preview.wished, ground.mine, choices, paused_until=until)
        try:
            made = await self.printer.run(make)
        except DigestError as error:
            log.error("preview", problem=error.what, where=error.where, try_=error.try_)
            sorry = "It cannot be shown just now, and that is our fault. Please try again in a few minutes."
            return await self._page(request, ground, said, sample=_NOTHING | {"reason": sorry}, status=503)
        if made is None:
            sorry = "Many readers are looking at theirs just now. Please try again in a minute."
            return await self._page(request, ground, said, sample=_NOTHING | {"reason": sorry}, status=429)
        zone = said.texts["timezone"]
        at = made.slot.at.astimezone(ZoneInfo(zone))
        sample = {
            "when": f"{_day(at.date())}, {at:%H:%M} ({zone})",
            "subject": made.message.subject if made.message is not None and made.mail is not None else "",
            "reason": made.reason,
            # Its links open beside this page: within the frame, the page's own policy lets nothing load.
            "html": made.html.replace("<head>", '<head><base target="_blank">', 1),
        }
        return await self._page(request, ground, said, sample=sample)

    async def _page(
        self,
        request: Request,
        ground: Ground,
        said: Typed,
        *,
        problems: Mapping[str, str] | None = None,
        sample: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        mine = ground.mine
        assert mine is not None
        context = {
            "action": self._path(request),
            "title": ground.digest.title,
            "note": _STATES.get(mine.state, ""),
            "problems": dict(sorted((problems or {}).items(), key=_place)),
            "sample": sample,
            "today": str(ground.today),
            "stood": marks(ground.typed),
            "said": f"{self._path(request)}/said",
            "data": self.site.at(f"/data/{request.path_params['token']}"),
            "unsubscribe": self.site.at(f"/unsubscribe/{mine.secret}"),
            **shown(said, self.site.app().category_title),
        }
        return await self.site.page("preferences", context, status=422 if problems else status)

    async def _dead(self, request: Request, form: Mapping[str, list[str]]) -> Response:
        """The form of a link that is too old: what was typed, to copy it, and how to get another link."""
        public_url = self.site.app().admission.public_url
        kept = listed(loose(form), self.site.app().category_title) if is_from_here(request, public_url) else []
        if not kept:
            return await self.site.dead_link()
        link = self.site.at("/link") if public_url else ""
        return await self.site.page("outdated", {"listed": kept, "link": link}, status=404)

    def _is_published(self, mine: Subscription) -> bool:
        return any(digest.name == mine.digest for digest in self.site.app().config.digests)

    async def _ended(self, request: Request) -> Response:
        """Of a digest that the configuration names no more: nothing is left to choose, but what is kept is theirs."""
        context = {
            "title": "This digest has ended",
            "lines": ("It is not published any more, so there is nothing to choose and nothing will come.",),
            "back": {"url": self.site.at(f"/data/{request.path_params['token']}"), "text": "Your data"},
        }
        return await self.site.page("message", context, status=404)

    def _path(self, request: Request) -> str:
        return self.site.at(f"/preferences/{request.path_params['token']}")


def _place(problem: tuple[str, str]) -> int:
    """Where on the page a field stands."""
    name = "categories" if problem[0].startswith("amount-") else problem[0]
    return list(LABELS).index(name) if name in LABELS else -1


def _day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"
