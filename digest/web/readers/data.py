"""Your data: what is kept of a reader, to see, to carry off and to erase.

The link at the foot of the preferences only asks for a mail (services/readers/mydata.py says why); what that mail links
to is here, for a day. Nothing happens by looking: erasing asks once more, and takes a button.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from digest.services.plain import as_json
from digest.services.readers.mydata import Kept, KeptDelivery, KeptSubscription
from digest.web.pages import Site
from digest.web.readers.shown import DAYS

#: Lines of the page's table of mails, the newest; all of them are in the file.
_SHOWN = 60
_STATES = {"pending": "not confirmed", "confirmed": "comes to you", "unsubscribed": "you left"}
#: What became of a mail, in plain words.
_ENDS = {
    "accepted": "handed to your mail server",
    "deferred": "your mail server asked us to try later",
    "rejected": "your mail server refused it",
    "uncertain": "handed over, without an answer",
    "suppressed": "not sent",
    "expired": "not sent, it was too late",
}
#: Settings whose names say too little.
_NAMES = {
    "max_items": "Papers at most",
    "per_category": "Of a category at most",
    "min_score": "Score at least",
    "mute": "Never to be shown",
    "explain": "Says why it is short",
    "send_at": "Hour",
    "timezone": "Time zone",
}
_KINDS = {
    "confirmation": "The question whether you want it",
    "welcome": "A welcome",
    "link": "Your own link",
    "data": "The link to this page",
    "goodbye": "A goodbye",
    "bounce": "That mails came back",
    "alert": "An alert to an operator",
}
_WHY_NOT = {
    "hard-bounce": "there is no such mailbox",
    "soft-bounce": "mails came back too often",
    "complaint": "a mail of ours was called spam",
    "operator": "the operator says so",
    "request": "you asked so",
}


def routes(site: Site) -> list[Route]:
    room = _Data(site)
    return [
        Route("/data/{token}", room.offer, methods=["GET"]),
        Route("/data/{token}", room.send, methods=["POST"]),
        Route("/mydata/{token}", room.show, methods=["GET"]),
        Route("/mydata/{token}/export", room.export, methods=["GET"]),
        Route("/mydata/{token}/erase", room.ask_to_erase, methods=["GET"]),
        Route("/mydata/{token}/erase", room.erase, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Data:
    site: Site

    async def offer(self, request: Request) -> Response:
        token = request.path_params["token"]
        if await self.site.subscription(token) is None:
            return await self.site.dead_link()
        context = {"action": self.site.at(f"/data/{token}"), "back": self.site.at(f"/preferences/{token}")}
        return await self.site.page("data_ask", context)

    async def send(self, request: Request) -> Response:
        token = request.path_params["token"]
        if not await run_in_threadpool(self.site.app().mydata.ask, token):
            return await self.site.dead_link()
        return await self.site.page("data_sent", {"back": self.site.at(f"/preferences/{token}")})

    async def show(self, request: Request) -> Response:
        token = request.path_params["token"]
        kept = await self._kept(token)
        if kept is None:
            return await self._expired()
        return await self.site.page("data", await run_in_threadpool(self._context, kept, token))

    async def export(self, request: Request) -> Response:
        kept = await self._kept(request.path_params["token"])
        if kept is None:
            return await self._expired()
        return JSONResponse(as_json(kept), headers={"content-disposition": 'attachment; filename="your-data.json"'})

    async def ask_to_erase(self, request: Request) -> Response:
        token = request.path_params["token"]
        mine = await run_in_threadpool(self.site.app().mydata.opened, token)
        if mine is None:
            return await self._expired()
        context = {
            "action": self.site.at(f"/mydata/{token}/erase"),
            "address": mine.address,
            "back": self.site.at(f"/mydata/{token}"),
        }
        return await self.site.page("data_erase", context)

    async def erase(self, request: Request) -> Response:
        if not await run_in_threadpool(self.site.app().mydata.erase, request.path_params["token"]):
            return await self._expired()
        return await self.site.message(
            "You are erased",
            "All that we kept about you is gone, and nothing more will come.",
            "Only a keyed hash of your address stays: by it we know not to write to you, and nobody can read the "
            "address from it. Should you want mails again one day, write to us.",
            "Good-bye, and thank you for reading.",
        )

    async def _kept(self, token: str) -> Kept | None:
        mydata = self.site.app().mydata
        mine = await run_in_threadpool(mydata.opened, token)
        return await run_in_threadpool(mydata.of, mine.address) if mine is not None else None

    async def _expired(self) -> Response:
        return await self.site.message(
            "This link does not work",
            "It is not one of ours, it is more than 24 hours old, or what it led to is erased.",
            "For a new one open “Choose what you get” in any mail of ours; at the foot of that page is “Your data”.",
            status=404,
        )

    def _context(self, kept: Kept, token: str) -> Mapping[str, object]:
        newest = kept.deliveries[: -_SHOWN - 1 : -1]
        return {
            "address": kept.address,
            "since": _day(kept.since_at),
            "subscriptions": [self._subscription(one) for one in kept.subscriptions],
            "suppressed": kept.suppressed
            and {
                "why": _WHY_NOT.get(kept.suppressed.reason, kept.suppressed.reason),
                "since": _day(kept.suppressed.since_at),
                "detail": kept.suppressed.detail,
            },
            "tastes": len(kept.tastes),
            "words": kept.leans_on["words"],
            "people": kept.leans_on["people"],
            "bounces": [{"day": _day(one.at), "what": one.detail or one.status or one.kind} for one in kept.bounces],
            "deeds": [
                {"day": _day(one.at), "what": " ".join(filter(None, (one.deed, one.detail)))} for one in kept.deeds
            ],
            "deliveries": [self._delivery(one) for one in newest],
            "more": len(kept.deliveries) - len(newest),
            "days": self.site.app().config.retention.deliveries_days,
            "export": self.site.at(f"/mydata/{token}/export"),
            "erase": self.site.at(f"/mydata/{token}/erase"),
        }

    def _subscription(self, one: KeptSubscription) -> Mapping[str, object]:
        lines = [
            ("State", _STATES.get(one.state, one.state)),
            ("Asked for", _day(one.created_at)),
            ("Confirmed", _day(one.confirmed_at) if one.confirmed_at else ""),
            ("Left", _day(one.left_at) if one.left_at else ""),
            ("Paused until", one.paused_until.isoformat() if one.paused_until else ""),
            ("Language", one.language),
            ("Hour", " ".join(filter(None, (one.send_at, one.timezone)))),
            ("Days", ", ".join(DAYS[day] for day in one.days)),
            ("Newest edition", one.last_slot or ""),
            *((_titled(name), _plain(value)) for name, value in one.preferences.items()),
            *((f"Wished: {_titled(name)}", _plain(value)) for name, value in one.wished.items()),
        ]
        return {"title": self.site.title(one.digest), "lines": [(name, value) for name, value in lines if value]}

    def _delivery(self, one: KeptDelivery) -> Mapping[str, str]:
        title = self.site.title(one.digest) if one.digest else ""
        what = title if one.kind == "edition" else _KINDS.get(one.kind, one.kind)
        return {
            "day": one.local_date.isoformat() if one.local_date else _day(one.created_at),
            "what": what,
            "url": one.read,
            "end": _ENDS.get(one.state, "waits to be sent"),
            "why": one.reason,
        }


def _day(at: datetime) -> str:
    return at.date().isoformat()


def _titled(name: str) -> str:
    return _NAMES.get(name) or name.replace("_", " ").capitalize()


def _plain(value: object) -> str:
    """A setting's value in words: lists as they are read, weights beside what they weigh."""
    match value:
        case Mapping():
            pairs = cast("Mapping[object, object]", value).items()
            return ", ".join(f"{name}: {_plain(one)}" for name, one in pairs)
        case list() | tuple():
            return ", ".join(map(_plain, cast("Sequence[object]", value)))
        case _:
            return str(value)
