"""`digest status` names a slot that broke off: how many still wait for it, since when, and when that is too long."""

from __future__ import annotations

from datetime import datetime

from digest.model.editions import Slot
from digest.storage import slots
from digest.storage.engine import open_store
from tests.cli.conftest import FIRST, SECOND


def test_a_slot_that_is_not_complete_is_named_and_after_an_hour_warned_of(call, installed, at):
    now = datetime.fromisoformat(FIRST)
    slot = Slot(digest="papers", local_date=now.date(), at=now.replace(minute=0))
    store = open_store(f"sqlite:///{installed / 'digest.db'}")
    with store.transaction() as tx:
        assert slots.open_slot(tx, slot, slots.Opening(now=now, as_of=now, insisted=False, lacked=1234, into=0))
    store.close()
    said = "papers: the slot of 2026-03-03 07:00 UTC is open since 2026-03-03 07:05 UTC, 1,234 of 1,234 readers are"
    early = call("status").out
    assert said in early
    assert "Warning" not in early
    at(SECOND)
    assert f"Warning: {said}" in call("status").out
    (one,) = call("status", "--json").json["open_slots"]
    assert (one["digest"], one["slot"], one["readers"], one["waiting"]) == ("papers", slot.key, 1234, 1234)
    assert one["is_late"] is True
