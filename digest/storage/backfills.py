"""Back-fills: how far reading a source's past has come, so that one that was broken off goes on where it stopped."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Integer, String, Table, Text

from digest.storage.base import Instant, metadata

backfills = Table(
    "backfills",
    metadata,
    Column("source_id", String(200), ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("since", Date, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("waiting", Text, nullable=False),  # addresses of the documents that are still to be read, JSON
    Column("documents", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("ended_at", Instant),
)
