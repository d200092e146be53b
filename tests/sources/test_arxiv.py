"""arxiv: what is asked of arXiv, page by page, and what its refusals look like."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from digest.model.errors import ConfigError, ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Problem, Source, SourceId
from digest.sources.arxiv import ACCEPT, ARXIV, category_requests, parse_api

NOW = datetime(2025, 11, 21, 7, tzinfo=UTC)


def source(**fields) -> Source:
    return Source(id=SourceId("s"), kind="arxiv", **fields)


def test_a_category_is_its_own_listing_and_a_url_goes_before_it():
    assert ARXIV.plan(source(category="cs.CL"), NOW, None) == (
        FetchRequest(url="https://rss.arxiv.org/atom/cs.CL", accept=ACCEPT, allow_files=True),
    )
    own = source(category="cs.CL", url="https://mirror.example/cs.CL", allow_private=True, from_operator=False)
    assert ARXIV.plan(own, NOW, None) == (
        FetchRequest(url="https://mirror.example/cs.CL", accept=ACCEPT, allow_private=True, allow_files=False),
    )


def test_a_category_cannot_leave_its_place_in_the_address():
    (request,) = ARXIV.plan(source(category="../../x?y=#"), NOW, None)
    assert request.url == "https://rss.arxiv.org/atom/..%2F..%2Fx%3Fy%3D%23"


def test_a_source_without_category_and_url_is_a_mistake_of_the_configuration():
    with pytest.raises(ConfigError):
        ARXIV.plan(source(), NOW, None)


@pytest.mark.parametrize("fields", [{"category": "cs.CL"}, {"url": "https://rss.arxiv.org/rss/cs.CL"}])
def test_a_backfill_asks_the_api_for_what_was_submitted_since_then(fields):
    (request,) = ARXIV.plan(source(**fields), NOW, date(2025, 11, 1))
    assert request.url == (
        "https://export.arxiv.org/api/query?search_query=cat%3Acs.CL+AND+submittedDate%3A%5B202511010000+TO+202511212359%5D"
        "&sortBy=submittedDate&sortOrder=ascending&start=0&max_results=500"
    )


def test_full_pages_are_followed_and_the_last_one_is_not():
    (first,) = ARXIV.plan(source(category="cs.CL"), NOW, date(2025, 11, 1))
    entries = tuple(EntryData(key=str(n), title="t") for n in range(499))
    full = ParsedFeed(entries=entries, problems=(Problem(where="", what=""),))
    second = ARXIV.follow(first, full)
    assert second is not None
    assert second.url == first.url.replace("start=0", "start=500")
    assert ARXIV.follow(second, ParsedFeed(entries=entries)) is None


def test_a_listing_has_no_next_page():
    (request,) = ARXIV.plan(source(category="cs.CL"), NOW, None)
    assert (
        ARXIV.follow(request, ParsedFeed(entries=tuple(EntryData(key=str(n), title="t") for n in range(500)))) is None
    )


def test_categories_are_asked_for_at_most_a_hundred_ids_at_once_each_id_once():
    ids = [f"2511.{n:05}" for n in range(150)] + ["2511.00000", "hep-th/9901001"]
    first, second = category_requests(ids, "https://api.example/query")
    assert first.url == f"https://api.example/query?id_list={','.join(ids[:100])}&max_results=100"
    assert second.url == f"https://api.example/query?id_list={','.join(ids[100:150])},hep-th/9901001&max_results=51"
    assert category_requests([]) == ()


@pytest.mark.parametrize(
    "document",
    [
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>Feed error for query: cs.XX</title></feed>",
        "<rss version='2.0'><channel><title>Feed error for query: \"cs.XX\"</title></channel></rss>",
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>ArXiv Query</title><entry><title>Error</title>"
        "<id>http://arxiv.org/api/errors#1</id><summary>incorrect id format for cs.XX</summary></entry></feed>",
    ],
)
def test_an_error_document_of_arxiv_is_an_error(document):
    with pytest.raises(ParseError) as caught:
        parse_api(FetchResponse(url="u", status=200, body=document.encode()))
    assert caught.value.what.startswith("arXiv does not understand the query: ")
    assert "cs.XX" in caught.value.what


def test_json_is_not_an_answer_of_arxiv():
    with pytest.raises(ParseError):
        ARXIV.parse(source(), FetchResponse(url="u", status=200, body=b"[]"))


@pytest.mark.parametrize(
    ("comment", "withdrawn"),
    [
        ("Withdrawn by the authors", True),
        ("10 pages. This manuscript has been withdrawn due to an error", True),
        ("arXiv admin note: submission has been withdrawn by arXiv administrators", True),
        ("the paper is temporarily withdrawn", True),
        ("Withdrawn from arXiv", True),
        ("Withdrawn from the conference, under review elsewhere", False),
        ("a study of cash withdrawn at machines", False),
        ("", False),
    ],
)
def test_a_withdrawal_is_told_by_the_comment(comment, withdrawn):
    document = (
        "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:arxiv='http://arxiv.org/schemas/atom'><title>q</title><entry>"
        f"<id>http://arxiv.org/abs/2511.1v1</id><title>t</title><arxiv:comment>{comment}</arxiv:comment></entry></feed>"
    )
    (entry,) = parse_api(FetchResponse(url="u", status=200, body=document.encode())).entries
    assert (entry.comment, entry.withdrawn) == (comment, withdrawn)
