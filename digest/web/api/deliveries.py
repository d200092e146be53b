"""Deliveries: list, show, try again, settle what is uncertain."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import Field

from digest.app import App
from digest.services.sending.ledger import Which
from digest.web.api.operation import AnyOperation, Operation
from digest.web.api.shapes import MANY, After, Answer, Day, Given, Id, Instant, Limit, Name, Nothing, leaf

State = Literal["queued", "leased", "sending", "accepted", "deferred", "rejected", "uncertain", "suppressed", "expired"]

_SOME = "^(({0})(,({0})){{0,8}})?$".format("|".join(get_args(State)))


class Listed(Given):
    state: Annotated[str, Field(pattern=_SOME, description="Of this state, or of these, with commas between.")] = ""
    digest: Name | None = None
    day: Annotated[Day | None, Field(description="Editions of this local date.")] = None
    subscriber: Annotated[Id | None, Field(description="To this subscriber.")] = None
    after: After = 0
    limit: Limit = MANY


class DeliveryAnswer(Answer):
    """One mail to one address, and what became of it."""

    id: int
    kind: str = Field(description="edition, confirmation, welcome, link, goodbye, bounce or alert.")
    digest: str
    address: str
    local_date: date | None
    state: State
    attempts: int
    reason: str
    code: int | None
    enhanced: str
    remote: str = Field(description="The server's words.")
    created_at: Instant
    next_at: Instant | None
    settled_at: Instant | None
    expires_at: Instant | None


class Deliveries(Answer):
    """A page of deliveries, the oldest first."""

    items: tuple[DeliveryAnswer, ...]
    next: int | None


class OfDelivery(Given):
    id: Id


class Try(Answer):
    """One attempt; its outcome is empty while it goes on."""

    started_at: Instant
    ended_at: Instant | None
    outcome: str
    code: int | None
    enhanced: str
    remote: str


class Member(Answer):
    """One delivery of a mail that joins several digests."""

    id: int
    digest: str
    local_date: date | None
    state: State


class CameBack(Answer):
    kind: str
    status: str
    detail: str
    at: Instant


class Report(Answer):
    """One delivery and all that is known of it, but for its return path, by which bounces prove that they are ours."""

    delivery: DeliveryAnswer
    tries: tuple[Try, ...]
    message_id: str
    relay: str
    joined: tuple[Member, ...]
    bounces: tuple[CameBack, ...]
    next: tuple[str, ...] = Field(description="What happens now, and what can be done.")


class Decided(Given):
    """What became of it."""

    as_: Literal["accepted", "lost", "resend"] = Field(alias="as")


def _list(app: App, at: Listed, _: Nothing) -> Deliveries:
    address = app.roster.get(at.subscriber).subscriber.address if at.subscriber is not None else ""
    which = Which(
        states=tuple(filter(None, at.state.split(","))), digest=at.digest or "", local_date=at.day, address=address
    )
    shown, last = leaf(app.ledger.listing(which, after=at.after, limit=at.limit + 1), at.limit)
    return Deliveries(items=tuple(map(DeliveryAnswer.model_validate, shown)), next=last.id if last else None)


def _get(app: App, at: OfDelivery, _: Nothing) -> Report:
    return Report.model_validate(app.ledger.show(at.id))


def _retry(app: App, at: OfDelivery, _: Nothing) -> DeliveryAnswer:
    return DeliveryAnswer.model_validate(app.ledger.retry(at.id))


def _resolve(app: App, at: OfDelivery, body: Decided) -> DeliveryAnswer:
    return DeliveryAnswer.model_validate(app.ledger.resolve(at.id, body.as_))


_READ, _WRITE = ("deliveries:read",), ("deliveries:write",)

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        name="list deliveries",
        method="GET",
        path="/deliveries",
        scopes=_READ,
        at=Listed,
        answer=Deliveries,
        run=_list,
        says="Deliveries of every state, or of some.",
        refuses=(404,),
    ),
    Operation(
        name="get delivery",
        method="GET",
        path="/deliveries/{id}",
        scopes=_READ,
        at=OfDelivery,
        answer=Report,
        run=_get,
        says="One delivery: every try, what came back, what a relay's log names it by, and what can be done.",
        refuses=(404,),
    ),
    Operation(
        name="retry delivery",
        method="POST",
        path="/deliveries/{id}/retry",
        scopes=_WRITE,
        at=OfDelivery,
        answer=DeliveryAnswer,
        run=_retry,
        about=lambda at, _body, _answer: (f"delivery {at.id}", ""),
        says="Try again now: what waits, or was rejected while no later edition holds its papers.",
        refuses=(404, 409),
    ),
    Operation(
        name="resolve delivery",
        method="POST",
        path="/deliveries/{id}/resolve",
        scopes=_WRITE,
        at=OfDelivery,
        body=Decided,
        answer=DeliveryAnswer,
        run=_resolve,
        about=lambda at, body, _answer: (f"delivery {at.id}", body.as_),
        says="Settle what is uncertain: it arrived, it was lost, or send it again under the same Message-ID.",
        refuses=(404, 409),
    ),
)
