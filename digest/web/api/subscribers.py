"""Subscribers: list, look for, add, change, pause, end, erase.

People are named by numbers in addresses, and by their own address in bodies alone: proxies log the one, not the other.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from digest.app import App
from digest.model.errors import InputError, NotFound
from digest.model.people import Subscription
from digest.services.readers.admission import Asked, Outcome
from digest.services.readers.roster import Person, Wanted
from digest.services.readers.subscribe import Choices
from digest.web.api.operation import AnyOperation, Operation
from digest.web.api.shapes import MANY, Address, After, Answer, Day, Given, Id, Instant, Limit, Name, Nothing, leaf

READ, WRITE = ("subscribers:read",), ("subscribers:write",)
State = Literal["pending", "confirmed", "unsubscribed"]
_KEYS = "The preference keys of a [[digest]]: categories, keywords, authors, topics, mute, weights, max_items and more."
_Weekday = Annotated[int, Field(ge=0, le=6)]


class Reads(Answer):
    """One subscription: a digest, and what this reader set otherwise than the digest; empty is as the digest has it."""

    digest: str
    state: State
    language: str
    timezone: str
    send_at: str = Field(description="HH:MM, local.")
    days: tuple[int, ...] = Field(description="Weekdays, Monday 0.")
    preferences: dict[str, JsonValue] = Field(description=_KEYS)
    paused_until: date | None = Field(description="The first day that mail comes again.")
    created_at: Instant
    confirmed_at: Instant | None
    last_slot: str | None = Field(description="The local date of the last edition that was made.")


class SubscriberAnswer(Answer):
    """Somebody with an address."""

    id: int
    address: str
    created_at: Instant
    joined: bool = Field(description="Whether digests of one instant come in one mail.")
    suppressed: str | None = Field(description="Why nothing is sent to this address.")
    subscriptions: tuple[Reads, ...]


class Subscribers(Answer):
    """A page of people, in the order they came."""

    items: tuple[SubscriberAnswer, ...]
    next: int | None


class Listed(Given):
    after: After = 0
    limit: Limit = MANY
    digest: Name | None = Field(None, description="Who has a subscription to it, in any state or in `state`.")
    state: State | None = Field(None, description="Who has a subscription in this state.")


class Searched(Given):
    """Who is looked for."""

    search: Annotated[str, Field(min_length=1, max_length=320, description="An address, or a part of one.")]
    after: After = 0
    limit: Limit = MANY
    digest: Name | None = None
    state: State | None = None


class OfSubscriber(Given):
    id: Id


class OfSubscription(Given):
    id: Id
    digest: Name


class Settings(Given):
    """How a digest comes. What is left out stays; "" and [] return to the digest's own."""

    language: Annotated[str, Field(max_length=20, description="Such as de, or zh-Hans.")] | None = None
    timezone: Annotated[str, Field(max_length=100, description="Such as Europe/Berlin.")] | None = None
    send_at: Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$")] | None = None
    days: Annotated[tuple[_Weekday, ...], Field(max_length=7, description="Weekdays, Monday 0.")] | None = None
    joined: bool | None = None
    preferences: (
        Annotated[dict[str, JsonValue], Field(max_length=50, description=f"{_KEYS} All are replaced.")] | None
    ) = None

    def choices(self) -> Choices:
        return Choices(
            language=self.language,
            timezone=self.timezone,
            send_at=self.send_at,
            days=tuple(sorted(set(self.days))) if self.days is not None else None,
            joined=self.joined,
            preferences=self.preferences,
        )


class Added(Given):
    """Who is to read what."""

    address: Address
    digest: Name
    confirmed: bool = Field(False, description="On your word, at once; else the address is asked by mail.")
    settings: Settings = Settings()


class AddedAnswer(Answer):
    """What became of it: confirmed at once; a mail is planned, which asks, or tells who reads it already how to change
    it (the settings of the request then count for nothing); the address had one within a day (repeated); nothing is
    written to it, for it must not be (silent)."""

    outcome: Literal["confirmed", "planned", "repeated", "silent"]
    subscriber: SubscriberAnswer | None


