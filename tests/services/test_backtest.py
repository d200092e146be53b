"""Replays: what was known that morning, by the road that editions take, and nothing that came later."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from digest.model.errors import InputError, UsageError
from digest.model.feeds import EntryId, SourceId, VoteObservation
from digest.model.people import Profile, Weights
from digest.services.learning import backtest
from digest.services.learning.backtest_page import NO_PLOTS, page
from digest.services.learning.past import StorePast, read_archive
from digest.services.learning.rank_file import rank_lines
from digest.services.learning.replay import Contender, Plan
from digest.storage import entries
from tests.services.histories import FIRST, count, listed, morning, paper, text, voted
from tests.storage.papers import new_paper

GENERAL = (Contender(name="general"),)
PLAN = Plan(since=FIRST, until=FIRST + timedelta(days=9), contenders=GENERAL)


def archive(lines):
    return read_archive("archive", [("seen.jsonl", text(lines))])


def figures(found):
    return {(row.measure, row.list): row.value.mean for row in found.rows}


def test_raw_votes_find_the_share_that_we_wrote():
    found = backtest.run(archive(voted()), PLAN)
    assert [(pool.first, pool.last, pool.papers) for pool in found.pools] == [
        (FIRST, FIRST + timedelta(days=4), 30),
        (FIRST + timedelta(days=5), FIRST + timedelta(days=9), 30),
    ]
    assert figures(found)["precision", "raw votes"] == pytest.approx(0.7)
    gain = next(row.over_plain for row in found.rows if row.list == "general" and row.measure == "precision")
    assert gain is not None
    assert gain.mean == pytest.approx(figures(found)["precision", "general"] - 0.7)
    assert gain.count == 2


def test_a_pool_is_ranked_as_rank_would_have_ranked_it_that_morning():
    lines = voted()
    now = morning(9)
    known = [line for line in lines if line["observed_at"] <= now.isoformat()]
    today = [line for line in known if line["observed_at"] > morning(4).isoformat() and "title" in line]
    older = [line for line in known if line not in today]
    profile = Profile(weights=Weights(trend=1, topic=0, people=0, novelty=0))
    ranked = rank_lines(text(today), name="f", at=now, profiles=[("p", profile)], history=text(older))
    final = {line["id"]: line["upvotes"] for line in lines if "title" not in line}
    good = set(sorted((one["id"] for one in today), key=lambda id_: -final[id_])[:10])
    first = {item["id"] for item in ranked["items"][:10]}
    found = backtest.run(archive(lines), replace(PLAN, contenders=(Contender(name="t", profile=profile),)))
    assert found.pools[1].values["precision"]["t"] == len(first & good) / 10


def planted():
    """Huge counts an hour after the first pool's last morning, taken back later, and a famous paper of its authors."""
    after = morning(4) + timedelta(hours=1)
    late = [count(number, after, 10**6) for number in (3, 20, 27)]
    back = [count(number, after + timedelta(hours=1), 50) for number in (3, 20, 27)]
    famous = paper(900, 4, 10**6, observed_at=after.isoformat(), authors=["Keeper 0", "Keeper 5"])
    return [*late, *back, famous]


def test_no_vote_and_no_author_record_of_later_leaks_into_a_pool():
    at_eight = replace(PLAN, morning=time(8, 0))
    plain = backtest.run(archive(voted()), at_eight)
    with_plant = backtest.run(archive([*voted(), *planted()]), at_eight)
    assert with_plant.pools[0] == plain.pools[0]
    assert plain.pools == backtest.run(archive(voted()), PLAN).pools


def test_a_leak_would_be_seen():
    """The same counts an hour before the morning change what is found."""
    early = [{**line, "observed_at": (morning(4) - timedelta(hours=1)).isoformat()} for line in planted()[:3]]
    plain = backtest.run(archive(voted()), PLAN)
    assert backtest.run(archive([*voted(), *early]), PLAN).pools[0].values != plain.pools[0].values


def test_no_evidence_is_younger_than_the_morning():
    past = archive([*voted(), *planted()])
    now = morning(4)
    numbers = [one.number for one in past.seen() if one.first_at > morning(3) and one.first_at <= now]
    papers = past.at(numbers, now)
    evidence = past.evidence(papers, now)
    assert {vote.at <= now for entry in papers for vote in entry.votes} == {True}
    assert {entry.first_seen_at <= now for entry in evidence.history} == {True}
    assert max(record.log_votes / record.voted for record in evidence.authors.values() if record.voted) < 5.0
    assert not {entry.id for entry in papers} & {entry.id for entry in evidence.history} - {EntryId(0)}


def test_the_order_of_the_lines_changes_nothing():
    lines = [*voted(), *listed()]
    assert backtest.run(archive(lines), PLAN) == backtest.run(archive(lines[::-1]), PLAN)


def test_papers_without_votes_are_judged_by_who_was_featured():
    found = backtest.run(archive(listed()), PLAN)
    assert [(sample.papers, sample.values["featured"]["chance"]) for sample in found.listings] == [(50, 0.1)] * 3
    assert found.calibration is not None
    assert found.calibration.count == 150
    assert sum(one.count * one.came for one in found.calibration.bins) == pytest.approx(15)


def test_two_lists_are_compared_pool_by_pool():
    novel = Contender(name="novel", profile=Profile(weights=Weights(trend=0, topic=0, people=0, novelty=1)))
    plan = replace(PLAN, contenders=(*GENERAL, novel), compared=True)
    found = backtest.run(archive(voted()), plan)
    assert found.compared_with == "novel"
    row = next(row for row in found.rows if row.list == "general" and row.measure == "precision")
    differences = [
        sample.values["precision"]["general"] - sample.values["precision"]["novel"] for sample in found.pools
    ]
    assert row.over_other is not None
    assert row.over_other.mean == pytest.approx(sum(differences) / 2)
    for sample in found.pools:
        gained = sum(one.good for one in sample.ours) - sum(one.good for one in sample.theirs)
        assert gained / 10 == pytest.approx(sample.values["precision"]["general"] - sample.values["precision"]["novel"])


