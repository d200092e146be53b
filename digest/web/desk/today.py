"""Today at a glance: what wants a word of the operator, how each send stands, what came back, and who is here.

Takes what `digest status` tells, counted so that a large ledger answers at once; pausing is `digest deliveries pause`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from starlette.background import BackgroundTask, BackgroundTasks
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from digest.app import App
from digest.model.errors import UsageError
from digest.model.feeds import SourceState
from digest.services.sending.ledger import ALL, DeliveryRow, Which
from digest.services.status.fleet import Trouble
from digest.services.status.glance import Glance
from digest.services.status.pictures import Picture, mails
from digest.services.status.report import DigestStatus
from digest.web.desk import deliveries
from digest.web.desk.door import HOME, Desk, Visit
from digest.web.desk.fresh import Fresh
from digest.web.desk.typed import slot_said
from digest.web.figures import Pulse

_LISTED = 4
#: Days that the picture shows.
_DAYS = 30
_WELL = (SourceState.OK, SourceState.UNCHANGED)
_CALM = (SourceState.QUIET, SourceState.HOLIDAY)
_BAD = (SourceState.BROKEN, SourceState.THROTTLED)


def routes(desk: Desk) -> list[Route]:
    room = _Today()
    desk.after_deeds.append(room.look.forget)
    return [
        desk.get(HOME, room.show),
        desk.post("/desk/sending/pause", room.pause),
        desk.post("/desk/sending/resume", room.resume),
        desk.get("/desk/silence", _silence),
        *deliveries.routes(desk),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Want:
    """One thing that wants a word, and where it is said."""

    text: str
    command: str = ""
    path: str = ""
    said: str = ""


class _Today:
    def __init__(self) -> None:
        # In the midst of a large send it takes a while to count what waits.
        self.look: Fresh[Glance] = Fresh(_look, new_for=timedelta(seconds=5), shown_for=timedelta(minutes=1))
        self.drawn: Fresh[Picture] = Fresh(_drawn, new_for=timedelta(minutes=5), shown_for=timedelta(hours=1))

    async def show(self, visit: Visit) -> Response:
        glance, again = await self.look.get(visit.app)
        picture, draw = self.drawn.peek(visit.app)
        asked, sessions = await run_in_threadpool(_asked, visit.app)
        fleet = await run_in_threadpool(visit.app.fleet.look)
        pulse = visit.site.pulse()
        context = {
            "now": visit.app.clock(),
            "glance": glance,
            "wants": (*_wants(glance, pulse), *map(_wanted, fleet.troubles)),
            "sources": _sources(glance),
            "digests": [_told(one, glance.at) for one in glance.digests],
            "asked": asked,
            "sessions": sessions,
            "pulse": pulse,
            "picture": picture,
        }
        response = await visit.page("today", context)
        response.background = _both(again, draw)
        return response

    async def pause(self, visit: Visit) -> Response:
        name, digest = _named(visit)
        changed = await run_in_threadpool(visit.app.ledger.pause, digest)
        done = "is paused; what is on the wire is finished" if changed else "was paused already"
        return await self._done(visit, "pause sending", name, done)

    async def resume(self, visit: Visit) -> Response:
        name, digest = _named(visit)
        changed = await run_in_threadpool(visit.app.ledger.resume, digest)
        return await self._done(visit, "resume sending", name, "goes on" if changed else "was not paused")

    async def _done(self, visit: Visit, deed: str, name: str, done: str) -> Response:
        await visit.note(deed, name)
        return deliveries.back_to(visit, f"Sending of {name} {done}.")


def _named(visit: Visit) -> tuple[str, str]:
    """(how the log names what is held, the digest)."""
    digest = visit.said("digest")
    if not digest:
        raise UsageError("no digest is named", where="digest", try_='write a name, or "*" for all')
    return "all digests" if digest == ALL else f"digest {digest}", digest


def _look(app: App) -> Glance:
    return app.overview.look()


def _drawn(app: App) -> Picture:
    return mails(app.trends.run(_DAYS))


def _asked(app: App) -> tuple[dict[str, tuple[DeliveryRow, ...]], Sequence[object]]:
    """(the first of the mails that an operator may decide about, by state; who is logged in)."""
    found = {state: app.ledger.listing(Which(states=(state,)), limit=_LISTED) for state in ("uncertain", "deferred")}
    return found, app.operators.sessions()


def _wants(glance: Glance, pulse: Pulse | None) -> Iterator[_Want]:
    """What does not go by itself, the worst first."""
    if glance.restored:
        yield _Want(
            text="This database is a restored backup, and nothing is sent until you say that it is to go on:",
            command="digest db restored",
        )
    if pulse is not None and pulse.refused_since is not None:
        since = f"{pulse.refused_since:%Y-%m-%d %H:%M} UTC"
        yield _Want(text=f"No mail server takes anything since {since}; what is wrong, tells", command="digest doctor")
    for job in pulse.standing_still(glance.at) if pulse is not None else ():
        since = f"{job.ended_at:%Y-%m-%d %H:%M} UTC" if job.ended_at else "the daemon started"
        yield _Want(text=f"The job {job.name} has not come to an end since {since}.")
    if glance.uncertain:
        yield _Want(
            text=f"{_mails(glance.uncertain)} may have arrived or not: say which, or ask the relay's log with",
            command="digest deliveries reconcile --log FILE",
            path="/desk/deliveries?state=uncertain",
            said="Decide",
        )
    for name in glance.paused:
        yield _Want(text=f"Sending of {_every(name)} is paused.", path="#digests", said="Resume")
    for one in glance.digests:
        if one.last_slot and one.due_slot and one.due_slot > one.last_slot:
            text = f"{one.title}: the slot of {slot_said(one.due_slot)} was not published yet."
            yield _Want(text=text)
    for source in glance.sources:
        if source.state == SourceState.BROKEN or source.silence:
            what = source.silence or f"is broken, {source.failures} times in a row: {source.detail}"
            yield _Want(text=f"{source.id} {what}", path=f"/desk/sources/{quote(source.id, safe='')}", said="Look")


def _wanted(trouble: Trouble) -> _Want:
    """What is wrong with a fleet."""
    text = f"{trouble.what[:1].upper()}{trouble.what[1:]}: {trouble.try_}."
    return _Want(text=text, path="/desk/machines", said="Look")


def _sources(glance: Glance) -> dict[str, int]:
    """How many are well, calm (nothing new, as they say), in trouble, and of none of these."""
    kinds = (("well", _WELL), ("calm", _CALM), ("bad", _BAD))
    counted = Counter(next((name for name, states in kinds if one.state in states), "new") for one in glance.sources)
    return {name: counted[name] for name in ("well", "calm", "bad", "new")}


def _told(one: DigestStatus, now: datetime) -> dict[str, object]:
    """A digest with its slots as people read them."""
    next_at = datetime.fromisoformat(one.next_slot[11:]) if one.next_slot else None
    return {
        "status": one,
        "last": slot_said(one.last_slot),
        "day": one.last_slot[:10] if one.last_slot else "",
        "next": slot_said(one.next_slot),
        "wait": _wait(next_at - now) if next_at else "",
    }


def _wait(time: timedelta) -> str:
    minutes = max(0, int(time.total_seconds() // 60))
    if minutes < 120:
        return f"in {minutes} min"
    return f"in {minutes // 60} h" if minutes < 48 * 60 else f"in {minutes // 1440} days"


def _mails(number: int) -> str:
    return "1 mail" if number == 1 else f"{number:,} mails"


def _every(name: str) -> str:
    return "all digests" if name == ALL else name


def _both(*tasks: BackgroundTask | None) -> BackgroundTasks | None:
    some = [one for one in tasks if one is not None]
    return BackgroundTasks(some) if some else None


async def _silence(visit: Visit) -> Response:
    """Why little or nothing came on a day, source by source: `digest silence`."""
    name, on = visit.query.get("digest", "")[:200], visit.query.get("on", "")[:20]
    digest = visit.app.config.digest(name)
    found = await run_in_threadpool(lambda: visit.app.silence.run(digest, on=on))
    return await visit.page("silence", {"found": found, "title": digest.title})
