"""hackernews: which days are asked for, which stories are papers, what a story says of its paper, and bad answers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceId
from digest.sources.kinds.hackernews import HACKERNEWS
from digest.sources.reading.paperlinks import PaperLink, paper_of
from digest.sources.reading.records import ACCEPT

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
API = "https://hn.algolia.com/api/v1/search_by_date"
#: 21 November 2026, 00:00 UTC.
MIDNIGHT = 1795219200


def source(**fields: object) -> Source:
    options = tuple(sorted((name, (str(value),)) for name, value in fields.items() if name != "url"))
    return Source(id=SourceId("hn"), kind="hackernews", options=options, url=str(fields.get("url", "")))


def hit(number: int = 1, **fields: object) -> dict[str, object]:
    known = {
        "objectID": str(number),
        "title": "Lamps that count their moths",
        "url": "https://arxiv.org/abs/2511.00001",
        "points": 10,
        "num_comments": 3,
        "created_at_i": MIDNIGHT + 60,
    }
    return {key: value for key, value in (known | fields).items() if value != "gone"}


def parse(*hits: object, source: Source = source(), **answer: object) -> ParsedFeed:  # noqa: B008 - never changed
    whole = {"hits": list(hits), "page": 0, "nbPages": 1, "hitsPerPage": 1000, "nbHits": len(hits)} | answer
    return HACKERNEWS.parse(source, FetchResponse(url="u", status=200, body=json.dumps(whole).encode()))


def test_each_of_three_days_is_a_request_whose_address_stays_the_same_all_day():
    start = MIDNIGHT
    assert HACKERNEWS.plan(source(), NOW, None) == tuple(
        FetchRequest(
            url=f"{API}?tags=story&numericFilters=created_at_i%3E%3D{start - back * 86_400}"
            f",created_at_i%3C{start - (back - 1) * 86_400},points%3E%3D5&hitsPerPage=1000",
            accept=ACCEPT,
            allow_files=True,
        )
        for back in range(3)
    )
    assert HACKERNEWS.plan(source(), NOW.replace(hour=23), None) == HACKERNEWS.plan(source(), NOW, None)


def test_words_and_points_are_asked_of_the_search_and_an_address_of_its_own_takes_its_place():
    (first, *_) = HACKERNEWS.plan(source(query="protein folding", points=40, url="http://mirror.example/s"), NOW, None)
    assert first.url.startswith("http://mirror.example/s?tags=story&query=protein%20folding&numericFilters=")
    assert "points%3E%3D40&" in first.url


def test_a_backfill_asks_for_every_day_since_then():
    assert len(HACKERNEWS.plan(source(), NOW, date(2026, 11, 1))) == 21
    assert HACKERNEWS.plan(source(), NOW, date(2026, 11, 21)) == HACKERNEWS.plan(source(), NOW, None)


def test_a_story_is_a_sighting_of_the_paper_it_links_to_with_its_points_and_comments():
    assert parse(hit(title="[pdf] Lamps that count their moths (2021) [pdf]", points=41)).entries == (
        EntryData(
            key="hn:1",
            title="Lamps that count their moths",
            url="https://arxiv.org/abs/2511.00001",
            submitted_at=datetime(2026, 11, 21, 0, 1, tzinfo=UTC),
            arxiv_id="2511.00001",
            upvotes=41,
            comments=3,
            pdf_url="https://arxiv.org/pdf/2511.00001",
        ),
    )


@pytest.mark.parametrize(
    ("title", "cleaned"),
    [
        ("Show HN: Moths (2021)", "Moths"),
        ("Moths [PDF] (1999)", "Moths"),
        ("Moths in (some) rooms", "Moths in (some) rooms"),
        ("[pdf]", "[pdf]"),
        ("What happened in 2021", "What happened in 2021"),
    ],
)
def test_what_the_sites_customs_put_around_a_papers_title_is_taken_away(title, cleaned):
    assert [entry.title for entry in parse(hit(title=title)).entries] == [cleaned]


def test_stories_that_lead_to_no_paper_are_left_out_unless_they_are_asked_for():
    blog = hit(2, url="https://blog.example/moths", title="Moths (2021)", points=99)
    asked = hit(3, url=None, title="Ask HN: Which lamp?", story_text="I want to <b>read</b>.")
    assert [entry.key for entry in parse(hit(), blog, asked).entries] == ["hn:1"]
    everything = parse(hit(), blog, asked, source=source(all="true")).entries
    assert [(entry.key, entry.title, entry.url, entry.abstract) for entry in everything] == [
        ("hn:2", "Moths (2021)", "https://blog.example/moths", ""),
        ("hn:1", "Lamps that count their moths", "https://arxiv.org/abs/2511.00001", ""),
        ("hn:3", "Ask HN: Which lamp?", "https://news.ycombinator.com/item?id=3", "I want to <b>read</b>."),
    ]
    assert everything[0].published_at == everything[0].submitted_at is not None


def test_a_bad_story_is_a_problem_and_stops_no_other():
    parsed = parse(hit(), hit(2, title=None), "text", hit("x"), hit(5, points="many", num_comments=-1, created_at_i=0))
    assert [entry.key for entry in parsed.entries] == ["hn:1", "hn:5"]
    assert (parsed.entries[1].upvotes, parsed.entries[1].comments, parsed.entries[1].submitted_at) == (None, None, None)
    assert [f"{problem.where}: {problem.what}" for problem in parsed.problems] == [
        "entry 2: the field `title` of story 2 is missing or empty",
        "entry 3: it is not an object",
        "entry 4: the field `objectID` is missing or not a number",
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"results": []}', "the field `hits` is missing"),
        ('{"message": "Invalid numericFilters"}', "answers with an error: Invalid numericFilters"),
        ("[]", "the JSON is not an answer of the search of Hacker News"),
        ('{"hits": [{"id": 1}, {"id": 2}]}', "not one of its 2 records has the field `objectID`"),
        ('{"hits": [', "not whole JSON"),
        ("<rss version='2.0'/>", "this is XML"),
    ],
)
def test_an_answer_of_another_schema_names_what_is_missing(body, words):
    with pytest.raises(ParseError) as caught:
        HACKERNEWS.parse(source(), FetchResponse(url="u", status=200, body=body.encode()))
    assert words in caught.value.what
    assert caught.value.try_


def test_pages_are_followed_while_the_answer_names_more_and_what_is_out_of_reach_is_said():
    (request, *_) = HACKERNEWS.plan(source(), NOW, None)
    second = HACKERNEWS.follow(request, parse(hit(), page=0, nbPages=2, hitsPerPage=1, nbHits=2))
    assert second is not None
    assert second.url == f"{request.url}&page=1"
    last = parse(hit(), page=1, nbPages=2, hitsPerPage=1, nbHits=2)
    assert (HACKERNEWS.follow(second, last), last.problems) == (None, ())
    cut = parse(hit(), page=1, nbPages=2, hitsPerPage=1, nbHits=1400)
    assert [problem.what.split(" of")[0] for problem in cut.problems] == ["the search holds 1,400 stories"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [({}, ""), ({"points": "many"}, 'has points = "many"'), ({"all": "yes"}, 'has all = "yes"'), ({"all": "true"}, "")],
)
def test_what_is_wrong_in_its_configuration_is_said(fields, words):
    said = HACKERNEWS.wants(source(**fields))
    assert words in said
    assert bool(words) == bool(said)


@pytest.mark.parametrize(
    ("link", "paper"),
    [
        (
            "https://arxiv.org/pdf/2511.00001v3.pdf",
            PaperLink(url="https://arxiv.org/abs/2511.00001", arxiv_id="2511.00001"),
        ),
        (
            "https://huggingface.co/papers/2511.00001",
            PaperLink(url="https://arxiv.org/abs/2511.00001", arxiv_id="2511.00001"),
        ),
        ("https://openreview.net/pdf?id=aB-3_x", PaperLink(url="https://openreview.net/forum?id=aB-3_x")),
        ("https://doi.org/10.1000/Moth.7", PaperLink(url="https://doi.org/10.1000/Moth.7", doi="10.1000/moth.7")),
        (
            "https://www.biorxiv.org/content/10.1101/2025.01.02.631001v2.full",
            PaperLink(
                url="https://www.biorxiv.org/content/10.1101/2025.01.02.631001v2.full", doi="10.1101/2025.01.02.631001"
            ),
        ),
        (
            "https://www.nature.com/articles/s41586-021-03819-2",
            PaperLink(url="https://www.nature.com/articles/s41586-021-03819-2", doi="10.1038/s41586-021-03819-2"),
        ),
        ("https://aclanthology.org/2023.acl-long.1.pdf", PaperLink(url="https://aclanthology.org/2023.acl-long.1")),
        ("https://www.nature.com/articles/d41586-025-00001-1", None),
        ("https://www.nature.com/", None),
        ("https://arxiv.org/list/cs.CL/recent", None),
        ("https://openreview.net/group?id=ICLR.cc", None),
        ("https://blog.example/arxiv-papers", None),
        ("http://[::1", None),
        ("ftp://arxiv.org/abs/2511.00001", None),
        ("", None),
    ],
)
def test_a_link_is_known_as_one_of_a_paper(link, paper):
    assert paper_of(link) == paper
