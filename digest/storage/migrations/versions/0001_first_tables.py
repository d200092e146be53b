"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from digest.storage.base import Instant

revision = "0001"
down_revision = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "delivery_totals",
        sa.Column("digest", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "kind", "local_date", "state", name="pk_delivery_totals"),
    )
    op.create_table(
        "editions",
        sa.Column("id", Id, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=200), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("slot_at", Instant, nullable=False),
        sa.Column("profile_key", sa.String(length=64), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.Column("history_key", sa.String(length=64), nullable=False),
        sa.Column("composed_at", Instant, nullable=False),
        sa.Column("sections", sa.JSON(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_editions"),
        sa.UniqueConstraint(
            "digest",
            "local_date",
            "slot_at",
            "profile_key",
            "history_key",
            name="uq_editions_digest_local_date_slot_at_profile_key_history_key",
        ),
        sa.UniqueConstraint("key", name="uq_editions_key"),
    )
    op.create_index("ix_editions_composed_at", "editions", ["composed_at"], unique=False)

    op.create_table(
        "entries",
        sa.Column("id", Id, nullable=False),
        sa.Column("work", sa.String(length=300), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("abstract", sa.Text(), nullable=False),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("institutions", sa.JSON(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("published_at", Instant, nullable=True),
        sa.Column("submitted_at", Instant, nullable=True),
        sa.Column("first_seen_at", Instant, nullable=False),
        sa.Column("stored_at", Instant, nullable=False),
        sa.Column("arxiv_id", sa.String(length=50), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("doi", sa.Text(), nullable=True),
        sa.Column("comments", sa.Integer(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("code_url", sa.Text(), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=True),
        sa.Column("pdf_url", sa.Text(), nullable=False),
        sa.Column("project_url", sa.Text(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=20), nullable=False),
        sa.Column("merged_into", Id, nullable=True),
        sa.Column("categories_asked_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["entries.id"], name="fk_entries_merged_into_entries"),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
    )
    op.create_index("ix_entries_first_seen_at", "entries", ["first_seen_at"], unique=False)
    op.create_index("ix_entries_merged_into", "entries", ["merged_into"], unique=False)
    op.create_index("ix_entries_title_key", "entries", ["title_key"], unique=False)
    op.create_index("ix_entries_work", "entries", ["work"], unique=False)

    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("until", Instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "messages",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("preheader", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stamps", sa.JSON(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_messages"),
    )
    op.create_index("ix_messages_created_at", "messages", ["created_at"], unique=False)

    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "pauses",
        sa.Column("digest", sa.String(length=200), nullable=False),
        sa.Column("since_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_pauses"),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("every_seconds", sa.Integer(), nullable=False),
        sa.Column("allow_private", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", Instant, nullable=True),
        sa.Column("first_fetched_at", Instant, nullable=True),
        sa.Column("last_fetched_at", Instant, nullable=True),
        sa.Column("last_ok_at", Instant, nullable=True),
        sa.Column("last_new_at", Instant, nullable=True),
        sa.Column("last_keys", sa.String(length=64), nullable=False),
        sa.Column("alerted_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
    )
    op.create_index("ix_sources_next_at", "sources", ["next_at"], unique=False)

    op.create_table(
        "subscribers",
        sa.Column("id", Id, nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("joined", sa.Boolean(), nullable=False),
        sa.Column("erased_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_subscribers"),
        sa.UniqueConstraint("address", name="uq_subscribers_address"),
    )
    op.create_table(
        "suppressions",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("since_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_suppressions"),
    )
    op.create_table(
        "aliases",
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("entry_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_aliases_entry_id_entries"),
        sa.PrimaryKeyConstraint("alias", name="pk_aliases"),
    )
    op.create_index("ix_aliases_entry_id", "aliases", ["entry_id"], unique=False)

    op.create_table(
        "documents",
        sa.Column("source_id", sa.String(length=200), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.String(length=64), nullable=True),
        sa.Column("seen_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name="fk_documents_source_id_sources", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source_id", "url", name="pk_documents"),
    )
    op.create_table(
        "items",
        sa.Column("edition_id", Id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("section", sa.Integer(), nullable=False),
        sa.Column("entry_id", Id, nullable=False),
        sa.Column("snapshot", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["editions.id"], name="fk_items_edition_id_editions", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_items_entry_id_entries"),
        sa.PrimaryKeyConstraint("edition_id", "position", name="pk_items"),
    )
    op.create_index("ix_items_entry_id", "items", ["entry_id"], unique=False)

    op.create_table(
        "sightings",
        sa.Column("entry_id", Id, nullable=False),
        sa.Column("source_id", sa.String(length=200), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("first_seen_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_sightings_entry_id_entries"),
        sa.PrimaryKeyConstraint("entry_id", "source_id", name="pk_sightings"),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", Id, nullable=False),
        sa.Column("subscriber_id", Id, nullable=False),
        sa.Column("digest", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("secret", sa.String(length=30), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("confirmed_at", Instant, nullable=True),
        sa.Column("left_at", Instant, nullable=True),
        sa.Column("language", sa.String(length=20), nullable=False),
        sa.Column("timezone", sa.String(length=100), nullable=False),
        sa.Column("send_at", sa.String(length=5), nullable=False),
        sa.Column("days", sa.JSON(), nullable=False),
        sa.Column("preferences", sa.JSON(), nullable=False),
        sa.Column("last_slot_at", Instant, nullable=True),
        sa.Column("last_slot_date", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name="fk_subscriptions_subscriber_id_subscribers"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        sa.UniqueConstraint("secret", name="uq_subscriptions_secret"),
        sa.UniqueConstraint("subscriber_id", "digest", name="uq_subscriptions_subscriber_id_digest"),
    )
    op.create_index("ix_subscriptions_digest", "subscriptions", ["digest"], unique=False)

    op.create_table(
        "votes",
        sa.Column("entry_id", Id, nullable=False),
        sa.Column("source_id", sa.String(length=200), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("seen_until", Instant, nullable=False),
        sa.Column("upvotes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_votes_entry_id_entries"),
        sa.PrimaryKeyConstraint("entry_id", "source_id", "at", name="pk_votes"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=200), nullable=False),
        sa.Column("subscriber_id", Id, nullable=True),
        sa.Column("subscription_id", Id, nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.String(length=64), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=True),
        sa.Column("notice_key", sa.String(length=200), nullable=False),
        sa.Column("edition_id", Id, nullable=True),
        sa.Column("message_key", sa.String(length=64), nullable=False),
        sa.Column("leader_id", Id, nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("lease", sa.String(length=100), nullable=False),
        sa.Column("leased_until", Instant, nullable=True),
        sa.Column("next_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("enhanced", sa.String(length=20), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("settled_at", Instant, nullable=True),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name="fk_deliveries_edition_id_editions"),
        sa.ForeignKeyConstraint(["leader_id"], ["deliveries.id"], name="fk_deliveries_leader_id_deliveries"),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name="fk_deliveries_subscriber_id_subscribers"),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name="fk_deliveries_subscription_id_subscriptions"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_edition_id", "deliveries", ["edition_id"], unique=False)
    op.create_index("ix_deliveries_leader_id", "deliveries", ["leader_id"], unique=False)
    op.create_index("ix_deliveries_reader", "deliveries", ["subscriber_id", "edition_id"], unique=False)
    op.create_index("ix_deliveries_work", "deliveries", ["state", "id"], unique=False)
    op.create_index(
        "uq_deliveries_edition",
        "deliveries",
        ["digest", "subscriber_id", "local_date"],
        unique=True,
        sqlite_where=sa.text("kind = 'edition'"),
        postgresql_where=sa.text("kind = 'edition'"),
    )
    op.create_index(
        "uq_deliveries_notice",
        "deliveries",
        ["kind", "address", "notice_key"],
        unique=True,
        sqlite_where=sa.text("kind != 'edition'"),
        postgresql_where=sa.text("kind != 'edition'"),
    )

    op.create_table(
        "attempts",
        sa.Column("id", Id, nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("lease", sa.String(length=100), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("ended_at", Instant, nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("enhanced", sa.String(length=20), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="fk_attempts_delivery_id_deliveries", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_delivery_id", "attempts", ["delivery_id"], unique=False)
