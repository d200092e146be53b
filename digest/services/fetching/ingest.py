"""Ingesting: which sources are due, what they say, what of it is new, and how each one is doing.

Fetching and parsing happen outside transactions; entries, validators, health and the next time are written together,
a few sources in one transaction where they wait for it, and each alone where that fails. One bad feed or one bad entry
never stops the others: it is named and counted.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from digest.entries.normalize import clean_title
from digest.model.errors import ConfigError, DigestError, UsageError
from digest.model.feeds import (
    ChangeKind,
    EntryChange,
    FetchResponse,
    FetchTrace,
    Health,
    ParsedFeed,
    Problem,
    Source,
    SourceId,
    SourceKind,
    SourceState,
)
from digest.services.fetching.claims import LASTS, Claims, renewed
from digest.services.fetching.joining import join_categories
from digest.services.fetching.keeping import Said, again, is_everybodys, take_all
from digest.services.fetching.queues import Batches, Queues
from digest.services.fetching.reading import Reading, first_address, is_gone, read, told
from digest.services.fetching.turns import Turns
from digest.services.fetching.understanding import Parse, understood
from digest.services.ports import Clock, Fetch, Wake, Work, nobody
from digest.sources.health import judge
from digest.sources.requests import without_password
from digest.storage import rounds, sources
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.rounds import Round
from digest.storage.sources import Ended, HeldSource, Known, Times

#: A permanent redirect that held for so long is believed: the new address is then asked.
_MOVED = timedelta(days=7)
#: The validators of a document that stays the same are written again once a day, so that they are not dropped.
_SEEN = timedelta(days=1)
#: Documents parsed at once: each may take many times its own size in memory.
_PARSED_AT_ONCE = 4
#: Nothing more is parsed while so many entries wait to be written.
_UNWRITTEN = 2_000
#: A transaction takes another source's entries only up to so many in all: whoever else writes waits for its end.
_A_TRANSACTION = 1_500
#: Where so many bytes of documents wait to be parsed, some seconds' work, other processes are asked to help.
_CROWD = 8_000_000
#: Where others work as well, so many sources are claimed at a time.
_PART = 200
#: Seconds for which rounds that brought nothing are collected, to be written in one transaction.
_TOGETHER = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchedSource:
    """How one source's round ended; the contract's row of `digest fetch`."""

    id: SourceId
    state: SourceState
    new: int = 0
    revised: int = 0
    unchanged: int = 0
    http_status: int | None = None
    detail: str = ""
    next_at: datetime | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A source to fetch, and what is remembered of it."""

    held: HeldSource
    documents: Mapping[str, Known]
    news_at: tuple[datetime, ...]
    """When it last brought what it had not shown before, the newest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Done:
    """A source that was read, to be stored."""

    claimed: Claimed
    got: Reading
    seconds: float


@dataclass(slots=True)
class _Run:
    """What the threads of one run share."""

    tell: Callable[[FetchedSource], None]
    rows: dict[SourceId, FetchedSource] = field(default_factory=dict[SourceId, FetchedSource])
    writing: threading.Lock = field(default_factory=threading.Lock)
    turns: Turns = field(
        default_factory=lambda: Turns(at_once=_PARSED_AT_ONCE, unwritten=_UNWRITTEN, crowd=_CROWD),
    )

    def ended(self, row: FetchedSource) -> None:
        self.rows[row.id] = row
        self.tell(row)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingest:
    """Fetches what is due and stores what is new."""

    store: Store
    configured: tuple[Source, ...]
    kinds: Mapping[str, SourceKind]
    fetch: Fetch
    clock: Clock
    jitter: Callable[[], float]
    arxiv_api: str = ""
    """Where the categories of papers without any are asked for; empty: never."""
    queue: Callable[[str], str] = lambda url: ""
    """What an address must be asked one after the other with (its host); empty: nothing."""
    free_in: Callable[[str], float] = lambda url: 0.0
    """Seconds until the host of an address may be asked again."""
    hang_up: Callable[[], None] = lambda: None
    """Called when a run is over."""
    elsewhere: Callable[[Parse, Source, FetchResponse], ParsedFeed] = understood
    """``understood``, in another process if that can be: asked only where many documents wait."""
    dismiss: Callable[[], None] = lambda: None
    """Called when a run is over: nobody is asked elsewhere any more."""
    threads: int = 200
    wake: Wake = nobody

    def run(
        self,
        ids: Sequence[str] | None = None,
        *,
        everything: bool = False,
        stop: threading.Event | None = None,
        progress: Callable[[FetchedSource], None] | None = None,
    ) -> tuple[FetchedSource, ...]:
        """Fetches the sources that are due (or those named, or all), a queue a host; gives a row a source, by id."""
        run = _Run(progress or (lambda row: None))
        plain = Batches[_Done](lambda some: self._write(run, some), gap=_TOGETHER)
        full = Batches[_Done](lambda some: self._write_in_parts(run, some), gap=0.0)

        def one(each: Claimed) -> None:
            if stop is not None and stop.is_set():
                self._give_back(each.held)
                return
            done = self._read(run, each)
            if done.got.error is not None and is_everybodys(done.got.error):
                raise done.got.error  # no turn can be had where the database has gone, which no source can help
            if stop is not None and stop.is_set() and done.got.error is not None and not done.got.entries:
                self._give_back(each.held)  # it was cut short by us, which says nothing of the source
                return
            run.turns.read(len(done.got.entries))
            (full if done.got.entries else plain).put(done)

        try:
            with renewed(self.store, self.clock) as claims:
                try:
                    self._work(claims, one, ids, everything=everything, stop=stop)
                finally:
                    try:
                        plain.close()
                    finally:
                        full.close()
            if run.rows and self.arxiv_api:
                self.join_categories()
        finally:
            self.hang_up()
            self.dismiss()
        return tuple(run.rows[name] for name in sorted(run.rows))

    def _work(
        self,
        claims: Claims,
        act: Callable[[Claimed], None],
        ids: Sequence[str] | None,
        *,
        everything: bool,
        stop: threading.Event | None,
    ) -> None:
        """Acts on what is claimed, a queue a host.

        Where there may be other processes, what is due is claimed a part at a time, and more only when there are few
        hosts left to ask: what one process cannot begin yet is another one's.
        """
        now = self.clock()
        due_only = not everything and ids is None
        in_parts = due_only and not self.store.is_sqlite
        first: dict[SourceId, str] = {}

        def claim() -> tuple[Claimed, ...]:
            if stop is not None and stop.is_set():
                return ()
            until = self.clock() + LASTS
            with self.store.transaction() as tx:
                if not first:
                    self._check(tx, ids)
                claimed = self._claimed(tx, ids, now, until, due_only=due_only, most=_PART if in_parts else None)
                if in_parts and len(claimed) == _PART:
                    self.wake(tx, Work.FETCH)  # there is more than we take
            claims.add([each.held.source.id for each in claimed], until=until)
            for each in claimed:
                first[each.held.source.id] = first_address(self.kinds, each.held.source, self.clock())
            return claimed

        Queues(
            claim(),
            act,
            key=lambda each: self.queue(first[each.held.source.id]) or each.held.source.id,
            free_in=lambda each: self.free_in(first[each.held.source.id]),
            more=claim,
            few=max(1, self.threads // 2) if in_parts else 0,
        ).run(self.threads, "fetch")

    def join_categories(self) -> int:
        """Asks arXiv for the categories of works that came without; gives how many got some."""
        return join_categories(self.store, self.fetch, self.clock, arxiv_api=self.arxiv_api)

    def _check(self, tx: Tx, ids: Sequence[str] | None) -> None:
        """Brings the configuration's sources into the database. Raises UsageError for one that is not there."""
        sources.sync(tx, self.configured)
        held = {one.source.id for one in sources.all_held(tx)}
        for name in ids or ():
            if name not in held:
                raise UsageError(
                    f'there is no source "{name}"',
                    where="digest fetch",
                    try_=f"known are: {', '.join(sorted(held)) or 'none'}",
                )

    def _claimed(
        self,
        tx: Tx,
        ids: Sequence[str] | None,
        now: datetime,
        until: datetime,
        *,
        due_only: bool,
        most: int | None,
    ) -> tuple[Claimed, ...]:
        wanted = [SourceId(name) for name in ids] if ids else None
        taken = sources.claim(tx, wanted, now=now, busy_until=until, due_only=due_only, most=most)
        names = [one.source.id for one in taken]
        documents, news = sources.known_documents(tx, names), rounds.news(tx, names)
        return tuple(
            Claimed(held=one, documents=documents.get(one.source.id, {}), news_at=news.get(one.source.id, ()))
            for one in taken
        )

    def _give_back(self, held: HeldSource) -> None:
        with self.store.transaction() as tx:
            sources.give_back(tx, held, self.clock())

    def _read(self, run: _Run, claimed: Claimed) -> _Done:
        started = time.monotonic()
        held = claimed.held
        kind = self.kinds.get(held.source.kind)
        if kind is None:
            error = ConfigError(
                f'there is no kind "{held.source.kind}" of sources here',
                try_="install what brings it, or remove the source",
            )
            return _Done(claimed=claimed, got=Reading(error=error), seconds=0.0)
        got = read(
            kind,
            held.source,
            self.fetch,
            known={url: one.validators for url, one in claimed.documents.items()},
            now=self.clock(),
            moved_to=held.moved_to if _has_moved(held, self.clock()) else "",
            understand=partial(self._understood, run),
        )
        return _Done(claimed=claimed, got=got, seconds=time.monotonic() - started)

    def _understood(self, run: _Run, parse: Parse, source: Source, response: FetchResponse) -> ParsedFeed:
        with run.turns.turn(len(response.body)) as is_crowded:
            return (self.elsewhere if is_crowded else understood)(parse, source, response)

    def _write_in_parts(self, run: _Run, some: Sequence[_Done]) -> None:
        """Writes rounds that brought entries, so many at a time that no transaction takes long."""
        try:
            part: list[_Done] = []
            for done in some:
                if part and sum(len(one.got.entries) for one in (*part, done)) > _A_TRANSACTION:
                    self._write(run, part)
                    part = []
                part.append(done)
            self._write(run, part)
        except BaseException:
            run.turns.end()
            raise

    def _write(self, run: _Run, some: Sequence[_Done]) -> None:
        """Writes rounds together, and one by one if one of them cannot be written."""
        with run.writing:
            try:
                rows = self._stored(some)
            except Exception as error:
                if is_everybodys(error):
                    raise
                rows = [self._stored_alone(done) for done in some]
        run.turns.written(sum(len(done.got.entries) for done in some))
        for row in rows:
            run.ended(row)

    def _stored_alone(self, done: _Done) -> FetchedSource:
        """Writes a round; one that cannot be written is told as the failure of its source.

        Raises StorageError where the database itself cannot be used: no other round could be written either.
        """
        try:
            return again(lambda: self._stored([done]))[0]
        except Exception as error:
            if is_everybodys(error):
                raise
            got = Reading(error=error, documents=done.got.documents, http_status=done.got.http_status)
            return self._stored([replace(done, got=got)])[0]

    def _stored(self, some: Sequence[_Done]) -> list[FetchedSource]:
        """Writes rounds in one transaction."""
        now = self.clock()
        said = [_said(done) for done in some]
        with self.store.transaction() as tx:
            changes = take_all(tx, said, now=now) if any(one.entries for one in said) else [()] * len(said)
            all_ended = [self._ended(done, own, now) for done, own in zip(some, changes, strict=True)]
            self._record(tx, some, [ended for _, ended, _ in all_ended], [noted for *_, noted in all_ended])
        return [row for row, *_ in all_ended]

    def _record(self, tx: Tx, done: Sequence[_Done], ended: Sequence[Ended], noted: Sequence[Round]) -> None:
        # Validators of what was read are kept only with its entries, in this transaction.
        for one in done:
            for url, held in one.got.validators.items():
                before = one.claimed.documents.get(url)
                if before is None or before.validators != held or before.seen_at < noted[0].at - _SEEN:
                    sources.remember(tx, one.claimed.held.source.id, url, held, noted[0].at)
        sources.record(tx, ended)
        rounds.note(tx, noted)

    def _ended(self, done: _Done, changes: Sequence[EntryChange], now: datetime) -> tuple[FetchedSource, Ended, Round]:
        """How a round ended: for whoever asked, for the source's row, and for its history."""
        got, held = done.got, done.claimed.held
        source = held.source
        tally = {kind: sum(change.kind is kind for change in changes) for kind in ChangeKind}
        new, revised = tally[ChangeKind.NEW], tally[ChangeKind.REVISED]
        fresh = sum(_is_fresh(change, source.id) for change in changes)
        keys = sorted(data.key for data in got.entries)
        keys_hash = hashlib.sha256("\n".join(keys).encode()).hexdigest() if keys else ""
        times = _times(got, held.times)
        trace = FetchTrace(
            documents=got.documents,
            unchanged=got.same,
            entries=len(got.entries),
            new=new,
            revised=revised,
            same_ids_as_last=bool(keys_hash) and keys_hash == held.last_keys,
            last_new_at=held.last_new_at,
            news_at=(now, *done.claimed.news_at) if fresh else done.claimed.news_at,
            skip_days=times.skip_days,
            skip_hours=times.skip_hours,
            ttl=max((one for one in (times.ttl, got.fresh_for) if one), default=None),
            error=got.error,
        )
        health = judge(source, trace, failures=held.failures, now=now, jitter=self.jitter())
        moved_to, moved_at = _moved(held, got, now)
        if moved_to and moved_at and now - moved_at >= _MOVED:
            health = _told_moved(health, moved_to)
        if got.error is not None and held.moved_to and not moved_to:
            health = _told_back(health, held, got.error, now)
        health = replace(health, detail=told(health.detail))
        ended = Ended(
            held=held,
            health=health,
            at=now,
            http_status=got.http_status,
            title=clean_title(next((feed.title for feed in got.feeds if feed.title), ""))[:200],
            keys=keys_hash or None,
            brought_new=new > 0,
            reached=got.error is None,
            moved_to=moved_to,
            moved_at=moved_at,
            times=times,
        )
        noted = Round(
            source_id=source.id,
            at=now,
            state=health.state,
            documents=got.documents,
            new=new,
            revised=revised,
            unchanged=tally[ChangeKind.UNCHANGED],
            fresh=fresh,
            problems=len(got.problems),
            http_status=got.http_status,
            seconds=done.seconds,
            detail=told(_detail(health.detail, got.problems)),
            next_at=health.next_at,
        )
        row = FetchedSource(
            id=source.id,
            state=noted.state,
            new=noted.new,
            revised=noted.revised,
            unchanged=noted.unchanged,
            http_status=noted.http_status,
            detail=noted.detail,
            next_at=health.next_at,
            problems=tuple(got.problems),
        )
        return row, ended, noted


