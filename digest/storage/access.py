"""Tokens of the JSON API, and the answers that are kept under idempotency keys.

Of a token only the SHA-256 is kept, of a key and of a request only a keyed hash: who reads the database can use none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Integer, Row, String, Table, Text, delete, or_, select, update

from digest.storage.base import Instant, Tx, add_missing, metadata
from digest.storage.entries import Id

tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    sqlite_autoincrement=True,
)

#: ``status`` is null while the request is being worked on; ``body`` is the answer's JSON.
answers = Table(
    "api_answers",
    metadata,
    Column("token_id", Id, ForeignKey("api_tokens.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key", String(64), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("holder", String(64), nullable=False),
    Column("held_until", Instant, nullable=False),
    Column("kept_until", Instant, nullable=False, index=True),
    Column("status", Integer),
    Column("body", Text, nullable=False),
)

#: The body of a request during whose work somebody was erased: its answer may still name that person.
_ERASED_SINCE = "erased"


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiToken:
    """A token without its secret. ``last_used_at`` is right to the hour."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What is known of a request that was made under a key. ``status`` is None while it is being worked on."""

    request: str
    status: int | None
    body: str


def add(
    tx: Tx, *, name: str, hashed: str, scopes: Sequence[str], now: datetime, expires_at: datetime | None
) -> ApiToken | None:
    """None where there is a token of this name already."""
    row = {"name": name, "hash": hashed, "scopes": list(scopes), "created_at": now, "expires_at": expires_at}
    if not add_missing(tx, tokens, [row]):
        return None
    return _token(tx.execute(select(tokens).where(tokens.c.name == name)).one())


def listing(tx: Tx) -> tuple[ApiToken, ...]:
    """By name."""
    return tuple(map(_token, tx.execute(select(tokens).order_by(tokens.c.name))))


def remove(tx: Tx, name: str) -> bool:
    """Takes a token out, with the answers that were kept for it."""
    return bool(tx.execute(delete(tokens).where(tokens.c.name == name)).rowcount)


def by_hash(tx: Tx, hashed: str) -> ApiToken | None:
    row = tx.execute(select(tokens).where(tokens.c.hash == hashed)).first()
    return _token(row) if row is not None else None


def used(tx: Tx, token_id: int, now: datetime, *, every: timedelta) -> None:
    """Notes that a token was used, unless that was noted within ``every``."""
    stale = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at <= now - every)
    tx.execute(update(tokens).where(tokens.c.id == token_id, stale).values(last_used_at=now))


def hold(
    tx: Tx, token_id: int, key: str, *, request: str, holder: str, now: datetime, until: datetime, keep_until: datetime
) -> Kept | None:
    """Takes a key for a request; what is known under it where it is taken.

    A key whose time is over is free again, and so is the key of a request whose holder is gone.
    """
    values: dict[str, Any] = {"request": request, "holder": holder, "held_until": until, "kept_until": keep_until}
    free: dict[str, Any] = {"status": None, "body": ""}
    if add_missing(tx, answers, [{"token_id": token_id, "key": key, **values, **free}]):
        return None
    mine = (answers.c.token_id == token_id) & (answers.c.key == key)
    lost = answers.c.status.is_(None) & (answers.c.held_until <= now) & (answers.c.request == request)
    taken = update(answers).where(mine, or_(answers.c.kept_until <= now, lost)).values(**values, **free)
    if tx.execute(taken).rowcount:
        return None
    row = tx.execute(select(answers).where(mine)).first()
    if row is None:  # let go in between (PostgreSQL): whoever asks again gets it
        return Kept(request=request, status=None, body="")
    return Kept(request=row.request, status=row.status, body=row.body)


def keep(tx: Tx, token_id: int, key: str, holder: str, *, status: int, body: str) -> None:
    """Writes down the answer, if the key is still this holder's. One that names anybody is not kept where somebody was
    erased in the meantime: it may be the one; the key is free then."""
    held = _held(token_id, key, holder)
    may = (answers.c.body != _ERASED_SINCE,) if "@" in body else ()
    if not tx.execute(update(answers).where(*held, *may).values(status=status, body=body)).rowcount:
        tx.execute(delete(answers).where(*held))


def let_go(tx: Tx, token_id: int, key: str, holder: str) -> None:
    """Frees a key whose request was not done."""
    tx.execute(delete(answers).where(*_held(token_id, key, holder)))


def forget(tx: Tx, address: str) -> None:
    """Drops the answers with this address in them, also in a longer one (da@… in ada@…): such a request is then done
    once more. What is being worked on is not kept if it names anybody.

    On PostgreSQL a request may begin while the erasing transaction is open, unseen by this, and read the address still:
    so this is to be done once more when that is over.
    """
    # First: it waits for whoever is just keeping an answer, which is then seen below.
    tx.execute(update(answers).where(answers.c.status.is_(None)).values(body=_ERASED_SINCE))
    written = json.dumps(address, ensure_ascii=False)[1:-1]  # as it stands in JSON
    tx.execute(delete(answers).where(answers.c.body.contains(written, autoescape=True)))


def prune(tx: Tx, now: datetime) -> int:
    """Drops the answers whose time is over; gives how many went."""
    return tx.execute(delete(answers).where(answers.c.kept_until <= now)).rowcount


def _held(token_id: int, key: str, holder: str) -> tuple[Any, ...]:
    return answers.c.token_id == token_id, answers.c.key == key, answers.c.holder == holder, answers.c.status.is_(None)


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(
        id=row.id,
        name=row.name,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
