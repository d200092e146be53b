"""Calling the other processes of a fleet, and whether a database can be a fleet's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digest.config import Config
from digest.services.ports import Wake, Work, nobody
from digest.storage import queue, server
from digest.storage.base import Tx
from digest.storage.engine import Store, open_store

if TYPE_CHECKING:
    from digest.fleet.calls import Calls

#: What one process of a fleet may open: the queue's, and those of work that goes on at once.
CONNECTIONS = 12


def check_server(config: Config) -> None:
    """Before anything is written there. Raises StorageError where the server cannot be a fleet's, ConfigError for a
    URL that nobody can use.
    """
    store = open_store(config.database_url)
    try:
        for error in server.unfit(store, needed=CONNECTIONS):
            raise error
    finally:
        store.close()


def wake_of(store: Store) -> Wake:
    """Calls where a queue is; nobody on one machine. The queue's code is read when it is first needed."""
    if store.is_sqlite:
        return nobody
    made: list[Calls] = []

    def wake(tx: Tx, work: Work) -> None:
        if not queue.are_there(tx):
            return
        if not made:
            from digest.fleet.calls import Calls

            made.append(Calls(store))
        made[0].wake(tx, work)

    return wake
