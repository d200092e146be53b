"""Choosing what a mail brings and when: the form of preferences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest.model.errors import InputError
from digest.model.people import OWN_NAMES, Profile, Subscription
from digest.services.subscribe import Choices
from digest.web.forms import first, read_form
from digest.web.pages import Site

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def routes(site: Site) -> list[Route]:
    room = _Choosing(site)
    return [
        Route("/preferences/{token}", room.ask, methods=["GET"]),
        Route("/preferences/{token}", room.save, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Choosing:
    site: Site

    async def ask(self, request: Request) -> Response:
        return await self._preferences(request, problems=())

    async def save(self, request: Request) -> Response:
        token = request.path_params["token"]
        form = await read_form(request)
        mine = await self.site.subscription(token)
        if mine is None:
            return await self.site.dead_link()
        app = self.site.app()
        try:
            choices = _choices(form, mine, app.subscribe.digest(mine.digest).profile)
            saved = await run_in_threadpool(app.subscribe.choose, mine, choices)
        except InputError as error:
            return await self._preferences(request, problems=(str(error),), status=422)
        title = self.site.title(saved.digest)
        return await self.site.page("saved", {"title": title, "lines": _holds(saved), "back": f"/preferences/{token}"})

    async def _preferences(self, request: Request, *, problems: Sequence[str], status: int = 200) -> Response:
        token = request.path_params["token"]
        mine = await self.site.subscription(token)
        if mine is None:
            return await self.site.dead_link()
        context = await run_in_threadpool(self._preferences_context, mine, token, problems)
        return await self.site.page("preferences", context, status=status)

    def _preferences_context(self, mine: Subscription, token: str, problems: Sequence[str]) -> Mapping[str, object]:
        app = self.site.app()
        digest = app.subscribe.digest(mine.digest)
        profile = app.subscribe.profile_of(digest, mine)
        schedule_at = mine.send_at or digest.schedule.send_at
        days = mine.days or digest.schedule.days
        chosen = {name for name, _ in profile.categories}
        offered = dict.fromkeys([*(name for name, _ in digest.profile.categories), *chosen])
        several = len(app.subscribe.show(mine.address)) > 1
        return {
            "action": f"/preferences/{token}",
            "title": digest.title,
            "send_at": schedule_at.strftime("%H:%M"),
            "timezone": mine.timezone or digest.schedule.timezone,
            "days": [{"number": n, "name": name, "chosen": n in days} for n, name in enumerate(_DAYS)],
            "max_items": profile.max_items or "",
            "layout": profile.layout,
            "explain": profile.explain,
            "chosen_language": profile.language,
            "languages": _languages(profile.language),
            "categories": [
                {"code": code, "title": app.category_title(code), "chosen": code in chosen} for code in offered
            ],
            "joined": mine.joined if several else None,
            "problems": list(problems),
            "said": f"/preferences/{token}/said",
            "unsubscribe": f"/unsubscribe/{mine.secret}",
        }


def _languages(current: str) -> list[Mapping[str, str]]:
    """What a reader may choose from: ours, and his own where it has a region."""
    offered: list[Mapping[str, str]] = [{"code": code, "name": name} for code, name in OWN_NAMES.items()]
    base = current.split("-")[0]
    if current not in OWN_NAMES and base in OWN_NAMES:
        offered.insert(0, {"code": current, "name": f"{OWN_NAMES[base]} ({current})"})
    return offered


def _choices(form: Mapping[str, list[str]], mine: Subscription, general: Profile) -> Choices:
    """What the preferences form says;

    InputError names the field that cannot be. Ticked categories keep the digest's weights.
    """
    preferences = dict(mine.preferences)
    most = first(form, "max_items")
    if most:
        if not re.fullmatch(r"[0-9]{1,3}", most) or not 1 <= int(most) <= 200:
            raise InputError(f"{most!r} is not a number from 1 to 200", where="At most so many papers")
        preferences["max_items"] = int(most)
    else:
        preferences.pop("max_items", None)
    preferences |= {name: said for name in ("layout", "explain") if (said := first(form, name))}
    weights = dict(general.categories)
    wished = form.get("categories", [])
    if wished:
        bounds = {code: {"min": least} | ({} if most is None else {"max": most}) for code, least, most in general.seats}
        preferences["categories"] = {
            code: {"weight": weights.get(code, 1.0), **bounds[code]} if code in bounds else weights.get(code, 1.0)
            for code in wished
        }
    else:
        preferences.pop("categories", None)
    language = first(form, "language") or mine.language
    days = sorted({int(day) for day in form.get("days", []) if day in "0123456" and len(day) == 1})
    if not days:
        raise InputError("tick at least one day, or unsubscribe", where="Days")
    return Choices(
        language=language if language != general.language else "",
        timezone=first(form, "timezone"),
        send_at=first(form, "send_at")[:5],
        days=tuple(days),
        preferences=preferences,
        joined=("yes" in form.get("joined", [])),
    )


def _holds(saved: Subscription) -> list[str]:
    days = ", ".join(_DAYS[day] for day in saved.days) or "every day"
    at = saved.send_at.strftime("%H:%M") if saved.send_at else ""
    lines = [f"It comes at {at} ({saved.timezone}) on {days}." if at else f"It comes on {days}."]
    if most := saved.preferences.get("max_items"):
        lines.append(f"At most {most} papers.")
    return lines
