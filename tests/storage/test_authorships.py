"""Who wrote what: read for the authors of some candidates, as it was known at an instant."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from digest.model.feeds import EntryId, SourceId, VoteObservation
from digest.model.names import institution_key, person_key
from digest.model.ranking import Record
from digest.storage import authorships, entries, fits
from tests.storage.papers import SLOT_AT, new_paper

MIRA, TOMAS, HALL = person_key("Mira Halden"), person_key("Tomás Vega"), institution_key("Wren Hall")
LATER = SLOT_AT + timedelta(days=1)


@pytest.fixture
def noted(store):
    """Four noted works (votes 5, 9, none, 3) of Mira's; Tomás had a part in the first two, Wren Hall in the first."""
    changes = [
        new_paper(1, institutions=("Wren Hall",)),
        new_paper(2, votes=9),
        new_paper(3, votes=None, authors=("Halden, Mira",)),
        new_paper(4, votes=3, authors=("Mira Halden",)),
    ]
    with store.transaction() as tx:
        rows = entries.apply(tx, changes, now=SLOT_AT)
        for row, change in zip(rows, changes, strict=True):
            houses = ("Wren Hall",) if row == rows[0] else ()
            authorships.note(tx, row, change.after.authors, houses)
    return rows


def candidate(id_=0, authors=("Mira Halden", "Tomás Vega"), institutions=("Wren Hall",)):
    return replace(new_paper(9).after, id=EntryId(id_), authors=authors, institutions=institutions)


def read(store, *candidates, as_of=LATER):
    with store.reading() as tx:
        return authorships.records(tx, candidates, as_of)


def logs(*votes):
    return pytest.approx(sum(math.log1p(one) for one in votes))


def test_records_count_works_votes_and_their_logarithms(store, noted):
    people, houses = read(store, candidate())
    assert people == {
        MIRA: Record(works=4, voted=3, log_votes=logs(5, 9, 3)),
        TOMAS: Record(works=2, voted=2, log_votes=logs(5, 9)),
    }
    assert houses == {HALL: Record(works=1, voted=1, log_votes=logs(5))}


def test_candidates_do_not_speak_for_themselves(store, noted):
    people, _ = read(store, candidate(noted[1]), candidate(noted[3]))
    assert people[MIRA] == Record(works=2, voted=1, log_votes=logs(5))


def test_nothing_seen_later_is_counted(store, noted):
    with store.transaction() as tx:
        entries.observe(tx, noted[0], VoteObservation(source_id=SourceId("hf"), at=LATER, upvotes=80))
        (row,) = entries.apply(tx, [new_paper(7, seen_at=LATER)], now=LATER)
        authorships.note(tx, row, ("Tomás Vega",))
    assert read(store, candidate(), as_of=SLOT_AT)[0][TOMAS] == Record(works=2, voted=2, log_votes=logs(5, 9))
    assert read(store, candidate(), as_of=LATER)[0][TOMAS] == Record(works=3, voted=3, log_votes=logs(80, 9, 5))


def test_of_several_sources_the_largest_newest_count_is_taken(store, noted):
    with store.transaction() as tx:
        entries.observe(tx, noted[3], VoteObservation(source_id=SourceId("b"), at=SLOT_AT, upvotes=50))
        entries.observe(tx, noted[3], VoteObservation(source_id=SourceId("b"), at=LATER, upvotes=40))
    people, _ = read(store, candidate())
    assert people[MIRA].log_votes == logs(5, 9, 40)


def test_a_revision_may_name_others(store, noted):
    with store.transaction() as tx:
        authorships.note(tx, noted[0], ("Somebody Else",))
    people, houses = read(store, candidate())
    assert people[TOMAS].works == 1
    assert houses == {}


def test_bad_names_and_votes_do_no_harm(store, noted):
    with store.transaction() as tx:
        authorships.note(tx, noted[1], ("", "…", "x" * 999, *(f"Author {n}" for n in range(900))), ("", "@"))
        entries.observe(tx, noted[0], VoteObservation(source_id=SourceId("hf"), at=LATER, upvotes=-7))
    people, _ = read(store, candidate(authors=("Tomás Vega", "x" * 999, "", "Author 1")))
    assert people[TOMAS] == Record(works=1, voted=1, log_votes=0.0)
    assert people["author 1"].works == 1
    assert read(store) == ({}, {})


def test_the_newest_fit_of_an_instant_is_read(store):
    with store.transaction() as tx:
        assert fits.newest(tx, as_of=LATER) == ""
        assert fits.newest_at(tx) is None
        for number in range(8):
            fits.keep(tx, f"fit {number}", made_at=SLOT_AT + timedelta(hours=number))
    with store.reading() as tx:
        assert fits.newest(tx, as_of=LATER) == "fit 7"
        assert fits.newest(tx, as_of=SLOT_AT + timedelta(hours=5)) == "fit 5"
        assert fits.newest(tx, as_of=SLOT_AT) == ""
        assert fits.newest_at(tx) == SLOT_AT + timedelta(hours=7)
