"""Sources: how each is, its log, and the buttons for looking at it, fetching it, adding one and taking one out.

What is typed here may name addresses of the web only: no file, program or machine of the own network.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from digest.config import from_table
from digest.model.errors import ConfigError, Conflict, DigestError, InputError
from digest.model.feeds import Source
from digest.services.fetching.discover import Discovery, Found
from digest.services.fetching.ingest import FetchedSource
from digest.services.fetching.sources import name_of, shown_options, shown_url
from digest.web.desk.door import Desk, Visit, told
from digest.web.desk.errands import Errand, Errands

_PLACE, _NEW = "/desk/sources", "/desk/new-source"
_MOST_ADDRESS = 2_000
#: How often a source may be wished to be looked at.
EVERY = ("30min", "1h", "3h", "6h", "12h", "1d")
_SHOWN = 12
_BUSY = "A look of yours is still on its way, or too many are: wait until one has come to an end, and repeat it."
_SLOW = "It takes a while: load this page again to see what came of it."


def routes(desk: Desk) -> list[Route]:
    room = _Sources()
    return [
        desk.get(_PLACE, room.overview),
        desk.get(f"{_PLACE}/{{id}}", room.show),
        desk.post(f"{_PLACE}/{{id}}/test", room.test),
        desk.post(f"{_PLACE}/{{id}}/fetch", room.fetch),
        desk.post(f"{_PLACE}/{{id}}/remove", room.remove),
        desk.get(_NEW, room.ask),
        desk.post(f"{_NEW}/look", room.look),
        desk.post(_NEW, room.add),
    ]


@dataclass(frozen=True, slots=True)
class _Sources:
    errands: Errands = field(default_factory=Errands)

    async def overview(self, visit: Visit) -> Response:
        found = await run_in_threadpool(visit.app.watch.all)
        return await visit.page("sources", {"now": visit.app.clock(), "sources": found})

    async def show(self, visit: Visit) -> Response:
        name = _name(visit)
        report = await run_in_threadpool(visit.app.watch.one, name)
        context = {
            "now": visit.app.clock(),
            "report": report,
            "source": report.source,
            "action": _page_of(name),
            "test": _told(self.errands.last(visit, "test", name)),
        }
        return await visit.page("source", context)

    async def test(self, visit: Visit) -> Response:
        """What it brings now; nothing is stored: `digest sources test`."""
        name = _name(visit)
        source = await run_in_threadpool(visit.app.watch.source, name)
        errand = await self.errands.run(visit, "test", name, lambda: visit.app.discover.again(source))
        if errand is None:
            return await _busy(visit)
        await visit.note("test source", f"source {name}")
        return visit.back(_page_of(name), done=_SLOW if errand.is_running else "")

    async def fetch(self, visit: Visit) -> Response:
        name = _name(visit)
        await run_in_threadpool(visit.app.watch.source, name)
        errand = await self.errands.run(visit, "fetch", name, lambda: visit.app.ingest.run([name]))
        if errand is None:
            return await _busy(visit)
        await visit.note("fetch source", f"source {name}")
        return visit.back(_page_of(name), done=_fetched(errand))

    async def remove(self, visit: Visit) -> Response:
        name = _name(visit)
        await run_in_threadpool(visit.app.sources.remove, name)
        await visit.note("remove source", f"source {name}")
        return visit.back(_PLACE, done=f"{name} is no longer polled; its papers stay.")

    async def ask(self, visit: Visit) -> Response:
        """The form, and what the last look found."""
        errand = self.errands.last(visit, "look")
        return await self._form(visit, errand.about if errand else "", errand)

    async def _form(self, visit: Visit, address: str, errand: Errand | None, *, is_lost: bool = False) -> Response:
        context = {"address": address, "every": EVERY, "look": _looked(errand), "is_lost": is_lost}
        return await visit.page("source_new", context, status=409 if is_lost else 200)

    async def look(self, visit: Visit) -> Response:
        """Finds what could be polled behind an address: `digest sources add --dry-run`, for strangers' addresses."""
        address = visit.said("address")[:_MOST_ADDRESS]
        if not address:
            raise InputError("nothing was given", where="address", try_="give an address of the web, or a category")
        errand = await self.errands.run(
            visit, "look", address, lambda: visit.app.discover.look(address, allow_private=False, allow_files=False)
        )
        return await _busy(visit) if errand is None else visit.back(_NEW, done=_SLOW if errand.is_running else "")

    async def add(self, visit: Visit) -> Response:
        """Stores what the last look found: what is polled comes from there, not from the form."""
        errand = self.errands.last(visit, "look", visit.said("address"))
        found = errand.result if errand is not None else None
        pick = visit.said("pick")
        if not isinstance(found, Discovery) or pick not in map(str, range(len(found.found))):
            return await self._form(visit, visit.said("address")[:_MOST_ADDRESS], None, is_lost=True)
        source = await run_in_threadpool(_named, visit, found.found[int(pick)])
        try:
            await run_in_threadpool(visit.app.sources.add, source)
        except Conflict as error:
            return await visit.page("said", {"title": "It was not added", "lines": told(error)}, status=409)
        await visit.note("add source", f"source {source.id}", shown_url(source))
        return visit.back(_page_of(source.id), done=f"{source.id} is polled from now on.")


