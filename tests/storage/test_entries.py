"""Works: found by alias and title, written once, merged without losing history, voted on over time."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from digest.entries.diff import Held, diff, keys
from digest.entries.normalize import clean
from digest.model.errors import Conflict
from digest.model.feeds import Alias, ChangeKind, EntryData, EntryId, Source, SourceId, VoteObservation, WorkId
from digest.storage import entries
from tests.storage.papers import SLOT_AT, new_paper

HF = SourceId("hf")


def write(store, *changes):
    with store.transaction() as tx:
        return entries.apply(tx, changes, now=SLOT_AT)


def held(store, row, **options):
    with store.reading() as tx:
        return entries.load(tx, [row], **options)[0]


def test_a_new_work_is_loaded_as_it_was_written(store):
    change = new_paper(1, doi="10.5555/ledger", institutions=("Wren Hall",))
    (row,) = write(store, change)
    expected = replace(change.after, id=row, votes=(change.observation,), sightings=(change.sighting,))
    assert held(store, row) == replace(expected, aliases=tuple(sorted(change.aliases)))


def test_works_are_found_by_every_alias_and_by_title(store):
    change = new_paper(1, doi="10.5555/ledger")
    (row,) = write(store, change)
    with store.reading() as tx:
        by_alias, by_title = entries.find(tx, [*change.aliases, Alias("doi:10.1/none")], [change.after.title_key, ""])
    assert {alias: entry.id for alias, entry in by_alias.items()} == dict.fromkeys(change.aliases, row)
    assert {key: [entry.id for entry in found] for key, found in by_title.items()} == {change.after.title_key: [row]}


def test_an_alias_belongs_to_one_work_only(store):
    write(store, new_paper(1))
    with pytest.raises(Conflict):
        write(store, new_paper(1, key="again"))


def test_a_revision_changes_the_row_and_keeps_the_first_sight(store):
    (row,) = write(store, new_paper(1))
    before = held(store, row)
    after = replace(
        before, title="A better title for the ledgers", version=2, first_seen_at=SLOT_AT + timedelta(days=3)
    )
    seen = replace(new_paper(1).sighting, source_id=SourceId("arxiv"), first_seen_at=SLOT_AT + timedelta(days=3))
    change = replace(new_paper(1), kind=ChangeKind.REVISED, before=before, after=after, aliases=(), sighting=seen)
    assert write(store, change) == (row,)
    now = held(store, row)
    assert (now.title, now.version, now.first_seen_at) == (after.title, 2, before.first_seen_at)
    assert [one.source_id for one in now.sightings] == [HF, SourceId("arxiv")]


def test_absorbing_moves_aliases_sightings_and_votes_and_leaves_a_pointer(store):
    (gone,) = write(store, new_paper(1, source="blog", votes=3))
    (older,) = write(store, new_paper(2, source="blog", votes=1))
    (into,) = write(store, replace(new_paper(3), absorbed=(gone,)))
    (last,) = write(store, replace(new_paper(4), absorbed=(into,)))
    now = held(store, last)
    assert set(now.aliases) == {*new_paper(1).aliases, *new_paper(3).aliases, *new_paper(4).aliases}
    assert {one.source_id: one.upvotes for one in now.votes} == {"hf": 5, "blog": 3}
    with store.reading() as tx:
        assert entries.roots(tx, [gone, older, into, last]) == {gone: last, into: last}
        assert set(entries.rows_of(tx, last)) == {gone, into, last}
        assert entries.by_alias(tx, new_paper(1).aliases[0]).id == last
        assert entries.by_work(tx, WorkId("arxiv:2605.00001")) is None
        assert entries.count(tx) == 2
        window = entries.in_window(tx, since=SLOT_AT - timedelta(days=1), until=SLOT_AT, source_ids=())
        assert [entry.id for entry in window] == [older, last]


def test_votes_are_loaded_as_they_were_seen_at_an_instant(store):
    (row,) = write(store, new_paper(1, votes=5))
    hours = [SLOT_AT + timedelta(hours=n) for n in range(5)]
    with store.transaction() as tx:
        for at, upvotes in ((hours[1], 5), (hours[2], 8), (hours[4], 7)):
            entries.observe(tx, EntryId(row), VoteObservation(source_id=HF, at=at, upvotes=upvotes))
    seen = {n: held(store, row, as_of=hours[n]).votes[0] for n in range(5)}
    assert {n: (vote.at, vote.upvotes) for n, vote in seen.items()} == {
        0: (hours[0], 5), 1: (hours[1], 5), 2: (hours[2], 8), 3: (hours[2], 8), 4: (hours[4], 7),
    }  # fmt: skip
    assert held(store, row).upvotes == 7
    assert held(store, row, as_of=SLOT_AT - timedelta(seconds=1)).votes == ()
    with store.reading() as tx:
        assert [vote.upvotes for vote in entries.vote_history(tx, EntryId(row))] == [5, 8, 7]


def test_a_count_seen_twice_at_one_instant_is_the_later_one(store):
    (row,) = write(store, new_paper(1, votes=5))
    with store.transaction() as tx:
        entries.observe(tx, EntryId(row), VoteObservation(source_id=HF, at=SLOT_AT, upvotes=6))
    assert held(store, row).upvotes == 6


def test_the_window_is_open_at_its_start_closed_at_its_end_and_knows_the_sources(store):
    start, end = SLOT_AT - timedelta(days=1), SLOT_AT
    a, b, c = write(
        store,
        new_paper(1, seen_at=start),
        new_paper(2, seen_at=start + timedelta(microseconds=1), source="blog"),
        new_paper(3, seen_at=end),
    )
    write(store, new_paper(4, seen_at=end + timedelta(microseconds=1)))
    with store.reading() as tx:
        every = entries.in_window(tx, since=start, until=end, source_ids=())
        some = entries.in_window(tx, since=start, until=end, source_ids=[HF])
        assert ([one.id for one in every], [one.id for one in some]) == ([b, c], [c])
        assert [one.id for one in entries.recent(tx, before=end, limit=2)] == [b, c]
    assert a < b < c


def test_works_without_category_are_asked_about_once_in_a_while(store):
    (row, _) = write(store, new_paper(1, categories=()), new_paper(2))
    with store.transaction() as tx:
        assert [one.id for one in entries.without_categories(tx, limit=9, asked_before=SLOT_AT)] == [row]
        entries.mark_asked(tx, [EntryId(row)], SLOT_AT)
        assert entries.without_categories(tx, limit=9, asked_before=SLOT_AT) == ()
        later = SLOT_AT + timedelta(seconds=1)
        assert [one.id for one in entries.without_categories(tx, limit=9, asked_before=later)] == [row]
        entries.set_categories(tx, EntryId(row), ["cs.CL"])
        assert entries.without_categories(tx, limit=9, asked_before=later) == ()


def test_thousands_of_aliases_are_asked_for_at_once(store):
    (row,) = write(store, new_paper(1))
    wanted = [Alias(f"arxiv:2601.{n:05d}") for n in range(40_000)]
    with store.reading() as tx:
        by_alias, _ = entries.find(tx, [*wanted, Alias("arxiv:2605.00001")], [f"title {n}" for n in range(3_000)])
    assert [entry.id for entry in by_alias.values()] == [row]


def test_the_longest_things_a_feed_may_say_fit_into_every_index(store):
    noise = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyzαβγδεζηθικλμνξ中文字漢語論文読書"
    words = " ".join("".join(noise.choices(letters, k=8)) for _ in range(500))
    said = EntryData(
        key="".join(noise.choices(letters, k=5_000)),
        title=words,
        url="https://a.example/" + "".join(noise.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=3_900)),
        doi="10.1234/" + "".join(noise.choices("abcdefghijklmnopqrstuvwxyz", k=1_500)),
        authors=(words,) * 3,
        categories=(words,),
        comment=words,
        language=words,
    )
    data = clean(said)
    source = Source(id=SourceId("s"), kind="feed")
    nothing = Held(by_alias={}, by_title={})
    (row,) = write(store, *diff((data,), nothing, source=source, now=SLOT_AT, backfill=False))
    assert held(store, row).title == data.title
    with store.reading() as tx:
        by_alias, by_title = entries.find(tx, *keys((data,)))
    assert {entry.id for entry in by_alias.values()} == {row}
    assert set(by_title) <= {held(store, row).title_key}
