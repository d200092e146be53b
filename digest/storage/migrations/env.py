"""Alembic's entry point: runs the migrations on the connection that migrate.py hands over."""

from __future__ import annotations

from alembic import context

from digest.storage.base import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
