"""Who reads: everybody, a page at a time; adding, by a mail that asks or at the operator's word; the list as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from digest.model.errors import InputError, NotFound
from digest.model.people import SubscriptionState
from digest.services.readers.admission import Asked
from digest.services.readers.people_csv import subscription_rows
from digest.services.readers.roster import Person, Wanted
from digest.services.readers.table import in_pieces
from digest.web.desk.door import Desk, Visit
from digest.web.desk.typed import number

_A_PAGE = 100
_MOST_SEARCH = 320
#: What becomes of asking, as `digest subscribers ask` says it.
ASKED = {
    "planned": "A mail that asks is planned.",
    "repeated": "Nothing is sent: it had such a mail within a day.",
    "silent": "Nothing is sent: it must not be written to.",
}


def routes(desk: Desk) -> list[Route]:
    return [
        desk.get("/desk/subscribers", _list),
        desk.post("/desk/subscribers", _search),
        desk.post("/desk/subscribers/add", _add),
        desk.post("/desk/subscribers/export", _export),
    ]


async def _list(visit: Visit) -> Response:
    return await _page(visit, dict(visit.query))


async def _search(visit: Visit) -> Response:
    """By a part of an address, which no URL is to hold: servers on the way write URLs down."""
    given = {name: visit.said(name) for name in ("digest", "state", "search", "after")}
    if "@" in given["search"] and not given["after"]:
        whole = await run_in_threadpool(_exactly, visit, given["search"])
        if whole is not None:
            return visit.back(f"/desk/subscribers/{whole}")
    return await _page(visit, given)


async def _page(visit: Visit, given: Mapping[str, str]) -> Response:
    digests = [one.name for one in visit.app.config.digests]
    state = given.get("state", "")
    wanted = Wanted(
        digest=given.get("digest", "")[:200],
        state=state if state in tuple(SubscriptionState) else "",
        search=given.get("search", "").strip()[:_MOST_SEARCH],
    )
    after = number(given.get("after", "")) or 0
    found = await run_in_threadpool(visit.app.roster.page, wanted, after=after, limit=_A_PAGE + 1)
    shown = found[:_A_PAGE]
    context = {
        "people": [_row(one) for one in shown],
        "wanted": wanted,
        "narrows": bool(wanted.digest or wanted.state or wanted.search),
        "digests": digests,
        "states": tuple(SubscriptionState),
        "first": after == 0,
        "next": shown[-1].subscriber.id if len(found) > _A_PAGE else None,
    }
    return await visit.page("subscribers", context)


async def _add(visit: Visit) -> Response:
    address, digest = visit.said("address"), visit.said("digest")
    app = visit.app
    if visit.said("how") == "ask":
        asked = Asked(address=address, digest=digest)
        outcome = (await run_in_threadpool(app.admission.join, asked)).outcome.value
        who = await run_in_threadpool(_exactly, visit, address)
        about = f"subscriber {who}" if who is not None else "an address that is not kept"
        await visit.note("ask", about, f"{digest}: {outcome}")
        return visit.back(f"/desk/subscribers/{who}" if who is not None else "/desk/subscribers", ASKED[outcome])
    added = await run_in_threadpool(app.subscribe.add, address, digest)
    await visit.note("add subscriber", f"subscriber {added.subscriber_id}", digest)
    return visit.back(f"/desk/subscribers/{added.subscriber_id}", f"Reads {digest} from now on.")


async def _export(visit: Visit) -> Response:
    digest = visit.said("digest")
    if digest and digest not in [one.name for one in visit.app.config.digests]:
        raise InputError("there is no such digest", where=digest[:200], try_="choose one of the list")
    await visit.note("export subscribers", f"digest {digest}" if digest else "subscribers")
    roster = visit.app.roster

    def rows() -> Iterator[str]:
        people = roster.each(Wanted(digest=digest))
        return subscription_rows(link for one in people for link in one.links if digest in ("", link.digest))

    return csv_of(rows(), "subscribers.csv")


def csv_of(rows: Iterator[str], name: str) -> Response:
    """A table as a file, sent while it is read."""
    return StreamingResponse(
        in_pieces(rows),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _exactly(visit: Visit, address: str) -> int | None:
    """Whose whole address it is."""
    try:
        return visit.app.subscribe.find(address).id
    except (InputError, NotFound):
        return None


def _row(one: Person) -> Mapping[str, object]:
    return {
        "id": one.subscriber.id,
        "address": one.subscriber.address,
        "since": one.subscriber.created_at,
        "links": one.links,
        "suppressed": one.suppressed,
    }
