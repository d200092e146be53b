"""Tokens of the JSON API, and answers kept under idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from digest.storage.base import Instant

revision = "0009"
down_revision = "0008"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=True),
        sa.Column("last_used_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("name", name="uq_api_tokens_name"),
        sa.UniqueConstraint("hash", name="uq_api_tokens_hash"),
        sqlite_autoincrement=True,
    )
    token = sa.ForeignKey("api_tokens.id", name="fk_api_answers_token_id_api_tokens", ondelete="CASCADE")
    op.create_table(
        "api_answers",
        sa.Column("token_id", Id, token, nullable=False, autoincrement=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("held_until", Instant, nullable=False),
        sa.Column("kept_until", Instant, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "key", name="pk_api_answers"),
    )
    op.create_index("ix_api_answers_kept_until", "api_answers", ["kept_until"])
