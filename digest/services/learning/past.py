"""The past as a replay needs it: an archive's, or the operator's own store's.

Both show papers as they stood at an instant and what was known beside them, and nothing that was seen later. A store
keeps the newest text of a paper, and only the newest count of its comments and stars: those two are left out of its
replays, and whatever only a voting list tells (institution, code, day of submission) where no votes were seen yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from digest.entries.identity import aliases
from digest.model.errors import InputError
from digest.model.feeds import Alias, Entry, EntryData, VoteObservation, WorkId
from digest.model.past import Seen
from digest.model.ranking import Evidence
from digest.ranking.archive import Archive, sighted
from digest.ranking.observations import Observation, read_lines
from digest.ranking.prior.fit import Example
from digest.services.learning.evidence import gather
from digest.services.learning.rank_file import IDENTITY
from digest.storage import entries, replay
from digest.storage.base import batched
from digest.storage.engine import Store

#: The newest works teach; more would not fit a small machine's memory.
MOST_EXAMPLES = 40_000


class Past(Protocol):
    """See ranking/archive.py, whose methods these are."""

    @property
    def where(self) -> str: ...

    @property
    def last_at(self) -> datetime: ...

    def seen(self, sources: Collection[str] = ()) -> tuple[Seen, ...]: ...

    def at(self, numbers: Iterable[int], now: datetime) -> tuple[Entry, ...]: ...

    def evidence(self, papers: Sequence[Entry], now: datetime, *, keep: Collection[str] = ()) -> Evidence: ...

    def named(self, names: Iterable[str]) -> Mapping[str, str]: ...

    def examples(self, since: datetime | None = None) -> Iterator[Example]: ...


def read_archive(where: str, files: Iterable[tuple[str, Iterable[str]]]) -> Archive:
    """The archive at ``where``; ``files`` are (name, lines).

    Raises InputError with file and line, or where there is no paper at all.
    """
    observations: list[Observation] = []
    for name, lines in files:
        observations += [sighted(line, IDENTITY, name=name) for line in read_lines(lines, name=name)]
    archive = Archive(observations, IDENTITY, where=where)
    _ = archive.last_at
    return archive


@dataclass(frozen=True, kw_only=True, slots=True)
class StorePast:
    """What a store has seen."""

    store: Store
    until: datetime
    """Nothing that was seen later takes part."""

    @property
    def where(self) -> str:
        return self.store.where

    @property
    def last_at(self) -> datetime:
        with self.store.reading() as tx:
            last = replay.last_at(tx)
        if last is None:
            raise InputError(
                "it holds no paper yet", where=self.store.where, try_="run `digest fetch`, or replay an --archive"
            )
        return min(last, self.until)

    def seen(self, sources: Collection[str] = ()) -> tuple[Seen, ...]:
        with self.store.reading() as tx:
            return replay.seen(tx, sources)

    def at(self, numbers: Iterable[int], now: datetime) -> tuple[Entry, ...]:
        with self.store.reading() as tx:
            found = entries.load(tx, numbers, as_of=now)
        return tuple(_as_it_stood(entry) for entry in found if entry.first_seen_at <= now)

    def evidence(self, papers: Sequence[Entry], now: datetime, *, keep: Collection[str] = ()) -> Evidence:
        with self.store.reading() as tx:
            evidence = gather(tx, papers, now)
            there = {entry.work for entry in (*evidence.history, *papers)}
            liked = (entries.by_work(tx, WorkId(work)) for work in sorted(set(keep) - there))
            older = tuple(entry for entry in liked if entry is not None and entry.first_seen_at <= now)
        return replace(evidence, history=(*evidence.history, *older))

    def named(self, names: Iterable[str]) -> Mapping[str, str]:
        forms = {name: (*aliases(EntryData(key=name, title=name, url=name)), Alias(name)) for name in names}
        with self.store.reading() as tx:
            held, _ = entries.find(tx, (form for some in forms.values() for form in some), ())
        return {name: held[form].work for name, some in forms.items() for form in some[::-1] if form in held}

    def examples(self, since: datetime | None = None) -> Iterator[Example]:
        with self.store.reading() as tx:
            for some in batched(replay.numbers(tx, since=since, until=self.until, limit=MOST_EXAMPLES), 500):
                counted = replay.counts(tx, some)
                for entry in entries.load(tx, some):
                    yield _example(entry, counted.get(entry.id, ()))


def _example(entry: Entry, votes: tuple[VoteObservation, ...]) -> Example:
    counting = {vote.source_id for vote in votes}
    voteless = [seen.first_seen_at for seen in entry.sightings if seen.source_id not in counting]
    known = replace(entry, votes=(), comments=None, stars=None)
    return Example(
        entry=known,
        votes=votes,
        listed=replace(_plain(known), first_seen_at=min(voteless)) if voteless else None,
    )


def _as_it_stood(entry: Entry) -> Entry:
    known = replace(entry, comments=None, stars=None)
    return known if entry.votes else _plain(known)


def _plain(entry: Entry) -> Entry:
    """Without what a voting list tells: else it would be known of featured papers only."""
    return replace(entry, institutions=(), code_url="", project_url="", submitted_at=None)
