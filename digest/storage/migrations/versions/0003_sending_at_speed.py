"""What came back has a table; a delivery tells when and where it was last offered; indexes hold what is unfinished.

A mail changes its state four times between being planned and being accepted. Indexes over all states were rewritten at
each of these; the new ones hold a row only while somebody looks for it by them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from digest.storage.base import Instant

revision = "0003"
down_revision = "0002"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_WAITING = "state IN ('queued', 'deferred')"
# Not as a list of what it holds: SQLite would build that list anew for each row that changes.
_TROUBLED = "state <> 'accepted' AND state <> 'queued' AND state <> 'leased' AND state <> 'sending'"


def upgrade() -> None:
    op.create_table(
        "bounces",
        sa.Column("id", Id, nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("address_key", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bounces"),
        sa.UniqueConstraint("delivery_id", "kind", name="uq_bounces_delivery_id_kind"),
    )
    op.create_index("ix_bounces_address_key", "bounces", ["address_key", "at"])
    op.create_index("ix_bounces_at", "bounces", ["at"])
    op.add_column("deliveries", sa.Column("tried_at", Instant, nullable=True))
    op.add_column("deliveries", sa.Column("relay", sa.String(length=200), nullable=False, server_default=""))
    op.drop_index("ix_deliveries_work", table_name="deliveries")
    op.drop_index("ix_deliveries_day", table_name="deliveries")
    op.drop_index("ix_deliveries_leader_id", table_name="deliveries")
    _index("ix_deliveries_waiting", ["id"], _WAITING)
    _index("ix_deliveries_held", ["lease"], "lease <> ''")
    _index("ix_deliveries_troubled", ["digest", "local_date", "state"], _TROUBLED)
    _index("ix_deliveries_leader_id", ["leader_id"], "leader_id IS NOT NULL")
    op.create_index("ix_deliveries_day", "deliveries", ["digest", "local_date"])
    own = sa.text("send_at <> '' OR timezone <> ''")
    op.create_index(
        "ix_subscriptions_hour",
        "subscriptions",
        ["digest", "timezone", "send_at"],
        sqlite_where=own,
        postgresql_where=own,
    )


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "deliveries", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
