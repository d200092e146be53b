"""Joining and splitting works: what a reader was sent, what a later feed does, what is shown as only probable."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.entries.normalize import clean
from digest.model.errors import NotFound, UsageError
from digest.model.feeds import EntryData
from tests.services.road import DAY, SLOT, Road, numbers, paper

BLOG, MIRROR = "https://lab.example.org/blog/gauges", "https://zoo.example.org/gauges"


@pytest.fixture
def road(tmp_path, url):
    road = Road.open(tmp_path / "home", url)
    yield road
    road.app.close()


def post(number: int, url: str = BLOG, **changes: object) -> EntryData:
    """The same paper without its ids, on somebody's own page."""
    return clean(replace(paper(number), key=url, url=url, arxiv_id=None, upvotes=None, **changes))


def shown(road: Road, name: str):
    return road.app.report.entry(name)


def next_day(road: Road) -> None:
    road.now += DAY


def send(road: Road) -> None:
    road.publish()
    road.deliver()


class TestFindingByWords:
    def test_a_post_about_a_held_paper_is_that_paper(self, road):
        (row,) = road.bring(paper(1))
        (same,) = road.bring(post(1, title="Tidal guages number 1, and the people who read them"), source="lab")
        assert same == row
        assert [seen.source_id for seen in shown(road, "2605.00001").sources] == ["hf", "lab"]

    def test_the_post_first_gives_way_to_the_papers_own_words_and_link(self, road):
        road.bring(post(1, abstract="Gauge 1 was read at dawn for a year."), source="lab")
        road.bring(paper(1), at=SLOT - timedelta(hours=2))
        found = shown(road, BLOG)
        assert (found.id, found.links[0]) == ("arxiv:2605.00001", "https://arxiv.org/abs/2605.00001")
        with road.app.store.reading() as tx:
            from digest.storage import entries

            assert entries.by_alias(tx, "arxiv:2605.00001").abstract == paper(1).abstract

    def test_what_is_only_probable_is_two_works_and_told(self, road):
        road.bring(paper(1))
        other = post(1, title="Gauge readers of the north, told by themselves")
        assert len(road.bring(other, source="lab")) == 1
        (pair,) = road.app.works.likely()
        assert {pair.one.id, pair.other.id} == {"arxiv:2605.00001", shown(road, BLOG).id}
        assert pair.overlap == 1.0 and pair.title_ratio < 0.8
        assert [like.id for like in shown(road, BLOG).possibly] == ["arxiv:2605.00001"]
        assert [like.title for like in shown(road, "2605.00001").possibly] == [other.title]

    def test_papers_held_before_there_were_fingerprints_are_found(self, road):
        (row,) = road.bring(paper(1))
        with road.app.store.transaction() as tx:
            tx.exec_driver_sql("DELETE FROM fingerprints")
        again = post(1, title="Tidal guages number 1, and the people who read them")
        assert road.bring(again, source="lab") == (row,)


class TestJoining:
    def test_whoever_was_sent_either_was_sent_both(self, road):
        road.reader()
        road.reader("bo@example.org", since=SLOT)
        road.bring(paper(1))
        send(road)
        next_day(road)
        road.bring(post(1, title="Gauge readers of the north"), at=road.now - timedelta(hours=3), source="lab")
        done = road.app.works.join(BLOG, "2605.00001")
        assert (done.id, set(done.aliases)) == ("arxiv:2605.00001", {"arxiv:2605.00001", f"url:{BLOG}"})
        assert road.preview(to="ada@example.org").edition.counts.printed == 0
        assert road.app.works.likely() == ()

    def test_one_work_or_two_arxiv_papers_cannot_be_joined(self, road):
        road.bring(paper(1), paper(2))
        with pytest.raises(UsageError, match="of one work already"):
            road.app.works.join("2605.00001", "https://arxiv.org/abs/2605.00001v3")
        with pytest.raises(UsageError, match="never one work"):
            road.app.works.join("2605.00001", "2605.00002")
        with pytest.raises(NotFound):
            road.app.works.join("2605.00001", "2605.00009")


