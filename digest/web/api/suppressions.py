"""Suppressions: addresses that must not be written to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from digest.app import App
from digest.model.errors import NotFound
from digest.model.people import Suppression, SuppressionReason
from digest.services.readers.subscribe import normal_address
from digest.web.api.operation import AnyOperation, Operation
from digest.web.api.shapes import MANY, Address, Answer, Given, Instant, Limit, Nothing, leaf


class Listed(Given):
    after: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$", description="The `next` of the page before.")] = ""
    limit: Limit = MANY


class SuppressionAnswer(Answer):
    """Nothing is sent to this address. Of who was erased it is empty."""

    address: str
    reason: Literal["operator", "request", "complaint", "hard-bounce", "soft-bounce", "erased"]
    detail: str
    since_at: Instant


class Suppressions(Answer):
    """A page of the list, in no order that means anything."""

    items: tuple[SuppressionAnswer, ...]
    next: str | None


class OfAddress(Given):
    """Whose it is."""

    address: Address


class Found(Answer):
    suppression: SuppressionAnswer | None


class Suppressed(Given):
    """Whom to write to no more, and why."""

    address: Address
    reason: Literal["operator", "request", "complaint", "hard-bounce", "soft-bounce"] = "operator"
    detail: Annotated[str, Field(max_length=500, description="A note.")] = ""


class SuppressedAnswer(Answer):
    address: str
    added: bool = Field(description="False: it was on the list already.")


class Removed(Answer):
    address: str
    removed: Literal[True]


def _told(one: Suppression) -> SuppressionAnswer:
    return SuppressionAnswer.model_validate(
        {"address": one.address, "reason": one.reason.value, "detail": one.detail, "since_at": one.since_at}
    )


def _list(app: App, at: Listed, _: Nothing) -> Suppressions:
    shown, last = leaf(app.roster.suppressions(after=at.after, limit=at.limit + 1), at.limit)
    return Suppressions(items=tuple(map(_told, shown)), next=last.key if last else None)


def _find(app: App, _: Nothing, body: OfAddress) -> Found:
    address = normal_address(body.address)
    found = app.subscribe.suppressed([address]).get(address)
    return Found(suppression=_told(found) if found else None)


def _add(app: App, _: Nothing, body: Suppressed) -> SuppressedAnswer:
    address = normal_address(body.address)
    return SuppressedAnswer(
        address=address, added=app.subscribe.suppress(address, SuppressionReason(body.reason), body.detail)
    )


def _remove(app: App, _: Nothing, body: OfAddress) -> Removed:
    address = normal_address(body.address)
    if not app.subscribe.lift(address):
        raise NotFound("it is not on the list", where=address)
    return Removed(address=address, removed=True)


_READ, _WRITE = ("suppressions:read",), ("suppressions:write",)

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        name="list suppressions",
        method="GET",
        path="/suppressions",
        scopes=_READ,
        at=Listed,
        answer=Suppressions,
        run=_list,
        says="The list, page by page.",
    ),
    Operation(
        name="find suppression",
        method="POST",
        path="/suppressions/find",
        scopes=_READ,
        at=Nothing,
        body=OfAddress,
        answer=Found,
        run=_find,
        says="Whether an address is on the list. Nothing is changed: it is a POST so that no address stands in a URL.",
    ),
    Operation(
        name="add suppression",
        method="POST",
        path="/suppressions",
        scopes=_WRITE,
        at=Nothing,
        body=Suppressed,
        answer=SuppressedAnswer,
        run=_add,
        about=lambda _at, body, _answer: ("an address", body.reason),
        says="Never write to an address again.",
    ),
    Operation(
        name="remove suppression",
        method="POST",
        path="/suppressions/remove",
        scopes=_WRITE,
        at=Nothing,
        body=OfAddress,
        answer=Removed,
        run=_remove,
        about=lambda _at, _body, _answer: ("an address", ""),
        says="Take an address off the list, and forgive what came back from it.",
        refuses=(404,),
    ),
)