class Paused(Given):
    """Until when."""

    until: Day = Field(description="The first day that mail comes again, within a year.")


class Left(Given):
    """Which subscriptions end."""

    digest: Name | None = Field(None, description="This one; else all.")
    tell: bool = Field(False, description="Mail the reader a goodbye.")


class Ended(Answer):
    ended: int = Field(description="How many subscriptions ended.")


class Erased(Answer):
    erased: Literal[True]


def told(one: Person) -> SubscriberAnswer:
    return SubscriberAnswer(
        id=one.subscriber.id,
        address=one.subscriber.address,
        created_at=one.subscriber.created_at,
        joined=one.subscriber.joined,
        suppressed=one.suppressed.value if one.suppressed else None,
        subscriptions=tuple(map(_reads, one.links)),
    )


def _reads(link: Subscription) -> Reads:
    return Reads.model_validate(
        {
            "digest": link.digest,
            "state": link.state.value,
            "language": link.language,
            "timezone": link.timezone,
            "send_at": f"{link.send_at:%H:%M}" if link.send_at else "",
            "days": link.days,
            "preferences": dict(link.preferences),
            "paused_until": link.paused_until,
            "created_at": link.created_at,
            "confirmed_at": link.confirmed_at,
            "last_slot": link.last_slot_date or None,
        }
    )


def _page(app: App, wanted: Wanted, after: int, limit: int) -> Subscribers:
    shown, last = leaf(app.roster.page(wanted, after=after, limit=limit + 1), limit)
    return Subscribers(items=tuple(map(told, shown)), next=last.subscriber.id if last else None)


def _list(app: App, at: Listed, _: Nothing) -> Subscribers:
    return _page(app, Wanted(digest=at.digest or "", state=at.state or ""), at.after, at.limit)


def _search(app: App, _: Nothing, body: Searched) -> Subscribers:
    wanted = Wanted(digest=body.digest or "", state=body.state or "", search=body.search)
    return _page(app, wanted, body.after, body.limit)


def _get(app: App, at: OfSubscriber, _: Nothing) -> SubscriberAnswer:
    return told(app.roster.get(at.id))


def _add(app: App, _: Nothing, body: Added) -> AddedAnswer:
    choices = body.settings.choices()
    if body.confirmed:
        link = app.subscribe.add(body.address, body.digest, choices=choices)
        return AddedAnswer(outcome="confirmed", subscriber=told(app.roster.get(link.subscriber_id)))
    if choices.joined is not None:
        what, remedy = "can be set only for who reads already", "leave it out, or say that it is confirmed"
        raise InputError(what, where="body.settings.joined", try_=remedy)
    app.subscribe.check(body.digest, choices)
    outcome = app.admission.join(Asked(address=body.address, digest=body.digest, choices=choices)).outcome
    name = "planned" if outcome is Outcome.PLANNED else "repeated" if outcome is Outcome.REPEATED else "silent"
    try:
        known = told(app.roster.get(app.subscribe.find(body.address).id))
    except NotFound:
        known = None
    return AddedAnswer(outcome=name, subscriber=known)


def _added(_: Nothing, body: Added, answer: AddedAnswer) -> tuple[str, str]:
    known = answer.subscriber
    about = f"subscriber {known.id}" if known is not None else "an address that is not kept"
    return about, f"{body.digest}: {answer.outcome}"


def _link(app: App, at: OfSubscription) -> Subscription:
    for link in app.roster.get(at.id).links:
        if link.digest == at.digest:
            return link
    raise NotFound("there is no such subscription", where=f"subscriber {at.id}, {at.digest}")


def _choose(app: App, at: OfSubscription, body: Settings) -> Reads:
    link = _link(app, at)
    app.subscribe.digest(link.digest)
    return _reads(app.subscribe.choose(link, body.choices()))


def _pause(app: App, at: OfSubscription, body: Paused) -> Reads:
    return _reads(app.subscribe.pause(_link(app, at), body.until))


