"""Pages of people cost what they show: a page deep in the list is found by its number."""

from __future__ import annotations

from sqlalchemy import select

from digest.storage import roster
from digest.storage.engine import Store
from digest.storage.roster import Wanted
from tests.storage.test_plans import filled, plans  # noqa: F401

READERS = 500


def test_a_page_begins_at_its_row_and_reads_no_row_before_it(filled: Store):  # noqa: F811
    lines = plans(filled, lambda tx: roster.page(tx, Wanted(), after=400, limit=5))
    plan = " ".join(lines)
    assert ("INTEGER PRIMARY KEY (rowid>?)" in plan) if filled.is_sqlite else ("Index" in plan or "rows=" in plan)
    with filled.reading() as tx:
        ids = tx.execute(select(roster.subscribers.c.id).order_by(roster.subscribers.c.id)).scalars().all()
        found = roster.page(tx, Wanted(), after=ids[399], limit=5)
    assert [one.id for one in found] == ids[400:405]


def test_all_pages_together_are_everybody_once(filled: Store):  # noqa: F811
    seen: list[int] = []
    with filled.reading() as tx:
        while found := roster.page(tx, Wanted(digest="daily", state="confirmed"), after=max(seen, default=0), limit=70):
            seen += [one.id for one in found]
    assert len(seen) == len(set(seen)) == READERS


def test_a_page_of_the_suppression_list_begins_behind_a_key(store: Store, now):
    from digest.model.people import Suppression, SuppressionReason
    from digest.storage import people

    with store.transaction() as tx:
        for key in "dbac":
            entry = Suppression(
                key=key * 64, address=f"{key}@x.org", reason=SuppressionReason.REQUEST, detail="", since_at=now
            )
            people.suppress(tx, entry)
    with store.reading() as tx:
        assert [one.address for one in roster.suppressed(tx, after="", limit=2)] == ["a@x.org", "b@x.org"]
        assert [one.address for one in roster.suppressed(tx, after="b" * 64, limit=9)] == ["c@x.org", "d@x.org"]
