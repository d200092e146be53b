"""The care for the ledger's parts on PostgreSQL: those of the next weeks are made, those that are over are dropped, and
large weeks that began without one are given theirs. Does nothing on SQLite, and where readers are few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from digest.services.ports import Clock
from digest.storage import deliveries, partitioning, people
from digest.storage.engine import Store
from digest.storage.partitions import week_of

#: Is told before each part that is moved: its name, its rows, how many are done and how many there are in all.
Progress = Callable[[str, int, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Apart:
    """What was given parts of its own, and how many weeks or months still wait for one."""

    rows: dict[str, int]
    """By the part's name."""
    left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The parts of one database's ledger."""

    store: Store
    clock: Clock

    def make_ahead(self) -> tuple[str, ...]:
        """Makes the parts of this time and the next; what others have locked is made another day. Gives their names."""
        with self.store.reading() as tx:
            readers = people.count_readers(tx)
            found = partitioning.wanted(tx, self.clock().date(), readers=readers)
        made: list[str] = []
        for part in found:
            with self.store.transaction() as tx:
                if partitioning.make(tx, part) is not None:
                    made.append(part.name)
        return tuple(made)

    def are_late(self) -> bool:
        """Whether next week's part is wanted and not there: they are made two weeks ahead."""
        with self.store.reading() as tx:
            wanted = partitioning.wanted(tx, self.clock().date(), readers=people.count_readers(tx))
        return week_of(self.clock().date()).next in wanted

    def drop(self, before: datetime) -> int:
        """Drops the parts whose rows are all of before an instant; gives how many deliveries became daily totals."""
        with self.store.reading() as tx:
            found = partitioning.over(tx, before)
        folded = 0
        for part in found:
            with self.store.transaction() as tx:
                gone = partitioning.drop(tx, part, before)
            folded += gone or 0 if part.of == deliveries.deliveries.name else 0
        return folded

    def move(self, progress: Progress | None = None, *, most: int | None = None) -> Apart:
        """Gives large weeks and months of the past that stand in the rest parts of their own, each in one transaction
        that keeps everybody else from the ledger: whoever ends this goes on next time with what is left. Raises
        whatever ``progress`` raises.
        """
        with self.store.reading() as tx:
            found = partitioning.stray(tx, self.clock().date())
        moved: dict[str, int] = {}
        for number, (part, rows) in enumerate(list(found.items())[:most]):
            if progress is not None:
                progress(part.name, rows, number, len(found))
            with self.store.transaction() as tx:
                made = partitioning.make(tx, part)
            if made is not None:
                moved[part.name] = made
        return Apart(rows=moved, left=len(found) - len(moved))
