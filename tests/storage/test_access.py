"""Answers that are kept and dropped at the same moment."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from digest.storage import access

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_an_answer_that_waits_for_somebody_to_be_erased_is_not_kept(store, now):
    """It is to be written while the row is marked by a transaction that nobody sees yet."""
    with store.transaction() as tx:
        token = access.add(tx, name="t", hashed="0" * 64, scopes=["digests:read"], now=now, expires_at=None)
        assert token is not None
        until = now + timedelta(minutes=2)
        access.hold(tx, token.id, "k", request="r", holder="h", now=now, until=until, keep_until=until)

    def keep():
        with store.transaction() as other:
            access.keep(other, token.id, "k", "h", status=200, body='{"address": "bo@example.org"}')

    keeping = threading.Thread(target=keep)
    with store.transaction() as tx:
        access.forget(tx, "bo@example.org")
        keeping.start()
        for _ in range(500):
            if not keeping.is_alive() or tx.exec_driver_sql(WAITING).scalar():
                break
            keeping.join(0.01)
    keeping.join(20)
    with store.reading() as tx:
        assert tx.execute(access.answers.select()).all() == []
