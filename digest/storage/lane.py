"""A sender's own connection, for the one transaction that it makes hundreds of times a second.

It speaks to the driver directly: what a general layer adds to a statement is little, but a mail costs a few dozen
microseconds in all. The statements are those of sending.py; all other writes go there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from digest.model.mail import DeliveryId, Due
from digest.storage.engine import Store


class Accepted(NamedTuple):
    """A mail that its relay took, and in which words (at most 2,000 characters)."""

    due: Due
    code: int | None
    enhanced: str
    remote: str


_ACCEPT = """
UPDATE deliveries SET state = 'accepted', lease = '', leased_until = NULL, reason = '', settled_at = {now},
attempts = attempts + 1, code = {code}, enhanced = {enhanced}, remote = {remote}
{more}WHERE deliveries.id = {id} AND lease = {lease} AND state IN ('leased', 'sending'){days}
"""
_GATE = """
UPDATE deliveries SET state = 'sending', leased_until = {p}, tried_at = {p}, relay = {p}
WHERE id {ids} AND lease = {p} AND state IN ('leased', 'sending'){days}
AND (kind <> 'edition' OR EXISTS (
    SELECT 1 FROM subscriptions
    WHERE subscriptions.id = deliveries.subscription_id AND subscriptions.state = 'confirmed'))
AND NOT EXISTS (SELECT 1 FROM suppressions WHERE suppressions.key = deliveries.address_key)
AND NOT EXISTS (SELECT 1 FROM pauses WHERE pauses.digest IN (deliveries.digest, '*'))
RETURNING id
"""
#: So that only the parts are looked into that these days belong to (partitions.py); a notice has no local date.
_DAYS = "\nAND (local_date BETWEEN %s AND %s OR local_date IS NULL)"
_SQLITE_ACCEPT = _ACCEPT.format(now="?", code="?", enhanced="?", remote="?", more="", id="?", lease="?", days="")
_POSTGRESQL_ACCEPT = _ACCEPT.format(
    now="%s",
    code="v.code",
    enhanced="v.enhanced",
    remote="v.remote",
    more="FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::text[]) AS v (id, code, enhanced, remote)\n",
    id="v.id",
    lease="%s",
    days=_DAYS,
)
_POSTGRESQL_GATE = _GATE.format(p="%s", ids="= ANY(%s)", days=_DAYS)


class Lane:
    """One connection, used by one thread; ``close`` gives it back."""

    def __init__(self, store: Store, lease: str) -> None:
        self._store = store
        self._lease = lease
        self._raw: Any = None

    def group(
        self, accepted: Sequence[Accepted], ready: Sequence[Due], *, now: datetime, until: datetime, relay: str
    ) -> tuple[int, frozenset[DeliveryId]]:
        """One transaction: settles what was accepted, and lets pass what is ready; not for joined mails.

        Gives how many of the accepted ones this try still held, and which of the others may go: an edition needs a
        confirmed subscription, a notice only an address that is not suppressed. Those are ``sending`` from here on.
        Repeated after a commit whose answer got lost, it says the same of these. Raises StorageError.
        """
        with self._store.explained_driver():
            try:
                return self._group(self._connected(), accepted, ready, now, until, relay)
            except BaseException:
                self._drop()
                raise

    def close(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()

    def _group(
        self,
        cursor: Any,
        accepted: Sequence[Accepted],
        ready: Sequence[Due],
        now: datetime,
        until: datetime,
        relay: str,
    ) -> tuple[int, frozenset[DeliveryId]]:
        lease = self._lease
        kept = 0
        passed: frozenset[DeliveryId] = frozenset()
        if self._store.is_sqlite:
            at = sqlite_instant(now)
            cursor.execute("BEGIN IMMEDIATE")
            if accepted:
                cursor.executemany(
                    _SQLITE_ACCEPT, [(at, code, e, text, due.id, lease) for due, code, e, text in accepted]
                )
                kept = cursor.rowcount
            if ready:
                sql = _GATE.format(p="?", ids=f"IN ({', '.join('?' * len(ready))})", days="")
                cursor.execute(sql, (sqlite_instant(until), at, relay, *(due.id for due in ready), lease))
                passed = frozenset([row[0] for row in cursor.fetchall()])
            cursor.execute("COMMIT")
            return kept, passed
        if accepted:
            dues, *answers = zip(*accepted, strict=True)
            ids = [due.id for due in dues]
            cursor.execute(_POSTGRESQL_ACCEPT, (now, ids, *map(list, answers), lease, *_days(dues)))
            kept = cursor.rowcount
        if ready:
            ids = [due.id for due in ready]
            cursor.execute(_POSTGRESQL_GATE, (until, now, relay, ids, lease, *_days(ready)))
            passed = frozenset([row[0] for row in cursor.fetchall()])
        self._raw.commit()
        return kept, passed

    def _connected(self) -> Any:
        if self._raw is None:
            self._raw = self._store.engine.raw_connection()
            self._cursor = self._raw.cursor()
        return self._cursor

    def _drop(self) -> None:
        """After a failure the connection's state is unknown: the next group takes another."""
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.invalidate()


def _days(dues: Sequence[Due]) -> tuple[str, str]:
    """The first and the last day that mails are of."""
    days = [due.day for due in dues]
    return min(days), max(days)


def sqlite_instant(at: datetime) -> str:
    """An instant as SQLite holds it (base.Instant)."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
