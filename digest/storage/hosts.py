"""Hosts that are asked, where several processes ask them: one turn at a time among all, their pauses and their rests.

What all agree upon is the database's clock. A turn is an advisory lock, so one whose holder dies is free at once.
PostgreSQL only: a SQLite file has one machine, and its process keeps turns in its own memory.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any, NamedTuple

from sqlalchemy import Boolean, Column, String, Table, false, func, text

from digest.storage.base import Instant, Tx, insert, metadata
from digest.storage.engine import Store

hosts = Table(
    "hosts",
    metadata,
    Column("name", String(200), primary_key=True),  # a host, or the domain whose hosts share their turns
    Column("free_at", Instant),  # when its pause is over
    Column("rests_until", Instant),
    Column("slow", Boolean, nullable=False, server_default=false()),  # it rests because it did not answer in time
)


class Pauses(NamedTuple):
    """Seconds from now; less than nothing for what is over."""

    rests: float
    pause: float
    slow: bool
    """It rests because it did not answer in time."""


_NONE = Pauses(rests=float("-inf"), pause=float("-inf"), slow=False)

# A look sees what others wrote meanwhile, and a turn is no forgotten transaction, whatever the server's own settings.
_BEGIN = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0"
_TAKE = "SELECT pg_try_advisory_lock(%s)"
_LEAVE = "SELECT pg_advisory_unlock(%s)"
# clock_timestamp() goes on while a transaction is open; now() stands at its beginning.
_LOOK = """
SELECT coalesce(extract(epoch FROM rests_until - clock_timestamp())::float8, '-infinity'),
       coalesce(extract(epoch FROM free_at - clock_timestamp())::float8, '-infinity'), slow
FROM hosts WHERE name = %s
"""


class Hosts:
    """The turns of one process, by many threads; no thread takes a host that another thread has.

    All turns that it has at a time are locks of one connection, borrowed while there are any, within a transaction that
    writes nothing: a pooler between us and the server then leaves us the connection (PgBouncer's transaction mode too),
    and a request that takes long costs no second one. All but ``leave`` raises StorageError.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._raw: Any = None
        self._held: set[str] = set()

    def take(self, host: str) -> Pauses | None:
        """The host's turn, with what is left of its pause and rest; None while another process has it."""
        with self._lock, self._store.explained_driver():
            try:
                cursor = self._borrowed().cursor()
                if not cursor.execute(_TAKE, (_key(host),)).fetchone()[0]:
                    self._give_back()
                    return None
                # After the lock: a statement sees only what was written before it began.
                found = cursor.execute(_LOOK, (host[:200],)).fetchone()
            except BaseException:
                self._drop()
                raise
            self._held.add(host)
        return Pauses(*found) if found else _NONE

    def leave(self, host: str) -> None:
        """Ends a turn. One that was lost with its connection has ended, and where it cannot be said, it is lost so."""
        with self._lock:
            if host not in self._held:
                return
            self._held.remove(host)
            try:
                self._raw.cursor().execute(_LEAVE, (_key(host),))
                self._give_back()
            except self._store.engine.dialect.loaded_dbapi.Error:
                self._drop()

    def pause(self, host: str, seconds: float) -> None:
        """Nobody asks the host for so long from now."""
        with self._store.transaction() as tx:
            pause(tx, host, seconds)

    def rest(self, host: str, seconds: float, *, slow: bool) -> None:
        """Leaves the host alone for so long from now, unless it rests longer already."""
        with self._store.transaction() as tx:
            rest(tx, host, seconds, slow=slow)

    def _borrowed(self) -> Any:
        if self._raw is None:
            self._raw = self._store.engine.raw_connection()
            self._raw.cursor().execute(_BEGIN)
        return self._raw

    def _give_back(self) -> None:
        """The connection to the pool, if no turn needs it."""
        if not self._held:
            raw, self._raw = self._raw, None
            raw.close()

    def _drop(self) -> None:
        """A connection in trouble; with it go all turns."""
        raw, self._raw = self._raw, None
        self._held.clear()
        if raw is not None:
            raw.invalidate()


def pause(tx: Tx, host: str, seconds: float) -> None:
    _put(tx, host, {"free_at": _in(seconds)})


def rest(tx: Tx, host: str, seconds: float, *, slow: bool) -> None:
    longer = (hosts.c.rests_until.is_(None)) | (hosts.c.rests_until < _in(seconds))
    _put(tx, host, {"rests_until": _in(seconds), "slow": slow}, where=longer)


def _put(tx: Tx, host: str, values: dict[str, Any], *, where: Any = None) -> None:
    statement = insert(tx, hosts).values(name=host[:200], **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values, where=where))


def _in(seconds: float) -> Any:
    return func.now() + text("make_interval(secs => :seconds)").bindparams(seconds=seconds)


def _key(host: str) -> int:
    """The number of its lock: 64 bits of its name; two hosts of one number would only wait for each other."""
    return int.from_bytes(hashlib.blake2b(b"host " + host.encode(), digest_size=8).digest(), signed=True)
