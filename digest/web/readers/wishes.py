"""What the form for joining says: fields as they were typed, the choices they mean, and what is wrong with which."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from zoneinfo import available_timezones

from digest.model.editions import About, Digest
from digest.model.errors import DigestError
from digest.model.people import OWN_NAMES
from digest.services.subscribe import Choices, normal_address
from digest.web.forms import first

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: How much of a category somebody wants, as a multiple of its usual weight.
AMOUNTS = (("0", "none"), ("0.5", "less"), ("1", "as usual"), ("2", "more"))
_AREAS = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
_MOST_TYPED, _MOST_TOPICS, _MOST_TOPIC = 400, 10, 120

#: Raises an error for choices that a digest cannot print: services' Subscribe.check.
Check = Callable[[str, Choices], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Typed:
    """The form's fields, each as it was typed. ``whole``: it asked for more than the address."""

    address: str = ""
    whole: bool = False
    topics: str = ""
    amounts: Mapping[str, str] = field(default_factory=dict[str, str])
    days: tuple[int, ...] = ()
    send_at: str = ""
    timezone: str = ""
    language: str = ""


def blank(digest: Digest, address: str = "") -> Typed:
    """The form as it stands before anybody typed."""
    schedule = digest.schedule
    return Typed(
        address=address[:_MOST_TYPED],
        amounts={code: "1" for code, _ in digest.profile.categories},
        days=tuple(sorted(schedule.days)),
        send_at=f"{schedule.send_at:%H:%M}",
        timezone=schedule.timezone,
        language=digest.profile.language,
    )


def typed(form: Mapping[str, list[str]], digest: Digest) -> Typed:
    """What a form brings; a form with only an address (on somebody's own page) has the digest's settings."""
    address = first(form, "email")[:_MOST_TYPED]
    if not first(form, "whole"):
        return blank(digest, address)
    return Typed(
        address=address,
        whole=True,
        topics=first(form, "topics")[: _MOST_TOPICS * _MOST_TOPIC],
        amounts={code: first(form, f"amount-{code}")[:20] or "1" for code, _ in digest.profile.categories},
        days=tuple(sorted({int(day) for day in form.get("days", []) if day in "0123456" and len(day) == 1})),
        send_at=first(form, "send_at")[:_MOST_TYPED],
        timezone=first(form, "timezone")[:_MOST_TYPED],
        language=first(form, "language")[:_MOST_TYPED],
    )


def choices_of(said: Typed, digest: Digest, check: Check) -> tuple[Choices, Mapping[str, str]]:
    """(what the form means, what is wrong by field). What is as the digest has it follows the digest."""
    problems: dict[str, str] = {}
    try:
        normal_address(said.address)
    except DigestError as error:
        problems["email"] = f"This {error.what}"
    if not said.whole:
        return Choices(), problems
    usual = digest.schedule
    preferences: dict[str, object] = {}
    topics = topics_of(said.topics)
    if topics:
        preferences["topics"] = topics
        if len(topics) > _MOST_TOPICS or any(len(topic) > _MOST_TOPIC for topic in topics):
            problems["topics"] = f"At most {_MOST_TOPICS} topics, each of at most {_MOST_TOPIC} characters."
    weights, wrong = _weights(said, digest)
    if weights is not None:
        preferences["categories"] = weights
    if wrong:
        problems["categories"] = wrong
    if not said.days:
        problems["days"] = "Tick at least one day."
    choices = Choices(
        language="" if said.language == digest.profile.language else said.language,
        timezone="" if said.timezone == usual.timezone else said.timezone,
        send_at="" if said.send_at == f"{usual.send_at:%H:%M}" else said.send_at,
        days=() if said.days == tuple(sorted(usual.days)) else said.days,
        preferences=preferences,
    )
    for name, one in (
        ("language", Choices(language=said.language or "-")),
        ("timezone", Choices(timezone=said.timezone or "-")),
        ("send_at", Choices(send_at=said.send_at or "-")),
        ("topics", Choices(preferences=preferences)),
    ):
        try:
            check(digest.name, one)
        except DigestError as error:
            problems.setdefault(name, "; ".join(filter(None, (error.what, error.try_))))
    return choices, problems


def topics_of(text: str) -> list[str]:
    """One topic a line, or divided by commas or semicolons."""
    found = (" ".join(part.split()) for part in re.split(r"[\r\n,;]+", text))
    return list(dict.fromkeys(topic for topic in found if topic))


def _weights(said: Typed, digest: Digest) -> tuple[Mapping[str, object] | None, str]:
    """(categories with their weights, what is wrong); None for the categories as the digest has them."""
    factors: dict[str, float] = {}
    for code, amount in said.amounts.items():
        if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2})?", amount) or float(amount) > 10:
            return None, f"{amount!r} for {code} is not a number from 0 to 10."
        factors[code] = float(amount)
    if not factors or set(factors.values()) == {1.0}:
        return None, ""
    if not any(factors.values()):
        return None, "Keep at least one category."
    seats = {
        code: {"min": least} | ({} if most is None else {"max": most}) for code, least, most in digest.profile.seats
    }
    weighed: dict[str, object] = {}
    for code, weight in digest.profile.categories:
        if factors[code]:
            whole = weight * factors[code]
            weighed[code] = {"weight": whole, **seats[code]} if code in seats else whole
    return weighed, ""


def is_changed(said: Typed, digest: Digest) -> bool:
    """Whether somebody chose anything beside the address."""
    return said.whole and replace(said, whole=False) != blank(digest, said.address)


def fields(said: Typed, digest: Digest, category_title: Callable[[str], str]) -> dict[str, object]:
    """The fields as templates/pages/join.html.j2 has them."""
    amounts = {amount for amount, _ in AMOUNTS}
    return {
        "email": said.address,
        "topics": said.topics,
        "has_topics": digest.about is not About.TOPIC,
        "categories": [
            {
                "code": code,
                "title": category_title(code),
                "amounts": [
                    {"value": value, "text": text, "chosen": value == amount}
                    for value, text in (*AMOUNTS, *(() if amount in amounts else ((amount, amount),)))
                ],
            }
            for code, amount in said.amounts.items()
        ],
        "days": [{"number": n, "name": name, "chosen": n in said.days} for n, name in enumerate(DAYS)],
        "send_at": said.send_at,
        "timezone": said.timezone,
        "zones": zones(),
        "languages": [{"code": code, "name": name, "chosen": code == base} for code, name in OWN_NAMES.items()]
        if (base := said.language) in OWN_NAMES
        else [
            {"code": said.language, "name": said.language, "chosen": True},
            *({"code": code, "name": name, "chosen": False} for code, name in OWN_NAMES.items()),
        ],
    }


@cache
def zones() -> tuple[str, ...]:
    """Names of zones to pick from, as Area/Place; others may be typed."""
    return ("UTC", *sorted(name for name in available_timezones() if name.startswith(_AREAS)))
