"""Every paper's fate in an edition can be told, in the edition's own numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.model.editions import WhenEmpty
from digest.model.errors import NotFound, UsageError
from digest.model.people import Mutes
from digest.storage import likeness, meta
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
    best = ask(world, "2605.00002", address="ada@example.org").score
    assert told.sentence == f"It is 2nd of 1: its score is {told.score}, the lowest that is printed has {best}."


@pytest.mark.parametrize(
    ("profile", "verdict", "sentence"),
    [
        ({"mute": Mutes(keywords=("ledgers",))}, "muted", "It is muted by “ledgers”."),
        ({"categories": (("cs.CV", 1.0),)}, "category", "Its category cs.CL is none of those wished for (cs.CV)."),
        ({"likes": ("arxiv:2605.00001",)}, "liked", "The reader liked it already."),
        ({"min_score": 100}, "below-min-score", "Its score of {score} is {missing} below the minimum of 100."),
    ],
)
def test_what_a_profile_leaves_out_names_the_wish_that_did_it(store, profile, verdict, sentence):
    world = World(store, digests=(with_profile(**profile),))
    world.paper(1)
    told = ask(world)
    assert (told.verdict, told.sentence) == (
        verdict,
        sentence.format(score=told.score, missing=100 - (told.score or 0)),
    )


def test_a_mute_says_how_many_papers_mutes_take(store):
    world = World(store, digests=(with_profile(mute=Mutes(keywords=("ledgers", "paper"))),))
    for number in (1, 2, 3):
        world.paper(number)
    assert ask(world).sentence == "It is muted by “ledgers”; mutes take 3 papers out of this edition."


def crowded(store, **profile):
    """Papers of cs.CL have many votes, those of cs.CV few."""
    world = World(store, digests=(with_profile(**profile),))
    for number in range(1, 5):
        world.paper(number, votes=10 * 4**number, title=WORDS[number], abstract="")
        world.paper(number + 4, votes=number, title=WORDS[number + 4], abstract="", categories=("cs.CV",))
    return world


WORDS = (
    "",
    "Tidal sediment",
    "Warehouse robots",
    "Whistled languages",
    "Sparse attention",
    "Cloud formation",
    "Counting bees",
    "Proof search",
    "Forgotten railways",
)


def test_what_a_category_gives_up_is_said_on_both_sides(store):
    world = crowded(store, categories=(("cs.CL", 1.0), ("cs.CV", 1.0)), max_items=4)
    loser, winner = ask(world, "2605.00002"), ask(world, "2605.00008")
    assert loser.verdict == "max-items"
    assert loser.sentence == (
        f"It is 3rd of 2 of cs.CL, with a score of {loser.score}; in a list by score alone it would have been 3rd of 4."
    )
    assert (winner.verdict, winner.category) == ("printed", "cs.CV")
    assert winner.sentence == (
        f"It is printed as number 3 of 4, with a score of {winner.score}. In a list by score alone it would have been "
        f"5th; cs.CV has 2 of the 4 seats, so “Warehouse robots” of cs.CL, with {loser.score}, is left out."
    )
    assert ask(world, "2605.00004").sentence.endswith(f"with a score of {ask(world, '2605.00004').score}.")


def test_a_category_at_its_most_is_said_to_be(store):
    world = crowded(store, categories=(("cs.CL", 1.0), ("cs.CV", 1.0)), seats=(("cs.CL", 0, 1),), max_items=4)
    told = ask(world, "2605.00003")
    assert told.verdict == "per-category"
    assert told.sentence.startswith("It is 2nd of 1 of cs.CL, its most, with a score of ")


def test_a_paper_that_stands_back_for_its_twin_names_it(store):
    world = World(store, digests=(with_profile(max_items=2),))
    text = "Tides of narrow estuaries and the sediment that they carry from the sea to the land."
    world.paper(1, votes=900, title="Tidal Sediment, Part One", abstract=text)
    world.paper(2, votes=800, title="Tidal Sediment, Part Two", abstract=text)
    for number, title in enumerate(WORDS[2:], 3):
        world.paper(number, votes=700 // (number - 2), title=title, abstract="")
    told = ask(world, "2605.00002")
    assert told.sentence.startswith(
        "It stands back for “Tidal Sediment, Part One”, which is printed and nearly the same"
    )
    assert told.sentence.endswith(f"Its score of {told.score} would make it 2nd of 2.")


def test_a_work_that_may_be_the_same_is_named(store):
    world = World(store)
    one, other = world.paper(1), world.paper(2)
    with store.transaction() as tx:
        likeness.tell(tx, one.id, other.id, title_ratio=0.95, overlap=0.5, at=world.now)
    told = ask(world)
    assert told.possibly_same == ("arxiv:2605.00002",)
    assert told.sentence.endswith("(arxiv:2605.00002).")
    assert "It is possibly the same as “" in told.sentence


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
