"""semanticscholar: which lists are asked for and how far, papers joined by arXiv id and DOI, and empty answers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchResponse, Source, SourceId
from digest.sources.kinds.semanticscholar import SEMANTICSCHOLAR
from digest.sources.reading.records import asked_for, changed

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
GRAPH = "https://api.semanticscholar.org/graph/v1"
PAPER = "0123456789abcdef0123456789abcdef01234567"


def source(**options) -> Source:
    return Source(
        id=SourceId("s"),
        kind="semanticscholar",
        url=options.pop("url", ""),
        options=tuple((name, values if isinstance(values, tuple) else (values,)) for name, values in options.items()),
    )


def planned(source: Source, since: date | None = None) -> list[str]:
    return [request.url for request in SEMANTICSCHOLAR.plan(source, NOW, since)]


def paper(**fields) -> dict:
    known = {
        "paperId": PAPER,
        "externalIds": {"ArXiv": "2602.00001", "DOI": "10.5555/Moss.1", "CorpusId": 7},
        "url": f"https://www.semanticscholar.org/paper/{PAPER}",
        "title": "Moss on roofs",
        "abstract": "We counted moss.",
        "venue": "Journal of Roofs",
        "publicationDate": "2026-02-26",
        "openAccessPdf": {"url": "https://roofs.example/moss.pdf", "status": "GREEN"},
        "authors": [{"authorId": "1", "name": "Ada Reader"}, {"authorId": None, "name": "Max Cruz"}],
    }
    return known | fields


def response(body: object, url: str = f"{GRAPH}/author/1/papers") -> FetchResponse:
    return FetchResponse(url=url, status=200, body=json.dumps(body).encode())


def parse(*papers, url: str = f"{GRAPH}/author/1/papers", **more):
    return SEMANTICSCHOLAR.parse(source(), response({"offset": 0, "data": list(papers), **more}, url))


def test_authors_citations_and_searches_are_lists_of_their_own_within_the_last_60_days():
    urls = planned(
        source(
            authors=("1741101", "https://www.semanticscholar.org/author/Ada-Reader/42"),
            cites=("arXiv:1706.03762v5", "10.5555/Moss.9", PAPER.upper(), "CorpusId:7"),
            query='moss + "green roof"',
        )
    )
    assert [url.partition("?")[0].removeprefix(GRAPH) for url in urls] == [
        "/author/1741101/papers",
        "/author/42/papers",
        "/paper/ARXIV:1706.03762/citations",
        "/paper/DOI:10.5555/moss.9/citations",
        f"/paper/{PAPER}/citations",
        "/paper/CorpusId:7/citations",
        "/paper/search/bulk",
    ]
    assert {asked_for(url)["publicationDateOrYear"] for url in urls} == {"2026-01-01:"}
    assert asked_for(urls[-1])["query"] == 'moss + "green roof"'
    assert asked_for(urls[-1])["sort"] == "publicationDate:desc"
    assert {request.credential for request in SEMANTICSCHOLAR.plan(source(query="x"), NOW, None)} == {"semanticscholar"}


def test_a_backfill_asks_from_its_day_on():
    assert "publicationDateOrYear=2024-01-01:" in planned(source(authors=("1",)), date(2024, 1, 1))[0]


def test_a_paper_gives_all_that_it_says():
    (entry,) = parse(paper()).entries
    assert entry == EntryData(
        key=PAPER,
        title="Moss on roofs",
        url="https://arxiv.org/abs/2602.00001",
        abstract="We counted moss.",
        authors=("Ada Reader", "Max Cruz"),
        published_at=datetime(2026, 2, 26, tzinfo=UTC),
        arxiv_id="2602.00001",
        doi="10.5555/moss.1",
        comment="Journal of Roofs",
        pdf_url="https://roofs.example/moss.pdf",
    )


def test_a_paper_that_says_almost_nothing_is_still_one():
    bare = dict.fromkeys(paper()) | {"paperId": PAPER, "title": "Moss"}
    (entry,) = parse(bare).entries
    assert entry == EntryData(key=PAPER, title="Moss", url=f"https://www.semanticscholar.org/paper/{PAPER}")


def test_an_arxiv_doi_is_no_doi_and_arxiv_no_venue():
    (entry,) = parse(paper(externalIds={"DOI": "10.48550/arXiv.2602.00001"}, venue="arXiv.org")).entries
    assert (entry.arxiv_id, entry.doi, entry.comment) == ("2602.00001", None, "")


def test_a_citation_is_unwrapped():
    parsed = parse({"citingPaper": paper(), "isInfluential": False}, {"citingPaper": {"paperId": None, "title": None}})
    assert [entry.title for entry in parsed.entries] == ["Moss on roofs"]
    assert [problem.what for problem in parsed.problems] == ["the field `paperId` is missing or empty"]


def test_pages_are_followed_by_offset_and_searches_by_token():
    (request,) = SEMANTICSCHOLAR.plan(source(authors=("1",)), NOW, None)
    following = SEMANTICSCHOLAR.follow(request, parse(paper(), next=500))
    assert following is not None
    assert following.url == changed(request.url, offset=500)
    assert SEMANTICSCHOLAR.follow(following, parse(paper())) is None
    assert SEMANTICSCHOLAR.follow(following, parse(paper(), next=10_000)) is None
    (request,) = SEMANTICSCHOLAR.plan(source(query="moss"), NOW, None)
    following = SEMANTICSCHOLAR.follow(request, parse(paper(), url=request.url, total=1500, token="A+/="))
    assert following is not None
    assert asked_for(following.url) == asked_for(request.url) | {"token": "A+/="}
    assert SEMANTICSCHOLAR.follow(following, parse(paper(), url=following.url, token=None)) is None


def test_where_the_window_is_not_heeded_older_papers_are_left_out_and_end_the_list():
    (request,) = SEMANTICSCHOLAR.plan(source(cites=("1706.03762",)), NOW, None)
    old, older = paper(publicationDate="2025-12-31"), paper(publicationDate=None, year=2025)
    young = paper(publicationDate=None, year=2026, title="Young")
    mixed = parse(paper(), old, young, older, url=request.url, next=500)
    assert ([entry.title for entry in mixed.entries], mixed.cursor) == (["Moss on roofs", "Young"], "500")
    ended = parse(old, older, url=request.url, next=1_000)
    assert (ended.entries, ended.cursor) == ((), "")


@pytest.mark.parametrize("body", [{"total": 0, "offset": 0}, {"total": 0, "token": None, "data": []}])
def test_nothing_found_is_no_error(body):
    parsed = SEMANTICSCHOLAR.parse(source(), response(body))
    assert (parsed.entries, parsed.problems) == ((), ())


def test_citations_that_a_publisher_withholds_are_a_problem_that_says_so():
    parsed = SEMANTICSCHOLAR.parse(source(), response({"data": None, "citingPaperInfo": {"openAccessPdf": {}}}))
    assert "publisher does not allow it" in parsed.problems[0].what


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"offset": 0, "papers": []}, "the field `data` is missing"),
        ({"data": [{"authorId": "1", "name": "Ada Reader"}]}, "has the field `paperId`"),
        ({"error": "Unrecognized or unsupported fields: [venues]"}, "answers with an error: Unrecognized"),
        ({"message": "Internal trouble"}, "answers with an error: Internal trouble"),
        ([{"authorId": "1"}], "not an answer of Semantic Scholar"),
    ],
)
def test_a_changed_api_is_named_with_the_field(body, words):
    with pytest.raises(ParseError) as caught:
        SEMANTICSCHOLAR.parse(source(), response(body))
    assert words in caught.value.what


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs authors, cites or a query"),
        ({"authors": ("Ada Reader",)}, 'the author "Ada Reader", which is no id'),
        ({"cites": ("Moss",)}, 'cites "Moss"'),
        ({"authors": ("1741101",), "cites": ("hep-th/9711200",)}, ""),
        ({"query": "moss", "url": "roofs"}, "not http or https"),
    ],
)
def test_what_is_missing_is_said(options, words):
    said = SEMANTICSCHOLAR.wants(source(**options))
    assert (words in said) if words else said == ""
