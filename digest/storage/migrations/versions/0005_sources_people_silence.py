"""What sources ask for, how their rounds ended, how far back-fills came, and what is known of people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from digest.storage.base import Instant

revision = "0005"
down_revision = "0004"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("sources", sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("sources", sa.Column("from_operator", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("sources", sa.Column("moved_to", sa.Text(), nullable=False, server_default=""))
    op.add_column("sources", sa.Column("moved_at", Instant))
    op.add_column("sources", sa.Column("stopped_at", Instant))
    op.add_column("sources", sa.Column("times", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "rounds",
        sa.Column("id", Id, nullable=False),
        _source("rounds"),
        sa.Column("at", Instant, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("revised", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("fresh", sa.Integer(), nullable=False),
        sa.Column("problems", sa.Integer(), nullable=False),
        sa.Column("http_status", sa.Integer()),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("next_at", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_rounds"),
    )
    op.create_index("ix_rounds_source_id_at", "rounds", ["source_id", "at"])
    op.create_table(
        "backfills",
        _source("backfills"),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("waiting", sa.Text(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("ended_at", Instant),
        sa.PrimaryKeyConstraint("source_id", "since", name="pk_backfills"),
    )
    op.create_table(
        "catalogue",
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("service", sa.String(length=30), nullable=False),
        sa.Column("facts", sa.JSON()),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("found_at", Instant),
        sa.PrimaryKeyConstraint("person", "service", name="pk_catalogue"),
    )


def _source(table: str) -> sa.Column[str]:
    """A column that names a source."""
    key = sa.ForeignKey("sources.id", name=f"fk_{table}_source_id_sources", ondelete="CASCADE")
    return sa.Column("source_id", sa.String(length=200), key, nullable=False)
