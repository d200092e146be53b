"""Digests: list, look at, stop and continue their sending; and the editions that were printed of each."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from digest.app import App
from digest.model.editions import Digest, Slot
from digest.model.errors import NotFound
from digest.services.publishing.documents import document
from digest.web.api.operation import AnyOperation, Operation
from digest.web.api.shapes import MANY, Answer, Day, Given, Instant, Limit, Name, Nothing, Part, leaf


class Occasion(Answer):
    """When an edition is due: `YYYY-MM-DD@UTC-INSTANT`, and its two halves."""

    slot: str
    local_date: date
    at: Instant


class DigestAnswer(Answer):
    """A publication as it is configured, and where it stands."""

    name: str
    title: str
    about: str
    language: str
    timezone: str
    send_at: str
    days: tuple[int, ...] = Field(description="Weekdays, Monday 0.")
    sources: tuple[str, ...] = Field(description="Empty: all.")
    join: bool = Field(description="Whether anybody may subscribe on the web.")
    archive: bool = Field(description="Whether its public editions are on the web.")
    paused: bool = Field(description="Whether its sending is stopped.")
    due: Occasion | None = Field(description="The newest slot that was due by now.")
    next: Occasion | None
    deliveries: dict[str, int] = Field(description="Of the slot that was due, by state.")


class Digests(Answer):
    items: tuple[DigestAnswer, ...]


class OfDigest(Given):
    digest: Name


class Sending(Answer):
    digest: str
    paused: bool
    changed: bool


class Editions(Given):
    digest: Name
    after: Day | None = Field(None, description="Before this day: the `next` of the page before.")
    limit: Limit = MANY


class OfEdition(Given):
    digest: Name
    day: Day


class Heading(Answer):
    """An edition without its papers."""

    day: date
    composed_at: Instant
    candidates: int
    printed: int
    reason: str


class EditionsAnswer(Answer):
    """A page of editions, the newest first."""

    items: tuple[Heading, ...]
    next: date | None


class Item(Answer):
    """A paper as it was printed."""

    id: str
    title: str
    url: str
    authors: tuple[str, ...]
    institutions: tuple[str, ...]
    categories: tuple[str, ...]
    published_at: Instant | None
    score: int = Field(description="0 to 100, the sum of its parts.")
    parts: tuple[Part, ...]
    code_url: str | None
    also: tuple[str, ...]


class Section(Answer):
    category: str
    title: str
    items: tuple[Item, ...]


class Counts(Answer):
    candidates: int
    already_sent: int
    muted: int
    printed: int


class Card(Answer):
    """Somebody whose new papers an edition prints. What is not known is null."""

    name: str
    url: str
    institutions: tuple[str, ...]
    category: str
    h_index: int | None
    papers: int | None
    citations: int | None
    novelty: int | None
    ai_score: int | None
    seen: int | None
    votes: int | None


class Edition(Answer):
    """An edition as `digest preview --json` tells it, but for its files."""

    digest: str
    slot: str
    for_: None = Field(alias="for", description="Nobody: it is the edition that everybody may see.")
    subject: str | None
    preheader: str | None
    sections: tuple[Section, ...]
    cards: tuple[Card, ...]
    counts: Counts
    reason: str
    notes: tuple[str, ...]


def _occasion(slot: Slot | None) -> Occasion | None:
    return Occasion(slot=slot.key, local_date=slot.local_date, at=slot.at) if slot else None


def named(app: App, name: str) -> Digest:
    """Raises NotFound."""
    for one in app.config.digests:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in app.config.digests)
    raise NotFound(f'there is no digest "{name}"', where="digest", try_=f"known are: {known}")


def _told(app: App, digest: Digest) -> DigestAnswer:
    now = app.clock()
    paused = app.ledger.still_paused()
    due, following = app.report.occasions(digest, now)
    schedule = digest.schedule
    return DigestAnswer(
        name=digest.name,
        title=digest.title,
        about=digest.about.value,
        language=digest.profile.language,
        timezone=schedule.timezone,
        send_at=f"{schedule.send_at:%H:%M}",
        days=schedule.days,
        sources=digest.sources,
        join=digest.join,
        archive=digest.archive,
        paused=digest.name in paused or "*" in paused,
        due=_occasion(due),
        next=_occasion(following),
        deliveries=dict(app.report.slot(digest, now).deliveries),
    )


def _list(app: App, _at: Nothing, _body: Nothing) -> Digests:
    return Digests(items=tuple(_told(app, one) for one in app.config.digests))


def _get(app: App, at: OfDigest, _: Nothing) -> DigestAnswer:
    return _told(app, named(app, at.digest))


def _pause(app: App, at: OfDigest, _: Nothing) -> Sending:
    digest = named(app, at.digest)
    return Sending(digest=digest.name, paused=True, changed=app.ledger.pause(digest.name))


def _resume(app: App, at: OfDigest, _: Nothing) -> Sending:
    digest = named(app, at.digest)
    changed = app.ledger.resume(digest.name)
    return Sending(digest=digest.name, paused="*" in app.ledger.still_paused(), changed=changed)


def _editions(app: App, at: Editions, _: Nothing) -> EditionsAnswer:
    shown, last = leaf(app.printed.days(named(app, at.digest), before=at.after, limit=at.limit + 1), at.limit)
    return EditionsAnswer(items=tuple(map(Heading.model_validate, shown)), next=last.day if last else None)


def _edition(app: App, at: OfEdition, _: Nothing) -> Edition:
    return Edition.model_validate(document(app.printed.on(named(app, at.digest), at.day)))


_READ, _WRITE = ("digests:read",), ("digests:write",)

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        name="list digests",
        method="GET",
        path="/digests",
        scopes=_READ,
        at=Nothing,
        answer=Digests,
        run=_list,
        says="All digests, and when the next edition of each is due.",
    ),
    Operation(
        name="get digest",
        method="GET",
        path="/digests/{digest}",
        scopes=_READ,
        at=OfDigest,
        answer=DigestAnswer,
        run=_get,
        says="One digest, and when its next edition is due.",
        refuses=(404,),
    ),
    Operation(
        name="pause digest",
        method="POST",
        path="/digests/{digest}/pause",
        scopes=_WRITE,
        at=OfDigest,
        answer=Sending,
        run=_pause,
        about=lambda at, _body, _answer: (f"digest {at.digest}", ""),
        says="Stop the sending of a digest; what is on the wire is finished.",
        refuses=(404,),
    ),
    Operation(
        name="resume digest",
        method="POST",
        path="/digests/{digest}/resume",
        scopes=_WRITE,
        at=OfDigest,
        answer=Sending,
        run=_resume,
        about=lambda at, _body, _answer: (f"digest {at.digest}", ""),
        says="Go on sending a digest.",
        refuses=(404,),
    ),
    Operation(
        name="list editions",
        method="GET",
        path="/digests/{digest}/editions",
        scopes=("editions:read",),
        at=Editions,
        answer=EditionsAnswer,
        run=_editions,
        says="The public editions of a digest, the newest first.",
        refuses=(404,),
    ),
    Operation(
        name="get edition",
        method="GET",
        path="/digests/{digest}/editions/{day}",
        scopes=("editions:read",),
        at=OfEdition,
        answer=Edition,
        run=_edition,
        says="The public edition of a day, with its papers.",
        refuses=(404,),
    ),
)
