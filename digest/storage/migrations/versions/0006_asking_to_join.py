"""Who asks to join: how often somebody may ask, and what was wished for until the address's owner says yes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from digest.storage.base import Instant

revision = "0006"
down_revision = "0005"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "allowances",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("since_at", Instant, nullable=False),
        sa.Column("until_at", Instant, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_allowances"),
    )
    op.create_index("ix_allowances_until_at", "allowances", ["until_at"])
    subscription = sa.ForeignKey("subscriptions.id", name="fk_wishes_subscription_id_subscriptions")
    op.create_table(
        "wishes",
        sa.Column("subscription_id", Id, subscription, nullable=False, autoincrement=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", name="pk_wishes"),
    )
    op.create_index("ix_wishes_asked_at", "wishes", ["asked_at"])
