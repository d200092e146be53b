"""Priors that were fitted on this installation's own papers; the newest is used."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from digest.storage.base import Instant, metadata
from digest.storage.entries import Id

fits = Table(
    "fits",
    metadata,
    Column("id", Id, primary_key=True),
    Column("made_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
)
