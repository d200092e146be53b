"""In how many works each term stands, kept as they come in: the term statistics of all that was ever seen."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from digest.storage.base import metadata

terms = Table(
    "terms",
    metadata,
    Column("term", String(100), primary_key=True),
    Column("documents", Integer, nullable=False),
)
