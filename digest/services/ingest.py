"""Ingesting: which sources are due, what they say, what of it is new, and how each one is doing.

Fetching and parsing happen outside transactions; entries, validators, health and the next time are written together,
a source at a time. One bad feed or one bad entry never stops the others: it is named and counted.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from digest.entries.diff import bands, bands_of, diff, keys
from digest.entries.normalize import clean, clean_title
from digest.entries.works import COMMON, Held
from digest.model.errors import Conflict, FetchError, InputError, ParseError, UsageError
from digest.model.feeds import (
    Alias,
    ChangeKind,
    Entry,
    EntryChange,
    EntryData,
    EntryId,
    FetchRequest,
    FetchTrace,
    ParsedFeed,
    Problem,
    Source,
    SourceId,
    SourceKind,
    SourceState,
    Validators,
)
from digest.ranking.pool import text_of
from digest.ranking.text import words
from digest.services.ports import Clock, Fetch
from digest.sources.arxiv import category_requests, parse_api
from digest.sources.health import judge
from digest.storage import authorships, entries, likeness, sources, terms
from digest.storage.base import Tx
from digest.storage.engine import Store
from digest.storage.sources import HeldSource

#: How long a claimed source is left alone by others; a crash leaves it due again after that.
_BUSY = timedelta(minutes=15)
#: Pages of a back-fill.
_MOST_PAGES = 200
#: So many works of an older database are found by their words after the upgrade; the others by names and titles.
_CATCH_UP = 20_000
#: A work whose category arXiv did not know is asked about again after this time.
_ASK_AGAIN = timedelta(hours=6)


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


@dataclass(slots=True)
class _Round:
    """What a round has brought so far."""

    documents: int = 0
    same: int = 0
    feeds: list[ParsedFeed] = field(default_factory=list[ParsedFeed])
    entries: list[EntryData] = field(default_factory=list[EntryData])
    problems: list[Problem] = field(default_factory=list[Problem])
    validators: dict[str, Validators] = field(default_factory=dict[str, Validators])
    http_status: int | None = None
    error: Exception | None = None


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
    threads: int = 8

    def run(
        self,
        ids: Sequence[str] | None = None,
        *,
        everything: bool = False,
        since: date | None = None,
        stop: threading.Event | None = None,
        progress: Callable[[FetchedSource], None] | None = None,
    ) -> tuple[FetchedSource, ...]:
        """Fetches the sources that are due (or those named, or all), a thread a source; gives a row a source, by id."""
        claimed = self._claim(ids, due_only=not everything and ids is None and since is None)

        def one(held: HeldSource) -> FetchedSource | None:
            if stop is not None and stop.is_set():
                self._give_back(held)
                return None
            done = self._source(held, since)
            if progress is not None:
                progress(done)
            return done

        with ThreadPoolExecutor(
            max_workers=max(1, min(self.threads, len(claimed) or 1)), thread_name_prefix="fetch"
        ) as pool:
            rows = [row for row in pool.map(one, claimed) if row is not None]
        if claimed and self.arxiv_api:
            self.join_categories()
        return tuple(rows)

    def join_categories(self) -> int:
        """Asks arXiv for the categories of works that came without (Hugging Face names none);

        gives how many got some.
        """
        now = self.clock()
        with self.store.reading() as tx:
            lacking = entries.without_categories(tx, limit=1000, asked_before=now - _ASK_AGAIN)
        by_id = {entry.arxiv_id: entry for entry in lacking if entry.arxiv_id}
        joined = 0
        for request in category_requests(tuple(by_id), self.arxiv_api):
            try:
                parsed = parse_api(self.fetch(request))
            except (FetchError, ParseError):
                return joined  # they stay `other` until the next round
            found = {data.arxiv_id: data for data in (_cleaned(parsed, [])) if data.arxiv_id and data.categories}
            with self.store.transaction() as tx:
                for arxiv_id, data in found.items():
                    if arxiv_id in by_id:
                        entries.set_categories(tx, by_id[arxiv_id].id, data.categories)
                        joined += 1
        with self.store.transaction() as tx:
            entries.mark_asked(tx, [entry.id for entry in lacking], now)
        return joined

    def _claim(self, ids: Sequence[str] | None, *, due_only: bool) -> tuple[HeldSource, ...]:
        now = self.clock()
        with self.store.transaction() as tx:
            sources.sync(tx, self.configured)
            known = {held.source.id for held in sources.all_held(tx)}
            for name in ids or ():
                if name not in known:
                    raise UsageError(
                        f'there is no source "{name}"',
                        where="digest fetch",
                        try_=f"known are: {', '.join(sorted(known)) or 'none'}",
                    )
            wanted = [SourceId(name) for name in ids] if ids else None
            return sources.claim(tx, wanted, now=now, busy_until=now + _BUSY, due_only=due_only)

    def _give_back(self, held: HeldSource) -> None:
        with self.store.transaction() as tx:
            sources.give_back(tx, held, self.clock())

    def _source(self, held: HeldSource, since: date | None) -> FetchedSource:
        source, kind = held.source, self.kinds[held.source.kind]
        with self.store.reading() as tx:
            known = sources.validators(tx, source.id)
        got = _Round()
        try:
            self._read(kind, source, known if since is None else {}, since, got)
        except FetchError as error:
            got.error, got.http_status = error, error.http_status
        except Exception as error:  # a fault of ours in one source is told as its state; the others go on
            got.error = error
        return self._store(held, got, backfill=since is not None or held.first_fetched_at is None)

    def _read(
        self, kind: SourceKind, source: Source, known: Mapping[str, Validators], since: date | None, got: _Round
    ) -> None:
        """Gets a source's documents; what came before a failure is kept."""
        waiting = list(kind.plan(source, self.clock(), since))
        while waiting and got.documents < _MOST_PAGES:
            request = waiting.pop(0)
            before = known.get(request.url, Validators())
            response = self.fetch(
                replace(
                    request,
                    validators=before,
                    allow_private=source.allow_private,
                    allow_files=source.from_operator,
                )
            )
            got.documents += 1
            got.http_status = response.status
            body_hash = hashlib.sha256(response.body).hexdigest()
            if response.not_modified or body_hash == before.body_hash:
                got.same += 1
                got.validators[request.url] = before
                continue
            parsed = kind.parse(source, response)
            got.feeds.append(parsed)
            got.problems += parsed.problems
            got.entries += _cleaned(parsed, got.problems)
            got.validators[request.url] = Validators(
                etag=response.headers.get("etag"),
                last_modified=response.headers.get("last-modified"),
                body_hash=body_hash,
            )
            following = kind.follow(request, parsed)
            if following is not None:
                waiting.append(following)

    def _store(self, held: HeldSource, got: _Round, *, backfill: bool) -> FetchedSource:
        """Writes a round; another process may have taken an alias meanwhile, then it is diffed once more."""
        for last in (False, False, True):
            try:
                return self._store_once(held, got, backfill=backfill)
            except Conflict:
                if last:
                    raise
        raise AssertionError("unreachable")

    def _store_once(self, held: HeldSource, got: _Round, *, backfill: bool) -> FetchedSource:
        source, now = held.source, self.clock()
        item_keys = sorted(data.key for data in got.entries)
        keys_hash = hashlib.sha256("\n".join(item_keys).encode()).hexdigest() if item_keys else ""
        with self.store.transaction() as tx:
            entries.lock(tx)
            found, held_works = known(tx, got.entries, now=now)
            changes = diff(found, held_works, source=source, now=now, backfill=backfill)
            keep(tx, changes, now=now)
            tally = {kind: sum(change.kind is kind for change in changes) for kind in ChangeKind}
            health = judge(
                source,
                FetchTrace(
                    documents=got.documents,
                    unchanged=got.same,
                    entries=len(got.entries),
                    new=tally[ChangeKind.NEW],
                    revised=tally[ChangeKind.REVISED],
                    same_ids_as_last=bool(keys_hash) and keys_hash == held.last_keys,
                    last_new_at=held.last_new_at,
                    skip_days=frozenset[int]().union(*(feed.skip_days for feed in got.feeds)),
                    ttl=max((feed.ttl for feed in got.feeds if feed.ttl), default=None),
                    error=got.error,
                ),
                failures=held.failures,
                now=now,
                jitter=self.jitter(),
            )
            # Validators of what was read are kept only with its entries, in this transaction.
            for url, validators in got.validators.items():
                sources.remember(tx, source.id, url, validators, now)
            sources.record(
                tx,
                source.id,
                health,
                now=now,
                http_status=got.http_status,
                title=clean_title(next((feed.title for feed in got.feeds if feed.title), ""))[:200],
                keys=keys_hash or None,
                brought_new=tally[ChangeKind.NEW] > 0,
                reached=got.error is None,
            )
        return FetchedSource(
            id=source.id,
            state=health.state,
            new=tally[ChangeKind.NEW],
            revised=tally[ChangeKind.REVISED],
            unchanged=tally[ChangeKind.UNCHANGED],
            http_status=got.http_status,
            detail=_detail(health.detail, got.problems),
            next_at=health.next_at,
            problems=tuple(got.problems),
        )


