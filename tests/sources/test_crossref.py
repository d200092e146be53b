"""crossref: what is asked for, authors and abstracts as publishers register them, retractions, and changed answers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, Source, SourceId
from digest.sources.kinds.crossref import CROSSREF
from digest.sources.reading.jats import readable
from digest.sources.reading.records import asked_for, changed

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
WORKS = "https://api.crossref.org/works"


def source(**options) -> Source:
    return Source(
        id=SourceId("c"),
        kind="crossref",
        url=options.pop("url", ""),
        options=tuple((name, values if isinstance(values, tuple) else (values,)) for name, values in options.items()),
    )


def asked(source: Source, since: date | None = None) -> dict[str, str]:
    (request,) = CROSSREF.plan(source, NOW, since)
    return asked_for(request.url)


def item(**fields) -> dict:
    known = {
        "DOI": "10.5555/Moss.1",
        "title": ["Moss on <i>roofs</i>"],
        "author": [
            {"given": "Ada", "family": "Reader", "ORCID": "http://orcid.org/0000-0002-1825-0097", "sequence": "first"},
            {"given": "Max", "family": "Cruz", "suffix": "Jr.", "affiliation": [{"name": "University of Moss"}]},
            {"name": "The Roof Group"},
        ],
        "abstract": "<jats:title>Abstract</jats:title><jats:p>We counted moss.</jats:p>",
        "container-title": ["Journal of Roofs"],
        "type": "journal-article",
        "created": {"date-parts": [[2026, 2, 27]], "date-time": "2026-02-27T05:00:00Z"},
        "published": {"date-parts": [[2026, 2, 26]]},
    }
    return known | fields


def response(*items, url: str = f"{WORKS}?rows=100&offset=0", **message) -> FetchResponse:
    body = {"status": "ok", "message-type": "work-list", "message": {"items": list(items), **message}}
    return FetchResponse(url=url, status=200, body=json.dumps(body).encode())


def only(**fields) -> EntryData:
    (entry,) = CROSSREF.parse(source(query="x"), response(item(**fields))).entries
    return entry


def test_journals_are_asked_for_by_the_day_of_registration_and_without_old_volumes():
    query = asked(source(journals=("00280836", "1476-4687")))
    assert query["filter"].startswith(
        "issn:0028-0836,issn:1476-4687,from-created-date:2026-02-16,from-pub-date:2025-02-16,type:journal-article,"
    )
    assert (query["sort"], query["order"], query["offset"], query["rows"]) == ("created", "desc", "0", "100")


#: What Crossref's own refusal lists as "Valid selects for this route" (October 2026).
SELECTS = """abstract URL resource member posted score created degree update-policy short-title license ISSN
container-title issued update-to issue prefix approved indexed article-number clinical-trial-number accepted author
group-title DOI is-referenced-by-count updated-by event chair standards-body original-title funder translator published
archive published-print alternative-id subject subtitle published-online publisher-location content-domain reference
title link type publisher volume references-count ISBN issn-type assertion deposited page contributor content-created
short-container-title relation editor"""


def test_only_fields_are_asked_for_that_crossref_knows_as_one_more_refuses_all():
    assert set(asked(source(query="moss"))["select"].split(",")) - set(SELECTS.split()) == set()


def test_a_backfill_has_a_cursor_and_never_a_shorter_window():
    query = asked(source(journals=("0028-0836",)), date(2025, 1, 1))
    assert "from-created-date:2025-01-01,from-pub-date:2024-01-02" in query["filter"]
    assert (query["cursor"], query.get("offset")) == ("*", None)
    assert "from-created-date:2026-02-16" in asked(source(journals=("0028-0836",)), date(2026, 3, 1))["filter"]


def test_a_search_is_one_page_by_likeness_since_all_else_is_noise():
    query = asked(source(query="moss & roofs", journals=("0028-0836",)))
    assert (query["query"], query["sort"]) == ("moss & roofs", "score")
    (request,) = CROSSREF.plan(source(query="moss"), NOW, None)
    full = CROSSREF.parse(source(query="moss"), response(*[item()] * 100, url=request.url))
    assert CROSSREF.follow(request, full) is None


def test_pages_are_followed_by_offset_until_one_is_not_full_or_crossref_counts_no_further():
    (request,) = CROSSREF.plan(source(journals=("0028-0836",)), NOW, None)
    full = CROSSREF.parse(source(), response(*[item()] * 100, url=request.url))
    following = CROSSREF.follow(request, full)
    assert following is not None
    assert following.url == changed(request.url, offset=100)
    short = CROSSREF.parse(source(), response(item(), url=following.url))
    assert CROSSREF.follow(following, short) is None
    last = FetchRequest(url=changed(request.url, offset=9_900))
    assert CROSSREF.follow(last, CROSSREF.parse(source(), response(*[item()] * 100, url=last.url))) is None


def test_pages_of_a_backfill_are_followed_by_the_answers_cursor():
    (request,) = CROSSREF.plan(source(journals=("0028-0836",)), NOW, date(2025, 1, 1))
    full = CROSSREF.parse(source(), response(*[item()] * 100, url=request.url, **{"next-cursor": "DnF1+/=="}))
    following = CROSSREF.follow(request, full)
    assert following is not None
    assert asked_for(following.url) == asked_for(request.url) | {"cursor": "DnF1+/=="}


def test_a_work_gives_all_that_it_says():
    assert only() == EntryData(
        key="10.5555/moss.1",
        title="Moss on <i>roofs</i>",
        url="https://doi.org/10.5555/moss.1",
        abstract="<jats:p>We counted moss.</jats:p>",
        authors=("Ada Reader", "Max Cruz Jr.", "The Roof Group"),
        author_ids=("orcid:0000-0002-1825-0097", "", ""),
        institutions=("University of Moss",),
        published_at=datetime(2026, 2, 26, tzinfo=UTC),
        doi="10.5555/moss.1",
        comment="Journal of Roofs",
    )


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ({"published": {"date-parts": [[2026]]}}, 27),
        ({"published": {"date-parts": [[2026, 12, 1]]}}, 27),
        ({"published": {"date-parts": [[2026, 2, 31]]}}, 27),
        ({"published": {"date-parts": [[None]]}}, 27),
        ({"published-online": {"date-parts": [[2026, 2, 20]]}}, 20),
    ],
)
def test_a_date_to_come_or_without_a_day_gives_way_to_the_day_of_registration(dates, day):
    assert only(**dates).published_at == datetime(2026, 2, day, tzinfo=UTC)


@pytest.mark.parametrize(
    "related",
    [{"id-type": "doi", "id": "10.48550/arXiv.2602.00001"}, {"id-type": "arxiv", "id": "2602.00001"}],
)
def test_the_published_form_of_an_arxiv_paper_joins_it(related):
    assert only(relation={"has-preprint": [related]}).arxiv_id == "2602.00001"


def test_a_preprint_registered_by_arxiv_is_an_arxiv_paper_and_says_what_it_is():
    entry = only(DOI="10.48550/arXiv.2602.00001", type="posted-content", **{"container-title": []})
    assert (entry.arxiv_id, entry.doi, entry.comment) == ("2602.00001", None, "preprint")


@pytest.mark.parametrize(
    ("fields", "withdrawn"),
    [
        ({"title": ["RETRACTED: Moss on roofs"]}, True),
        ({"title": ["Retracted Article: Moss"]}, True),
        ({"updated-by": [{"type": "retraction", "DOI": "10.5555/notice"}]}, True),
        ({"update-to": [{"type": "retraction", "DOI": "10.5555/other"}]}, False),
        ({"title": ["Retracted papers and their readers"]}, False),
        ({"updated-by": [{"type": "correction", "DOI": "10.5555/notice"}]}, False),
    ],
)
def test_what_is_retracted_is_marked_and_a_notice_is_a_paper(fields, withdrawn):
    assert only(**fields).withdrawn is withdrawn


def test_two_authors_of_one_name_are_two_people():
    assert only(author=[{"given": "Wei", "family": "Li"}, {"given": "Wei", "family": "Li"}]).authors == ("Wei Li",) * 2


@pytest.mark.parametrize(
    ("abstract", "text"),
    [
        ("Plain words, a < b.", "Plain words, a < b."),
        ("<jats:sec><jats:title>Methods</jats:title><jats:p>We did.</jats:p></jats:sec>", "Methods: We did."),
        ("<title>Summary.</title><p>We did.</p>", "We did."),
        (
            "<jats:p>Of <jats:alternatives><jats:tex-math>\\documentclass{minimal}\\begin{document}$$x^2$$"
            "\\end{document}</jats:tex-math><mml:math><mml:mi>x</mml:mi></mml:math></jats:alternatives>.</jats:p>",
            "Of $x^2$.",
        ),
        ("<jats:p>Of <jats:alternatives><mml:math><mml:mi>x</mml:mi></mml:math></jats:alternatives></jats:p>", "Of x"),
    ],
)
def test_an_abstract_keeps_its_headings_as_labels_and_each_formula_once(abstract, text):
    from digest.entries.plain import from_html

    assert " ".join(from_html(readable(abstract)).split()) == text


def test_one_bad_work_is_a_problem_and_costs_no_other():
    parsed = CROSSREF.parse(source(), response(item(title=[]), 7, item(author="none", created=3, link=4)))
    assert [entry.authors for entry in parsed.entries] == [()]
    assert [problem.what for problem in parsed.problems] == [
        "the field `title` of 10.5555/moss.1 is missing or empty",
        "it is not an object",
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": {"works": []}}, "the field `message.items` is missing"),
        ({"message": {"items": [{"doi": "10.1/x", "title": ["T"]}]}}, "has the field `DOI`"),
        ({"error": "Filter from-created-date is unknown"}, "answers with an error: Filter"),
    ],
)
def test_a_changed_api_is_named_with_the_field(body, words):
    with pytest.raises(ParseError) as caught:
        CROSSREF.parse(source(), FetchResponse(url=WORKS, status=200, body=json.dumps(body).encode()))
    assert words in caught.value.what


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs journals"),
        ({"journals": ("0028-0836", "0000-006x")}, ""),
        ({"journals": ("Nature",)}, '"Nature", which is no ISSN'),
        ({"journals": ("0028-0837",)}, "no ISSN"),
        ({"query": "moss"}, ""),
        ({"query": "moss", "url": "/tmp/works"}, "not http or https"),
    ],
)
def test_what_is_missing_is_said(options, words):
    assert (words in CROSSREF.wants(source(**options))) if words else CROSSREF.wants(source(**options)) == ""