def _named(visit: Visit, found: Found) -> Source:
    """The source under the name and with the pause that are wished for, checked as a [[source]] of the file is."""
    source = found.source
    short = visit.said("id") or visit.app.sources.free_id(name_of(source.url or source.category))
    every = visit.said("every") or "1h"
    table = {"id": short, "url": "https://localhost/", "every": every}
    try:
        named = from_table({"mail": {"from": "digest@localhost"}, "source": [table]}, folder=Path.cwd()).sources[0]
    except ConfigError as error:
        raise InputError(error.what, where=error.where, try_=error.try_) from error
    return replace(source, id=named.id, every=named.every)


def _looked(errand: Errand | None) -> dict[str, object] | None:
    """What a look behind an address found, as the page shows it."""
    if errand is None:
        return None
    told_of = _told(errand)
    result = told_of["result"]
    if not isinstance(result, Discovery):
        return told_of
    found = [
        {
            "number": number,
            "one": one,
            "url": shown_url(one.source),
            "options": shown_options(one.source),
            "entries": one.entries[:_SHOWN],
            "name": name_of(one.source.url or one.source.category),
        }
        for number, one in enumerate(result.found)
    ]
    return {**told_of, "found": found, "failed": result.failed}


def _told(errand: Errand | None) -> dict[str, object]:
    """What came of an errand: whether it goes on, its result, or the lines that say why there is none."""
    result = errand.result if errand is not None else None
    failed = told(result) if isinstance(result, DigestError) else []
    return {
        "is_running": errand is not None and errand.is_running,
        "result": None if failed else result,
        "lines": failed,
        "at": errand.began_at if errand is not None else None,
        "entries": result.entries[:_SHOWN] if isinstance(result, Found) else (),
    }


def _fetched(errand: Errand) -> str:
    result = errand.result
    if errand.is_running:
        return _SLOW
    if isinstance(result, DigestError):
        return " ".join(told(result))
    rows = cast("tuple[FetchedSource, ...]", result)
    if not rows:
        return "It was not asked: the daemon is about to stop."
    row = rows[0]
    return f"{row.id} is {row.state.value}: {row.new} new, {row.revised} revised. {row.detail}".strip()


async def _busy(visit: Visit) -> Response:
    return await visit.page("said", {"title": "Not now", "lines": [_BUSY]}, status=409)


def _name(visit: Visit) -> str:
    return str(visit.path["id"])[:200]


def _page_of(name: str) -> str:
    return f"{_PLACE}/{quote(name, safe='')}"
