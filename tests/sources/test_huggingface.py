"""huggingface: which days are asked for, and what happens when the API changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import FetchRequest, FetchResponse, Source, SourceId
from digest.sources.huggingface import ACCEPT, HUGGINGFACE

API = "https://huggingface.co/api/daily_papers"


def source(**fields) -> Source:
    return Source(id=SourceId("hf"), kind="huggingface", **fields)


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
        ' "upvotes": "9",'
        ' "publishedAt": 5, "githubStars": -1, "organization": 7}, "numComments": true, "organization": []}]'
    ).entries
    assert (entry.abstract, entry.authors, entry.upvotes, entry.comments) == ("", (), None, None)
    assert (entry.published_at, entry.stars, entry.institutions) == (None, None, ())
