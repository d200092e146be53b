"""Who wrote what: the earlier works of an author or an institution are found by it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, String, Table

from digest.storage.base import metadata
from digest.storage.entries import Id

#: One row a name: ``key`` is an author's key, or an institution's with "@" before it.
authorships = Table(
    "authorships",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True, index=True),
)
