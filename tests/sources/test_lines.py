"""Kind ``file``: papers as JSON Lines, in the form that `digest rank` reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchResponse, ParsedFeed, Problem, Source, SourceId
from digest.sources import kit
from digest.sources.kinds import sniff
from digest.sources.kinds.jsonl import FILE

SOURCE = Source(id=SourceId("ours"), kind="file", url="/papers.jsonl")
WHOLE = {
    "id": "2510.01459v2",
    "url": "https://arxiv.org/abs/2510.01459",
    "doi": "https://doi.org/10.5555/X.1",
    "title": "On snails",
    "abstract": "They are slow.",
    "authors": ["Ana Example", "Bert Sample"],
    "institutions": ["Example Labs"],
    "organization": "Sample House",
    "categories": ["cs.CL", "cs.AI"],
    "upvotes": 7,
    "comments": 2.0,
    "comment": "12 pages",
    "code_url": "https://github.com/example/snails",
    "stars": 90,
    "submitted_at": "2025-11-20",
    "published_at": "2025-11-19T08:00:00+02:00",
    "observed_at": "2025-11-21T07:00:00Z",
    "source": "hf",
    "something_else": {"a": 1},
}


def parse(*lines: object) -> ParsedFeed:
    written = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return FILE.parse(SOURCE, FetchResponse(url="/papers.jsonl", status=200, body="\n".join(written).encode()))


def test_every_key_of_a_line_is_taken():
    parsed = parse(WHOLE)
    assert parsed.entries == (
        EntryData(
            key="2510.01459v2",
            title="On snails",
            url="https://arxiv.org/abs/2510.01459",
            abstract="They are slow.",
            authors=("Ana Example", "Bert Sample"),
            institutions=("Example Labs", "Sample House"),
            categories=("cs.CL", "cs.AI"),
            published_at=datetime(2025, 11, 19, 6, tzinfo=UTC),
            submitted_at=datetime(2025, 11, 20, tzinfo=UTC),
            arxiv_id="2510.01459",
            version=2,
            doi="10.5555/x.1",
            upvotes=7,
            comments=2,
            comment="12 pages",
            code_url="https://github.com/example/snails",
            stars=90,
        ),
    )
    assert parsed.problems == ()
    assert parsed.updated_at == datetime(2025, 11, 21, 7, tzinfo=UTC)


def test_lines_of_one_id_are_one_entry_the_newest_speaks_and_silence_erases_nothing():
    later = {"id": "a", "observed_at": "2025-11-22", "upvotes": 9}
    first = {"id": "a", "title": "T", "abstract": "A", "upvotes": 3, "observed_at": "2025-11-20"}
    (entry,) = parse(first, later, {"id": "a", "observed_at": "2025-11-21", "upvotes": 5, "comment": "c"}).entries
    assert (entry.title, entry.abstract, entry.upvotes, entry.comment) == ("T", "A", 9, "c")
    assert parse(later, first).problems == (Problem(where="line 1", what="a has no title"),)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "it is not JSON"),
        ("[" * 5_000, "it is not JSON"),
        ("3", "it is not an object"),
        ({"title": "x"}, "it has neither an id nor a url"),
        ({"id": "x"}, "x has no title"),
        ({"id": "x", "title": 3}, "its title is not a text"),
        ({"id": "x", "title": "t", "authors": "A"}, "its authors is not a list of texts"),
        ({"id": "x", "title": "t", "authors": [1]}, "its authors is not a list of texts"),
        ({"id": "x", "title": "t", "upvotes": "7"}, "its upvotes is not a whole number that is counted with"),
        ({"id": "x", "title": "t", "upvotes": -1}, "its upvotes is not a whole number that is counted with"),
        ({"id": "x", "title": "t", "stars": True}, "its stars is not a whole number that is counted with"),
        ({"id": "x", "title": "t", "published_at": "soon"}, "its published_at is not an ISO 8601 instant"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_the_others_are_kept(line, what):
    parsed = parse({"id": "good", "title": "Good"}, "", line)
    assert [entry.key for entry in parsed.entries] == ["good"]
    assert parsed.problems == (Problem(where="line 3", what=what),)


def test_a_file_of_nothing_but_wrong_lines_is_no_good_document():
    with pytest.raises(ParseError, match="not one of its 2 lines is a paper; line 1: it has neither an id nor a url"):
        parse({"title": "x"}, "{")


def test_lines_are_told_from_other_json():
    lines = b'{"id": "a", "title": "A"}\n{"id": "b", "title": "B"}\n'
    assert sniff("x", lines) == sniff("/p/x.jsonl", lines.partition(b"\n")[0]) == "file"
    assert sniff("x", b'{"version": "https://jsonfeed.org/version/1", "title": "t", "items": []}\n') == "feed"
    assert sniff("x", b'{"digest_mails": []}') == "maildir"


def test_the_kind_keeps_the_protocol():
    kit.check_kind(
        FILE, SOURCE, [json.dumps(WHOLE).encode(), b'{"id": "a", "title": "A"}\n\n{"id": "b", "title": "B"}']
    )
