"""huggingface: which days are asked for, and what happens when the API changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceId
from digest.sources.kinds.huggingface import ACCEPT, HUGGINGFACE

API = "https://huggingface.co/api/daily_papers"


def source(**fields) -> Source:
    return Source(id=SourceId("hf"), kind="huggingface", **fields)


def listing(period: str, url: str = "") -> Source:
    return source(url=url, options=(("period", (period,)),))


def planned(source: Source, now: datetime, since: date | None = None) -> list[str]:
    return [request.url for request in HUGGINGFACE.plan(source, now, since)]


def parse(body: str):
    return HUGGINGFACE.parse(source(), FetchResponse(url="u", status=200, body=body.encode()))


def test_every_round_reads_the_last_three_days_of_utc():
    now = datetime(2025, 11, 20, 22, tzinfo=timezone(timedelta(hours=-5)))
    assert planned(source(), now) == [f"{API}?date=2025-11-{day}&limit=100" for day in (21, 20, 19)]


def test_a_backfill_reads_every_day_since_then_and_never_fewer_than_three():
    now = datetime(2025, 11, 3, tzinfo=UTC)
    days = ["2025-11-03", "2025-11-02", "2025-11-01", "2025-10-31", "2025-10-30"]
    assert planned(source(), now, date(2025, 10, 30)) == [f"{API}?date={day}&limit=100" for day in days]
    assert planned(source(), now, date(2025, 11, 3)) == planned(source(), now)


def test_a_url_of_its_own_is_one_document_or_one_for_each_day():
    now = datetime(2025, 11, 21, tzinfo=UTC)
    assert HUGGINGFACE.plan(source(url="/data/day.json"), now, date(2025, 1, 1)) == (
        FetchRequest(url="/data/day.json", accept=ACCEPT, allow_files=True),
    )
    assert planned(source(url="/data/{date}.json"), now) == [f"/data/2025-11-{day}.json" for day in (21, 20, 19)]


@pytest.mark.parametrize(
    ("period", "now", "asked"),
    [
        ("daily", datetime(2025, 11, 1, tzinfo=UTC), ["date=2025-11-01", "date=2025-10-31", "date=2025-10-30"]),
        ("weekly", datetime(2025, 11, 21, tzinfo=UTC), ["week=2025-W47"]),
        ("weekly", datetime(2025, 11, 18, tzinfo=UTC), ["week=2025-W47", "week=2025-W46"]),
        ("weekly", datetime(2027, 1, 2, tzinfo=UTC), ["week=2026-W53"]),
        ("weekly", datetime(2024, 12, 31, tzinfo=UTC), ["week=2025-W01", "week=2024-W52"]),
        ("monthly", datetime(2025, 12, 2, tzinfo=UTC), ["month=2025-12", "month=2025-11"]),
        ("monthly", datetime(2025, 12, 3, tzinfo=UTC), ["month=2025-12"]),
        ("trending", datetime(2025, 12, 3, tzinfo=UTC), ["sort=trending"]),
    ],
)
def test_a_period_is_read_as_long_as_its_last_three_days_may_change(period, now, asked):
    assert planned(listing(period), now) == [f"{API}?{question}&limit=100" for question in asked]


def test_a_backfill_of_a_period_asks_for_each_list_once_and_what_is_trending_has_no_past():
    now = datetime(2025, 11, 21, tzinfo=UTC)
    assert planned(listing("monthly"), now, date(2025, 9, 30)) == [
        f"{API}?month=2025-{month}&limit=100" for month in ("11", "10", "09")
    ]
    assert len(planned(listing("weekly"), now, date(2025, 11, 3))) == 3
    assert planned(listing("trending"), now, date(2025, 1, 1)) == planned(listing("trending"), now)


def test_a_url_of_its_own_is_filled_in_with_the_period():
    now = datetime(2025, 11, 21, tzinfo=UTC)
    assert planned(listing("weekly", "https://m.example/{week}.json"), now) == ["https://m.example/2025-W47.json"]
    assert planned(listing("trending", "https://m.example/now.json"), now) == ["https://m.example/now.json"]


def test_full_pages_are_followed_but_not_for_ever_and_not_of_what_is_trending():
    now = datetime(2025, 12, 9, tzinfo=UTC)
    full = ParsedFeed(entries=tuple(EntryData(key=str(n), title="t") for n in range(100)))
    (request,) = HUGGINGFACE.plan(listing("monthly"), now, None)
    pages = [request.url]
    following = HUGGINGFACE.follow(request, full)
    while following is not None and len(pages) < 100:
        pages.append(following.url)
        following = HUGGINGFACE.follow(following, full)
    assert pages[1] == f"{pages[0]}&p=1"
    assert len(pages) == 20
    assert HUGGINGFACE.follow(request, ParsedFeed(entries=full.entries[:99])) is None
    (trending,) = HUGGINGFACE.plan(listing("trending"), now, None)
    assert HUGGINGFACE.follow(trending, full) is None


def test_a_period_that_does_not_exist_is_said():
    assert 'has the period "yearly"' in HUGGINGFACE.wants(listing("yearly"))
    assert HUGGINGFACE.wants(listing("weekly")) == ""


def test_a_day_without_papers_is_no_error():
    assert parse("[]").entries == ()


@pytest.mark.parametrize("wrapper", ["data", "papers"])
def test_a_copy_that_wraps_the_list_is_read(wrapper):
    parsed = parse(f'{{"{wrapper}": [{{"paper": {{"id": "2511.00001", "title": "T"}}}}]}}')
    assert [entry.arxiv_id for entry in parsed.entries] == ["2511.00001"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": "Invalid date"}', "the API answers with an error: Invalid date"),
        ('{"papers": {}}', "not a list of papers"),
        ('"text"', "neither XML nor JSON"),
        ("[\"{'paper': {'id': '2511.00001'}}\"]", "the items are texts, not objects"),
        ('[{"paper": {"id": "2511.00001"}}]', "entry 1: the field `paper.title` of 2511.00001 is missing"),
        ('[{"article": {}}, {"article": {}}]', "not one of its 2 items is a paper; entry 1: the field `paper`"),
        ('[{"paper": {', "not whole JSON"),
        ("<rss version='2.0'/>", "this is XML"),
    ],
)
def test_what_is_not_the_apis_answer_is_named(body, words):
    with pytest.raises(ParseError) as caught:
        parse(body)
    assert words in caught.value.what


def test_fields_of_unexpected_types_are_left_out_and_cost_nothing():
    (entry,) = parse(
        '[{"paper": {"id": "2511.00001", "title": "T", "summary": 1, "authors": [null, {"name": 3}, "x"],'
        ' "upvotes": "many",'
        ' "publishedAt": 5, "githubStars": -1, "organization": 7}, "numComments": true, "organization": []}]'
    ).entries
    assert (entry.abstract, entry.authors, entry.upvotes, entry.comments) == ("", (), None, None)
    assert (entry.published_at, entry.stars, entry.institutions) == (None, None, ())
