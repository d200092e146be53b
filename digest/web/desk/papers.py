"""Papers: what is known of one, and why it was printed for somebody, or was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from digest.model.editions import Digest
from digest.model.errors import DigestError, NotFound
from digest.model.feeds import VoteObservation
from digest.services.publishing.explain import Explained
from digest.services.status.report import EntryReport
from digest.web.desk.door import Desk, Visit, told
from digest.web.desk.typed import number, slot_said

_MOST_TYPED = 1_000
_A_PAGE = 30
_MOST_VOTES = 14


def routes(desk: Desk) -> list[Route]:
    return [desk.get("/desk/papers", _show), desk.post("/desk/papers", _ask)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """Which paper, for whom, in which edition; empty means the first digest, anybody, and the newest or next."""

    paper: str = ""
    digest: str = ""
    reader: int | None = None
    at: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> _Question:
        return cls(
            paper=given.get("paper", "").strip()[:_MOST_TYPED],
            digest=given.get("digest", "")[:200],
            reader=number(given.get("reader", "")),
            at=given.get("at", "")[:40],
        )

    @property
    def query(self) -> dict[str, str]:
        said = {"paper": self.paper, "digest": self.digest, "reader": str(self.reader or ""), "at": self.at}
        return {name: text for name, text in said.items() if text}


async def _ask(visit: Visit) -> Response:
    """Leads to the answer: in its URL stands a reader's number, never an address."""
    given = {name: visit.said(name) for name in ("paper", "digest", "at")}
    if address := visit.said("address"):
        found = await run_in_threadpool(visit.app.subscribe.find, address)
        given["reader"] = str(found.id)
    return visit.back("/desk/papers", **_Question.of(given).query)


async def _show(visit: Visit) -> Response:
    asked = _Question.of(visit.query)
    after = number(visit.query.get("after", ""))

    def look() -> Mapping[str, object]:
        context = _frame(visit, asked)
        entry = _entry(visit, asked.paper)
        if entry is None:
            leaf = visit.app.papers.page(asked.paper, after=after, limit=_A_PAGE)
            return context | {"leaf": leaf, "is_search": bool(asked.paper)}
        explained, problem = _explained(visit, asked, str(context["address"]))
        return context | {
            "entry": entry,
            "votes": _by_day(entry.votes),
            "explained": explained,
            "slot": slot_said(explained.slot) if explained else "",
            "problem": problem,
        }

    return await visit.page("papers", await run_in_threadpool(look))


def _frame(visit: Visit, asked: _Question) -> dict[str, object]:
    person = visit.app.roster.get(asked.reader) if asked.reader else None
    return {
        "asked": asked,
        "digests": visit.app.config.digests,
        "address": person.subscriber.address if person else "",
        "entry": None,
        "leaf": None,
        "is_search": False,
        "votes": (),
        "explained": None,
        "slot": "",
        "problem": "",
    }


def _entry(visit: Visit, typed: str) -> EntryReport | None:
    """The paper that an id or a link names; None where it names none, so that it may be words."""
    if not typed:
        return None
    try:
        return visit.app.report.entry(typed)
    except NotFound:
        return None


def _explained(visit: Visit, asked: _Question, address: str) -> tuple[Explained | None, str]:
    digest = _digest(visit, asked, address)
    if digest is None:
        return None, "The configuration names no such digest."
    try:
        return visit.app.explain.run(asked.paper, digest, address=address, at=asked.at), ""
    except DigestError as error:
        return None, " ".join(told(error))
    except OverflowError:
        return None, "That is at the end of the calendar: name a day of this century."


def _digest(visit: Visit, asked: _Question, address: str) -> Digest | None:
    """The one that was named, else one that the reader has, else the first."""
    known = visit.app.config.digests
    if asked.digest:
        return next((one for one in known if one.name == asked.digest), None)
    return next(iter((*visit.app.preview.read_by(address), *known)), None)


def _by_day(votes: Sequence[VoteObservation]) -> Sequence[VoteObservation]:
    """The last count of each day and source, the newest first."""
    last = {(one.source_id, one.at.date()): one for one in sorted(votes, key=lambda one: one.at)}
    return sorted(last.values(), key=lambda one: one.at, reverse=True)[:_MOST_VOTES]
