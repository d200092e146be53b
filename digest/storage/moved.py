"""The mark of a database that is being moved, has moved, or was not filled to its end.

It is one text in ``meta``. Whoever would send or start looks for it; what else tries to write to a database that has
moved is refused by the database itself (shutting.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from digest.model.errors import StorageError
from digest.storage import meta
from digest.storage.base import Tx
from digest.storage.engine import Store


class State(StrEnum):
    """How far a move is, in the database that carries the mark."""

    LEAVING = "leaving"
    """It is being copied; until that has ended it is the one that counts."""
    GONE = "gone"
    """The other one counts."""
    ARRIVING = "arriving"
    """All rows are there, and the old one still counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What is known of a move. ``other`` is the other database's URL without its password."""

    state: State
    other: str
    at: datetime
    by: str
    """The process; with the instant it tells one move from another."""

    @property
    def what(self) -> str:
        when = f"{self.at:%Y-%m-%d %H:%M} UTC"
        match self.state:
            case State.LEAVING:
                return f"this database is being moved to {self.other} since {when}"
            case State.GONE:
                return f"this database has moved to {self.other} ({when})"
            case State.ARRIVING:
                return f"this database was being filled from {self.other}, and that did not come to its end ({when})"

    @property
    def remedy(self) -> str:
        match self.state:
            case State.LEAVING:
                return "wait for it; if it was killed, start it again, or take it back by `digest db move --undo`"
            case State.GONE:
                return "set database.url to the new one and start again; if that one is lost: `digest db move --undo`"
            case State.ARRIVING:
                return "with the old one in database.url, start the same `digest db move` again"

    def is_of_one_move_with(self, other: Mark) -> bool:
        return (self.at, self.by) == (other.at, other.by)

    def text(self) -> str:
        return json.dumps({"state": self.state, "other": self.other, "at": self.at.isoformat(), "by": self.by})


def mark_of(tx: Tx) -> Mark | None:
    held = meta.get(tx, meta.MOVED)
    if held is None:
        return None
    said = json.loads(held)
    return Mark(state=State(said["state"]), other=said["other"], at=datetime.fromisoformat(said["at"]), by=said["by"])


def put(tx: Tx, mark: Mark) -> None:
    meta.put(tx, meta.MOVED, mark.text())


def refuse(store: Store) -> None:
    """Raises StorageError for a database that is not, or no longer, the one to work with."""
    with store.reading() as tx:
        mark = mark_of(tx)
    if mark is not None:
        raise StorageError(mark.what, where=store.where, try_=mark.remedy)
