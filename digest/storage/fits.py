"""Priors that were fitted on this installation's own papers; the newest is used."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Table, Text, delete, select

from digest.storage.base import Instant, Tx, metadata
from digest.storage.entries import Id

fits = Table(
    "fits",
    metadata,
    Column("id", Id, primary_key=True),
    Column("made_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
)

#: Older ones are thrown away when a new one is kept.
_KEPT = 5


def keep(tx: Tx, body: str, *, made_at: datetime) -> None:
    """Writes the document of a fitted prior; from now on it is the newest."""
    tx.execute(fits.insert().values(made_at=made_at, body=body))
    newest = (
        tx.execute(select(fits.c.id).order_by(fits.c.made_at.desc(), fits.c.id.desc()).limit(_KEPT)).scalars().all()
    )
    tx.execute(delete(fits).where(fits.c.id.not_in(newest)))


def newest(tx: Tx, *, as_of: datetime) -> str:
    """The document made last, and not after ``as_of``; empty where there is none."""
    query = select(fits.c.body).where(fits.c.made_at <= as_of).order_by(fits.c.made_at.desc(), fits.c.id.desc())
    return tx.execute(query.limit(1)).scalar_one_or_none() or ""


def newest_at(tx: Tx) -> datetime | None:
    """When the newest was made; None where there is none."""
    return tx.execute(select(fits.c.made_at).order_by(fits.c.made_at.desc()).limit(1)).scalar_one_or_none()