class TestSplitting:
    def joined(self, road: Road) -> None:
        road.bring(paper(1))
        road.bring(post(1, title="Gauge readers of the north", abstract="Other words."), source="lab")
        road.app.works.join("2605.00001", BLOG)

    def test_each_gets_back_what_was_its_own(self, road):
        road.bring(paper(1))
        road.bring(post(1, title="Gauge readers of the north", abstract="Other words."), source="lab")
        before = shown(road, "2605.00001"), shown(road, BLOG)
        road.app.works.join("2605.00001", BLOG)
        (part,) = shown(road, BLOG).joined
        assert (part.title, part.why) == ("Gauge readers of the north", "the operator joined them")
        done = road.app.works.split(BLOG)
        assert (done.kept.id, done.out.title) == ("arxiv:2605.00001", "Gauge readers of the north")
        after = shown(road, "2605.00001"), shown(road, BLOG)
        assert after == before

    def test_a_work_sent_while_they_were_one_counts_as_sent_for_both(self, road):
        road.reader()
        self.joined(road)
        send(road)
        assert road.printed_for("ada@example.org") == [["1"]]
        road.app.works.split(BLOG)
        next_day(road)
        assert road.preview(to="ada@example.org").edition.counts.printed == 0
        assert numbers(road.preview(to="new@example.org").edition) != []
        assert len(shown(road, BLOG).printed) == len(shown(road, "2605.00001").printed) == 1
        for name in (BLOG, "2605.00001"):
            told = road.app.explain.run(name, road.app.config.digests[0], address="ada@example.org")
            assert told.verdict == "sent", told.sentence

    def test_a_work_sent_before_they_were_one_counts_for_itself_alone(self, road):
        road.reader()
        road.bring(paper(1))
        send(road)
        next_day(road)
        road.bring(post(1, title="Gauge readers of the north"), at=road.now - timedelta(hours=3), source="lab")
        road.app.works.join("2605.00001", BLOG)
        road.app.works.split(BLOG)
        (item,) = road.preview(to="ada@example.org").edition.items
        assert item.title == "Gauge readers of the north"

    def test_what_was_split_is_never_joined_by_a_rule_again(self, road):
        road.bring(paper(1))
        road.bring(post(1), source="lab")
        done = road.app.works.split(BLOG)
        assert (done.kept.id, done.out.url) == ("arxiv:2605.00001", BLOG)
        rows = {*road.bring(post(1), source="lab"), *road.bring(paper(1))}
        assert len(rows) == 2
        bridge = replace(paper(1), url=BLOG)
        road.bring(bridge, source="zoo")
        assert shown(road, BLOG).id != shown(road, "2605.00001").id
        assert shown(road, BLOG).possibly == ()

    def test_a_post_taken_for_a_paper_gets_a_row_and_then_its_own_words(self, road):
        road.reader()
        road.bring(paper(1))
        road.bring(post(1), source="lab")
        send(road)
        road.app.works.split(BLOG)
        assert [seen.source_id for seen in shown(road, BLOG).sources] == ["lab"]
        assert [seen.source_id for seen in shown(road, "2605.00001").sources] == ["hf"]
        road.bring(post(1, title="What it is like to read gauges", abstract="My own words."), source="lab")
        assert shown(road, BLOG).title == "What it is like to read gauges"
        assert shown(road, "2605.00001").title == paper(1).title
        next_day(road)
        assert road.preview(to="ada@example.org").edition.counts.printed == 0

    def test_joined_again_they_are_one(self, road):
        self.joined(road)
        road.app.works.split(BLOG)
        road.app.works.join(BLOG, "2605.00001")
        assert shown(road, BLOG).id == "arxiv:2605.00001"
        assert len(shown(road, BLOG).joined) == 1

    def test_of_three_each_can_be_taken_out(self, road):
        self.joined(road)
        road.bring(post(1, MIRROR, title="A third account of gauges", abstract="Third words."), source="zoo")
        road.app.works.join(MIRROR, BLOG)
        assert {part.title for part in shown(road, BLOG).joined} == {
            "Gauge readers of the north", "A third account of gauges"
        }  # fmt: skip
        road.app.works.split(MIRROR)
        assert shown(road, MIRROR).title == "A third account of gauges"
        assert shown(road, BLOG).id == "arxiv:2605.00001"

    def test_a_name_that_does_not_say_what_to_take_out_is_refused_with_those_that_do(self, road):
        road.bring(paper(1))
        with pytest.raises(UsageError, match="does not say") as told:
            road.app.works.split("2605.00001")
        assert "https://arxiv.org/abs/2605.00001" in told.value.try_
