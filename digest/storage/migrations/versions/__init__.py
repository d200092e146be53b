"""Alembic migrations. Append only: a build from nothing equals an upgrade (tests/migrations)."""
