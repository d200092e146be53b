"""The digests: where each stands, and its next mail as anybody would get it. Looking records nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from digest.app import App
from digest.config import apply_preferences
from digest.model.editions import Digest, Edition
from digest.model.errors import DigestError, InputError
from digest.model.mail import OutcomeKind
from digest.model.people import LANGUAGE_NAMES, Profile
from digest.services.publishing.documents import proof
from digest.services.publishing.preview import Previewed
from digest.services.readers.subscribe import normal_address
from digest.web.desk.door import Desk, Visit, told
from digest.web.desk.typed import number, pasted, slot_said, weekdays

_MOST_DAYS = 14
_MOST_TEXT = 20_000


def routes(desk: Desk) -> list[Route]:
    return [
        desk.get("/desk/digests", _list),
        desk.get("/desk/digests/{name}", _show),
        desk.post("/desk/digests/{name}", _preview),
        desk.post("/desk/digests/{name}/copy", _copy),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wish:
    """Whose mail of which day is wished for; empty means anybody's, and the next one."""

    reader: int | None = None
    on: str = ""
    language: str = ""
    profile: str = ""
    """Preferences, TOML or JSON, instead of the reader's own."""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> _Wish:
        return cls(
            reader=number(given.get("reader", "")),
            on=given.get("on", "")[:40],
            language=given.get("language", "")[:20],
            profile=given.get("profile", "")[:_MOST_TEXT],
        )

    @property
    def query(self) -> dict[str, str]:
        """The wish as an address can hold it, where it can."""
        said = {"reader": str(self.reader or ""), "on": self.on, "language": self.language}
        return {name: text for name, text in said.items() if text}


async def _list(visit: Visit) -> Response:
    def look() -> list[Mapping[str, object]]:
        configured = {one.name: one for one in visit.app.config.digests}
        return [
            {
                "name": one.name,
                "title": one.title,
                "schedule": _schedule(configured[one.name]),
                "readers": one.readers,
                "paused_readers": one.paused_readers,
                "paused": one.paused,
                "last": slot_said(one.last_slot),
                "printed": one.printed if one.last_slot else None,
                "reason": one.reason,
                "is_behind": bool(one.last_slot and one.due_slot and one.due_slot > one.last_slot),
                "next": slot_said(one.next_slot),
            }
            for one in visit.app.report.status().digests
            if one.name in configured
        ]

    return await visit.page("digests", {"digests": await run_in_threadpool(look)})


async def _show(visit: Visit) -> Response:
    wish = _Wish.of(visit.query)
    return await _page(visit, _digest(visit), wish)


async def _preview(visit: Visit) -> Response:
    """Nothing is recorded: it is a POST because neither a profile nor an address belongs into a URL."""
    digest = _digest(visit)
    given = {name: visit.said(name) for name in ("reader", "on", "language", "profile")}
    address = visit.said("address")
    if address:
        found = await run_in_threadpool(visit.app.subscribe.find, address)
        given["reader"] = str(found.id)
    wish = _Wish.of(given)
    if wish.profile:
        return await _page(visit, digest, wish)
    return visit.back(f"/desk/digests/{digest.name}", **wish.query)


async def _copy(visit: Visit) -> Response:
    digest = _digest(visit)
    wish = _Wish.of({name: visit.said(name) for name in ("reader", "on", "language", "profile")})
    to = visit.said("to")

    def send() -> tuple[str, str]:
        """(what the relay said, what of it may stand in an address)."""
        shown = _previewed(visit.app, digest, wish)
        if shown.message is None:
            raise InputError("sends no mail", where=slot_said(shown.slot.key), try_=shown.reason)
        address = normal_address(to)
        outcome = visit.app.deliver.copy(shown.message, address).outcome
        answer = " ".join(str(part) for part in (outcome.code, outcome.enhanced) if part)
        if outcome.kind is not OutcomeKind.ACCEPTED:
            whole = f"the test copy was {outcome.kind.value}: {answer} {outcome.remote}"
            raise InputError(whole, where=address, try_="`digest doctor` looks at the mail server")
        return outcome.kind.value, answer

    try:
        kind, answer = await run_in_threadpool(send)
    except DigestError as error:
        lines = told(error)
        return await visit.page("said", {"title": "No test copy went out", "lines": lines}, status=422)
    await visit.note("send test copy", f"digest {digest.name}", f"{kind} {answer}".strip())
    done = f"A test copy was {kind} by the relay{f' ({answer})' if answer else ''}."
    return visit.back(f"/desk/digests/{digest.name}", done, **wish.query)


