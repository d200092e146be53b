"""Rounds: what is kept of how each fetch ended, the rhythm read from it, and what is dropped when."""

from __future__ import annotations

from datetime import timedelta

from digest.model.feeds import Source, SourceId, SourceState
from digest.storage import rounds, sources
from digest.storage.rounds import Round
from tests.storage.papers import SLOT_AT

NOW = SLOT_AT
DAY = timedelta(days=1)
LAB, JOURNAL = SourceId("lab"), SourceId("journal")


def noted(tx, *, source=LAB, days: float, fresh=0, state=SourceState.UNCHANGED):
    rounds.note(tx, [Round(source_id=source, at=NOW - days * DAY, state=state, fresh=fresh, documents=1, detail="x")])


def test_a_round_comes_back_as_it_was_written_in_order_of_time(store):
    whole = Round(
        source_id=LAB,
        at=NOW,
        state=SourceState.THROTTLED,
        documents=3,
        new=1,
        revised=2,
        unchanged=3,
        fresh=4,
        problems=5,
        http_status=429,
        seconds=1.5,
        detail="The server asks us to slow down.",
    )
    with store.transaction() as tx:
        sources.sync(tx, [Source(id=LAB, kind="feed", url="https://lab.example")])
        rounds.note(tx, [whole])
        noted(tx, days=1)
        noted(tx, days=3)
        found = rounds.of(tx, LAB, since=NOW - 2 * DAY, until=NOW)
    assert [one.at for one in found] == [NOW - DAY, NOW]
    assert found[1] == whole


def test_the_rhythm_of_each_source_is_its_newest_rounds_with_something_fresh(store):
    with store.transaction() as tx:
        sources.sync(tx, [Source(id=name, kind="feed", url=f"https://{name}.example") for name in (LAB, JOURNAL)])
        for day in range(60):
            noted(tx, days=day, fresh=day % 2)
        noted(tx, source=JOURNAL, days=7, fresh=1)
        found = rounds.news(tx, [LAB, JOURNAL, SourceId("other")])
    assert found == {
        LAB: tuple(NOW - day * DAY for day in range(1, 2 * rounds.RHYTHM, 2)),
        JOURNAL: (NOW - 7 * DAY,),
    }


def test_plain_rounds_go_after_a_month_the_others_after_their_days(store):
    with store.transaction() as tx:
        sources.sync(tx, [Source(id=LAB, kind="feed", url="https://lab.example")])
        for days in (1, 34, 36, 399, 401):
            noted(tx, days=days)
            noted(tx, days=days, state=SourceState.BROKEN)
            noted(tx, days=days, fresh=2, state=SourceState.QUIET)
        assert rounds.prune(tx, now=NOW, days=400) == 5
        left = rounds.of(tx, LAB, since=NOW - 500 * DAY, until=NOW)
    told = sorted((round((NOW - one.at) / DAY), one.state.value) for one in left)
    assert told == [
        *((days, state) for days in (1, 34) for state in ("broken", "quiet", "unchanged")),
        *((days, state) for days in (36, 399) for state in ("broken", "quiet")),
    ]
