"""What is copied is the same on either database: values that are spelt differently, sums of them, and numbers."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, insert, select

from digest.storage import copy, rows
from digest.storage.base import metadata
from digest.storage.desk import deeds
from digest.storage.likeness import likenesses
from digest.storage.rows import Sum
from tests.storage.full import dump, fill

AT = datetime(2026, 5, 4, 7, 30, 0, 120_000, tzinfo=UTC)


def summed(table, held):
    whole = Sum(table)
    for row in held:
        whole.add(row)
    return whole


def test_a_full_store_has_rows_in_every_table(store):
    fill(store)
    assert [name for name, held in dump(store).items() if not held] == []
    assert dump(store).keys() | set(copy.OF_PROCESSES) == metadata.tables.keys()


def test_plain_values_are_those_that_sqlite_holds(store):
    with store.transaction() as tx:
        tx.execute(insert(deeds).values(id=3, at=AT, who="o", deed="d", about="ä", detail="tab\t"))
        assert list(rows.read(tx, deeds)) == [(3, "2026-05-04 07:30:00.120000", "o", "d", "ä", "tab\t")]


def test_a_sum_tells_a_changed_a_missing_and_a_doubled_row_and_no_other_order():
    held = [(1, "2026-05-04 07:30:00.000000", "o", "d", "a", ""), (2, "2026-05-04 07:30:00.000000", "o", "d", "a", "")]
    whole = summed(deeds, held)
    assert summed(deeds, reversed(held)) == whole
    others = (held[:1], [held[0], held[0]], [held[0], (2, *held[0][1:5], "x")], [held[0], (-2, *held[1][1:])])
    assert [other for other in others if summed(deeds, other) == whole] == []


def test_a_sum_knows_the_spellings_of_one_value():
    spelt = summed(likenesses, [(1, 2, "v", -0.0, 1.0, "2026-05-04 07:30:00.120000")])
    assert summed(likenesses, [(1, 2, "v", 0.0, 1, "2026-05-04 07:30:00.12")]) == spelt
    assert summed(likenesses, [(1, 2, "v", 0.0, 1, "2026-05-04 09:30:00.12+02:00")]) == spelt
    assert summed(likenesses, [(1, 2, "v", 0.0, 1, "2026-05-04 07:30:00.121000")]) != spelt


def test_a_number_that_was_given_is_not_given_again_though_its_row_is_gone(
    store, tmp_path, built_sqlite, open_database
):
    tokens = metadata.tables["api_tokens"]
    with store.transaction() as tx:
        for number in range(3):
            values = {"name": f"n{number}", "hash": f"h{number}", "scopes": [], "created_at": AT}
            tx.execute(insert(tokens).values(**values))
        tx.execute(tokens.delete().where(tokens.c.id > 1))
    path = tmp_path / "other.db"
    path.write_bytes(built_sqlite.read_bytes())
    other = open_database(f"sqlite:///{path}")
    with store.reading() as tx, other.transaction() as into:
        copy.copy_all(tx, into)
    with other.transaction() as tx:
        tx.execute(insert(tokens).values(name="new", hash="new", scopes=[], created_at=AT))
        assert tx.execute(select(func.max(tokens.c.id))).scalar_one() == 4
