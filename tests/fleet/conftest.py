"""A fleet has a PostgreSQL."""

from __future__ import annotations

import pytest

from digest.fleet.tables import install
from digest.storage.engine import Store


@pytest.fixture
def database() -> str:
    return "postgresql"


@pytest.fixture
def queued(store: Store) -> Store:
    """A store with the queue's tables."""
    install(store)
    return store
