"""Rounds: how each fetch of a source ended, for as long as its rhythm and its silences are worth explaining."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table, Text

from digest.storage.base import Instant, metadata
from digest.storage.entries import Id

rounds = Table(
    "rounds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source_id", String(200), ForeignKey("sources.id", ondelete="CASCADE"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("state", String(20), nullable=False),
    Column("documents", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("revised", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("problems", Integer, nullable=False),
    Column("http_status", Integer),
    Column("seconds", Float, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_rounds_source_id_at", "source_id", "at"),
)
