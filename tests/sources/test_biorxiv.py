"""biorxiv and medrxiv: days and pages that are asked for, versions of one preprint, and what the API may change."""

from __future__ import annotations

import html
import json
from datetime import UTC, date, datetime

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, Source, SourceId
from digest.sources.kinds.biorxiv import BIORXIV, MEDRXIV

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
PAGE = "https://api.biorxiv.org/details/biorxiv/2026-02-27/2026-03-02/0/json"


def source(**fields) -> Source:
    return Source(id=SourceId("b"), **{"kind": "biorxiv", **fields})


def record(number: int, **fields) -> dict:
    known = {
        "doi": f"10.1101/2026.02.28.{number:06}",
        "title": f"Moss on roof {number}",
        "authors": "Reader, A. B.; de la Cruz, M.",
        "author_corresponding_institution": "University of Moss",
        "date": "2026-2-8",
        "version": "1",
        "type": "new results",
        "category": "plant biology",
        "abstract": "We counted moss.",
        "published": "NA",
    }
    return known | fields


def answer(*collection, url: str = PAGE, **message) -> FetchResponse:
    told = {"status": "ok", "cursor": 0, "count": len(collection), "total": str(len(collection)), **message}
    body = json.dumps({"messages": [told], "collection": list(collection)})
    return FetchResponse(url=url, status=200, body=body.encode())


def parse(*collection, category: str = "", **message):
    return BIORXIV.parse(source(category=category), answer(*collection, **message))


def test_a_round_reads_the_last_days_with_padded_dates_and_a_backfill_from_its_day_on():
    assert [request.url for request in BIORXIV.plan(source(), NOW, None)] == [PAGE]
    (request,) = MEDRXIV.plan(source(kind="medrxiv", category="Infectious Diseases"), NOW, date(2026, 1, 5))
    assert request.url == (
        "https://api.biorxiv.org/details/medrxiv/2026-01-05/2026-03-02/0/json?category=infectious_diseases"
    )


def test_an_url_is_a_mirror_of_the_api_or_a_feed():
    (mirror,) = BIORXIV.plan(source(url="https://mirror.example/details/"), NOW, None)
    assert mirror.url == "https://mirror.example/details/biorxiv/2026-02-27/2026-03-02/0/json"
    feed = "https://connect.biorxiv.org/biorxiv_xml.php?subject=genomics"
    assert [request.url for request in BIORXIV.plan(source(url=feed), NOW, None)] == [feed]


def test_a_record_gives_all_that_it_says():
    (entry,) = parse(record(1, version="2")).entries
    assert entry == EntryData(
        key="10.1101/2026.02.28.000001",
        title="Moss on roof 1",
        url="https://www.biorxiv.org/content/10.1101/2026.02.28.000001v2",
        abstract="We counted moss.",
        authors=("A. B. Reader", "M. de la Cruz"),
        institutions=("University of Moss",),
        categories=("plant biology",),
        published_at=datetime(2026, 2, 8, tzinfo=UTC),
        version=2,
        doi="10.1101/2026.02.28.000001",
        pdf_url="https://www.biorxiv.org/content/10.1101/2026.02.28.000001v2.full.pdf",
        announce="replace",
    )


def test_versions_of_one_preprint_are_one_entry_with_the_newest_text():
    parsed = parse(record(1, version="2", title="Moss, revised"), record(1), record(2, version="3"))
    assert [(entry.title, entry.version, entry.announce) for entry in parsed.entries] == [
        ("Moss, revised", 2, "new"),
        ("Moss on roof 2", 3, "replace"),
    ]


@pytest.mark.parametrize(("size", "total"), [(30, "95"), (100, 230)])
def test_the_next_page_begins_where_the_answers_own_count_ends(size, total):
    request = FetchRequest(url=f"{PAGE}?category=plant_biology")
    parsed = parse(record(1), count=size, total=total)
    following = BIORXIV.follow(request, parsed)
    assert following is not None
    assert following.url == PAGE.replace("/0/json", f"/{size}/json") + "?category=plant_biology"
    last = BIORXIV.parse(source(), answer(record(1), url=following.url, count=int(total) - size, total=total))
    assert BIORXIV.follow(following, last) is None


def test_pages_end_with_an_empty_one_where_the_total_is_wrong_or_missing():
    assert parse(record(1), count=1, total=None).cursor == "1"
    assert parse(count=0, total="90").cursor == ""


