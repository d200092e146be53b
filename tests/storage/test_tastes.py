"""What readers said of papers: one word a work, the newest counts, and it follows the work through a merge."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select

from digest.model.feeds import ChangeKind
from digest.model.people import SubscriptionState
from digest.storage import entries, people, tastes
from digest.storage.tastes import HEARD
from tests.storage.papers import SLOT_AT, new_paper

MONDAY, TUESDAY = date(2026, 5, 4), date(2026, 5, 5)


@pytest.fixture
def papers(store):
    """The rows of three papers."""
    with store.transaction() as tx:
        return entries.apply(tx, [new_paper(number) for number in (1, 2, 3)], now=SLOT_AT)


@pytest.fixture
def ada(store):
    with store.transaction() as tx:
        return people.add_subscriber(tx, "ada@example.org", SLOT_AT).id


def words(tx, who) -> list[tuple[str, int, date]]:
    return [(one.work, one.value, one.day) for one in tastes.said_by(tx, who)]


def merge(tx, gone, into) -> None:
    """The one work turns out to be the other, as a feed's entry that has both ids shows it."""
    (held,) = entries.load(tx, [into])
    change = new_paper(9)
    entries.apply(
        tx,
        [replace(change, kind=ChangeKind.UNCHANGED, before=held, after=held, aliases=(), absorbed=(gone,))],
        now=SLOT_AT,
    )


def test_the_newest_word_about_a_work_counts_and_the_newest_stands_first(store, papers, ada):
    with store.transaction() as tx:
        tastes.put(tx, ada, papers[0], 1, MONDAY)
        tastes.put(tx, ada, papers[1], -1, TUESDAY)
        tastes.put(tx, ada, papers[0], -1, MONDAY)
        assert words(tx, ada) == [("arxiv:2605.00002", -1, TUESDAY), ("arxiv:2605.00001", -1, MONDAY)]
        tastes.put(tx, ada, papers[0], 1, TUESDAY)
        assert words(tx, ada) == [("arxiv:2605.00002", -1, TUESDAY), ("arxiv:2605.00001", 1, TUESDAY)]


def test_nothing_but_reader_work_word_and_day_is_stored():
    assert tastes.tastes.columns.keys() == ["subscriber_id", "entry_id", "value", "day"]


def test_a_word_is_taken_back_once_and_others_stay(store, papers, ada):
    with store.transaction() as tx:
        bo = people.add_subscriber(tx, "bo@example.org", SLOT_AT).id
        for who in (ada, bo):
            tastes.put(tx, who, papers[0], 1, MONDAY)
        assert tastes.undo(tx, ada, papers[0])
        assert not tastes.undo(tx, ada, papers[0])
        assert (words(tx, ada), words(tx, bo)) == ([], [("arxiv:2605.00001", 1, MONDAY)])
        assert (tastes.erase(tx, bo), tastes.erase(tx, bo), words(tx, bo)) == (1, 0, [])


def test_a_word_follows_a_work_that_is_merged_and_the_newest_of_two_counts(store, papers, ada):
    one, other, third = papers
    with store.transaction() as tx:
        tastes.put(tx, ada, one, 1, TUESDAY)
        tastes.put(tx, ada, other, -1, MONDAY)
        merge(tx, one, into=other)
        assert words(tx, ada) == [("arxiv:2605.00002", 1, TUESDAY)]
        merge(tx, other, into=third)
        assert words(tx, ada) == [("arxiv:2605.00003", 1, TUESDAY)]
        tastes.put(tx, ada, third, -1, TUESDAY)
        assert words(tx, ada) == [("arxiv:2605.00003", -1, TUESDAY)]
        assert len(tx.execute(select(tastes.tastes)).all()) == 1, "an older word of a merged row would come back"


def test_of_one_day_the_word_about_the_survivor_counts_and_undo_takes_back_both(store, papers, ada):
    with store.transaction() as tx:
        tastes.put(tx, ada, papers[0], 1, MONDAY)
        tastes.put(tx, ada, papers[1], -1, MONDAY)
        merge(tx, papers[0], into=papers[1])
        assert words(tx, ada) == [("arxiv:2605.00002", -1, MONDAY)]
        assert tastes.undo(tx, ada, papers[1])
        assert words(tx, ada) == []


def subscribed(tx, *addresses: str):
    found = []
    for address in addresses:
        who = people.add_subscriber(tx, address, SLOT_AT).id
        state = SubscriptionState.CONFIRMED
        found.append(people.add_subscription(tx, who, "daily", state=state, secret=address, now=SLOT_AT))
    return found


def test_many_readers_get_their_likes_and_dislikes_in_two_questions(store, papers):
    with store.transaction() as tx:
        ada, bo, cy = readers = subscribed(tx, "ada@example.org", "bo@example.org", "cy@example.org")
        assert tastes.added(tx, readers) == (ada, bo, cy)
        tastes.put(tx, ada.subscriber_id, papers[2], 1, MONDAY)
        tastes.put(tx, ada.subscriber_id, papers[0], 1, TUESDAY)
        tastes.put(tx, ada.subscriber_id, papers[1], -1, TUESDAY)
        tastes.put(tx, cy.subscriber_id, papers[1], 1, MONDAY)
        found = tastes.added(tx, readers)
        assert [(one.likes, one.dislikes) for one in found] == [
            (("arxiv:2605.00001", "arxiv:2605.00003"), ("arxiv:2605.00002",)),
            ((), ()),
            (("arxiv:2605.00002",), ()),
        ]
        assert found[1] is bo, "who said nothing shares everything"
        assert replace(found[0], likes=(), dislikes=()) == ada


def test_a_ranking_hears_the_newest_words_only_and_they_stay_listed(store, ada):
    with store.transaction() as tx:
        rows = entries.apply(tx, [new_paper(number) for number in range(1, HEARD + 3)], now=SLOT_AT)
        (reader,) = subscribed(tx, "ada@example.org")
        for row in rows[:2]:
            tastes.put(tx, ada, row, 1, MONDAY)
        for row in rows[2:]:
            tastes.put(tx, ada, row, 1, TUESDAY)
        (found,) = tastes.added(tx, [reader])
        assert len(found.likes) == HEARD
        assert not {"arxiv:2605.00001", "arxiv:2605.00002"} & set(found.likes)
        assert len(tastes.said_by(tx, ada)) == HEARD + 2


def test_the_works_that_readers_spoke_of_last_come_first_and_merged_ones_as_their_survivor(store, papers, ada):
    with store.transaction() as tx:
        bo = people.add_subscriber(tx, "bo@example.org", SLOT_AT).id
        tastes.put(tx, ada, papers[0], 1, MONDAY)
        tastes.put(tx, bo, papers[1], -1, TUESDAY)
        assert tastes.spoken_of(tx, limit=9) == (papers[1], papers[0])
        assert tastes.spoken_of(tx, limit=1) == (papers[1],)
        merge(tx, papers[1], into=papers[2])
        assert tastes.spoken_of(tx, limit=9) == (papers[2], papers[0])
