"""Public editions have an index of their own: the archive, and whoever looks for a digest's last one, read by it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    public = sa.column("public", sa.Boolean()).is_(True)
    op.create_index(
        "ix_editions_public",
        "editions",
        ["digest", "local_date", "slot_at"],
        sqlite_where=public,
        postgresql_where=public,
    )
