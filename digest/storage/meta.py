"""Small facts about this installation:

its secret, whether it is a restored copy or has moved, leases that one process holds at a time.
"""

from __future__ import annotations

import base64
import secrets
from datetime import datetime

from sqlalchemy import Column, String, Table, Text, delete, select, update

from digest.storage.base import Instant, Tx, insert, metadata

meta = Table("meta", metadata, Column("key", String(100), primary_key=True), Column("value", Text, nullable=False))

leases = Table(
    "leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("holder", String(100), nullable=False),
    Column("until", Instant, nullable=False),
)

#: Set in every backup: a copy that carries it refuses to send until `digest db restored` was run.
RESTORED = "restored"
#: Set while `digest db move` copies, and for ever in what it moved from (moved.py): such a database neither sends nor
#: starts.
MOVED = "moved"
#: Works first seen before this instant count as sent (after a restore).
SENT_UNTIL = "sent_until"
#: The oldest revision whose program may go on with the tables as they are (migrate.py).
WORKS_WITH = "works_with"
SECRET = "secret"  # noqa: S105  the key's name


def get(tx: Tx, key: str) -> str | None:
    return tx.execute(select(meta.c.value).where(meta.c.key == key)).scalar()


def put(tx: Tx, key: str, value: str) -> None:
    statement = insert(tx, meta).values(key=key, value=value)
    tx.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def drop(tx: Tx, key: str) -> None:
    tx.execute(delete(meta).where(meta.c.key == key))


def secret(tx: Tx) -> bytes:
    """The installation's secret, made once. It lives in the database so that a backup holds it."""
    held = get(tx, SECRET)
    if held is None:
        made = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        tx.execute(insert(tx, meta).values(key=SECRET, value=made).on_conflict_do_nothing())
        held = get(tx, SECRET) or made
    return base64.urlsafe_b64decode(held)


def instant(tx: Tx, key: str) -> datetime | None:
    text = get(tx, key)
    return datetime.fromisoformat(text) if text else None


def take_lease(tx: Tx, name: str, holder: str, now: datetime, until: datetime) -> bool:
    """Takes or renews a named lease; False while somebody else holds it."""
    statement = insert(tx, leases).values(name=name, holder=holder, until=until).on_conflict_do_nothing()
    if tx.execute(statement).rowcount:
        return True
    taken = tx.execute(
        update(leases)
        .where(leases.c.name == name, (leases.c.holder == holder) | (leases.c.until <= now))
        .values(holder=holder, until=until)
    )
    return bool(taken.rowcount)


def holder_of(tx: Tx, name: str) -> str | None:
    """Who holds a named lease, in time or not."""
    return tx.execute(select(leases.c.holder).where(leases.c.name == name)).scalar()


def give_back(tx: Tx, name: str, holder: str) -> None:
    tx.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))