def known(tx: Tx, said: Sequence[EntryData], *, now: datetime) -> tuple[tuple[EntryData, ...], Held]:
    """What of a feed is to be taken, and what is held that may be the same work."""
    if likeness.has_none(tx):  # the works of before there were fingerprints get theirs once
        before = entries.recent(tx, before=now, limit=_CATCH_UP)
        likeness.note(tx, {one.id: bands_of(one) for one in before})
        authorships.note_all(tx, {one.id: (one.authors, one.institutions) for one in before})
        terms.note(tx, [words(text_of(one)) for one in before])
    by_alias, by_title = entries.find(tx, *keys(said))
    taken = _without_strangers(said, by_alias)
    under = likeness.alike(tx, bands(taken, by_alias), most=COMMON)
    alike = {entry.id: entry for entry in entries.load(tx, {row for rows in under.values() for row in rows})}
    by_band = {band: tuple(alike[EntryId(row)] for row in rows) for band, rows in under.items()}
    return taken, Held(by_alias=by_alias, by_title=by_title, by_band=by_band, apart=likeness.apart(tx))


def keep(
    tx: Tx, changes: Sequence[EntryChange], *, now: datetime, why: str = "a source showed that they are one"
) -> tuple[EntryId, ...]:
    """Writes what a feed brought, and all that is found by it later; gives the row of each change. ``why`` works were
    joined is kept.
    """
    rows = entries.apply(tx, changes, now=now, why=why)
    fresh = [
        (row, change.after)
        for row, change in zip(rows, changes, strict=True)
        if change.kind is ChangeKind.NEW
        or change.absorbed
        or {"title", "abstract", "authors"} & {*change.fields}
        # A source that fills in what was empty revises nothing, but may be the first to name authors or places.
        or (change.before and change.before.institutions != change.after.institutions)
    ]
    likeness.note(tx, {row: bands_of(entry) for row, entry in fresh})
    authorships.note_all(tx, {row: (entry.authors, entry.institutions) for row, entry in fresh})
    new = [change.after for change in changes if change.kind is ChangeKind.NEW]
    terms.note(tx, [words(text_of(entry)) for entry in new])
    resembling = [(row, like) for row, change in zip(rows, changes, strict=True) for like in change.resembles]
    others, _ = entries.find(tx, [like.alias for _, like in resembling], ())
    for row, like in resembling:
        other = others.get(like.alias)
        if other is not None:
            likeness.tell(tx, row, other.id, title_ratio=like.title_ratio, overlap=like.overlap, at=now)
    return rows