def _resume(app: App, at: OfSubscription, _: Nothing) -> Reads:
    return _reads(app.subscribe.resume(_link(app, at)))


def _leave(app: App, at: OfSubscriber, body: Left) -> Ended:
    if body.digest is not None:
        _link(app, OfSubscription(id=at.id, digest=body.digest))
    address = app.roster.get(at.id).subscriber.address
    end = app.goodbye.remove if body.tell else app.subscribe.leave
    return Ended(ended=end(address, body.digest))


def _ended(at: OfSubscriber, body: Left, answer: Ended) -> tuple[str, str]:
    goodbye = ", told" if body.tell else ""
    return f"subscriber {at.id}", f"{body.digest or 'all'}: {answer.ended} ended{goodbye}"


def _erase(app: App, at: OfSubscriber, _: Nothing) -> Erased:
    app.subscribe.erase(app.roster.get(at.id).subscriber.address)
    return Erased(erased=True)


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        name="list subscribers",
        method="GET",
        path="/subscribers",
        scopes=READ,
        at=Listed,
        answer=Subscribers,
        run=_list,
        says="Who reads, page by page.",
    ),
    Operation(
        name="search subscribers",
        method="POST",
        path="/subscribers/search",
        scopes=READ,
        at=Nothing,
        body=Searched,
        answer=Subscribers,
        run=_search,
        says="Who has an address with this in it. Nothing is changed: it is a POST so that no address stands in a URL.",
    ),
    Operation(
        name="add subscriber",
        method="POST",
        path="/subscribers",
        scopes=WRITE,
        at=Nothing,
        body=Added,
        answer=AddedAnswer,
        run=_add,
        about=_added,
        says="Ask an address by mail whether it wants a digest, or subscribe it on your word.",
    ),
    Operation(
        name="get subscriber",
        method="GET",
        path="/subscribers/{id}",
        scopes=READ,
        at=OfSubscriber,
        answer=SubscriberAnswer,
        run=_get,
        says="One subscriber.",
        refuses=(404,),
    ),
    Operation(
        name="change subscription",
        method="PATCH",
        path="/subscribers/{id}/subscriptions/{digest}",
        scopes=WRITE,
        at=OfSubscription,
        body=Settings,
        answer=Reads,
        run=_choose,
        about=lambda at, _body, _answer: (f"subscriber {at.id}", at.digest),
        says="Change how a digest comes to a reader.",
        refuses=(404,),
    ),
    Operation(
        name="pause subscription",
        method="POST",
        path="/subscribers/{id}/subscriptions/{digest}/pause",
        scopes=WRITE,
        at=OfSubscription,
        body=Paused,
        answer=Reads,
        run=_pause,
        about=lambda at, body, _answer: (f"subscriber {at.id}", f"{at.digest} until {body.until}"),
        says="Send a reader nothing of a digest before a day.",
        refuses=(404,),
    ),
    Operation(
        name="resume subscription",
        method="POST",
        path="/subscribers/{id}/subscriptions/{digest}/resume",
        scopes=WRITE,
        at=OfSubscription,
        answer=Reads,
        run=_resume,
        about=lambda at, _body, _answer: (f"subscriber {at.id}", at.digest),
        says="End a reader's pause.",
        refuses=(404,),
    ),
    Operation(
        name="end subscriptions",
        method="POST",
        path="/subscribers/{id}/leave",
        scopes=WRITE,
        at=OfSubscriber,
        body=Left,
        answer=Ended,
        run=_leave,
        about=_ended,
        says="Unsubscribe a reader from one digest or from all.",
        refuses=(404,),
    ),
    Operation(
        name="erase subscriber",
        method="POST",
        path="/subscribers/{id}/erase",
        scopes=WRITE,
        at=OfSubscriber,
        answer=Erased,
        run=_erase,
        about=lambda at, _body, _answer: (f"subscriber {at.id}", ""),
        says="Take a person out for good; only a keyed hash stays, so that nobody writes to the address again.",
        refuses=(404,),
    ),
)
