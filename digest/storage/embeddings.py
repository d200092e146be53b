"""Sentence embeddings, so that a work is read by a model once."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table

from digest.storage.base import metadata
from digest.storage.entries import Id

embeddings = Table(
    "embeddings",
    metadata,
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("text_hash", String(64), nullable=False),
    Column("vector", LargeBinary, nullable=False),
)
