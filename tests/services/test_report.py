"""What `status` and `entries show` tell."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from digest.model.errors import NotFound
from digest.model.feeds import EntryId, SourceId, VoteObservation
from digest.model.people import SuppressionReason
from digest.services.plain import as_json
from digest.services.status.report import accounting
from digest.storage import deliveries, entries, meta
from tests.services.world import World
from tests.storage.papers import SLOT_AT


def test_planned_is_the_sum_of_the_other_states():
    counts = {"queued": 1, "leased": 2, "sending": 3, "accepted": 4, "rejected": 5, "deferred": 6, "uncertain": 7}
    assert accounting(counts) == {
        "planned": 28,
        "accepted": 4,
        "rejected": 5,
        "suppressed": 0,
        "expired": 0,
        "deferred": 6,
        "uncertain": 7,
        "open": 6,
    }


def test_a_new_installation_reports_that_nothing_happened_yet(store):
    status = World(store).report.status()
    assert (status.sources, status.entries, status.backlog, status.oldest_open) == ((), 0, 0, None)
    assert status.deliveries["planned"] == 0
    (daily,) = status.digests
    assert (daily.last_slot, daily.next_slot) == (None, "2026-05-05@2026-05-05T05:30:00Z")
    assert daily.reason == "It has not been published yet."


def test_status_tells_sources_slots_deliveries_and_what_waits(store):
    world = World(store)
    world.source()
    world.source("late", first_fetched=False)
    world.paper(1)
    world.reader()
    world.reader("bo@example.org")
    world.subscribe.suppress("cy@example.org", SuppressionReason.COMPLAINT)
    world.publish.run(world.now)
    with store.transaction() as tx:
        deliveries.pause(tx, "daily", world.now)
        meta.put(tx, meta.RESTORED, "x")
    status = world.report.status()
    assert [(s.id, s.state, s.detail) for s in status.sources] == [
        ("hf", "ok", "3 new"),
        ("late", None, "not fetched yet"),
    ]
    (daily,) = status.digests
    slot = "2026-05-04@2026-05-04T05:30:00Z"
    assert (daily.last_slot, daily.printed, daily.readers, daily.paused) == (slot, 1, 2, True)
    assert status.deliveries == {**accounting({}), "planned": 2, "open": 2}
    assert status.oldest_open is not None and status.oldest_open.state == "queued"
    assert (status.backlog, status.suppressions, status.entries, status.restored) == (2, 1, 1, True)
    assert (status.paused, status.suppressions_by_reason) == (("daily",), {"complaint": 1})


def test_status_is_plain_json(store):
    world = World(store)
    world.source()
    told = json.loads(json.dumps(as_json(world.report.status())))
    assert told["at"] == "2026-05-04T05:35:00Z"
    assert told["sources"][0]["next_at"] == "2026-05-04T06:35:00Z"
    assert told["deliveries"]["planned"] == 0


def test_a_digest_without_papers_says_why_source_by_source(store):
    world = World(store)
    world.source()
    world.publish.run(world.now)
    (daily,) = world.report.status().digests
    assert daily.reason == "Nothing new arrived."
    assert daily.notes == ("HF feed (hf): 3 new",)


@pytest.mark.parametrize(
    "typed", ["2605.00001", "arXiv:2605.00001v2", "https://arxiv.org/pdf/2605.00001", "arxiv:2605.00001"]
)
def test_a_work_is_found_by_whatever_names_it(store, typed):
    world = World(store)
    paper = world.paper(1)
    assert world.report.entry(typed).id == paper.work


def test_a_work_known_only_by_its_link_is_found_by_its_printed_id(store):
    world = World(store)
    paper = world.paper(1, url="https://lab.example/notes/1", key="note-1", arxiv_id=None)
    assert paper.work.startswith("work:")
    assert world.report.entry(paper.work).id == world.report.entry("lab.example/notes/1").id == paper.work


def test_a_work_tells_its_sources_votes_and_editions(store):
    world = World(store)
    world.source()
    paper = world.paper(1)
    world.reader()
    world.publish.run(world.now)
    later = SLOT_AT + timedelta(hours=1)
    with store.transaction() as tx:
        entries.observe(tx, EntryId(paper.id), VoteObservation(source_id=SourceId("hf"), at=later, upvotes=9))
    told = world.report.entry("2605.00001")
    assert [seen.source_id for seen in told.sources] == ["hf"]
    assert [(vote.at, vote.upvotes) for vote in told.votes] == [(SLOT_AT - timedelta(hours=3), 5), (later, 9)]
    assert told.upvotes == 9
    assert [(one.digest, one.slot) for one in told.printed] == [("daily", "2026-05-04@2026-05-04T05:30:00Z")]
    assert told.links == ("https://arxiv.org/abs/2605.00001",)


@pytest.mark.parametrize("typed", ["", "\x00", "\udcff", "https://a.example/\x00\ud800", "%s'\"--", "x" * 100_000])
def test_whatever_is_typed_is_looked_for_and_not_found(store, typed):
    world = World(store)
    with pytest.raises(NotFound):
        world.report.entry(typed)
    assert world.subscribe.look_up(typed) == ()


def test_a_work_nobody_brought_is_named_as_not_found(store):
    with pytest.raises(NotFound) as caught:
        World(store).report.entry("2605.99999")
    assert caught.value.where == "2605.99999"
