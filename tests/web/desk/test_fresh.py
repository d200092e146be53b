"""What is kept for a while: a count that began before a deed is nobody's afterwards."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from types import SimpleNamespace

from digest.web.desk.fresh import Fresh
from tests.services.road import SLOT


def test_a_count_begun_before_a_deed_is_not_kept_after_it():
    begun, go, stands = threading.Event(), threading.Event(), ["before"]

    def count(app):
        seen = stands[0]
        begun.set()
        assert go.wait(30)
        return seen

    app = SimpleNamespace(clock=lambda: SLOT)
    fresh = Fresh(count, new_for=timedelta(seconds=5), shown_for=timedelta(minutes=1))
    other = threading.Thread(target=lambda: asyncio.run(fresh.get(app)))
    other.start()
    assert begun.wait(30)
    stands[0] = "after the deed"
    fresh.forget()
    go.set()
    other.join()
    assert asyncio.run(fresh.get(app)) == ("after the deed", None)
