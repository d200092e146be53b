"""What all requests and answers of the API are made of: models that check what comes in, write what goes out, and
describe themselves for the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

Row = TypeVar("Row")
#: What every program's JSON holds exactly (RFC 7493, 2.2).
LARGEST = 2**53 - 1


class Given(BaseModel):
    """What somebody sends. A key that is not known is refused, and no value is taken for another kind of value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)


class Answer(BaseModel):
    """What we say. It is read off a record's attributes; instants are ISO 8601 in UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, from_attributes=True)


def _day(value: object) -> object:
    """A number of seconds is no day to us, whatever else a program takes it for."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("should be a day such as 2026-05-04")
    return value


def _instant(value: object) -> object:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("should be an instant with its zone such as 2026-05-04T07:30:00+02:00")
    return value


def _whole(value: object, info: ValidationInfo) -> object:
    """A number in a path or a query, written as JSON writes it: others take 1_0, +5, 05 and 5.0 for none."""
    if info.mode == "json" or not isinstance(value, str):
        return value
    if not _WHOLE.fullmatch(value):
        raise ValueError("should be a whole number such as 50")
    return int(value)


_WHOLE = re.compile(r"-?(0|[1-9]\d{0,15})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)", re.ASCII)

Id = Annotated[int, Field(ge=1, le=LARGEST), BeforeValidator(_whole)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Address = Annotated[str, Field(min_length=3, max_length=320, description="An e-mail address.")]
Day = Annotated[date, Field(strict=False), BeforeValidator(_day)]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_instant)]
Instant = AwareDatetime
After = Annotated[
    int, Field(ge=0, le=LARGEST, description="Behind this: the `next` of the page before."), BeforeValidator(_whole)
]
Limit = Annotated[int, Field(ge=1, le=200, description="At most so many."), BeforeValidator(_whole)]

MANY = 50
"""How many a page holds where nobody says."""


class Nothing(Given):
    """For a request that says nothing."""


class Part(Answer):
    """A share of the score."""

    key: str
    points: int
    why: str


def leaf(found: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """(what a page shows, the row that the next one begins behind) of rows of which one more was asked for."""
    return found[:limit], found[limit - 1] if len(found) > limit else None