@pytest.mark.parametrize("status", ["no posts found", "No articles found for 2026-03-02"])
def test_a_day_without_preprints_is_no_error(status):
    body = json.dumps({"messages": [{"status": status}], "collection": []})
    assert BIORXIV.parse(source(), FetchResponse(url=PAGE, status=200, body=body.encode())).entries == ()


@pytest.mark.parametrize("wanted", ["Plant Biology", "plant_biology"])
def test_only_the_wanted_subject_is_taken_even_where_the_api_gives_all(wanted):
    parsed = parse(record(1), record(2, category="neuroscience"), record(3, category=""), category=wanted)
    assert [entry.title for entry in parsed.entries] == ["Moss on roof 1"]


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "Withdrawn"},
        {"title": "WITHDRAWN: Moss on roofs"},
        {"abstract": "The authors have withdrawn this manuscript because of a duplicate posting."},
    ],
)
def test_a_withdrawn_preprint_is_marked(fields):
    assert parse(record(1, **fields)).entries[0].withdrawn


def test_who_withdrew_from_a_study_withdraws_no_paper():
    assert not parse(record(1, abstract="Nine patients have withdrawn from the trial.")).entries[0].withdrawn


def test_one_bad_record_is_a_problem_and_costs_no_other():
    parsed = parse(record(1, title=""), "text", record(2, doi="none"), record(3))
    assert [entry.title for entry in parsed.entries] == ["Moss on roof 3"]
    assert [problem.where for problem in parsed.problems] == ["entry 1", "entry 2", "entry 3"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": [{"status": "ok"}], "papers": []}, "the field `collection` is missing"),
        ({"messages": [{"status": "ok"}], "collection": [{"doi": "10.1101/1", "name": "T"}]}, "the field `title`"),
        ({"messages": [{"status": "Error : wrong interval"}], "collection": []}, "bioRxiv answers: Error : wrong"),
        ([], "not an answer of bioRxiv"),
    ],
)
def test_a_changed_api_is_named_with_the_field(body, words):
    with pytest.raises(ParseError) as caught:
        BIORXIV.parse(source(), FetchResponse(url=PAGE, status=200, body=json.dumps(body).encode()))
    assert words in caught.value.what
    assert caught.value.try_


RDF = """<rdf:RDF xmlns="http://purl.org/rss/1.0/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:prism="http://purl.org/rss/1.0/modules/prism/">
<channel rdf:about="http://biorxiv.org"><title>bioRxiv Subject Collection: Roofs</title></channel>
<item rdf:about="http://biorxiv.org/cgi/content/short/2026.02.28.000001v2?rss=1"><title><![CDATA[ Moss ]]></title>
<link>http://biorxiv.org/cgi/content/short/2026.02.28.000001v2?rss=1</link><description>We counted.</description>
<dc:creator><![CDATA[ Reader, A. B., Cruz, M. ]]></dc:creator><dc:date>2026-02-28</dc:date>
<dc:identifier>doi:10.1101/2026.02.28.000001</dc:identifier></item></rdf:RDF>"""


def test_the_servers_own_feed_is_read_too():
    (entry,) = BIORXIV.parse(source(), FetchResponse(url="u", status=200, body=RDF.encode())).entries
    assert (entry.title, entry.doi, entry.version) == ("Moss", "10.1101/2026.02.28.000001", 2)
    assert entry.authors == ("A. B. Reader", "M. Cruz")


def test_a_citation_made_of_a_search_page_is_no_abstract():
    names = '<span class="highwire-citation-author first"><span>Ada</span> <span>Reader</span></span>'
    content = html.escape(f'<div class="highwire-cite">{names}, bioRxiv 2026</div>')
    atom = (
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>s</title><entry><title>Moss</title><id>x</id>"
        "<link href='https://www.biorxiv.org/content/10.64898/2026.01.19.700241v2-0'/>"
        f"<content type='html'>{content}</content></entry></feed>"
    )
    (entry,) = BIORXIV.parse(source(), FetchResponse(url="u", status=200, body=atom.encode())).entries
    assert (entry.abstract, entry.authors) == ("", ("Ada Reader",))
    assert (entry.doi, entry.version) == ("10.64898/2026.01.19.700241", 2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        ({"category": "genomics"}, ""),
        ({"url": "https://connect.biorxiv.org/feed"}, ""),
        ({"url": "https://connect.biorxiv.org/feed", "category": "genomics"}, "leave one of them out"),
        ({"url": "ftp://x.example/details"}, "not http or https"),
    ],
)
def test_what_is_missing_is_said(fields, words):
    assert (words in BIORXIV.wants(source(**fields))) if words else BIORXIV.wants(source(**fields)) == ""
