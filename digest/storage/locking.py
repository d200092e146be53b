"""Locks on whole tables of PostgreSQL: all of them or none, for two who wait for each other's would wait for ever."""

from __future__ import annotations

import time

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from digest.storage.base import Tx

_PATIENCE_SECONDS = 15.0
_BETWEEN_SECONDS = 0.05
_IS_LOCKED = "55P03"


def lock(tx: Tx, *tables: str) -> bool:
    """Takes each lock, written as "names IN … MODE", until the transaction ends; False where others do not let go."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with tx.begin_nested():
                for wanted in tables:
                    tx.execute(text(f"LOCK TABLE {wanted} NOWAIT"))
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _IS_LOCKED:
                raise
            if time.monotonic() >= until:
                return False
            time.sleep(_BETWEEN_SECONDS)
        else:
            return True
