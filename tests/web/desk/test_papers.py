"""The desk's papers: any paper explained for anybody, and what is known of it; looking changes nothing."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.services.road import paper
from tests.web.desk.rows import dump


@pytest.fixture
def printed(road):
    """Three papers, printed for everybody and for a reader who wants one."""
    who = road.reader(preferences={"max_items": 1}).subscriber_id
    road.bring(*(paper(n) for n in range(3)))
    road.publish()
    road.deliver()
    return who


def test_whatever_names_a_paper_explains_it_in_parts_that_sum(desk, printed):
    for typed in ("2605.00001", "arxiv:2605.00001v2", "https://arxiv.org/abs/2605.00001", " 2605.00001 "):
        page = desk.get("/desk/papers", paper=typed, at="2026-05-04").text
        assert "Tidal gauges number 1 and" in page and "<b>printed</b>" in page
        points = [int(one) for one in re.findall(r'<tr><td>\w+</td><td class="number right">(\d+)</td>', page)]
        (score,) = re.findall(r'<td class="number right"><b>(\d+)</b></td>', page)
        assert sum(points) == int(score) > 0


def test_it_is_told_for_a_reader_by_his_number(road, desk, printed):
    pages = [desk.get("/desk/papers", paper=f"2605.0000{n}", reader=str(printed)).text for n in range(3)]
    assert all("ada@example.org" in page for page in pages)
    verdicts = sorted(one for page in pages for one in re.findall(r"<p><b>([\w-]+)</b>:", page))
    assert verdicts == ["max-items", "max-items", "printed"]
    answer = desk.post("/desk/papers", paper="2605.00001", address="Ada@example.org", digest="daily")
    assert answer.headers["location"] == f"/desk/papers?paper=2605.00001&digest=daily&reader={printed}"


def test_what_is_known_stands_beside_it_and_looking_changes_nothing(road, desk, printed):
    road.now += timedelta(days=1)
    road.bring(paper(1, upvotes=777), source="lab", at=road.now)
    before = dump(road)
    page = desk.get("/desk/papers", paper="2605.00001").text
    for wanted in ("arxiv:2605.00001", "cs.CL", ">hf<", ">lab<", "777", "99", "daily, 2026-05-04"):
        assert wanted in page, wanted
    assert dump(road) == before


def test_words_find_papers_page_by_page(road, desk):
    road.bring(*(paper(n) for n in range(40)))
    first = desk.get("/desk/papers", paper="GAUGES dawn").text
    assert first.count("Tidal gauges number") == 30
    (after,) = re.findall(r"after=(\d+)", first)
    assert desk.get("/desk/papers", paper="GAUGES dawn", after=after).text.count("Tidal gauges number") == 10
    assert desk.get("/desk/papers").text.count("Tidal gauges number") == 30
    assert "No source has brought such a paper" in desk.get("/desk/papers", paper="volcanoes").text


def test_nonsense_is_told_and_is_no_fault(desk, printed):
    for query in (
        {"paper": "2605.00001", "at": "soon"},
        {"paper": "2605.00001", "at": "9999-12-31"},
        {"paper": "2605.00001", "digest": "hourly"},
        {"paper": "\x00"},
        {"paper": "x" * 5_000},
        {"after": "x"},
    ):
        assert desk.get("/desk/papers", **query).status_code == 200, query


def test_who_is_nobody_is_told(desk, printed):
    assert desk.get("/desk/papers", paper="2605.00001", reader="99").status_code == 404
    answer = desk.post("/desk/papers", paper="2605.00001", address="nobody@example.org")
    assert answer.status_code == 404 and "is not a subscriber" in answer.text


def test_hostile_papers_are_text_and_their_links_no_scripts(road, desk):
    hostile = "<script>a()</script>"
    road.bring(paper(1, title=f"{hostile} tides", authors=(hostile,), categories=(hostile,), url="javascript:a()"))
    for query in ({}, {"paper": "2605.00001"}, {"paper": "tides"}):
        page = desk.get("/desk/papers", **query).text
        assert "<script>" not in page and 'href="javascript' not in page
