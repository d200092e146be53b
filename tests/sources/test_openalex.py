"""openalex: which lists are asked for, ids that join works and people, and abstracts put in order again."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, Problem, Source, SourceId
from digest.sources.kinds.openalex import OPENALEX, in_order
from digest.sources.reading.records import asked_for, changed

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
WORKS = "https://api.openalex.org/works"


def source(**options) -> Source:
    return Source(
        id=SourceId("o"),
        kind="openalex",
        url=options.pop("url", ""),
        options=tuple((name, values if isinstance(values, tuple) else (values,)) for name, values in options.items()),
    )


def filters(source: Source, since: date | None = None) -> list[str]:
    return [asked_for(request.url)["filter"] for request in OPENALEX.plan(source, NOW, since)]


def work(**fields) -> dict:
    known = {
        "id": "https://openalex.org/W4400000001",
        "doi": "https://doi.org/10.5555/Moss.1",
        "title": "Moss on roofs",
        "display_name": "Moss on roofs",
        "publication_date": "2026-02-26",
        "type": "article",
        "language": "en",
        "is_retracted": False,
        "authorships": [
            {
                "author": {
                    "id": "https://openalex.org/A5000000001",
                    "display_name": "Ada Reader",
                    "orcid": "https://orcid.org/0000-0002-1825-0097",
                },
                "institutions": [{"id": "https://openalex.org/I97018004", "display_name": "University of Moss"}],
            },
            {
                "author": {"id": "https://openalex.org/A5000000002", "display_name": "Max Cruz", "orcid": None},
                "institutions": [{"display_name": "University of Moss"}, {"display_name": "Roof Institute"}],
            },
        ],
        "primary_location": {
            "landing_page_url": "https://doi.org/10.5555/moss.1",
            "pdf_url": None,
            "source": {"display_name": "Journal of Roofs"},
        },
        "best_oa_location": {"pdf_url": "https://arxiv.org/pdf/2602.00001v2"},
        "locations": [{"landing_page_url": "https://arxiv.org/abs/2602.00001", "pdf_url": None}],
        "abstract_inverted_index": {"We": [0], "counted": [1, 3], "and": [2], "moss.": [4]},
    }
    return known | fields


def response(*items, url: str = f"{WORKS}?per_page=100&page=1", **meta) -> FetchResponse:
    body = {"meta": {"count": len(items), **meta}, "results": list(items), "group_by": []}
    return FetchResponse(url=url, status=200, body=json.dumps(body).encode())


def only(asking: Source | None = None, **fields) -> EntryData:
    (entry,) = OPENALEX.parse(asking or source(query="x"), response(work(**fields))).entries
    return entry


TAIL = ",from_publication_date:2026-01-31,type:article|preprint|review|letter|book-chapter|book|report|dissertation"


def test_each_list_of_the_source_is_asked_for_by_its_own_ids():
    asking = source(
        authors=("a5023888391", "https://orcid.org/0000-0002-1825-0097", "openalex:A5000000002"),
        institutions=("I97018004", "https://ror.org/00f54p054"),
        cites=("W2741809807",),
        query="moss, roofs",
    )
    assert filters(asking) == [
        f"authorships.author.id:A5023888391|A5000000002{TAIL}",
        f"authorships.author.orcid:0000-0002-1825-0097{TAIL}",
        f"authorships.institutions.id:I97018004{TAIL}",
        f"authorships.institutions.ror:00f54p054{TAIL}",
        f"cites:W2741809807{TAIL}",
        TAIL.strip(","),
    ]
    requests = OPENALEX.plan(asking, NOW, None)
    assert {request.credential for request in requests} == {"openalex"}
    query = asked_for(requests[-1].url)
    assert (query["search"], query["sort"], query["page"]) == ("moss, roofs", "publication_date:desc", "1")


def test_more_ids_than_a_filter_takes_are_several_requests():
    people = tuple(f"A5{number:06}" for number in range(120))
    sizes = [found.count("|A5") + 1 for found in (one.split(",")[0] for one in filters(source(authors=people)))]
    assert sizes == [50, 50, 20]


def test_a_backfill_has_a_cursor_since_pages_are_counted_no_further_than_10000():
    (request,) = OPENALEX.plan(source(query="moss"), NOW, date(2024, 1, 1))
    query = asked_for(request.url)
    assert ("from_publication_date:2024-01-01" in query["filter"], query["cursor"]) == (True, "*")
    full = OPENALEX.parse(source(), response(*[work()] * 100, url=request.url, next_cursor="IlsxNj+/="))
    following = OPENALEX.follow(request, full)
    assert following is not None
    assert asked_for(following.url) == query | {"cursor": "IlsxNj+/="}
    assert following.credential == "openalex"
    counted = FetchRequest(url=changed(f"{WORKS}?per_page=100", page=100))
    assert OPENALEX.follow(counted, OPENALEX.parse(source(), response(*[work()] * 100, url=counted.url))) is None


def test_pages_are_followed_until_one_is_not_full():
    (request,) = OPENALEX.plan(source(query="moss"), NOW, None)
    following = OPENALEX.follow(request, OPENALEX.parse(source(), response(*[work()] * 100, url=request.url)))
    assert following is not None
    assert following.url == changed(request.url, page=2)
    assert OPENALEX.follow(following, OPENALEX.parse(source(), response(work(), url=following.url))) is None


def test_what_is_cited_is_looked_up_by_doi_and_its_citations_are_asked_for_next():
    asking = source(cites=("1706.03762v5", "https://doi.org/10.5555/Moss.9"))
    (request,) = OPENALEX.plan(asking, NOW, None)
    assert asked_for(request.url) == {
        "filter": "doi:10.48550/arxiv.1706.03762|10.5555/moss.9",
        "select": "id,doi",
        "per_page": "100",
    }
    found = {"id": "https://openalex.org/W2626778328", "doi": "https://doi.org/10.48550/arxiv.1706.03762"}
    sent = request.url.partition("#")[0]
    parsed = OPENALEX.parse(asking, response(found, url=sent))
    assert parsed.entries == ()
    assert parsed.problems == (
        Problem(
            where="10.5555/moss.9",
            what="OpenAlex knows no work with this DOI, so nobody can be found who cites it",
        ),
    )
    following = OPENALEX.follow(request, parsed)
    assert following is not None
    assert asked_for(following.url)["filter"] == f"cites:W2626778328{TAIL}"
    assert following.url.startswith(f"{WORKS}?")


def test_a_look_up_is_a_new_address_each_time_so_that_its_unchanged_answer_does_not_end_the_round():
    first, second = (OPENALEX.plan(source(cites=("1706.03762",)), at, None) for at in (NOW, NOW.replace(hour=2)))
    assert first[0].url != second[0].url
    assert first[0].url.partition("#")[0] == second[0].url.partition("#")[0]


def test_a_backfill_of_citations_keeps_its_day_over_the_look_up():
    (request,) = OPENALEX.plan(source(cites=("1706.03762",)), NOW, date(2024, 1, 1))
    found = {"id": "https://openalex.org/W2626778328", "doi": "https://doi.org/10.48550/arxiv.1706.03762"}
    following = OPENALEX.follow(request, OPENALEX.parse(source(), response(found, url=request.url)))
    assert following is not None
    query = asked_for(following.url)
    assert "from_publication_date:2024-01-01" in query["filter"]
    assert query["cursor"] == "*"


def test_a_work_gives_all_that_it_says_and_its_arxiv_id_from_its_locations():
    assert only() == EntryData(
        key="W4400000001",
        title="Moss on roofs",
        url="https://doi.org/10.5555/moss.1",
        abstract="We counted and counted moss.",
        authors=("Ada Reader", "Max Cruz"),
        author_ids=("orcid:0000-0002-1825-0097", "openalex:A5000000002"),
        institutions=("University of Moss", "Roof Institute"),
        published_at=datetime(2026, 2, 26, tzinfo=UTC),
        arxiv_id="2602.00001",
        version=2,
        doi="10.5555/moss.1",
        comment="Journal of Roofs",
        pdf_url="https://arxiv.org/pdf/2602.00001v2",
        language="en",
    )


def test_who_is_followed_by_an_openalex_id_keeps_it():
    ids = only(source(authors=("https://openalex.org/A5000000001",))).author_ids
    assert ids == ("openalex:A5000000001", "openalex:A5000000002")


def test_an_arxiv_doi_is_an_arxiv_id():
    entry = only(
        doi="https://doi.org/10.48550/arxiv.2602.00007",
        type="preprint",
        primary_location={"source": {"display_name": "arXiv (Cornell University)"}},
        best_oa_location=None,
        locations=None,
    )
    assert (entry.arxiv_id, entry.doi, entry.comment) == ("2602.00007", None, "")


def test_a_retracted_work_is_marked_and_other_sorts_of_work_are_named():
    entry = only(is_retracted=True, type="review")
    assert (entry.withdrawn, entry.comment) == (True, "Journal of Roofs · review")


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (None, ""),
        ({}, ""),
        ({"b": [1], "a": [0, 3], "c": [2]}, "a b c a"),
        ({"b": [7], "a": ["0", -1, 3, 10**9]}, "a b"),
        ({"a": None}, ""),
        ("text", ""),
    ],
)
def test_an_inverted_index_is_put_in_order_and_survives_damage(index, text):
    assert in_order(index) == text


def test_one_bad_work_is_a_problem_and_costs_no_other():
    empty = dict.fromkeys(work()) | {"id": "https://openalex.org/W4444", "display_name": "T"}
    parsed = OPENALEX.parse(source(), response(work(title=None, display_name=None), 7, work(id="x"), empty))
    assert [(entry.key, entry.title, entry.authors) for entry in parsed.entries] == [("W4444", "T", ())]
    assert [problem.what for problem in parsed.problems] == [
        "the field `title` of W4400000001 is missing or empty",
        "it is not an object",
        "the field `id` is missing or no id of a work",
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"meta": {}, "works": []}, "the field `results` is missing"),
        ({"results": [{"id": "https://openalex.org/W4400000001", "name": "T"}]}, "the field `title`"),
        ({"error": "Invalid query parameters error.", "message": "cites:x is not a valid id"}, "answers with an error"),
    ],
)
def test_a_changed_api_is_named_with_the_field(body, words):
    with pytest.raises(ParseError) as caught:
        OPENALEX.parse(source(), FetchResponse(url=WORKS, status=200, body=json.dumps(body).encode()))
    assert words in caught.value.what


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs authors, institutions, cites or a query"),
        ({"authors": ("Ada Reader",)}, 'the author "Ada Reader", which is no id'),
        ({"institutions": ("MIT",)}, 'the institution "MIT"'),
        ({"cites": ("Attention is all you need",)}, 'cites "Attention'),
        ({"cites": ("1706.03762", "W2741809807", "10.5555/x"), "authors": ("0000-0002-1825-0097",)}, ""),
        ({"query": "moss", "url": "file:///works"}, "not http or https"),
    ],
)
def test_what_is_missing_is_said(options, words):
    assert (words in OPENALEX.wants(source(**options))) if words else OPENALEX.wants(source(**options)) == ""