async def _page(visit: Visit, digest: Digest, wish: _Wish) -> Response:
    def look() -> Mapping[str, object]:
        app = visit.app
        address = app.roster.get(wish.reader).subscriber.address if wish.reader else ""
        context: dict[str, object] = {
            "digest": digest,
            "schedule": _schedule(digest),
            "wish": wish,
            "address": address,
            "languages": LANGUAGE_NAMES,
            "days": [{"day": one.day, "said": one} for one in app.printed.days(digest, limit=_MOST_DAYS)],
        }
        try:
            shown = _previewed(app, digest, wish, address)
        except InputError as error:
            return context | {
                "problem": " ".join(told(error)),
                "shown": None,
                "proof": None,
                "sections": (),
                "why": None,
            }
        is_empty = shown.edition is None or not shown.edition.counts.printed
        why = None
        if is_empty and not wish.profile:
            why = app.silence.run(digest, address=address, on=shown.slot.local_date.isoformat())
        return context | {
            "problem": "",
            "shown": shown,
            "slot": slot_said(shown.slot.key),
            "proof": proof(shown.mail) if shown.mail is not None else None,
            "sections": _sections(shown.edition, wish, digest),
            "why": why,
        }

    context = await run_in_threadpool(look)
    return await visit.page("digest", context, status=422 if context["problem"] else 200)


def _previewed(app: App, digest: Digest, wish: _Wish, address: str = "") -> Previewed:
    """Raises InputError and NotFound for a wish that cannot be granted."""
    address = address or (app.roster.get(wish.reader).subscriber.address if wish.reader else "")
    if wish.language and wish.language not in LANGUAGE_NAMES:
        raise InputError("is no language of our mails", where=wish.language, try_="choose one of the list")
    profile: Profile | None = None
    if wish.profile:
        try:
            profile = apply_preferences(digest.profile, pasted(wish.profile), where="profile")
        except InputError:
            raise
        except DigestError as error:
            raise InputError(error.what, where=error.where or "profile", try_=error.try_) from error
    try:
        return app.preview.run(digest, address=address, at=wish.on, profile=profile, language=wish.language)
    except DigestError as error:
        raise InputError(error.what, where=wish.on or error.where, try_=error.try_) from error
    except OverflowError as error:
        raise InputError("is at the end of the calendar", where=wish.on, try_="name a day of this century") from error


def _sections(edition: Edition | None, wish: _Wish, digest: Digest) -> list[Mapping[str, object]]:
    """What is printed, with the way to why. Explaining knows nothing of a pasted profile."""
    if edition is None:
        return []
    asked = {"digest": digest.name, "reader": str(wish.reader or ""), "at": wish.on}
    return [
        {
            "title": section.title,
            "new": section.new,
            "items": [
                {
                    "position": item.position,
                    "title": item.title or item.work,
                    "score": item.score,
                    "why": "/desk/papers?" + urlencode({"paper": item.work, **{k: v for k, v in asked.items() if v}}),
                }
                for item in section.items
            ],
        }
        for section in edition.sections
    ]


def _digest(visit: Visit) -> Digest:
    found = next((one for one in visit.app.config.digests if one.name == visit.path["name"]), None)
    if found is None:
        raise HTTPException(404)
    return found


def _schedule(digest: Digest) -> str:
    usual = digest.schedule
    return f"{usual.send_at:%H:%M} {usual.timezone}, {weekdays(usual.days)}"
