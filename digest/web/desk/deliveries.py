"""Single mails: those that are open, uncertain or failed, what is known of one, and the operator's word on it.

The buttons do what `digest deliveries retry` and `resolve` do.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from digest.model.errors import InputError, SendingRefused
from digest.services.sending.ledger import RESOLUTIONS, DeliveryRow, Which
from digest.web.desk.door import Desk, Visit, place_of, told
from digest.web.desk.typed import number, row

_A_PAGE = 50
_STATES = ("uncertain", "deferred", "rejected", "queued", "sending", "suppressed", "expired", "accepted")
_DONE = {"accepted": "counts as sent", "lost": "is given up as lost", "resend": "is sent again"}


def routes(desk: Desk) -> list[Route]:
    return [
        desk.get("/desk/deliveries", _page),
        desk.get("/desk/deliveries/{id}", _show),
        desk.post("/desk/deliveries/{id}/retry", _retry),
        desk.post("/desk/deliveries/{id}/resolve", _resolve),
    ]


async def _page(visit: Visit) -> Response:
    state, digest = visit.query.get("state", "uncertain")[:20], visit.query.get("digest", "")[:200]
    after = number(visit.query.get("after", "")) or 0
    which = Which(states=(state,), digest=digest)
    found = await run_in_threadpool(lambda: visit.app.ledger.listing(which, after=after, limit=_A_PAGE + 1))
    shown = found[:_A_PAGE]
    more = {"state": state, "digest": digest, "after": shown[-1].id} if len(found) > _A_PAGE else None
    context = {
        "state": state,
        "states": _STATES,
        "digest": digest,
        "digests": [one.name for one in visit.app.config.digests],
        "mails": shown,
        "more": urlencode(more) if more else "",
        "here": f"{visit.request.url.path}?{visit.request.url.query}",
    }
    return await visit.page("deliveries", context)


async def _show(visit: Visit) -> Response:
    report = await run_in_threadpool(visit.app.ledger.show, row(visit.path["id"], "delivery"))
    return await visit.page("delivery", {"report": report, "mail": report.delivery, "here": visit.request.url.path})


async def _retry(visit: Visit) -> Response:
    return await _decided(visit, "retry", visit.app.ledger.retry, "is due now")


async def _resolve(visit: Visit) -> Response:
    said = visit.said("as")
    if said not in RESOLUTIONS:
        raise InputError("say what became of it", where="as", try_=f"one of {', '.join(RESOLUTIONS)}")
    return await _decided(visit, f"resolve as {said}", lambda one: visit.app.ledger.resolve(one, said), _DONE[said])


async def _decided(visit: Visit, deed: str, act: Callable[[int], DeliveryRow], done: str) -> Response:
    one = row(visit.path["id"], "delivery")
    try:
        await run_in_threadpool(act, one)
    except SendingRefused as error:
        return await visit.page("said", {"title": "That was not done", "lines": told(error)}, status=409)
    await visit.note(deed, f"delivery {one}")
    return back_to(visit, f"Delivery {one} {done}.")


def back_to(visit: Visit, done: str) -> Response:
    """To the page of the desk that a form names as the one it stood on."""
    path, _, query = place_of(visit.said("to")).partition("?")
    kept = {name: said for name, said in parse_qsl(query) if name != "done"}
    return visit.back(path, done, **kept)
