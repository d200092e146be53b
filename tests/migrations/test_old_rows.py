"""What an older program wrote still says the same after an upgrade, and an upgraded database is one built afresh."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from digest.model.editions import AuthorCard, Counts, EditionId, Remark
from digest.model.mail import Stamp
from digest.storage import deliveries, editions, migrate, partitions
from digest.storage.base import Instant, add_missing
from tests.migrations.test_migrations import shape
from tests.storage.papers import SLOT_AT

PROFILE = {"categories": [["cs.CL", 1.0]], "mute": {}, "weights": None}
SNAPSHOT = {"position": 1, "entry_id": 1, "work": "arxiv:1", "title": "One", "url": "", "published_at": None}
PAPER = {
    "work": "arxiv:1",
    "first_seen_at": SLOT_AT,
    "stored_at": SLOT_AT,
    "withdrawn": False,
    "authors": [],
    "institutions": [],
    "categories": [],
    **dict.fromkeys(("title", "title_key", "url", "abstract", "comment", "code_url", "pdf_url", "project_url"), ""),
    "language": "",
}


LEDGER = {"kind": "alert", "address": "a@example.org", "address_key": "a", "message_key": "m", "now": SLOT_AT}
EDITION = {"kind": "edition", "digest": "daily", "local_date": date(2026, 5, 4), "subscriber_id": 1}
ATTEMPT = {"lease": "l", "started_at": SLOT_AT, "outcome": "deferred", "enhanced": "", "remote": "busy"}


def edition(number: int, reason: str, notes: list[str]) -> dict[str, object]:
    """A row of revision 0001; the database numbers it."""
    return {
        "key": f"{number:064d}",
        "digest": "daily",
        "local_date": date(2026, 5, 4),
        "slot_at": SLOT_AT + timedelta(days=number),
        "profile_key": "p",
        "profile": PROFILE,
        "history_key": "h",
        "composed_at": SLOT_AT,
        "sections": [{"category": "cs.CL", "title": "Language", "new": 3}],
        "counts": {"candidates": 3, "already_sent": 0, "muted": 0, "printed": 1},
        "reason": reason,
        "notes": notes,
        "public": True,
    }


def write(tx: sa.Connection, name: str, *rows: dict[str, object]) -> None:
    """Into a table as it is, whatever today's program would write there."""
    found = sa.Table(name, sa.MetaData(), autoload_with=tx, resolve_fks=False)
    kinds = {bool: sa.Boolean, date: sa.Date, list: sa.JSON, dict: sa.JSON, type(SLOT_AT): Instant}
    columns = [sa.column(key, kinds.get(type(value), found.c[key].type)) for key, value in rows[0].items()]
    tx.execute(sa.table(name, *columns).insert(), list(rows))


@pytest.fixture
def old(empty_url, open_database):
    """A database of revision 0001 with an edition that has papers, one with reasons, and a message."""
    store = open_database(empty_url)
    with store.transaction() as tx:
        command.upgrade(migrate._config(tx), "0001")
        write(tx, "entries", PAPER)
        write(tx, "editions", edition(1, "", []), edition(2, "Nothing “new”.", ["hf: not fetched yet", "lab: 304"]))
        write(
            tx,
            "items",
            *(
                {"edition_id": n, "position": 1, "section": 0, "entry_id": 1, "snapshot": SNAPSHOT | {"parts": []}}
                for n in (1, 2)
            ),
        )
        stamps = [[3, "to"]]
        plain = {"kind": "edition", "subject": "s", "preheader": "", "content": b"To: ", "stamps": stamps}
        write(tx, "messages", {"key": "k", "created_at": SLOT_AT, **plain})
    return store


def test_finished_sentences_become_remarks_that_say_them_and_no_paper_is_lost(old):
    assert migrate.upgrade(old) == ("0001", migrate.head())
    with old.reading() as tx:
        quiet, told = (editions.load(tx, EditionId(number)) for number in (1, 2))
        message = editions.message(tx, "k")
    assert (quiet.reason, quiet.notes, quiet.cards) == ((), (), ())
    assert told.reason == (said("Nothing “new”."),)
    assert told.notes == (said("hf: not fetched yet"), said("lab: 304"))
    assert [item.title for item in (*quiet.items, *told.items)] == ["One", "One"]
    assert (quiet.counts, quiet.public) == (Counts(candidates=3, printed=1), True)
    assert (message.stamps, message.omitted) == (((3, Stamp.TO),), ())


def test_more_rows_than_are_read_at_once_are_all_converted(old):
    with old.transaction() as tx:
        write(tx, "editions", *(edition(number, f"Why {number}.", []) for number in range(3, 1203)))
    migrate.upgrade(old)
    with old.reading() as tx:
        stored = dict(tx.execute(sa.select(editions.editions.c.id, editions.editions.c.reason)).all())
    assert {n: stored[n] for n in range(3, 1203)} == {
        n: [{"key": "said", "figures": {"text": f"Why {n}."}}] for n in range(3, 1203)
    }


def test_a_database_with_rows_upgraded_has_the_tables_of_one_built_afresh(old, store):
    migrate.upgrade(old)
    with old.reading() as one, store.reading() as other:
        assert shape(one) == shape(other)


def test_what_the_upgraded_database_is_given_it_gives_back(old):
    migrate.upgrade(old)
    with old.transaction() as tx:
        held = editions.load(tx, EditionId(2))
        figures = {"source": "HF", "state": "quiet", "several": ("a", "b"), "days": 3}
        card = AuthorCard(name="Ada", institutions=("Sea",), h_index=3)
        told = (Remark(key="source", figures=figures),)
        changed = editions.freeze(tx, replace(held, history_key="other", reason=told, cards=(card,)))
        assert editions.load(tx, changed.id) == changed


def said(text: str) -> Remark:
    return Remark(key="said", figures={"text": text})


def test_the_ledger_of_before_is_found_in_its_table_of_parts(empty_url, open_database):
    """Its rows, its keys and its numbers go on as they were; on SQLite nothing changes."""
    store = open_database(empty_url)
    with store.transaction() as tx:
        command.upgrade(migrate._config(tx), "0011")
        write(tx, "subscribers", {"address": "a@example.org", "created_at": SLOT_AT, "joined": False})
        rows = [deliveries.plan_row(**(LEDGER | each)) for each in (EDITION, {"notice_key": "one"})]
        assert add_missing(tx, deliveries.deliveries, rows) == 2
        write(tx, "attempts", ATTEMPT | {"delivery_id": 2})
        before = deliveries.listing(tx)
    assert migrate.upgrade(store) == ("0011", migrate.head())
    with store.transaction() as tx:
        assert deliveries.listing(tx) == before
        assert [row.outcome for row in deliveries.tries(tx, 2)] == ["deferred"]
        assert deliveries.plan(tx, [*rows, deliveries.plan_row(**LEDGER, notice_key="two")]) == 1
        (fresh,) = deliveries.listing(tx, after=2)
        assert fresh.notice_key == "two"
        parts = partitions.tables(tx)
        assert parts == (set() if store.is_sqlite else {"deliveries_rest", "attempts_rest"})
