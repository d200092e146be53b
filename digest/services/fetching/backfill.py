"""Back-filling: reads the past of sources from a day on, document by document, and goes on where it was broken off.

Each document's entries are stored together with what is left to read, in one transaction; so a crash, Ctrl-C, or a
server that wants a pause costs one document at most, and the same command goes on. A document that will never come
is told and left out.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from digest.model.errors import DigestError, FetchError, ParseError, UsageError
from digest.model.feeds import ChangeKind, ParsedFeed, Problem, Source, SourceKind, SourceState
from digest.services.fetching.ingest import FetchedSource
from digest.services.fetching.joining import join_categories
from digest.services.fetching.keeping import again, is_everybodys, take
from digest.services.fetching.queues import Queues
from digest.services.fetching.reading import first_address, is_gone, read_document
from digest.services.ports import Clock, Fetch
from digest.sources.health import sentence
from digest.sources.requests import without_password
from digest.storage import backfills, sources
from digest.storage.backfills import HeldBackfill
from digest.storage.engine import Store
from digest.storage.sources import HeldSource

#: A server that asks for a pause gets it, if it is no longer than this and not asked for more often than that.
LONGEST_PAUSE = timedelta(minutes=5)
MOST_PAUSES = 5
#: The pause when the server does not say.
PAUSE = timedelta(seconds=30)
#: Answers about who asks (a key, a quota, an address that is shut out), not about the document.
_WHO_ASKS = (401, 402, 403, 407, 409)


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far one source has come: documents read and known to be left, entries in those that were read."""

    source: str
    documents: int
    left: int
    entries: int


