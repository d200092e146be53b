"""records: addresses that carry what the next step needs, and damage of any field that costs at most its record."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchResponse, Source, SourceId
from digest.sources.kinds import KINDS
from digest.sources.reading import records
from digest.sources.reading.jats import readable
from tests.sources import test_biorxiv, test_crossref, test_openalex, test_pubmed, test_semanticscholar

ANSWERS = {
    "biorxiv": {"messages": [{"status": "ok", "count": 1, "total": "1"}], "collection": [test_biorxiv.record(1)]},
    "crossref": {"message": {"total-results": 1, "items": [test_crossref.item()]}},
    "openalex": {"meta": {"count": 1, "next_cursor": None}, "results": [test_openalex.work()]},
    "semanticscholar": {"offset": 0, "next": 1, "data": [test_semanticscholar.paper()]},
    "pubmed": {"esearchresult": {"count": "1", "idlist": ["1"], "errorlist": {"phrasesnotfound": ["x"]}}},
}
STRANGE = [None, 0, -1, 1e300, True, "", "x", "\u0000", "9" * 5_000, [], {}, [None], [[]], [{}], {"a": None}]


def damaged(value: object) -> Iterator[object]:
    """The value with each of its parts, in turn, replaced by something strange or left out."""
    yield from STRANGE
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {name: one for name, one in value.items() if name != key}
            yield from ({**value, key: other} for other in damaged(inner))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from ([*value[:at], other, *value[at + 1 :]] for other in damaged(inner))


def parsed(kind: str, body: bytes):
    source = Source(id=SourceId("s"), kind=kind)
    return KINDS[kind].parse(source, FetchResponse(url="https://x.example/works", status=200, body=body))


@pytest.mark.parametrize("kind", ANSWERS)
def test_whatever_an_answer_holds_is_read_or_refused_with_a_sentence(kind):
    refused = taken = 0
    for answer in damaged(ANSWERS[kind]):
        try:
            taken += bool(parsed(kind, json.dumps(answer).encode()))
        except ParseError as error:
            refused += bool(error.what and error.try_)
    assert refused > 10
    assert taken > 10


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if kind != "pubmed"])
def test_a_damaged_record_costs_no_other(kind):
    path = {"biorxiv": "collection", "openalex": "results", "semanticscholar": "data"}.get(kind, "message")
    whole = ANSWERS[kind][path]
    good = whole["items"][0] if kind == "crossref" else whole[0]
    title = good["title"][0] if kind == "crossref" else good["title"]
    for bad in damaged(good):
        items = [bad, good]
        answer = {**ANSWERS[kind], path: {"items": items} if kind == "crossref" else items}
        got = parsed(kind, json.dumps(answer).encode())
        assert title in {entry.title for entry in got.entries}


def test_what_the_next_step_needs_stands_behind_the_hash_and_survives_a_change_of_the_query():
    url = records.address(
        "https://x.example/a", {"q": "a b&c", "page": 1, "none": ""}, {"from": "2026-01-01", "n": "é#"}
    )
    assert url.startswith("https://x.example/a?q=a%20b%26c&page=1#")
    assert records.asked_for(url) == {"q": "a b&c", "page": "1"}
    assert records.remembered(url) == {"from": "2026-01-01", "n": "é#"}
    following = records.changed(url, page=2)
    assert records.asked_for(following) == {"q": "a b&c", "page": "2"}
    assert records.remembered(following) == records.remembered(url)


def test_a_window_reaches_back_in_utc_and_never_less_than_a_round_does():
    late = datetime.fromisoformat("2026-03-01T23:30:00-05:00")
    assert records.first_day(late, None, 3) == date(2026, 2, 27)
    assert records.first_day(late.astimezone(UTC), date(2026, 3, 1), 3) == date(2026, 2, 27)
    assert records.first_day(late, date(2025, 1, 1), 3) == date(2025, 1, 1)


def test_more_records_than_a_document_may_have_are_counted():
    items = [{"title": "T"}] * 5_003
    entries, problems = records.entries_of(
        items, lambda item: EntryData(key="k", title=item["title"]), needed=("title",), service="X", where="u"
    )
    assert len(entries) == 5_000
    assert [problem.what for problem in problems] == ["3 left out: more than 5,000 entries in one document"]


@pytest.mark.parametrize(
    ("value", "count"),
    [(3, 3), ("30", 30), (0, 0), (-1, None), (True, None), ("", None), ("³", None), ("1" * 30, None), (1.5, None)],
)
def test_a_count_is_a_number_or_a_text_of_one(value, count):
    assert records.number(value) == count


@pytest.mark.parametrize(
    "part",
    [
        "<title>",
        "<jats:alternatives>",
        "<jats:tex-math>",
        "<title ",
        "<p>PMID: <a",
        '<span class="highwire-citation-author">',
    ],
)
def test_markup_that_never_closes_costs_no_time(part):
    text = part * (400_000 // len(part))
    atom = (
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>s</title><entry><title>T</title><id>{}</id>{}</entry></feed>"
    )
    content = f"<content type='html'><![CDATA[highwire-cite {text}]]></content>"
    started = time.perf_counter()
    readable(text)
    parsed("pubmed", atom.format("pubmed:1", content).encode())
    parsed("biorxiv", atom.format("x", content).encode())
    assert time.perf_counter() - started < 20


def test_nested_markup_deeper_than_a_program_may_recur_is_a_problem():
    deep = test_pubmed.ARTICLE.replace("CO<sub>2</sub>", "<i>" * 5_000 + "x" + "</i>" * 5_000)
    got = parsed("pubmed", test_pubmed.papers(deep, test_pubmed.ARTICLE).body)
    assert len(got.entries) == 1
    assert "RecursionError" in got.problems[0].what
