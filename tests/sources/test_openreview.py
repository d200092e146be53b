"""openreview: what is asked for, page by page; both forms of its answers; and bad answers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceId
from digest.sources.kinds.openreview import LIMIT, OPENREVIEW
from digest.sources.reading.records import ACCEPT

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
CREATED = 1793000000000


def source(venue: str = "MOTH.cc/2027/Conference", url: str = "") -> Source:
    return Source(id=SourceId("or"), kind="openreview", url=url, options=(("venue", (venue,)),) if venue else ())


def parse(*notes: object) -> ParsedFeed:
    return read(json.dumps({"notes": notes}))


def read(body: str) -> ParsedFeed:
    return OPENREVIEW.parse(source(), FetchResponse(url="u", status=200, body=body.encode()))


def note(**content: object) -> dict[str, object]:
    known: dict[str, object] = {
        "title": "Lamps that count their moths",
        "authors": ["Ada Lumen", "Bo Wick"],
        "authorids": ["~Ada_Lumen1", "~Bo_Wick1"],
        "abstract": "We count moths.",
        "keywords": ["moths", "counting", "moths"],
        "TLDR": "Moths, counted.",
        "pdf": "/pdf/abc.pdf",
        "venue": "MOTH 2027 Oral",
        "venueid": "MOTH.cc/2027/Conference",
    }
    fields = {key: {"value": value} for key, value in (known | content).items() if value != "gone"}
    return {"id": "aB-3_x", "forum": "aB-3_x", "cdate": CREATED, "pdate": CREATED + 1000, "content": fields}


PAPER = EntryData(
    key="aB-3_x",
    title="Lamps that count their moths",
    url="https://openreview.net/forum?id=aB-3_x",
    abstract="We count moths.",
    authors=("Ada Lumen", "Bo Wick"),
    categories=("moths", "counting"),
    published_at=datetime.fromtimestamp(CREATED / 1000 + 1, UTC),
    comment="MOTH 2027 Oral",
    pdf_url="https://openreview.net/pdf/abc.pdf",
)


def test_a_venue_is_asked_for_what_it_shows_with_the_operators_login():
    assert OPENREVIEW.plan(source(), NOW, None) == (
        FetchRequest(
            url="https://api2.openreview.net/notes?content.venueid=MOTH.cc/2027/Conference"
            "&sort=cdate:desc&limit=1000&offset=0",
            accept=ACCEPT,
            allow_files=True,
            credential="openreview",
        ),
    )


def test_an_invitation_is_asked_for_as_one_and_a_backfill_says_since_when():
    (request,) = OPENREVIEW.plan(
        source("MOTH.cc/2027/Conference/-/Submission", "http://m.example/n"), NOW, date(2026, 9, 1)
    )
    assert request.url == (
        "http://m.example/n?invitation=MOTH.cc/2027/Conference/-/Submission"
        "&mintcdate=1788220800000&sort=cdate:desc&limit=1000&offset=0"
    )


def test_full_pages_are_followed_and_the_last_one_is_not():
    (first,) = OPENREVIEW.plan(source(), NOW, None)
    full = ParsedFeed(entries=(PAPER,) * LIMIT)
    second = OPENREVIEW.follow(first, full)
    assert second is not None
    assert second.url == first.url.replace("offset=0", "offset=1000")
    assert second.credential == "openreview"
    assert OPENREVIEW.follow(second, ParsedFeed(entries=(PAPER,) * (LIMIT - 1))) is None


def test_pages_without_end_are_not_followed_for_ever():
    (request,) = OPENREVIEW.plan(source(), NOW, None)
    pages, following = 1, OPENREVIEW.follow(request, ParsedFeed(entries=(PAPER,) * LIMIT))
    while following is not None and pages < 100:
        pages, following = pages + 1, OPENREVIEW.follow(following, ParsedFeed(entries=(PAPER,) * LIMIT))
    assert pages == 20


def test_a_paper_of_the_second_version_of_the_api_is_read_whole():
    assert parse(note()).entries == (PAPER,)


def test_a_paper_of_the_first_version_is_read_as_well():
    plain = {key: value["value"] for key, value in note()["content"].items()}  # type: ignore[attr-defined,index]
    assert parse(note() | {"content": plain}).entries == (PAPER,)


def test_authors_that_are_objects_or_kept_back_and_a_short_text_in_place_of_an_abstract():
    objects = note(authors=[{"fullname": "Ada Lumen"}, {"username": "~Bo"}], abstract="gone")
    hidden = note(authors="gone")
    read = parse(objects, hidden).entries
    assert [(entry.authors, entry.abstract) for entry in read] == [
        (("Ada Lumen",), "Moths, counted."),
        ((), "We count moths."),
    ]


def test_a_paper_that_is_on_arxiv_and_one_that_was_withdrawn_are_known_as_such():
    linked, gone = parse(
        note(pdf="https://arxiv.org/pdf/2511.00001v2"), note(venueid="MOTH.cc/2027/Conference/Withdrawn_Submission")
    ).entries
    assert (linked.arxiv_id, linked.version, linked.withdrawn) == ("2511.00001", 2, False)
    assert (gone.arxiv_id, gone.withdrawn) == (None, True)


def test_a_bad_note_is_a_problem_and_stops_no_other():
    parsed = parse(note(), note(title=3), {"id": "x"}, {"content": {}}, 7, note(authors=3, keywords="a", pdf=[]))
    assert len(parsed.entries) == 2
    assert (parsed.entries[1].authors, parsed.entries[1].categories, parsed.entries[1].pdf_url) == ((), ("a",), "")
    assert [problem.what for problem in parsed.problems] == [
        "the field `content.title` of aB-3_x is missing or empty",
        "the field `content.title` of x is missing or empty",
        "the field `id` is missing or not an id",
        "it is not an object",
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"papers": []}', "the field `notes` is missing"),
        ('{"name": "ForbiddenError", "message": "Guests may not"}', "with an error: Guests may not"),
        ('{"notes": [{"content": {}}]}', "not one of its 1 records has the field `id`"),
        (
            '{"notes": [{"id": "a", "content": {"name": {"value": "T"}}}]}',
            "not one of its 1 items is a paper; entry 1: the field `content.title` of a is missing",
        ),
        ("<a/>", "this is XML"),
    ],
)
def test_an_answer_of_another_schema_names_what_is_missing(body, words):
    with pytest.raises(ParseError) as caught:
        read(body)
    assert words in caught.value.what
    assert caught.value.try_


def test_an_empty_venue_is_no_error():
    assert parse().entries == ()


@pytest.mark.parametrize(
    ("venue", "words"),
    [("", "needs a venue"), ("ICLR 2027", "does not look like one"), ("a/b&c=d", "does not look like"), ("TMLR", "")],
)
def test_what_is_wrong_in_its_configuration_is_said(venue, words):
    assert words in OPENREVIEW.wants(source(venue))
    assert bool(words) == bool(OPENREVIEW.wants(source(venue)))
