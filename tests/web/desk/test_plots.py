"""Plots: pictures without script, and beside each the same numbers, with and without what draws."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree

import pytest

from digest.model.errors import UsageError
from digest.model.feeds import SourceId, SourceState
from digest.rendering import charts
from digest.rendering.charts import Series
from digest.services.status.pictures import duration
from digest.services.status.trends import took
from digest.storage import folding, rounds
from digest.storage.rounds import Round
from tests.services.road import DAY, SLOT, paper

HOSTILE = "<script>alert(1)</script>"


def looked(road, source, at, *, new=0, seconds=1.0):
    state = SourceState.OK if new else SourceState.UNCHANGED
    one = Round(source_id=SourceId(source), at=at, state=state, new=new, fresh=new, seconds=seconds)
    with road.app.store.transaction() as tx:
        rounds.note(tx, [one])


class TestTrends:
    def test_each_day_tells_what_happened_on_it(self, road):
        road.bring(paper(1))
        for name in ("ada", "bo", "cy"):
            road.reader(f"{name}@example.org", since=SLOT - 2 * DAY)
        road.publish()
        road.now = SLOT + timedelta(minutes=3)
        road.settle("accepted", "ada@example.org")
        road.settle("rejected", "bo@example.org")
        road.app.sources.known()
        looked(road, "hf", SLOT - DAY, new=4, seconds=2.0)
        looked(road, "lab", SLOT - DAY + timedelta(hours=1), new=1, seconds=4.0)
        looked(road, "lab", SLOT)
        assert road.app.subscribe.leave("cy@example.org") == 1
        before, today = road.app.trends.run(2).days
        assert (today.day, today.mails["accepted"], today.mails["rejected"], today.mails["planned"]) == (
            date(2026, 5, 4),
            1,
            1,
            3,
        )
        assert today.mails["open"] + today.mails["suppressed"] == 1
        assert (before.readers, before.joined, today.readers, today.left) == (3, 0, 2, 1)
        assert before.brought == {"hf": 4, "lab": 1} and today.brought == {}
        assert today.delivery is not None and (today.delivery.median, today.delivery.number) == (180.0, 1)
        assert before.fetch is not None and (before.fetch.median, before.fetch.p95) == (3.0, 3.9)

    def test_days_that_retention_has_folded_are_counted(self, road):
        road.bring(paper(1))
        road.reader()
        road.publish()
        road.settle("accepted")
        with road.app.store.transaction() as tx:
            assert folding.fold(tx, road.now + DAY) == 1
        assert road.app.trends.run(1).days[0].mails["accepted"] == 1

    @pytest.mark.parametrize("days", [0, -1, 91])
    def test_what_is_not_kept_is_not_told(self, road, days):
        with pytest.raises(UsageError):
            road.app.trends.run(days)

    def test_durations_are_told_from_their_middle_and_their_end(self):
        assert took([]) is None
        assert took([5.0]).p95 == 5.0
        assert took(range(101)) == took(list(range(101)))
        assert (took(range(101)).median, took(range(101)).p95) == (50, 95.0)
        assert [duration(one) for one in (0, 0.26, 9.94, 100, 600, 9_000)] == [
            "0 s",
            "0.3 s",
            "9.9 s",
            "100 s",
            "10 min",
            "2.5 h",
        ]


class TestPage:
    def test_each_picture_has_its_numbers_beside_it(self, road, desk):
        road.bring(paper(1))
        road.reader()
        road.publish()
        road.app.sources.known()
        looked(road, "hf", road.now, new=7)
        page = desk.get("/desk/plots", days="7")
        assert page.text.count("<figure") == 7
        drawn = re.findall(r"<svg.*?</svg>", page.text, re.DOTALL)
        assert drawn
        assert "<title>4 May hf: 7</title>" in page.text
        assert re.search(r'<th scope="row" class="number">2026-05-04</th><td class="number right">7</td>', page.text)
        for one in drawn:
            assert not re.search(r"<script|<style|javascript:|\son\w+=|href=\"(?!#)", one)
        assert "img-src" not in page.headers["content-security-policy"]

    def test_without_what_draws_the_numbers_stand_open(self, road, desk, monkeypatch):
        monkeypatch.setattr(charts, "can_draw", lambda: False)
        road.reader()
        page = desk.get("/desk/plots").text
        assert "<svg" not in page
        assert "pip install &#39;digest-papers[desk]&#39;" in page
        assert page.count("<details open>") >= 4
        assert "The numbers of" in page

    def test_nonsense_shows_thirty_days(self, desk):
        for days in ("", "x", "31", "9" * 40):
            assert '<strong aria-current="true">30 days</strong>' in desk.get("/desk/plots", days=days).text

    def test_today_shows_the_first_of_them_once_it_is_drawn(self, road, desk):
        road.bring(paper(1))
        road.reader()
        road.publish()
        assert "<svg" not in desk.get("/desk").text
        assert "<svg" in desk.get("/desk").text


class TestCharts:
    def test_names_are_text(self):
        drawn = charts.bars(["1 May"], [Series(name=HOSTILE, values=(2.0,), colour=5)], said=str)
        assert "<script" not in drawn and "&lt;script&gt;" in drawn
        assert 'class="series serie-0 color-5"' in drawn

    def test_a_mark_without_a_value_has_no_dot(self):
        series = [Series(name="a", values=(1.0, None, 3.0), colour=0)]
        root = ElementTree.fromstring(charts.lines(["1", "2", "3"], series, said=str))
        assert sum(node.tag.endswith("circle") for node in root.iter()) == 2

    @pytest.mark.parametrize(
        ("low", "high", "across"),
        [
            (0, 0, [0, 1]),
            (0, 1, [0, 1]),
            (0, 1_109, [0, 500, 1_000, 1_500]),
            (-21, 37, [-40, -20, 0, 20, 40]),
        ],
    )
    def test_lines_across_are_few_and_round(self, low, high, across):
        steps = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
        assert charts.ticks(low, high, steps) == across
        assert len(charts.ticks(0, 1e9, steps)) <= 6


def test_a_sample_is_taken_evenly(road, monkeypatch):
    from digest.storage import trends

    monkeypatch.setattr(trends, "SAMPLE", 10)
    road.app.sources.known()
    start = datetime(2026, 4, 1, tzinfo=UTC)
    for hour in range(60):
        looked(road, "hf", start + timedelta(hours=hour), seconds=float(hour))
    with road.app.store.reading() as tx:
        found = trends.fetches(tx, start + timedelta(hours=20))
    taken = [one for some in found.values() for one in some]
    assert taken == [20.0 + 4 * step for step in range(10)]