@dataclass(slots=True)
class _Tally:
    changes: Counter[ChangeKind] = field(default_factory=Counter[ChangeKind])
    problems: list[Problem] = field(default_factory=list[Problem])
    documents: int = 0
    refused: list[Problem] = field(default_factory=list[Problem])
    """Documents that will never come."""
    http_status: int | None = None
    """With which the last of those was refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backfill:
    """Reads what was published since a day; ``wait`` sleeps so many seconds, or until its event is set."""

    store: Store
    configured: tuple[Source, ...]
    kinds: Mapping[str, SourceKind]
    fetch: Fetch
    clock: Clock
    arxiv_api: str = ""
    queue: Callable[[str], str] = lambda url: ""
    """What an address must be asked one after the other with (its host)."""
    hang_up: Callable[[], None] = lambda: None
    wait: Callable[[threading.Event, float], object] = threading.Event.wait
    threads: int = 8

    def run(
        self,
        since: date,
        ids: Sequence[str] | None = None,
        *,
        stop: threading.Event | None = None,
        progress: Callable[[Progress], None] = lambda one: None,
    ) -> tuple[FetchedSource, ...]:
        """Back-fills the sources named, or all of them; a row a source, by id. Raises UsageError for an unknown id."""
        asked = self._asked(ids)
        ending = stop or threading.Event()
        rows: dict[str, FetchedSource] = {}

        def one(held: HeldSource) -> None:
            rows[held.source.id] = self._source(held, since, ending, progress)

        try:
            Queues(asked, one, key=self._queue_of, free_in=lambda held: 0.0).run(self.threads, "backfill")
            if asked and self.arxiv_api and not ending.is_set():
                join_categories(self.store, self.fetch, self.clock, arxiv_api=self.arxiv_api)
        finally:
            self.hang_up()
        return tuple(rows[held.source.id] for held in asked)

    def _asked(self, ids: Sequence[str] | None) -> tuple[HeldSource, ...]:
        with self.store.transaction() as tx:
            sources.sync(tx, self.configured)
            held = {str(one.source.id): one for one in sources.all_held(tx)}
        unknown = [name for name in ids or () if name not in held]
        if unknown:
            raise UsageError(
                f'there is no source "{unknown[0]}"',
                where="digest fetch --since",
                try_=f"known are: {', '.join(sorted(held)) or 'none'}",
            )
        return tuple(held[name] for name in sorted(set(ids))) if ids else tuple(held.values())

    def _queue_of(self, held: HeldSource) -> str:
        return self.queue(first_address(self.kinds, held.source, self.clock())) or held.source.id

    def _source(
        self, held: HeldSource, since: date, stop: threading.Event, progress: Callable[[Progress], None]
    ) -> FetchedSource:
        tally = _Tally()
        state, detail, status = SourceState.OK, "", None
        try:
            reached = self._read(held, since, stop, tally, progress)
            detail = f"{_told(reached, self.kinds[held.source.kind])}{_left_out(tally.refused)}"
            if tally.refused and not tally.documents:
                state, status = SourceState.BROKEN, tally.http_status
        except FetchError as error:
            state = SourceState.THROTTLED if error.throttled else SourceState.BROKEN
            detail, status = _sentence(error), error.http_status
        except Exception as error:  # a fault of ours in one source is told as its state; the others go on
            if is_everybodys(error):
                raise
            state, detail = SourceState.BROKEN, _sentence(error)
        if state is SourceState.OK and not tally.changes[ChangeKind.NEW] + tally.changes[ChangeKind.REVISED]:
            state = SourceState.QUIET
        return FetchedSource(
            id=held.source.id,
            state=state,
            new=tally.changes[ChangeKind.NEW],
            revised=tally.changes[ChangeKind.REVISED],
            unchanged=tally.changes[ChangeKind.UNCHANGED],
            http_status=status or (200 if tally.documents else None),
            detail=detail,
            next_at=held.next_at,
            problems=(*tally.refused, *tally.problems),
        )

    def _read(
        self,
        held: HeldSource,
        since: date,
        stop: threading.Event,
        tally: _Tally,
        progress: Callable[[Progress], None],
    ) -> HeldBackfill:
        """Reads document after document until none is left, it is stopped, or one fails that may come later."""
        reached, resumed = self._begin(held, since)
        pauses = 0
        while reached.waiting and not stop.is_set():
            try:
                reached = self._document(held.source, reached, tally)
                resumed = False
            except (FetchError, ParseError) as error:
                if stop.is_set():
                    break  # it was cut short by us
                if not _never_comes(error):
                    pauses += 1
                    if isinstance(error, ParseError) or not self._pause(error, pauses, stop):
                        raise
                elif resumed:  # cursors do not live for ever; a new one leads to the same document
                    reached, resumed = self._begin(held, since, anew=True)
                else:
                    reached = self._leave_out(reached, error, tally)
            progress(_progress(reached))
        return reached

    def _begin(self, held: HeldSource, since: date, *, anew: bool = False) -> tuple[HeldBackfill, bool]:
        """(the one that was broken off, True), else or ``anew`` (a new one, False)."""
        source, now = held.source, self.clock()
        planned = self.kinds[source.kind].plan(source, now, since)
        with self.store.transaction() as tx:
            before = backfills.unfinished(tx, source.id, since)
            # What was to be read is held without arguments.
            if before is not None and not anew and not any(request.arguments for request in planned):
                return before, True
            begun = HeldBackfill(source_id=source.id, since=since, started_at=now, waiting=planned)
            backfills.keep(tx, begun)
        return begun, False

    def _leave_out(self, reached: HeldBackfill, error: DigestError, tally: _Tally) -> HeldBackfill:
        """Goes on without the next document, which will never come."""
        refused, *left = reached.waiting
        tally.refused.append(Problem(where=without_password(refused.url), what=error.what))
        tally.http_status = error.http_status if isinstance(error, FetchError) else 200
        after = replace(reached, waiting=tuple(left), ended_at=None if left else self.clock())
        with self.store.transaction() as tx:
            backfills.keep(tx, after)
        return after

    def _document(self, source: Source, reached: HeldBackfill, tally: _Tally) -> HeldBackfill:
        """Reads the next document and stores its entries with what is left then."""
        kind, request = self.kinds[source.kind], reached.waiting[0]
        asked = replace(request, allow_private=source.allow_private, allow_files=source.from_operator)
        parsed = read_document(kind, source, self.fetch, asked)
        following = kind.follow(request, parsed)
        left = (*((following,) if following else ()), *reached.waiting[1:])
        after = replace(
            reached,
            waiting=left,
            documents=reached.documents + 1,
            entries=reached.entries + len(parsed.entries),
            ended_at=None if left else self.clock(),
        )
        tally.changes += again(lambda: self._store(source, parsed, after))
        tally.problems += parsed.problems
        tally.documents += 1
        return after

    def _store(self, source: Source, parsed: ParsedFeed, after: HeldBackfill) -> Counter[ChangeKind]:
        with self.store.transaction() as tx:
            changes = take(tx, parsed.entries, source=source, now=self.clock(), backfill=True)
            backfills.keep(tx, after)
        return Counter(change.kind for change in changes)

    def _pause(self, error: FetchError, pauses: int, stop: threading.Event) -> bool:
        """Waits as long as a busy server asks; False where that is too long or too often."""
        seconds = error.retry_after if error.retry_after is not None else PAUSE.total_seconds()
        if not error.throttled or pauses > MOST_PAUSES or seconds > LONGEST_PAUSE.total_seconds():
            return False
        self.wait(stop, seconds)
        return True


def _never_comes(error: FetchError | ParseError) -> bool:
    """Whether a document will be refused for ever; who asks may be let in another day, with another key."""
    return is_gone(error) and not (isinstance(error, FetchError) and error.http_status in _WHO_ASKS)


def _left_out(refused: Sequence[Problem]) -> str:
    if not refused:
        return ""
    first = refused[0]
    if len(refused) == 1:
        return f" 1 document could not be read: {first.where}: {first.what}."
    return f" {len(refused)} documents could not be read, the first: {first.where}: {first.what}."


def _progress(reached: HeldBackfill) -> Progress:
    return Progress(
        source=reached.source_id, documents=reached.documents, left=len(reached.waiting), entries=reached.entries
    )


def _told(reached: HeldBackfill, kind: SourceKind) -> str:
    """``12 documents with 340 entries since 2026-05-01.``"""
    documents = "1 document" if reached.documents == 1 else f"{reached.documents} documents"
    said = f"{documents} with {reached.entries} entries since {reached.since}."
    if reached.waiting:
        return f"{said} {len(reached.waiting)} are left; the same command goes on."
    return said if kind.has_past else f"{said} It shows its newest only, nothing of before."


def _sentence(error: Exception) -> str:
    kept = "What was read is kept; the same command goes on where it stopped."
    if not isinstance(error, DigestError):
        return f"{sentence(error)} {kept}"
    return f"{error.what[:1].upper()}{error.what[1:]}. {kept}"