def test_category_weights_have_a_distance_and_a_price():
    profile = Profile(categories=(("cs.CL", 1.0), ("cs.LG", 1.0)), max_items=12)
    found = figures(backtest.run(archive(voted()), replace(PLAN, contenders=(Contender(name="p", profile=profile),))))
    assert found["category_error", "p"] == pytest.approx(0.0)
    assert found["category_error", "raw votes"] > 0.1
    assert ("given_up", "p") in found
    assert ("given_up", "raw votes") not in found


def test_mornings_can_be_given():
    found = backtest.run(archive(voted(a_day=12)), replace(PLAN, morning=time(9, 0), days=2))
    assert {(pool.at.hour, pool.papers) for pool in found.pools} == {(9, 24)}


@pytest.mark.parametrize(
    ("lines", "plan"),
    [
        (voted(days=1), PLAN),
        (voted(), replace(PLAN, since=date(2020, 1, 1), until=date(2020, 2, 1))),
        ([line for line in voted() if "title" in line], PLAN),  # no final votes at all
    ],
)
def test_too_little_history_is_told(lines, plan):
    with pytest.raises(InputError, match="too little"):
        backtest.run(archive(lines), plan)


def test_days_in_the_wrong_order_are_refused():
    with pytest.raises(UsageError):
        backtest.run(archive(voted()), replace(PLAN, since=FIRST + timedelta(days=20)))


def test_an_empty_archive_and_a_line_without_its_time_are_refused():
    with pytest.raises(InputError, match="no paper"):
        archive([])
    with pytest.raises(InputError, match="line 2 has no observed_at"):
        archive([paper(1, 0, 5), {"id": "2602.00002", "title": "A lamp that nobody dated"}])


def test_the_page_needs_nothing_from_outside():
    novel = Contender(name="<b>novel</b>", profile=Profile(weights=Weights(trend=0, topic=0, people=0, novelty=1)))
    found = backtest.run(archive([*voted(), *listed()]), replace(PLAN, contenders=(*GENERAL, novel), compared=True))
    html, remark = page(found)
    assert (remark, html.count("<svg")) == ("", 4)
    assert "<script" not in html
    assert "<b>novel" not in html
    assert [word for word in ("src=", "@import", "url(http", "<link") if word in html] == []
    assert html == page(found)[0]


def test_without_the_extra_the_page_has_tables_and_says_how_to_get_plots(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    html, remark = page(backtest.run(archive(voted()), PLAN))
    assert (remark, html.count("<svg")) == (NO_PLOTS, 0)
    assert "digest-papers[backtest]" in html
    assert html.count("<table>") >= 2


def stored(store, lines):
    """The lines as a store holds them, taken in at the hours at which they were observed."""
    from datetime import datetime

    from digest.storage.entries import entries as table

    with store.transaction() as tx:
        numbers = {}
        for line in lines:
            at = datetime.fromisoformat(line["observed_at"])
            if line["id"] not in numbers:
                change = new_paper(
                    int(line["id"][-5:]), source=line["source"], seen_at=at, votes=line["upvotes"],
                    authors=tuple(line["authors"]), title=line["title"], abstract=line["abstract"],
                    published_at=datetime.fromisoformat(line["published_at"]),
                )  # fmt: skip
                submitted = line["submitted_at"] and datetime.fromisoformat(line["submitted_at"])
                change = replace(change, after=replace(change.after, submitted_at=submitted, comments=7))
                (numbers[line["id"]],) = entries.apply(tx, [change], now=at)
            else:
                seen = VoteObservation(source_id=SourceId("hf"), at=at, upvotes=line["upvotes"])
                entries.observe(tx, numbers[line["id"]], seen)
        assert tx.execute(table.select()).first() is not None


def test_a_store_is_replayed_as_its_archive_is(store):
    lines = sorted(voted(), key=lambda line: line["observed_at"])
    stored(store, lines)
    past = StorePast(store=store, until=morning(40))
    found = backtest.run(past, PLAN)
    assert figures(found)["precision", "raw votes"] == pytest.approx(0.7)
    assert [sample.papers for sample in found.pools] == [30, 30]
    papers = past.at([one.number for one in past.seen()], morning(3))
    assert {entry.comments for entry in papers} == {None}  # only the newest count is known


def test_no_later_vote_leaks_into_the_replay_of_a_store(store):
    stored(store, sorted([*voted(), *planted()], key=lambda line: line["observed_at"]))
    past = StorePast(store=store, until=morning(40))
    now = morning(4)
    papers = past.at([one.number for one in past.seen() if one.first_at <= now], now)
    assert len(papers) == 30
    assert max(entry.upvotes or 0 for entry in papers) == 100
    evidence = past.evidence(papers[20:], now)
    assert max((record.log_votes for record in evidence.authors.values()), default=0.0) < 200.0
    assert {entry.first_seen_at <= now for entry in evidence.history} == {True}


def test_an_empty_store_is_told(store):
    with pytest.raises(InputError, match="no paper yet"):
        _ = StorePast(store=store, until=morning(0)).last_at


def test_equal_input_gives_an_equal_document():
    from digest.services.plain import as_json

    one, other = (json.dumps(as_json(backtest.run(archive([*voted(), *listed()]), PLAN))) for _ in range(2))
    assert one == other
    assert "NaN" not in one
