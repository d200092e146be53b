"""Sources as somebody looks after them: how each one is, how often it brings something, and the log of its rounds.

Nothing is changed: a source of the configuration that nobody has fetched yet is shown as that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.model.errors import NotFound
from digest.model.feeds import Source, SourceId, SourceState
from digest.services.fetching.sources import gone, shown_options, shown_url
from digest.services.ports import Clock
from digest.services.status.hush import hushes
from digest.services.status.usual import Hush
from digest.sources.requests import without_password
from digest.sources.rhythm import usual_gap
from digest.storage import rounds, sources, watched
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.rounds import Round
from digest.storage.sources import HeldSource

_WEEK = timedelta(days=7)
#: The time whose rounds tell how often something comes.
_RHYTHM = timedelta(days=35)
_ROUNDS, _PAPERS = 40, 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """One source at a glance. ``state`` is a SourceState's, gone (for good), or new before its first fetch."""

    id: str
    kind: str
    title: str
    url: str
    """Without a name and password."""
    category: str
    options: Mapping[str, tuple[str, ...]]
    origin: str
    """config or added."""
    state: str
    detail: str
    failures: int
    every: timedelta
    gap: timedelta | None
    """The time between two rounds with something new, as a rule; None where too few are known."""
    next_at: datetime | None
    last_fetched_at: datetime | None
    last_ok_at: datetime | None
    last_new_at: datetime | None
    http_status: int | None
    lately: int
    """Works that it showed for the first time within a week."""
    silence: str
    moved_to: str
    remedy: str
    """What to do about it; empty where nothing is wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paper:
    """One that a source showed. ``at`` is when it was first seen there."""

    work: str
    title: str
    url: str
    published_at: datetime | None
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceReport:
    """One source, its newest rounds and its newest papers."""

    source: Watched
    rounds: tuple[Round, ...]
    papers: tuple[Paper, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Reads; never writes."""

    store: Store
    configured: tuple[Source, ...]
    clock: Clock

    def all(self) -> tuple[Watched, ...]:
        """Every source that is polled, by id."""
        with self.store.reading() as tx:
            return self._watched(tx, self._held(tx))

    def one(self, source_id: str) -> SourceReport:
        """Raises NotFound."""
        with self.store.reading() as tx:
            return SourceReport(
                source=self._watched(tx, (self._one(tx, source_id),))[0],
                rounds=watched.newest_rounds(tx, SourceId(source_id), limit=_ROUNDS),
                papers=tuple(
                    Paper(work=row.work, title=row.title, url=row.url, published_at=row.published_at, at=row.at)
                    for row in watched.newest_papers(tx, SourceId(source_id), limit=_PAPERS)
                ),
            )

    def source(self, source_id: str) -> Source:
        """What is polled under an id. Raises NotFound."""
        with self.store.reading() as tx:
            return self._one(tx, source_id).source

    def _one(self, tx: Tx, source_id: str) -> HeldSource:
        for one in self._held(tx):
            if one.source.id == source_id:
                return one
        raise NotFound(
            "there is no such source", where=source_id[:200], try_="`digest sources list` shows which there are"
        )

    def _watched(self, tx: Tx, held: Sequence[HeldSource]) -> tuple[Watched, ...]:
        now, ids = self.clock(), [one.source.id for one in held]
        silent = hushes(tx, now)
        news = rounds.news_since(tx, ids, since=now - _RHYTHM, until=now)
        lately = rounds.brought(tx, ids, since=now - _WEEK, until=now)
        return tuple(
            _watched(one, silent.get(one.source.id), news.get(one.source.id, ()), lately.get(one.source.id, 0))
            for one in held
        )

    def _held(self, tx: Tx) -> tuple[HeldSource, ...]:
        """With those of the configuration that have no row yet: the first fetch makes it."""
        held = {one.source.id: one for one in sources.all_held(tx)}
        for source in self.configured:
            held.setdefault(source.id, _unfetched(source))
        return tuple(held[key] for key in sorted(held))


def _unfetched(source: Source) -> HeldSource:
    return HeldSource(
        source=source,
        origin="config",
        title="",
        state=None,
        detail="",
        http_status=None,
        failures=0,
        next_at=None,
        first_fetched_at=None,
        last_fetched_at=None,
        last_ok_at=None,
        last_new_at=None,
        last_keys="",
        alerted_at=None,
    )


def _watched(held: HeldSource, silent: Hush | None, news: tuple[datetime, ...], lately: int) -> Watched:
    source = held.source
    is_gone, leave = gone(held)
    state = "gone" if is_gone else held.state.value if held.state else "new"
    return Watched(
        id=source.id,
        kind=source.kind,
        title=held.title,
        url=shown_url(source),
        category=source.category,
        options=shown_options(source),
        origin=held.origin,
        state=state,
        detail=held.detail,
        failures=held.failures,
        every=source.every,
        gap=usual_gap(news),
        next_at=held.next_at,
        last_fetched_at=held.last_fetched_at,
        last_ok_at=held.last_ok_at,
        last_new_at=held.last_new_at,
        http_status=held.http_status,
        lately=lately,
        silence=silent.sentence if silent else "",
        moved_to=without_password(held.moved_to),
        remedy=leave or _remedy(held, silent),
    )


def _remedy(held: HeldSource, silent: Hush | None) -> str:
    if held.state is SourceState.THROTTLED:
        return "nothing: it is asked again when its server wants it"
    if held.state is SourceState.BROKEN:
        return "test it; where that fails, too, look at its address in a browser and correct it"
    return "look at its address in a browser: it may have moved" if silent else ""
