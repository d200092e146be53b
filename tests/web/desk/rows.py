"""Everything that a database holds, to see that looking at a page changes nothing."""

from __future__ import annotations

from sqlalchemy import select

from digest.storage.base import metadata
from tests.services.road import Road


def dump(road: Road) -> dict[str, list[str]]:
    """Rows by table, in any order made one."""
    with road.app.store.reading() as tx:
        return {
            table.name: sorted(str(tuple(row)) for row in tx.execute(select(table))) for table in metadata.sorted_tables
        }
