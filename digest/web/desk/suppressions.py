"""Who must not be written to: the list, newest first; adding, lifting, and the list as CSV."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from digest.model.errors import InputError
from digest.model.people import SuppressionReason
from digest.services.readers.people_csv import REASONS, suppression_rows
from digest.web.desk.door import Desk, Visit
from digest.web.desk.subscribers import csv_of

_A_PAGE = 100
_MOST_SEARCH, _MOST_KEY = 320, 64
MOST_DETAIL = 500


def routes(desk: Desk) -> list[Route]:
    return [
        desk.get("/desk/suppressions", _list),
        desk.post("/desk/suppressions", _search),
        desk.post("/desk/suppressions/add", _add),
        desk.post("/desk/suppressions/lift", _lift),
        desk.post("/desk/suppressions/export", _export),
    ]


async def _list(visit: Visit) -> Response:
    return await _page(visit, "", visit.query.get("before", ""))


async def _search(visit: Visit) -> Response:
    """By a part of an address, which no URL is to hold."""
    return await _page(visit, visit.said("search")[:_MOST_SEARCH], visit.said("before"))


async def _page(visit: Visit, search: str, before: str) -> Response:
    found = await run_in_threadpool(
        lambda: visit.app.roster.newest_suppressions(search=search, before=_place(before), limit=_A_PAGE + 1)
    )
    shown = found[:_A_PAGE]
    context = {
        "listed": shown,
        "search": search,
        "reasons": REASONS,
        "first": _place(before) is None,
        "next": f"{shown[-1].since_at.astimezone(UTC).isoformat()} {shown[-1].key}" if len(found) > _A_PAGE else "",
    }
    return await visit.page("suppressions", context)


async def _add(visit: Visit) -> Response:
    reason, detail = reason_of(visit), visit.said("detail")[:MOST_DETAIL]
    new = await run_in_threadpool(visit.app.subscribe.suppress, visit.said("address"), reason, detail)
    await visit.note("suppress", "an address", reason.value)
    return visit.back("/desk/suppressions", "It is on the list." if new else "It was on the list already.")


async def _lift(visit: Visit) -> Response:
    lifted = await run_in_threadpool(visit.app.subscribe.lift, visit.said("address"))
    if lifted:
        await visit.note("lift suppression", "an address")
    return visit.back("/desk/suppressions", "It may be written to again." if lifted else "It was not on the list.")


async def _export(visit: Visit) -> Response:
    await visit.note("export suppressions", "suppressions")
    return csv_of(suppression_rows(visit.app.roster.each_suppression()), "suppressions.csv")


def reason_of(visit: Visit) -> SuppressionReason:
    """Why an address is put on the list, as a form says it. Raises InputError."""
    said = visit.said("reason")
    found = next((one for one in REASONS if one.value == said), None)
    if found is None:
        raise InputError("is no reason", where=said[:40], try_=f"one of {', '.join(REASONS)}")
    return found


def _place(text: str) -> tuple[datetime, str] | None:
    """What a page goes on behind: (since_at, key); None for what is no such place."""
    at, _, key = text.partition(" ")
    try:
        since = datetime.fromisoformat(at)
        return (since.astimezone(UTC), key) if since.tzinfo is not None and 0 < len(key) <= _MOST_KEY else None
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        return None