def read_document(kind: SourceKind, source: Source, fetch: Fetch, request: FetchRequest) -> ParsedFeed:
    """One document as its kind reads it, with clean entries; nothing is stored (`digest sources check`)."""
    parsed = kind.parse(source, fetch(request))
    problems = list(parsed.problems)
    return replace(parsed, entries=tuple(_cleaned(parsed, problems)), problems=tuple(problems))


def _cleaned(parsed: ParsedFeed, problems: list[Problem]) -> list[EntryData]:
    """The feed's entries with clean texts; one that cannot be taken is named and left out."""
    found: list[EntryData] = []
    for number, data in enumerate(parsed.entries, 1):
        try:
            found.append(clean(data))
        except InputError as error:
            problems.append(Problem(where=error.where or data.key[:200] or f"item {number}", what=error.what))
    return found


def _without_strangers(found: Sequence[EntryData], held: Mapping[Alias, Entry]) -> tuple[EntryData, ...]:
    """Leaves out arXiv's replacements of papers that we never met: a new version of an old paper is not a new paper."""
    return tuple(
        data
        for data in found
        if not data.announce.startswith("replace") or any(alias in held for alias in keys([data])[0])
    )


def _detail(detail: str, problems: Sequence[Problem]) -> str:
    if not problems:
        return detail
    first = problems[0]
    return f"{detail} {len(problems)} could not be taken, the first: {first.where}: {first.what}.".strip()
