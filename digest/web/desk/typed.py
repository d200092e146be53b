"""What operators type into the desk's forms, read: numbers, pasted profiles, weekdays."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import cast

from digest.config import parse_profile
from digest.model.errors import DigestError, InputError, NotFound

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST_DIGITS = 15


def number(text: str) -> int | None:
    """A row's number; None for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def row(text: str, what: str) -> int:
    """The number of a row that a path names; NotFound for what is none, ``what`` being what there is not."""
    found = number(text)
    if found is None:
        raise NotFound(f"there is no such {what}", where=text[:40])
    return found


def pasted(text: str) -> Mapping[str, object]:
    """Preferences as TOML, or as JSON where they begin with a brace. Raises InputError with the key that is wrong."""
    text = text.strip()
    try:
        table = _json(text) if text.startswith("{") else tomllib.loads(text)
        parse_profile(table, where="profile")
    except (ValueError, RecursionError) as error:  # also for a number of thousands of digits
        raise InputError(
            f"is neither TOML nor JSON: {error}",
            where="profile",
            try_='write the preference keys of a [[digest]], such as keywords = ["retrieval"]',
        ) from error
    except DigestError as error:
        raise InputError(error.what, where=error.where or "profile", try_=error.try_) from error
    return table


def shown(preferences: Mapping[str, object]) -> str:
    """Preferences as a form shows them: ``pasted`` reads them again."""
    return json.dumps(dict(preferences), ensure_ascii=False, indent=1, sort_keys=True) if preferences else ""


def weekdays(days: Sequence[int]) -> str:
    """``every day``, ``Mon–Fri`` or the days one by one."""
    ordered = tuple(sorted(days))
    if len(ordered) == len(DAYS):
        return "every day"
    if len(ordered) > 2 and ordered == tuple(range(ordered[0], ordered[-1] + 1)):
        return f"{DAYS[ordered[0]]}–{DAYS[ordered[-1]]}"
    return ", ".join(DAYS[day] for day in ordered)


def slot_said(key: str | None) -> str:
    """A slot's key as people read it: its local date, and its instant in UTC."""
    if not key:
        return ""
    local, _, at = key.partition("@")
    day, time = at[:10], at[11:16]
    return f"{local}, {time} UTC" if day == local else f"{local}, {day} {time} UTC"


def _json(text: str) -> Mapping[str, object]:
    found: object = json.loads(text)
    if not isinstance(found, dict):
        raise InputError("is no JSON object", where="profile", try_="write { … }")
    return cast("dict[str, object]", found)
