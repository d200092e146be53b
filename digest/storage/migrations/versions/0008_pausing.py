"""Until when a reader wants no mail of a digest, and from when on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("paused_on", sa.Date(), nullable=True))
    op.add_column("subscriptions", sa.Column("paused_until", sa.Date(), nullable=True))
    paused = sa.text("paused_until IS NOT NULL")
    op.create_index(
        "ix_subscriptions_paused",
        "subscriptions",
        ["digest", "paused_until"],
        sqlite_where=paused,
        postgresql_where=paused,
    )
