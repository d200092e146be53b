"""A small archive whose outcome we wrote: some days, some papers a day, their votes that morning and in the end."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

FIRST = date(2026, 2, 2)
#: By the order of votes on the last morning these stand first in their five days; in the end three of them have none.
FALLEN, RISEN = (7, 8, 9), (27, 28, 29)

Line = dict[str, Any]


def morning(day: int) -> datetime:
    return datetime(FIRST.year, FIRST.month, FIRST.day, 8, tzinfo=UTC) + timedelta(days=day)


def paper(number: int, day: int, votes: int | None, **said: object) -> Line:
    at = morning(day)
    return {
        "id": f"2602.{number:05}",
        "title": f"Harbour signals and their lamps, part {number}",
        "abstract": f"We describe lamp {number} of {number % 7} quays and how its light is read from a ship.",
        "authors": [f"Keeper {number % 9}", "Ada Halden"],
        "categories": ["cs.CL" if number % 3 else "cs.LG"],
        "submitted_at": (at - timedelta(hours=9)).isoformat(),
        "published_at": (at - timedelta(hours=30)).isoformat(),
        "observed_at": at.isoformat(),
        "upvotes": votes,
        "source": "hf",
        **said,
    }


def count(number: int, at: datetime, votes: int) -> Line:
    return {"id": f"2602.{number:05}", "observed_at": at.isoformat(), "upvotes": votes, "source": "hf"}


def voted(days: int = 10, a_day: int = 6) -> list[Line]:
    """Five days have thirty papers with 100, 99, … votes; in the end 1000, 999, … but for the fallen and the risen."""
    found: list[Line] = []
    for number in range(days * a_day):
        place, day = number % 30, number // a_day
        final = 0 if place in FALLEN else 2000 if place in RISEN else 1000 - place
        found.append(paper(number, day, 100 - place))
        found.append(count(number, morning(day) + timedelta(days=6), final))
    return found


def listed(days: int = 3, a_day: int = 50) -> list[Line]:
    """arXiv's listings: every tenth paper is on the voting list a day later."""
    found: list[Line] = []
    for number in range(5000, 5000 + days * a_day):
        day = (number - 5000) // a_day
        at = morning(day) - timedelta(hours=5)
        found.append(paper(number, day, None, source="arxiv", submitted_at=None, observed_at=at.isoformat()))
        if number % 10 == 0:
            found.append(paper(number, day + 1, 3, observed_at=(morning(day) + timedelta(days=1)).isoformat()))
    found.append(count(5000, morning(days + 9), 4))
    return found


def text(lines: list[Line]) -> list[str]:
    return [json.dumps(line) + "\n" for line in lines]