def _said(done: _Done) -> Said:
    held = done.claimed.held
    return Said(source=held.source, entries=done.got.entries, backfill=held.first_fetched_at is None)


def _is_fresh(change: EntryChange, source_id: SourceId) -> bool:
    """Whether the source had not shown the work before; another one may have."""
    return change.before is None or all(seen.source_id != source_id for seen in change.before.sightings)


def _times(got: Reading, before: Times) -> Times:
    """What the feed says of its times; what was not read says what it said before."""
    if not got.feeds:
        return before
    return Times(
        ttl=got.ttl,
        skip_days=frozenset[int]().union(*(feed.skip_days for feed in got.feeds)),
        skip_hours=frozenset[int]().union(*(feed.skip_hours for feed in got.feeds)),
    )


def _has_moved(held: HeldSource, now: datetime) -> bool:
    return bool(held.moved_to) and held.moved_at is not None and now - held.moved_at >= _MOVED


def _moved(held: HeldSource, got: Reading, now: datetime) -> tuple[str, datetime | None]:
    """(where the source's address has led for good, since when); a new address that does not hold is forgotten."""
    if got.error is not None:
        forgotten = _has_moved(held, now) and is_gone(got.error)
        return ("", None) if forgotten else (held.moved_to, held.moved_at)
    if got.moved_to == held.moved_to:
        return held.moved_to, held.moved_at
    return got.moved_to, now if got.moved_to else None


def _told_moved(health: Health, moved_to: str) -> Health:
    address = without_password(moved_to)
    advice = f"It has moved for good and is asked at {address}; put that address into the configuration."
    return replace(health, detail=f"{health.detail} {advice}")


def _told_back(health: Health, held: HeldSource, error: Exception, now: datetime) -> Health:
    """The new address is forgotten, so that nothing it said, not even "gone", holds for the old one."""
    what = error.what if isinstance(error, DigestError) else str(error)
    detail = (
        f"It had moved to {without_password(held.moved_to)}, but that works no more: {what}. "
        "The configured address is asked again."
    )
    return replace(health, detail=detail, next_at=now + held.source.every)


def _detail(detail: str, problems: Sequence[Problem]) -> str:
    if not problems:
        return detail
    first = problems[0]
    return f"{detail} {len(problems)} could not be taken, the first: {first.where}: {first.what}.".strip()
