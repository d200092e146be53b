"""Reasons and notes become data, so that they can be said in the reader's language; room for cards and for what a mail
omits; an index for the alert that looks at the newest publication each minute.

``reason`` is a new column under the old name, in both databases: SQLite cannot change a column's type in place, and
making the table anew would take its items along.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_AT_ONCE = 500


def upgrade() -> None:
    op.add_column("editions", sa.Column("said", sa.JSON(), nullable=False, server_default="[]"))
    _convert()
    op.drop_column("editions", "reason")
    op.alter_column("editions", "said", new_column_name="reason")
    op.add_column("editions", sa.Column("cards", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("messages", sa.Column("omitted", sa.JSON(), nullable=False, server_default="[]"))
    op.create_index("ix_deliveries_day", "deliveries", ["digest", "local_date", "state"])


def _convert() -> None:
    """Each finished sentence becomes a remark that holds it."""
    old = sa.table(
        "editions",
        sa.column("id", sa.BigInteger()),
        sa.column("reason", sa.Text()),
        sa.column("said", sa.JSON()),
        sa.column("notes", sa.JSON()),
    )
    tx = op.get_bind()
    wordy = sa.or_(old.c.reason != "", sa.cast(old.c.notes, sa.Text()) != "[]")
    after = 0
    while rows := tx.execute(
        sa.select(old.c.id, old.c.reason, old.c.notes).where(wordy, old.c.id > after).order_by(old.c.id).limit(_AT_ONCE)
    ).all():
        for row in rows:
            values = {"said": _remarks([row.reason] if row.reason else []), "notes": _remarks(row.notes)}
            tx.execute(sa.update(old).where(old.c.id == row.id).values(**values))
        after = rows[-1].id


def _remarks(texts: list[str]) -> list[dict[str, object]]:
    return [{"key": "said", "figures": {"text": text}} for text in texts]
