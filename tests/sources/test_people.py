"""The catalogues of people: what is asked, and what an answer says of somebody."""

from __future__ import annotations

import json

import pytest

from digest.model.catalogue import Facts
from digest.model.errors import ParseError
from digest.model.feeds import FetchResponse, WorkId
from digest.sources.people.openalex import OPENALEX
from digest.sources.people.semanticscholar import SEMANTIC_SCHOLAR

PERSON = {
    "id": "https://openalex.org/A5023888391",
    "orcid": "https://orcid.org/0000-0001-6187-6610",
    "display_name": "Mira  Halden",
    "works_count": 105,
    "cited_by_count": 56683,
    "summary_stats": {"2yr_mean_citedness": 4.1, "h_index": 24, "i10_index": 30},
    "last_known_institutions": [{"display_name": "Wren Hall"}, None, {"display_name": ""}],
    "topics": [
        {"display_name": "T1", "count": 20, "subfield": {"display_name": "Computer Vision"}},
        {"display_name": "T2", "count": 30, "subfield": {"display_name": "Artificial Intelligence"}},
        {"display_name": "T3", "count": 11, "subfield": {"display_name": "Computer Vision"}},
    ],
}
AUTHOR = {
    "authorId": "1741101",
    "url": "https://www.semanticscholar.org/author/1741101",
    "name": "Mira Halden",
    "affiliations": ["Wren Hall", "Wren Hall", ""],
    "hIndex": 24,
    "paperCount": 105,
    "citationCount": 56683,
}


def answer(document: object) -> FetchResponse:
    return FetchResponse(url="https://api.example/x", status=200, body=json.dumps(document).encode())


@pytest.mark.parametrize(
    ("catalogue", "name", "path"),
    [
        (OPENALEX, "openalex:A5023888391", "https://api.openalex.org/authors/A5023888391?"),
        (OPENALEX, "orcid:0000-0001-6187-6610", "https://api.openalex.org/authors/orcid:0000-0001-6187-6610?"),
        (OPENALEX, "semanticscholar:1741101", None),
        (OPENALEX, "openalex:../works", None),
        (SEMANTIC_SCHOLAR, "semanticscholar:1741101", "https://api.semanticscholar.org/graph/v1/author/1741101?"),
        (SEMANTIC_SCHOLAR, "orcid:0000-0001-6187-6610", None),
    ],
)
def test_a_person_is_asked_for_by_an_id_that_the_catalogue_knows(catalogue, name, path):
    request = catalogue.by_id(name)
    assert (request and request.url.partition("?")[0] + "?", request and request.credential) == (
        path,
        catalogue.name if path else None,
    )


def test_a_paper_is_asked_for_by_its_arxiv_id_or_doi_and_never_by_our_own_hash():
    works = [WorkId(name) for name in ("arxiv:2605.00001", "arxiv:hep-th/9901001", "doi:10.1000/a(b)?c", "work:12ab")]
    asked = [[r and r.url.partition("?")[0] for r in map(c.by_paper, works)] for c in (OPENALEX, SEMANTIC_SCHOLAR)]
    assert asked == [
        [
            "https://api.openalex.org/works/doi:10.48550/arxiv.2605.00001",
            "https://api.openalex.org/works/doi:10.48550/arxiv.hep-th/9901001",
            "https://api.openalex.org/works/doi:10.1000/a%28b%29%3Fc",
            None,
        ],
        [
            "https://api.semanticscholar.org/graph/v1/paper/ARXIV:2605.00001",
            "https://api.semanticscholar.org/graph/v1/paper/ARXIV:hep-th/9901001",
            "https://api.semanticscholar.org/graph/v1/paper/DOI:10.1000/a%28b%29%3Fc",
            None,
        ],
    ]


def test_openalex_says_who_somebody_is_and_the_subfield_of_most_papers():
    assert OPENALEX.author(answer(PERSON)) == Facts(
        id="openalex:A5023888391",
        name="Mira Halden",
        orcid="orcid:0000-0001-6187-6610",
        url="https://openalex.org/A5023888391",
        institutions=("Wren Hall",),
        field="Computer Vision",
        h_index=24,
        papers=105,
        citations=56683,
    )


def test_openalex_names_the_authors_of_a_paper_without_their_figures():
    authorships = [{"author": {"id": PERSON["id"], "display_name": "M. Halden"}}, {"author": {"id": None}}, 7]
    found = OPENALEX.authors(answer({"id": "W1", "authorships": authorships}))
    assert found == (Facts(id="openalex:A5023888391", name="M. Halden"),)


def test_semantic_scholar_says_who_somebody_is_and_tells_all_of_a_paper_s_authors():
    facts = Facts(
        id="semanticscholar:1741101",
        name="Mira Halden",
        url="https://www.semanticscholar.org/author/1741101",
        institutions=("Wren Hall",),
        h_index=24,
        papers=105,
        citations=56683,
    )
    assert SEMANTIC_SCHOLAR.author(answer(AUTHOR)) == facts
    unknown = {"authorId": None, "name": "Tomás Vega"}
    assert SEMANTIC_SCHOLAR.authors(answer({"paperId": "x", "authors": [AUTHOR, unknown]})) == (facts,)


@pytest.mark.parametrize("catalogue", [OPENALEX, SEMANTIC_SCHOLAR], ids=["openalex", "semanticscholar"])
def test_what_is_not_said_is_unknown_and_never_a_zero(catalogue):
    bare = {"id": PERSON["id"], "display_name": "A", "authorId": "1", "name": "A"}
    odd = {"works_count": -1, "cited_by_count": "many", "paperCount": True, "hIndex": 2.5, "url": "javascript:1"}
    facts = catalogue.author(answer(bare | odd))
    assert (facts.name, facts.h_index, facts.papers, facts.citations) == ("A", None, None, None)
    assert not facts.url.startswith("javascript")


@pytest.mark.parametrize(
    ("catalogue", "document", "field"),
    [
        (OPENALEX, {"display_name": "A"}, "`id`"),
        (OPENALEX, {"id": PERSON["id"]}, "`display_name`"),
        (OPENALEX, [], "no object"),
        (SEMANTIC_SCHOLAR, {"name": "A"}, "`authorId`"),
    ],
)
def test_a_changed_answer_is_refused_with_the_name_of_the_field(catalogue, document, field):
    with pytest.raises(ParseError, match=field):
        catalogue.author(answer(document))


@pytest.mark.parametrize(("catalogue", "field"), [(OPENALEX, "authorships"), (SEMANTIC_SCHOLAR, "authors")])
def test_a_paper_without_its_list_of_authors_is_refused(catalogue, field):
    with pytest.raises(ParseError, match=field):
        catalogue.authors(answer({"id": "x"}))
