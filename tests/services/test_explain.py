"""Every paper's fate in an edition can be told, in the edition's own numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.model.editions import WhenEmpty
from digest.model.errors import NotFound, UsageError
from digest.model.people import Mutes
from digest.storage import meta
from tests.services.world import DAILY, World, with_profile
from tests.storage.papers import SLOT_AT


def ask(world, typed="2605.00001", **options):
    return world.explain.run(typed, world.digests[0], **options)


def test_a_paper_that_would_be_printed_is_explained_with_parts_that_sum_to_its_score(store):
    world = World(store, now=SLOT_AT - timedelta(minutes=5))
    world.paper(1)
    told = ask(world)
    assert (told.verdict, told.slot) == ("printed", "2026-05-04@2026-05-04T05:30:00Z")
    assert told.sentence == f"It is printed as number 1 of 1, with a score of {told.score}."
    assert sum(part.points for part in told.parts) == told.score
    assert all(part.why for part in told.parts)


def test_a_paper_that_was_printed_for_the_reader_is_explained_from_the_stored_edition(store):
    world = World(store)
    world.paper(1)
    world.reader()
    world.publish.run(world.now)
    told = ask(world, address="ada@example.org")
    assert (told.verdict, told.slot) == ("printed", "2026-05-04@2026-05-04T05:30:00Z")
    assert told.sentence == f"It was printed as number 1 of 1, with a score of {told.score}."
    assert sum(part.points for part in told.parts) == told.score


def test_a_paper_of_an_earlier_edition_names_it(store):
    world = World(store)
    world.paper(1)
    world.reader()
    world.send()
    world.now += timedelta(days=1)
    world.paper(2, seen_at=world.now - timedelta(hours=3))
    world.send()
    told = ask(world, address="ada@example.org")
    assert told.verdict == "sent"
    said = f"It was sent in daily of 04 May 2026 as number 1 of 1, with a score of {told.score} (accepted, delivery 1)."
    assert told.sentence == said
    assert sum(part.points for part in told.parts) == told.score


def test_a_paper_left_out_of_a_printed_edition_is_explained_as_it_stood_then(store):
    world = World(store, digests=(with_profile(max_items=1),))
    world.paper(1, votes=2)
    world.paper(2, votes=900)
    world.reader()
    world.send()
    told = ask(world, address="ada@example.org")
    assert (told.verdict, told.slot) == ("max-items", "2026-05-04@2026-05-04T05:30:00Z")
    assert told.sentence.startswith(
        f"Its score is {told.score}; better ones fill the edition (limit 1, the lowest has "
    )


@pytest.mark.parametrize(
    ("profile", "verdict", "sentence"),
    [
        ({"mute": Mutes(keywords=("ledgers",))}, "muted", "It is muted by “ledgers”."),
        ({"categories": (("cs.CV", 1.0),)}, "category", "Its category cs.CL is none of those wished for (cs.CV)."),
        ({"likes": ("arxiv:2605.00001",)}, "liked", "The reader liked it already."),
        ({"min_score": 100}, "below-min-score", "Its score of {score} is below the minimum of 100."),
    ],
)
def test_what_a_profile_leaves_out_names_the_wish_that_did_it(store, profile, verdict, sentence):
    world = World(store, digests=(with_profile(**profile),))
    world.paper(1)
    told = ask(world)
    assert (told.verdict, told.sentence) == (verdict, sentence.format(score=told.score))


def test_a_paper_without_category_waits_for_one(store):
    world = World(store, digests=(with_profile(categories=(("cs.CV", 1.0),)),))
    world.paper(1, categories=())
    assert ask(world).verdict == "category-unknown"


def test_a_paper_from_before_the_window_names_both_instants(store):
    world = World(store)
    world.paper(1, seen_at=SLOT_AT - timedelta(days=9))
    told = ask(world, at="2026-05-04")
    assert told.verdict == "outside-window"
    assert told.sentence == (
        "It was first seen at 2026-04-25 05:30 UTC; this edition goes back 3 days, to 2026-05-01 05:30 UTC."
    )
    assert (told.score, told.parts) == (None, ())


def test_a_paper_that_came_after_the_edition_is_said_to(store):
    world = World(store)
    world.paper(1, seen_at=SLOT_AT + timedelta(minutes=2))
    assert ask(world, at="2026-05-04").sentence == "It was first seen at 2026-05-04 05:32 UTC, after this edition."


def test_withdrawn_and_foreign_papers_are_never_ranked(store):
    world = World(store, digests=(replace(DAILY, sources=("arxiv",)),))
    world.source()
    world.paper(1, withdrawn=True)
    world.paper(2)
    assert ask(world).verdict == "withdrawn"
    told = ask(world, "2605.00002")
    assert told.verdict == "other-source"
    assert told.sentence == "Only sources that The Daily does not read carried it then: HF feed."


def test_after_a_restore_older_papers_count_as_sent(store):
    world = World(store)
    world.paper(1)
    with store.transaction() as tx:
        meta.put(tx, meta.SENT_UNTIL, SLOT_AT.isoformat())
    assert ask(world).verdict == "counted-as-sent"


def test_best_of_is_explained_with_its_longer_look_back(store):
    world = World(store, digests=(with_profile(when_empty=WhenEmpty.BEST_OF),))
    world.paper(1, seen_at=SLOT_AT - timedelta(days=9))
    assert ask(world).verdict == "printed"


def test_a_day_without_edition_is_said_to_be_one(store):
    world = World(store, digests=(replace(DAILY, schedule=replace(DAILY.schedule, days=(0,))),))
    world.paper(1)
    told = ask(world, at="2026-05-05")
    assert (told.verdict, told.sentence) == ("no-edition", "The Daily is not published on Tuesdays.")


def test_unknown_papers_and_instants_are_refused(store):
    world = World(store)
    with pytest.raises(NotFound):
        ask(world, "10.5555/nobody")
    world.paper(1)
    with pytest.raises(UsageError):
        ask(world, at="yesterday")
