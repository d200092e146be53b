"""What goes wrong -> problem+json (RFC 9457) with our three texts: what happened, where, and what to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from pydantic import Field
from starlette.responses import Response

from digest.model.errors import (
    ConfigError,
    Conflict,
    DigestError,
    InputError,
    NotFound,
    SendingRefused,
    StorageError,
    UsageError,
)
from digest.web.api.shapes import Answer

MEDIA_TYPE = "application/problem+json"

#: The first class that fits decides.
STATUSES: tuple[tuple[type[DigestError], int], ...] = (
    (NotFound, 404),
    (SendingRefused, 409),
    (UsageError, 422),
    (InputError, 422),
    (ConfigError, 422),
    (StorageError, 503),
    (DigestError, 503),
)


class Wrong(Answer):
    """One thing that is wrong with a request."""

    where: str
    what: str


class Problem(Answer):
    """Why something was not done."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="The three texts in one line.")
    what: str = Field(description="What happened.")
    where: str = Field(description="To what.")
    try_: str = Field(serialization_alias="try", description="What to do about it.")
    errors: tuple[Wrong, ...] = Field((), description="All that is wrong with the request's form.")


@dataclass(kw_only=True)
class Refused(Exception):
    """A request that is not let through, or not done."""

    status: int
    what: str
    where: str = ""
    try_: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    errors: Sequence[Wrong] = ()

    def body(self) -> str:
        error = DigestError(self.what, where=self.where, try_=self.try_)
        return Problem(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=str(error),
            what=self.what,
            where=self.where,
            try_=self.try_,
            errors=tuple(self.errors),
        ).model_dump_json(by_alias=True)

    def response(self) -> Response:
        return Response(self.body(), status_code=self.status, headers=dict(self.headers), media_type=MEDIA_TYPE)


def said(error: DigestError) -> DigestError:
    """What may be logged: an index tells whose row it refused, which is nobody's to log."""
    return StorageError("another change came first", try_="ask again") if isinstance(error, Conflict) else error


def refused(error: DigestError) -> Refused:
    """What a service could not do. Where it is ours to mend, the log says why: a database's own words name hosts, users
    and paths, which are no asker's to know."""
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    if status != HTTPStatus.SERVICE_UNAVAILABLE:
        return Refused(status=status, what=error.what, where=error.where, try_=error.try_)
    what, remedy = "it cannot be done now", "ask again in a moment; the log of the server says why"
    if isinstance(error, Conflict):
        what, remedy = said(error).what, said(error).try_
    return Refused(status=status, what=what, try_=remedy, headers={"Retry-After": "5"})
