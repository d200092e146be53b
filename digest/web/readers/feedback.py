"""What a reader says of papers: one word of one paper, the list of all of them, and taking them back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from digest.model.errors import NotFound
from digest.model.people import Subscription
from digest.services.readers.taste import Asked
from digest.web.forms import first, read_form
from digest.web.pages import Site

#: What the buttons of the feedback page post.
_WORDS = {"more": 1, "less": -1, "nothing": 0}


def routes(site: Site) -> list[Route]:
    room = _Feedback(site)
    return [
        Route("/feedback/{token}/{entry}", room.ask_for_a_word, methods=["GET"]),
        Route("/feedback/{token}/{entry}", room.keep_a_word, methods=["POST"]),
        Route("/preferences/{token}/said", room.show_said, methods=["GET"]),
        Route("/preferences/{token}/said", room.take_back, methods=["POST"]),
        Route("/preferences/{token}/said.json", room.export_said, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Feedback:
    site: Site

    async def ask_for_a_word(self, request: Request) -> Response:
        token, entry = request.path_params["token"], request.path_params["entry"]
        found = await run_in_threadpool(self.site.app().tastes.asked, token, entry)
        return await self._word(request, found, kept=False)

    async def keep_a_word(self, request: Request) -> Response:
        token, entry = request.path_params["token"], request.path_params["entry"]
        value = _WORDS.get(first(await read_form(request), "say"))
        if value is None:  # no button of ours
            return await self.ask_for_a_word(request)
        found = await run_in_threadpool(self.site.app().tastes.answer, token, entry, value)
        return await self._word(request, found, kept=True)

    async def show_said(self, request: Request) -> Response:
        """All that a reader said of papers."""
        mine = await self.site.subscription(request.path_params["token"])
        return await self._said(request, mine) if mine is not None else await self.site.dead_link()

    async def take_back(self, request: Request) -> Response:
        """Takes back one word (field ``undo``, an id) or all of them (field ``forget``)."""
        mine = await self.site.subscription(request.path_params["token"])
        if mine is None:
            return await self.site.dead_link()
        form, tastes = await read_form(request), self.site.app().tastes
        if "forget" in form:
            await run_in_threadpool(tastes.forget, mine.subscriber_id)
        elif paper := first(form, "undo"):
            with suppress(NotFound):  # the second click of two: it is taken back already
                await run_in_threadpool(tastes.undo, mine.subscriber_id, [paper])
        return await self._said(request, mine)

    async def export_said(self, request: Request) -> Response:
        mine = await self.site.subscription(request.path_params["token"])
        if mine is None:
            return await self.site.dead_link()
        document = await run_in_threadpool(self.site.app().tastes.export, mine.subscriber_id)
        return JSONResponse(document, headers={"content-disposition": 'attachment; filename="tastes.json"'})

    async def _said(self, request: Request, mine: Subscription) -> Response:
        tastes = self.site.app().tastes
        said = await run_in_threadpool(tastes.said_by, mine.subscriber_id)
        words, people = await run_in_threadpool(tastes.leanings, mine.subscriber_id)
        context = {
            "action": self.site.at(f"/preferences/{request.path_params['token']}/said"),
            "back": self.site.at(f"/preferences/{request.path_params['token']}"),
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
        return await self.site.page("said", context)

    async def _word(self, request: Request, found: Asked | None, *, kept: bool) -> Response:
        if found is None:
            return await self.site.dead_link()
        context = {
            "action": self.site.at(f"/feedback/{request.path_params['token']}/{request.path_params['entry']}"),
            "title": found.entry.title or found.entry.work,
            "value": found.value,
            "kept": kept,
        }
        return await self.site.page("feedback", context)
