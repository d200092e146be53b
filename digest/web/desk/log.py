"""The log of deeds: who did what, when."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from digest.web.desk.door import Desk, Visit
from digest.web.desk.typed import number

_A_PAGE = 100


def routes(desk: Desk) -> list[Route]:
    return [desk.get("/desk/log", _log)]


async def _log(visit: Visit) -> Response:
    who, about = visit.query.get("who", "")[:200], visit.query.get("about", "")[:300]
    before = number(visit.query.get("before", ""))
    deeds = await run_in_threadpool(
        lambda: visit.app.operators.log(limit=_A_PAGE + 1, before=before, who=who, about=about)
    )
    shown = deeds[:_A_PAGE]
    older = shown[-1].id if len(deeds) > _A_PAGE else None
    return await visit.page("log", {"deeds": shown, "who": who, "about": about, "older": older})
