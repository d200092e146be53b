"""The public archive: lists, editions, papers, search, feeds, and what search engines ask for. It only reads.

Addresses inside pages begin with the path of ``public_url``; those that leave a page (feeds, canonical links, the
sitemap) with all of it. What a request says of our host counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.services.archive.archive import Feed, Paths
from digest.web.caching import for_everybody
from digest.web.guard import Pace, peer_of
from digest.web.pages import Site

#: Searches that a network may ask for in a minute: each reads thousands of papers.
SEARCHES = 30
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"\d{1,18}")
_ROBOTS = """User-agent: *
Disallow: /archive/*/search
Disallow: /confirm/
Disallow: /feedback/
Disallow: /link
Disallow: /never/
Disallow: /preferences/
Disallow: /read/
Disallow: /unsubscribe/
"""


def routes(site: Site) -> list[Route]:
    room = _Archive(site)
    return [
        Route("/archive", room.home, methods=["GET"]),
        Route("/archive/{digest}", room.days, methods=["GET"]),
        Route("/archive/{digest}/feed.atom", room.atom, methods=["GET"]),
        Route("/archive/{digest}/feed.json", room.json, methods=["GET"]),
        Route("/archive/{digest}/search", room.search, methods=["GET"]),
        Route("/archive/{digest}/paper/{entry}", room.paper, methods=["GET"]),
        Route("/archive/{digest}/{day}", room.edition, methods=["GET"]),
        Route("/sitemap.xml", room.sitemap, methods=["GET"]),
        Route("/robots.txt", room.robots, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Archive:
    site: Site
    pace: Pace = field(default_factory=Pace)

    async def home(self, request: Request) -> Response:
        places = self.site.app().archive.places()
        if not places:
            return await self._missing(at_home=True)
        return await self._page(request, "archive", {"places": places}, path=Paths.home)

    async def days(self, request: Request) -> Response:
        name = request.path_params["digest"]
        before = _day(request.query_params.get("before", ""))
        found = await run_in_threadpool(self.site.app().archive.days, name, before)
        if found is None:
            return await self._missing()
        return await self._page(
            request,
            "archive_days",
            {"place": found.place, "found": found, "newest": before is None},
            path=lambda paths: paths.digest(name),
            query={} if before is None else {"before": before.isoformat()},
        )

    async def edition(self, request: Request) -> Response:
        name, day = request.path_params["digest"], _day(request.path_params["day"])
        after = _number(request.query_params.get("after", "")) or 0
        found = day and await run_in_threadpool(self.site.app().archive.edition, name, day, after)
        if not day or not found:
            return await self._missing()
        return await self._page(
            request,
            "archive_edition",
            {"place": found.place, "found": found},
            path=lambda paths: paths.day(name, day),
            query={} if found.first else {"after": str(after)},
        )

    async def paper(self, request: Request) -> Response:
        name, entry = request.path_params["digest"], _number(request.path_params["entry"])
        found = None if entry is None else await run_in_threadpool(self.site.app().archive.paper, name, entry)
        if found is None:
            return await self._missing()
        # A paper that was joined to another has the other's address, too; one of them is the one to keep.
        return await self._page(
            request,
            "archive_paper",
            {"place": found.place, "found": found},
            path=lambda paths: paths.paper(name, found.paper.id),
        )

    async def search(self, request: Request) -> Response:
        name, query = request.path_params["digest"], request.query_params.get("q", "")
        after = _cursor(request.query_params.get("after", ""))
        if query and (wait := self.pace.seconds_left(peer_of(request), self.site.app().clock(), SEARCHES)):
            return await self._too_often(wait)
        found = await run_in_threadpool(self.site.app().archive.search, name, query, after)
        if found is None:
            return await self._missing()
        further = found.after and urlencode(
            {"q": found.query, "after": f"{found.after[0].isoformat()}.{found.after[1]}"}
        )
        return await self._page(
            request,
            "archive_search",
            {"place": found.place, "found": found, "further": further or ""},
            path=lambda paths: paths.search(name),
            listed=False,
        )

    async def atom(self, request: Request) -> Response:
        return await self._document(request, self.site.app().archive.atom, "application/atom+xml; charset=utf-8")

    async def json(self, request: Request) -> Response:
        return await self._document(request, self.site.app().archive.json, "application/feed+json; charset=utf-8")

    async def sitemap(self, request: Request) -> Response:
        found = await run_in_threadpool(self.site.app().archive.sitemap)
        if found is None:
            return await self._missing(at_home=True)
        return for_everybody(request, found.body, "application/xml; charset=utf-8", changed_at=found.changed_at)

    async def robots(self, _request: Request) -> Response:
        app = self.site.app()
        public = app.config.sender.public_url if app.archive.places() else ""
        return PlainTextResponse(_ROBOTS + (f"\nSitemap: {public}/sitemap.xml\n" if public else ""))

    async def _document(self, request: Request, read: Callable[[str], Feed | None], kind: str) -> Response:
        found = await run_in_threadpool(read, request.path_params["digest"])
        if found is None:
            return await self._missing()
        return for_everybody(request, found.body, kind, changed_at=found.changed_at)

    async def _page(
        self,
        request: Request,
        name: str,
        context: Mapping[str, object],
        *,
        path: Callable[[Paths], str],
        query: Mapping[str, str] | None = None,
        listed: bool = True,
    ) -> Response:
        public = self.site.app().config.sender
        whole, inside = Paths(base=public.public_url), Paths(base=urlsplit(public.public_url).path)
        context = {
            **context,
            "paths": inside,
            "canonical": path(whole) + (f"?{urlencode(query)}" if query else ""),
            "site_name": public.from_name,
            "listed": listed,
        }
        html = await run_in_threadpool(self.site.app().renderer.page, name, context)
        return for_everybody(request, html.encode("utf-8", "replace"), "text/html; charset=utf-8", is_listed=listed)

    async def _too_often(self, seconds: int) -> Response:
        answer = await self.site.message(
            "Please wait a moment",
            "From where you are, much was searched for within a minute.",
            f"In {seconds} seconds the search works again; the rest of the archive does meanwhile.",
            status=429,
        )
        answer.headers["retry-after"] = str(seconds)
        return answer

    async def _missing(self, *, at_home: bool = False) -> Response:
        """The same words for what never was, what is gone, and what is nobody's business."""
        app = self.site.app()
        home = Paths(base=urlsplit(app.config.sender.public_url).path).home()
        back = {} if at_home or not app.archive.places() else {"back": {"url": home, "text": "To the archive"}}
        lines = ["No public edition or paper has this address. Perhaps a letter of it was lost on the way."]
        return await self.site.page("message", {"title": "There is nothing here", "lines": lines, **back}, status=404)


def _day(text: str) -> date | None:
    if not _DAY.fullmatch(text) or not text.isascii():
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) and text.isascii() else None


def _cursor(text: str) -> tuple[date, int] | None:
    """``2026-05-04.12``: behind the twelfth paper of that day; anything else is none, and begins anew."""
    on, _, position = text.partition(".")
    day, number = _day(on), _number(position)
    return (day, number) if day is not None and number is not None else None
