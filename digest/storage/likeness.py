"""Works that resemble each other: how they are found, what is only probable, and what was joined or kept apart."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Integer, String, Table

from digest.storage.base import Instant, metadata
from digest.storage.entries import Id

#: Hashes of a work's text; works that share one are compared.
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("band", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True, index=True),
)

#: ``entry_id`` < ``other_id``. ``verdict``: possibly (ours), or apart (somebody said so: never joined by a rule).
likenesses = Table(
    "likenesses",
    metadata,
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("other_id", Id, ForeignKey("entries.id"), primary_key=True, index=True),
    Column("verdict", String(20), nullable=False),
    Column("title_ratio", Float, nullable=False),
    Column("overlap", Float, nullable=False),
    Column("at", Instant, nullable=False),
)

#: What a work that was joined to another had of its own, so that it can be taken out again.
merges = Table(
    "merges",
    metadata,
    Column("gone_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("into_id", Id, ForeignKey("entries.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("why", String(200), nullable=False),
    Column("own", JSON, nullable=False),
)

#: Whoever was sent the one was sent the other: they were one work when it was printed.
counts_as = Table(
    "counts_as",
    metadata,
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("also_id", Id, ForeignKey("entries.id"), primary_key=True),
)
