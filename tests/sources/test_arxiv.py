"""arxiv: what is asked of arXiv, page by page, and what its refusals look like."""

from __future__ import annotations

from datetime import UTC, date, datetime
from urllib.parse import unquote_plus

import pytest

from digest.model.errors import ConfigError, ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Problem, Source, SourceId
from digest.sources.kinds.arxiv import ACCEPT, ARXIV, category_requests, parse_api

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


def asked(now: datetime = NOW, since: date | None = None, url: str = "", category: str = "", **options) -> list[str]:
    """The addresses that a source with these options asks for, decoded."""
    given = tuple(sorted((name, values) for name, values in options.items()))
    planned = ARXIV.plan(source(url=url, category=category, options=given), now, since)
    return [unquote_plus(request.url) for request in planned]


NEWEST = "&sortBy=submittedDate&sortOrder=descending&start=0&max_results=100"


def test_a_search_asks_for_its_newest_papers():
    assert asked(query=('ti:diffusion AND abs:"score matching"',)) == [
        f'https://export.arxiv.org/api/query?search_query=ti:diffusion AND abs:"score matching"{NEWEST}'
    ]


def test_authors_are_phrases_in_quotes_and_any_of_them_fits():
    assert asked(authors=("Adrian del Maestro", 'Wick, "Bo"', "Wick, Bo")) == [
        f'https://export.arxiv.org/api/query?search_query=au:"Adrian del Maestro" OR au:"Bo Wick"{NEWEST}'
    ]


def test_a_query_authors_and_a_category_narrow_each_other():
    assert asked(category="cs.CL", query=("ti:moth OR ti:lamp",), authors=("Ada Lumen",)) == [
        "https://export.arxiv.org/api/query?search_query="
        f'cat:cs.CL AND (ti:moth OR ti:lamp) AND (au:"Ada Lumen"){NEWEST}'
    ]


def test_authors_by_id_have_pages_of_their_own_and_papers_are_asked_for_by_id():
    assert asked(
        authors=("warner_s_1", "0000-0002-7970-7855", "Ada Lumen"), papers=("2511.00001v2", "arXiv:hep-th/9901001")
    ) == [
        f'https://export.arxiv.org/api/query?search_query=au:"Ada Lumen"{NEWEST}',
        "https://arxiv.org/a/warner_s_1.atom2",
        "https://arxiv.org/a/0000-0002-7970-7855.atom2",
        "https://export.arxiv.org/api/query?id_list=2511.00001,hep-th/9901001&max_results=2",
    ]


def test_a_mirror_takes_the_place_of_the_api_and_of_the_site():
    found = asked(url="http://m.example:81/api/query", authors=("warner_s_1", "Ada"), papers=("2511.00001",))
    assert [address.partition("?")[0] for address in found] == [
        "http://m.example:81/api/query",
        "http://m.example:81/a/warner_s_1.atom2",
        "http://m.example:81/api/query",
    ]


def test_a_backfill_of_a_search_goes_on_page_by_page_from_the_oldest_and_a_round_does_not():
    (first,) = asked(since=date(2025, 11, 1), query=("ti:moth OR ti:lamp",))
    assert first == (
        "https://export.arxiv.org/api/query?search_query=(ti:moth OR ti:lamp) AND "
        "submittedDate:[202511010000 TO 202511212359]&sortBy=submittedDate&sortOrder=ascending&start=0&max_results=500"
    )
    full = ParsedFeed(entries=tuple(EntryData(key=str(n), title="t") for n in range(500)))
    following = ARXIV.follow(FetchRequest(url=first), full)
    assert following is not None
    assert "start=500" in following.url
    assert ARXIV.follow(FetchRequest(url=asked(query=("moth",))[0]), full) is None


def test_only_the_announcements_that_are_wanted_are_taken():
    entry = (
        "<entry><id>oai:arXiv.org:2511.0000{0}v1</id><title>t{0}</title>"
        "<arxiv:announce_type>{1}</arxiv:announce_type></entry>"
    )
    kinds = ("new", "cross", "replace", "replace-cross")
    body = (
        "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:arxiv='http://arxiv.org/schemas/atom'><title>q</title>"
        + "".join(entry.format(number, kind) for number, kind in enumerate(kinds))
        + "<entry><id>oai:arXiv.org:2511.00009v1</id><title>unsaid</title></entry></feed>"
    )
    response = FetchResponse(url="u", status=200, body=body.encode())
    some = source(category="cs.CL", options=(("announce", ("cross", "new")),))
    assert [entry.announce for entry in ARXIV.parse(some, response).entries] == ["new", "cross", ""]
    assert len(ARXIV.parse(source(category="cs.CL"), response).entries) == 5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "needs a category (such as cs.CL), a query, authors, papers or a url"),
        ({"options": (("papers", ("the famous one",)),)}, 'has the paper "the famous one"'),
        ({"category": "cs.CL", "options": (("authors", ("warner_s_1",)),)}, 'has the author "warner_s_1" by id'),
        ({"options": (("authors", ("warner_s_1",)), ("query", ("moth",)))}, "no query or category narrows"),
        ({"category": "cs.CL", "options": (("papers", ("2511.00001",)),)}, "make them two sources"),
        ({"category": "cs.CL", "options": (("announce", ("old",)),)}, 'has the announcement "old"'),
        ({"options": (("announce", ("new",)), ("query", ("moth",)))}, "has announce, but only"),
        ({"category": "cs.CL", "options": (("announce", ("new",)),)}, ""),
        ({"options": (("authors", ("Ada Lumen",)), ("papers", ("2511.00001",)))}, ""),
    ],
)
def test_what_is_wrong_in_its_configuration_is_said(fields, words):
    assert words in ARXIV.wants(source(**fields))
    assert bool(words) == bool(ARXIV.wants(source(**fields)))


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
