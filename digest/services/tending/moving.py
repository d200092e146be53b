"""Moving: one database copied into another and verified, while nobody can send from either or write to the old one.

Two databases cannot commit together, so there are three steps, each of which leaves one that counts: the old one is
marked, and then held so that nothing in it changes; the new one is filled and marked as arriving; the old one is marked
as gone for good and shut; the new one loses its mark. Whoever is killed in between starts the same again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from digest.model.errors import SchemaError, StorageError, UsageError
from digest.services.ports import Clock
from digest.storage import copy, destination, meta, migrate, moved, shutting
from digest.storage.base import Tx
from digest.storage.copy import Progress
from digest.storage.engine import Store
from digest.storage.moved import Mark, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """A move that came to its end: the rows by table, and where they are now."""

    moved: dict[str, int]
    to: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Undone:
    """A database that was taken back. ``was_gone``: it had moved, so it must be told until when the other one sent."""

    was_gone: bool
    other: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Moving:
    """Moves one database; ``target_where`` is the new one's URL as it may be told."""

    source: Store
    target: Store
    target_where: str
    holder: str
    dead: Callable[[Sequence[str]], list[str]]
    """Which lease holders are processes of this machine that are gone."""
    clock: Clock

    def run(self, progress: Progress | None = None) -> Moved:
        """Copies, verifies, and lets the new one begin. Raises StorageError and UsageError, and whatever ``progress``
        raises; the old one then goes on as it was.
        """
        began = time.monotonic()
        mark = Mark(state=State.LEAVING, other=self.target_where, at=self.clock(), by=self.holder)
        self._look(mark)
        if self._is_done_but_for_the_end():
            return self._arrived(began)
        with destination.told(self.target_where, self.target):
            migrate.ready(self.target)
        try:
            with self.source.transaction() as tx:
                self._hold(tx)
                moved.put(tx, mark)
            self._carry(mark, progress)
        except BaseException:
            if self._take_back(mark):
                raise
            # It was committed, and only the answer got lost.
        return self._arrived(began)

    def _look(self, mark: Mark) -> None:
        """Refuses what cannot be; nothing is changed."""
        refuse_foreign_revision(self.source)
        with self.source.reading() as tx:
            held = moved.mark_of(tx)
        if held is not None and held.state is State.ARRIVING:
            raise StorageError(held.what, where=self.source.where, try_=held.remedy)
        with destination.told(self.target_where, self.target):
            destination.refuse_unfit(self.target, self.target_where)
            destination.refuse_same(self.source, self.target, self.target_where)
            if held is not None and held.state is State.GONE:
                if self._is_done_but_for_the_end():
                    return
                raise StorageError(held.what, where=self.source.where, try_=held.remedy)
            destination.refuse_occupied(self.target, self.target_where, self._source_where)
        with self.source.reading() as tx:
            self._refuse_while_sending(tx, mark.at)

    def _carry(self, mark: Mark, progress: Progress | None) -> None:
        with self.source.transaction() as tx:
            self._hold(tx)
            if moved.mark_of(tx) != mark:
                raise StorageError(
                    "another `digest db move` has begun, or took this one back",
                    where=self.source.where,
                    try_="wait for the other one",
                )
            gone = replace(mark, state=State.GONE)
            moved.put(tx, gone)
            shutting.shut(tx, f"{gone.what}; {gone.remedy}")
            with destination.told(self.target_where, self.target), self.target.transaction() as into:
                shutting.hold(into, self.target_where)
                destination.refuse_occupied(self.target, self.target_where, self._source_where)
                copy.clear(into)
                copy.copy_surely(tx, into, leave_out=copy.OF_PROCESSES, progress=progress)
                moved.put(into, replace(mark, state=State.ARRIVING, other=self._source_where))

    def _hold(self, tx: Tx) -> None:
        """From here on nobody writes, so nobody can say that a final dot is about to go."""
        shutting.hold(tx, self.source.where)
        self._refuse_while_sending(tx, self.clock())

    def _refuse_while_sending(self, tx: Tx, now: datetime) -> None:
        does = shutting.at_work(tx, now)
        for holder in self.dead(list(does)):
            del does[holder]
        if does:
            raise StorageError(
                "; ".join(f"{_process(holder)} {what}" for holder, what in sorted(does.items())),
                where=self.source.where,
                try_="stop it (`systemctl stop digest`) or wait until it has ended; nothing was changed",
            )

    def _take_back(self, mark: Mark) -> bool:
        """Whether the old one goes on: its own word counts, for the answer to a commit may get lost."""
        with self.source.transaction() as tx:
            held = moved.mark_of(tx)
            if held is None or not held.is_of_one_move_with(mark):
                return True
            if held.state is State.GONE:
                return False
            meta.drop(tx, meta.MOVED)
        return True

    def _is_done_but_for_the_end(self) -> bool:
        with self.source.reading() as tx:
            here = moved.mark_of(tx)
        if here is None or here.state is not State.GONE or migrate.current(self.target) != migrate.head():
            return False
        with self.target.reading() as tx:
            there = moved.mark_of(tx)
        return there is not None and there.state is State.ARRIVING and there.is_of_one_move_with(here)

    def _arrived(self, began: float) -> Moved:
        with destination.told(self.target_where, self.target), self.target.transaction() as tx:
            meta.drop(tx, meta.MOVED)
            rows = copy.counted(tx, leave_out=copy.OF_PROCESSES)
        return Moved(moved=rows, to=self.target_where, seconds=round(time.monotonic() - began, 3))

    @property
    def _source_where(self) -> str:
        return destination.shown(self.source.engine.url)


def undo(store: Store, clock: Clock) -> Undone:
    """Lets a database go on that was being moved, has moved, or was being filled.

    One that was not to be the one that counts is then as a backup that was put back: it must first be told until when
    the other one sent. Raises UsageError for one that never moved, StorageError while it is being moved.
    """
    refuse_foreign_revision(store)
    with store.transaction() as tx:
        shutting.hold(tx, store.where)
        mark = moved.mark_of(tx)
        if mark is None:
            raise UsageError(
                "this database neither moved nor is being moved", where=store.where, try_="there is nothing to undo"
            )
        shutting.reopen(tx)
        meta.drop(tx, meta.MOVED)
        was_gone = mark.state is not State.LEAVING
        if was_gone:
            meta.put(tx, meta.RESTORED, clock().isoformat())
    return Undone(was_gone=was_gone, other=mark.other)


def refuse_foreign_revision(store: Store) -> None:
    """Raises UsageError for a database without tables, SchemaError for one of another version."""
    revision = migrate.current(store)
    if revision is None:
        raise UsageError("there is nothing in it to move", where=store.where, try_="check database.url")
    if revision != migrate.head():
        raise SchemaError(
            f"its tables are those of another version ({revision}, this program's are {migrate.head()})",
            where=store.where,
            try_="run `digest db upgrade` first, or move it with the version that it is of",
        )


def _process(holder: str) -> str:
    """A lease holder ("host:pid:start:run") as people look for it."""
    host, _, rest = holder.partition(":")
    number = rest.partition(":")[0]
    return f"process {number} on {host}" if number.isdecimal() else f'"{holder}"'
