"""Papers: look for them, show one, why it was printed or not, which records are one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import Field

from digest.app import App
from digest.model.errors import InputError
from digest.model.feeds import Entry
from digest.services.readers.subscribe import normal_address
from digest.web.api.operation import AnyOperation, Operation
from digest.web.api.shapes import MANY, Address, After, Answer, Day, Given, Instant, Limit, Moment, Name, Nothing, Part

Paper = Annotated[str, Field(min_length=1, max_length=1_000, description="Any id, link, arXiv id or DOI.")]
#: Instants that every calendar and zone can reckon with.
_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)


class Listed(Given):
    search: Annotated[
        str, Field(max_length=200, description="Words, all of them in title or abstract; the first 8 count.")
    ] = ""
    after: Annotated[After | None, Field(description="The `next` of the page before.")] = None
    limit: Limit = MANY


class PaperAnswer(Answer):
    """A paper in a list."""

    id: str
    title: str
    url: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    published_at: Instant | None
    first_seen_at: Instant
    withdrawn: bool


class Papers(Answer):
    """A page of papers, the newest in the store first. It may be short, or empty, before the end: each page looks at
    20,000 papers at most."""

    items: tuple[PaperAnswer, ...]
    next: int | None


class OfPaper(Given):
    paper: Paper


class Seen(Answer):
    """A source that carried it."""

    source_id: str
    key: str
    url: str
    first_seen_at: Instant


class Vote(Answer):
    source_id: str
    at: Instant
    upvotes: int


class PrintedIn(Answer):
    digest: str
    slot: str


class JoinedWork(Answer):
    """What was a paper of its own until it turned out to be this one."""

    id: str
    title: str
    aliases: tuple[str, ...]
    at: Instant
    why: str


class Resembling(Answer):
    """A paper that is possibly the same; both likenesses are 0 to 1."""

    id: str
    title: str
    title_ratio: float
    overlap: float


class EntryAnswer(Answer):
    """What is known of one paper, as `digest entries show --json` tells it."""

    id: str
    title: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    first_seen_at: Instant
    published_at: Instant | None
    version: int | None
    withdrawn: bool
    links: tuple[str, ...]
    aliases: tuple[str, ...]
    sources: tuple[Seen, ...]
    upvotes: int | None
    votes: tuple[Vote, ...]
    printed: tuple[PrintedIn, ...]
    joined: tuple[JoinedWork, ...]
    possibly: tuple[Resembling, ...]


class Asked(Given):
    """Which paper, of which edition."""

    paper: Paper
    digest: Name | None = Field(None, description="May be left out where there is one, or `for` reads one.")
    for_: Annotated[Address | None, Field(alias="for", description="The reader's address; else for nobody.")] = None
    at: Annotated[
        Moment | Day | None, Field(description="In the edition due then; a date is that day's. Else the newest.")
    ] = None


class Explained(Answer):
    """What became of a paper in one edition, as `digest explain --json` tells it."""

    id: str
    title: str
    digest: str
    slot: str
    address: str
    verdict: str
    sentence: str
    category: str
    score: int | None
    parts: tuple[Part, ...]
    possibly_same: tuple[str, ...]


class Pair(Given):
    """Two records."""

    paper: Paper
    other: Paper


class JoinedAnswer(Answer):
    """The one paper that there is now."""

    id: str
    title: str
    aliases: tuple[str, ...]


class Named(Answer):
    id: str
    title: str
    url: str


class SplitAnswer(Answer):
    """The two papers that there are now."""

    kept: Named
    out: Named


def _paper(entry: Entry) -> PaperAnswer:
    return PaperAnswer(
        id=entry.work,
        title=entry.title,
        url=entry.url,
        authors=entry.authors,
        categories=entry.categories,
        published_at=entry.published_at,
        first_seen_at=entry.first_seen_at,
        withdrawn=entry.withdrawn,
    )


def _list(app: App, at: Listed, _: Nothing) -> Papers:
    leaf = app.papers.page(at.search, after=at.after, limit=at.limit)
    return Papers(items=tuple(map(_paper, leaf.papers)), next=leaf.next)


def _get(app: App, at: OfPaper, _: Nothing) -> EntryAnswer:
    return EntryAnswer.model_validate(app.report.entry(at.paper))


def _explain(app: App, _: Nothing, body: Asked) -> Explained:
    address = normal_address(body.for_) if body.for_ else ""
    digest = app.subscribe.digest(body.digest) if body.digest is not None else app.preview.guess(address)
    if digest is None:
        known = ", ".join(one.name for one in app.config.digests)
        raise InputError("it is not clear which digest is meant", where="body.digest", try_=f"name one of: {known}")
    return Explained.model_validate(app.explain.run(body.paper, digest, address=address, at=_text(body.at)))


def _text(at: datetime | date | None) -> str:
    """An INSTANT as the services take it. Raises InputError."""
    if at is None:
        return ""
    day = at.date() if isinstance(at, datetime) else at
    if not _FIRST.date() <= day <= _LAST.date():
        raise InputError(f"{day.isoformat()} is too far away", where="body.at", try_="name a day from 1990 on")
    return at.isoformat()


def _join(app: App, _: Nothing, body: Pair) -> JoinedAnswer:
    return JoinedAnswer.model_validate(app.works.join(body.paper, body.other))


def _split(app: App, _: Nothing, body: OfPaper) -> SplitAnswer:
    return SplitAnswer.model_validate(app.works.split(body.paper))


_READ, _WRITE = ("entries:read",), ("entries:write",)

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        name="list papers",
        method="GET",
        path="/entries",
        scopes=_READ,
        at=Listed,
        answer=Papers,
        run=_list,
        says="Papers in the store, the newest first, all or those with some words.",
    ),
    Operation(
        name="get paper",
        method="GET",
        path="/entries/one",
        scopes=_READ,
        at=OfPaper,
        answer=EntryAnswer,
        run=_get,
        says="One paper: its sources, versions, votes over time, where it was printed.",
        refuses=(404,),
    ),
    Operation(
        name="explain paper",
        method="POST",
        path="/entries/explain",
        scopes=(*_READ, "subscribers:read"),
        at=Nothing,
        body=Asked,
        answer=Explained,
        run=_explain,
        says="Why a paper was printed for a reader, or left out, part by part. Nothing is changed.",
        refuses=(404,),
        weight=20,
    ),
    Operation(
        name="join papers",
        method="POST",
        path="/entries/join",
        scopes=_WRITE,
        at=Nothing,
        body=Pair,
        answer=JoinedAnswer,
        run=_join,
        about=lambda _at, body, answer: (f"paper {answer.id}", f"{body.paper} and {body.other}"),
        says="Make one paper of two; whoever was sent either was sent both.",
        refuses=(404,),
    ),
    Operation(
        name="split paper",
        method="POST",
        path="/entries/split",
        scopes=_WRITE,
        at=Nothing,
        body=OfPaper,
        answer=SplitAnswer,
        run=_split,
        about=lambda _at, _body, answer: (f"paper {answer.kept.id}", f"without {answer.out.id}"),
        says="Take a record out of the paper it was joined to, for good; whoever was sent the paper was sent both.",
        refuses=(404,),
    ),
)
