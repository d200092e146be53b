"""What processes on several machines share: hosts that are asked in turn, relays, slots under way, and who works."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from digest.storage.base import Instant

revision = "0011"
down_revision = "0010"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _workers()
    _hosts()
    _relays()
    _slots()


def _workers() -> None:
    op.create_table(
        "workers",
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("version", sa.String(length=50), nullable=False),
        sa.Column("zones", sa.String(length=50), nullable=False),
        sa.Column("keys", sa.String(length=64), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
        sa.Column("ahead", sa.Float(), nullable=False),
        sa.Column("accepted", sa.JSON(), nullable=False),
        sa.Column("refused_since", Instant, nullable=True),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name="pk_workers"),
    )


def _hosts() -> None:
    op.create_table(
        "hosts",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("free_at", Instant, nullable=True),
        sa.Column("rests_until", Instant, nullable=True),
        sa.Column("slow", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_hosts"),
    )


def _relays() -> None:
    op.create_table(
        "relays",
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("paused_at", Instant, nullable=True),
        sa.Column("slowed_at", Instant, nullable=True),
        sa.Column("slowed_by", sa.String(length=200), server_default="", nullable=False),
        sa.Column("rests_until", Instant, nullable=True),
        sa.Column("connections", sa.Integer(), server_default="0", nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("enhanced", sa.String(length=20), server_default="", nullable=False),
        sa.Column("remote", sa.Text(), server_default="", nullable=False),
        sa.Column("sender", sa.String(length=320), server_default="", nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("spent", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_relays"),
    )
    op.create_table(
        "budgets",
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("place", "domain", name="pk_budgets"),
    )


def _slots() -> None:
    op.create_table(
        "slots",
        sa.Column("digest", sa.String(length=200), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("slot_at", Instant, nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("composed_at", Instant, nullable=False),
        sa.Column("insisted", sa.Boolean(), nullable=False),
        sa.Column("cohorts", sa.Integer(), nullable=False),
        sa.Column("lacked", sa.Integer(), nullable=False),
        sa.Column("completed_at", Instant, nullable=True),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "local_date", "slot_at", name="pk_slots"),
    )
    is_open = sa.text("completed_at IS NULL")
    op.create_index("ix_slots_open", "slots", ["digest"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "cohorts",
        sa.Column("digest", sa.String(length=200), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("slot_at", Instant, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("until", Instant, nullable=True),
        sa.Column("done_at", Instant, nullable=True),
        sa.Column("counted", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest", "local_date", "slot_at"],
            ["slots.digest", "slots.local_date", "slots.slot_at"],
            name="fk_cohorts_digest_slots",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", "local_date", "slot_at", "number", name="pk_cohorts"),
    )
    op.create_index("ix_cohorts_slot_at", "cohorts", ["slot_at"])
