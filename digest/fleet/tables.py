"""The queue's own tables: made once, and brought to the installed version of the queue.

The queue keeps no note of the version its tables have, so we write it onto them: there it stays with them, whatever
becomes of our own rows when a database is moved or put back.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from procrastinate.schema import SchemaManager

from digest.model.errors import StorageError
from digest.storage import queue
from digest.storage.engine import Store


def install(store: Store) -> None:
    """Makes the tables, or brings those of an older version to ours; all of it or nothing. Raises StorageError."""
    ours = metadata.version("procrastinate")
    with store.transaction() as tx:
        queue.take_turn(tx)
        held = queue.version(tx)
        if not queue.are_there(tx):
            queue.run_script(tx, SchemaManager.get_schema())
        elif held is None:
            raise StorageError(
                "it has the queue's tables, and not by us",
                where=store.where,
                try_="give Digest a database of its own in database.url",
            )
        else:
            for file in _since(held):
                queue.run_script(tx, file.read_text("utf-8"))
        if held is None or _number(held) < _number(ours):
            queue.note_version(tx, ours)


def _since(version: str) -> list[Path]:
    """The queue's own migrations after a version, in their order."""
    files = sorted(Path(SchemaManager.get_migrations_path()).glob("[0-9]*.sql"))
    return [file for file in files if _number(file.name.partition("_")[0]) > _number(version)]


def _number(version: str) -> tuple[int, ...]:
    """Of "3.10.0" as of "03.10.00"."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
