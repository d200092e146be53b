"""Term statistics: counted once a work, added up as they come, and rare ones forgotten."""

from __future__ import annotations

from digest.storage import terms


def test_nothing_was_counted_yet(store):
    with store.transaction() as tx:
        assert terms.read(tx) == ({}, 0)


def test_a_term_counts_once_a_work_and_adds_up_over_the_days(store):
    with store.transaction() as tx:
        terms.note(tx, [("bee", "bee", "hive"), ("bee",), ("大", "é")])
    with store.transaction() as tx:
        terms.note(tx, [("hive", "大"), ()])
        terms.note(tx, [])
        assert terms.read(tx) == ({"bee": 2, "hive": 2, "大": 2}, 5)


def test_words_of_any_length_and_kind_are_taken(store):
    with store.transaction() as tx:
        terms.note(tx, [("x" * 500, "", "it's", '"', "\\", "c++")] * 2)
        assert terms.read(tx) == ({"it's": 2, '"': 2, "\\": 2, "c++": 2}, 2)


def test_a_term_that_does_not_come_again_is_forgotten(store, monkeypatch):
    monkeypatch.setattr(terms, "EVERY", 10)
    with store.transaction() as tx:
        terms.note(tx, [("once", "often"), *[("often",)] * 5])
        terms.note(tx, [("often",)] * 4)
        terms.note(tx, [("once", "often")])
        assert terms.read(tx) == ({"often": 11}, 11)


def test_terms_too_rare_among_very_many_works_are_not_read(store, monkeypatch):
    monkeypatch.setattr(terms, "RAREST", 5)
    with store.transaction() as tx:
        terms.note(tx, [("a", "b")] * 2 + [("a",)] * 13)
        assert terms.read(tx) == ({"a": 15}, 15)
