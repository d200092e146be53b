"""The operator's desk: sessions, links that log in once, and the log of deeds.

No secret is kept, only its SHA-256: who reads the database cannot log in with what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Row, String, Table, Text, delete, select

from digest.model.desk import Deed
from digest.storage.base import Instant, Tx, metadata, storable
from digest.storage.entries import Id


def _passes(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("key", String(64), primary_key=True),
        Column("operator", String(100), nullable=False),
        Column("standing", String(64), nullable=False),
        Column("made_at", Instant, nullable=False),
        Column("ends_at", Instant, nullable=False),
    )


desk_sessions = _passes("desk_sessions")
desk_links = _passes("desk_links")

deeds = Table(
    "deeds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("who", String(200), nullable=False),
    Column("deed", String(60), nullable=False),
    Column("about", String(300), nullable=False, index=True),
    Column("detail", Text, nullable=False),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """What lets an operator in. ``key`` is the hash of its secret; ``standing`` says under which password it was made,
    so that a changed one ends it.
    """

    key: str
    operator: str
    standing: str
    made_at: datetime
    ends_at: datetime


def add_session(tx: Tx, one: Pass) -> None:
    tx.execute(desk_sessions.insert().values(_row(one)))


def add_link(tx: Tx, one: Pass) -> None:
    tx.execute(desk_links.insert().values(_row(one)))


def session(tx: Tx, key: str) -> Pass | None:
    row = tx.execute(select(desk_sessions).where(desk_sessions.c.key == key)).one_or_none()
    return None if row is None else _pass(row)


def link(tx: Tx, key: str) -> Pass | None:
    row = tx.execute(select(desk_links).where(desk_links.c.key == key)).one_or_none()
    return None if row is None else _pass(row)


def use_link(tx: Tx, key: str) -> bool:
    """Takes a link out; False when another took it before."""
    return tx.execute(delete(desk_links).where(desk_links.c.key == key)).rowcount == 1


def end_session(tx: Tx, key: str) -> bool:
    return tx.execute(delete(desk_sessions).where(desk_sessions.c.key == key)).rowcount == 1


def end_all(tx: Tx, operator: str) -> int:
    """Ends an operator's sessions and unused links; gives how many sessions that were."""
    tx.execute(delete(desk_links).where(desk_links.c.operator == operator))
    return tx.execute(delete(desk_sessions).where(desk_sessions.c.operator == operator)).rowcount


def sessions(tx: Tx, now: datetime) -> tuple[Pass, ...]:
    """Those that are open, the newest first."""
    query = select(desk_sessions).where(desk_sessions.c.ends_at > now).order_by(desk_sessions.c.made_at.desc())
    return tuple(map(_pass, tx.execute(query)))


def prune(tx: Tx, now: datetime, *, deeds_before: datetime) -> int:
    """Drops what let in until now, and deeds from before an instant; gives how many rows went."""
    gone = tx.execute(delete(deeds).where(deeds.c.at < deeds_before)).rowcount
    for table in (desk_sessions, desk_links):
        gone += tx.execute(delete(table).where(table.c.ends_at <= now)).rowcount
    return gone


def note(tx: Tx, deed: Deed) -> None:
    """Writes down a deed; its id is the database's."""
    said = {"who": deed.who, "about": deed.about, "detail": deed.detail}
    row = {name: storable(text) for name, text in said.items()}
    tx.execute(deeds.insert().values(at=deed.at, deed=deed.deed, **row))


def read_deeds(tx: Tx, *, limit: int, before: int | None = None, who: str = "", about: str = "") -> tuple[Deed, ...]:
    """The newest first; ``before`` is the id of the last one that was read."""
    query = select(deeds).order_by(deeds.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(deeds.c.id < before)
    if who:
        query = query.where(deeds.c.who == storable(who))
    if about:
        query = query.where(deeds.c.about == storable(about))
    return tuple(
        Deed(id=row.id, at=row.at, who=row.who, deed=row.deed, about=row.about, detail=row.detail)
        for row in tx.execute(query)
    )


def _pass(row: Row[Any]) -> Pass:
    return Pass(key=row.key, operator=row.operator, standing=row.standing, made_at=row.made_at, ends_at=row.ends_at)


def _row(one: Pass) -> dict[str, object]:
    return {
        "key": one.key,
        "operator": one.operator,
        "standing": one.standing,
        "made_at": one.made_at,
        "ends_at": one.ends_at,
    }
