"""The machines that share the work: who they are, what waits for them, and what is wrong."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from digest.web.desk.door import Desk, Visit


def routes(desk: Desk) -> list[Route]:
    return [desk.get("/desk/machines", _machines)]


async def _machines(visit: Visit) -> Response:
    return await visit.page("machines", {"fleet": await run_in_threadpool(visit.app.fleet.look)})
