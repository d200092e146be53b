"""The operator's desk: who is logged in, links that log in once, and who did what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from digest.storage.base import Instant

revision = "0010"
down_revision = "0009"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for table in ("desk_sessions", "desk_links"):
        op.create_table(
            table,
            sa.Column("key", sa.String(length=64), nullable=False),
            sa.Column("operator", sa.String(length=100), nullable=False),
            sa.Column("standing", sa.String(length=64), nullable=False),
            sa.Column("made_at", Instant, nullable=False),
            sa.Column("ends_at", Instant, nullable=False),
            sa.PrimaryKeyConstraint("key", name=f"pk_{table}"),
        )
    op.create_table(
        "deeds",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("deed", sa.String(length=60), nullable=False),
        sa.Column("about", sa.String(length=300), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deeds"),
    )
    op.create_index("ix_deeds_at", "deeds", ["at"])
    op.create_index("ix_deeds_about", "deeds", ["about"])
