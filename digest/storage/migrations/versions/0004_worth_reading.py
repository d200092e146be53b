"""What ranking learns from: who wrote what, term statistics, likenesses between works, what readers said of papers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from digest.storage.base import Instant

revision = "0004"
down_revision = "0003"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("entries", sa.Column("author_ids", sa.JSON(), nullable=False, server_default="[]"))
    op.create_table(
        "tastes",
        _row("tastes", "subscriber_id", "subscribers"),
        _row("tastes", "entry_id"),
        sa.Column("value", sa.SmallInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("subscriber_id", "entry_id", name="pk_tastes"),
    )
    op.create_table(
        "terms",
        sa.Column("term", sa.String(length=100), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("term", name="pk_terms"),
    )
    op.create_table(
        "authorships",
        sa.Column("key", sa.String(length=200), nullable=False),
        _row("authorships", "entry_id"),
        sa.PrimaryKeyConstraint("key", "entry_id", name="pk_authorships"),
    )
    op.create_index("ix_authorships_entry_id", "authorships", ["entry_id"])
    op.create_table(
        "fingerprints",
        sa.Column("band", Id, nullable=False),
        _row("fingerprints", "entry_id"),
        sa.PrimaryKeyConstraint("band", "entry_id", name="pk_fingerprints"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "likenesses",
        _row("likenesses", "entry_id"),
        _row("likenesses", "other_id"),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("title_ratio", sa.Float(), nullable=False),
        sa.Column("overlap", sa.Float(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "other_id", name="pk_likenesses"),
    )
    op.create_index("ix_likenesses_other_id", "likenesses", ["other_id"])
    op.create_table(
        "merges",
        _row("merges", "gone_id"),
        _row("merges", "into_id"),
        sa.Column("at", Instant, nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.Column("own", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("gone_id", name="pk_merges"),
    )
    op.create_index("ix_merges_into_id", "merges", ["into_id"])
    op.create_table(
        "counts_as",
        _row("counts_as", "edition_id", "editions"),
        _row("counts_as", "entry_id"),
        _row("counts_as", "printed_id"),
        sa.PrimaryKeyConstraint("edition_id", "entry_id", name="pk_counts_as"),
    )
    op.create_index("ix_counts_as_entry_id", "counts_as", ["entry_id"])
    op.create_table(
        "fits",
        sa.Column("id", Id, nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fits"),
    )
    op.create_table(
        "embeddings",
        _row("embeddings", "entry_id"),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "model", name="pk_embeddings"),
    )


def _row(table: str, column: str, of: str = "entries") -> sa.Column[int]:
    """A column that names a row of another table."""
    key = sa.ForeignKey(f"{of}.id", name=f"fk_{table}_{column}_{of}")
    return sa.Column(column, Id, key, nullable=False)
