"""pubmed: the chain of searches and papers, a paper's XML as NCBI writes it, and a saved search's feed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from digest.entries.plain import from_html
from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchResponse, Source, SourceId
from digest.sources.kinds.pubmed import PUBMED
from digest.sources.reading.records import asked_for

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
EUTILS = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
QUERY = "moss[tiab] AND (roof OR wall)"


def source(query: str = QUERY, url: str = "") -> Source:
    return Source(id=SourceId("p"), kind="pubmed", url=url, options=(("query", (query,)),) if query else ())


def found(*ids: str, count: int | None = None, **more) -> FetchResponse:
    result = {"count": str(len(ids) if count is None else count), "retmax": "200", "idlist": list(ids), **more}
    body = json.dumps({"header": {"type": "esearch"}, "esearchresult": result})
    return FetchResponse(url=f"{EUTILS}/esearch.fcgi", status=200, body=body.encode())


DTD = '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" "https://dtd.example/p.dtd">'
ARTICLE = """<PubmedArticle><MedlineCitation Status="Publisher"><PMID Version="1">40000001</PMID>
<Article PubModel="Print-Electronic"><Journal><JournalIssue><PubDate><Year>2026</Year><Month>Dec</Month></PubDate>
</JournalIssue><Title>The journal of roofs</Title><ISOAbbreviation>J Roofs</ISOAbbreviation></Journal>
<ArticleTitle>CO<sub>2</sub> and <i>Bryum</i> moss &lt; 3 cm on roofs.</ArticleTitle>
<ELocationID EIdType="doi" ValidYN="Y">10.5555/Moss.1</ELocationID>
<Abstract><AbstractText Label="BACKGROUND" NlmCategory="BACKGROUND">Moss grows.</AbstractText>
<AbstractText Label="METHODS &amp; AIMS">We counted, 10<sup>3</sup> times.</AbstractText>
<AbstractText Label="UNLABELLED">The end.</AbstractText><CopyrightInformation>© Roofs</CopyrightInformation></Abstract>
<AuthorList CompleteYN="Y">
<Author ValidYN="Y"><LastName>Reader</LastName><ForeName>Ada B</ForeName><Initials>AB</Initials>
<Identifier Source="ORCID">https://orcid.org/0000-0002-1825-0097</Identifier>
<AffiliationInfo><Affiliation>Department of Botany, University of Moss, Roof Street 1, Mosstown. a@moss.example
</Affiliation></AffiliationInfo></Author>
<Author ValidYN="N"><LastName>Raeder</LastName><ForeName>Ada</ForeName></Author>
<Author ValidYN="Y"><LastName>Cruz</LastName><ForeName>Max</ForeName><Suffix>Jr</Suffix><AffiliationInfo>
<Affiliation>Roof Works, Mosstown, Norway. Electronic address: max@roofs.example.</Affiliation></AffiliationInfo>
</Author>
<Author ValidYN="Y"><CollectiveName>The Roof Group</CollectiveName></Author></AuthorList>
<PublicationTypeList><PublicationType UI="D016428">Journal Article</PublicationType>
<PublicationType UI="D016454">Review</PublicationType></PublicationTypeList>
<ArticleDate DateType="Electronic"><Year>2026</Year><Month>02</Month><Day>26</Day></ArticleDate></Article>
</MedlineCitation><PubmedData><History><PubMedPubDate PubStatus="pubmed"><Year>2026</Year><Month>2</Month><Day>27</Day>
</PubMedPubDate></History><ArticleIdList><ArticleId IdType="pubmed">40000001</ArticleId>
<ArticleId IdType="doi">10.5555/moss.1</ArticleId></ArticleIdList></PubmedData></PubmedArticle>"""


def papers(*articles: str) -> FetchResponse:
    body = f'<?xml version="1.0" ?>\n{DTD}\n<PubmedArticleSet>{"".join(articles)}</PubmedArticleSet>'
    return FetchResponse(url=f"{EUTILS}/efetch.fcgi", status=200, body=body.encode())


def only(article: str) -> EntryData:
    (entry,) = PUBMED.parse(source(), papers(article)).entries
    return entry


def test_a_round_searches_what_was_added_in_the_last_week():
    (request,) = PUBMED.plan(source(), NOW, None)
    assert request.url.startswith(f"{EUTILS}/esearch.fcgi?")
    assert asked_for(request.url) == {
        "db": "pubmed",
        "term": QUERY,
        "datetype": "edat",
        "mindate": "2026/02/23",
        "maxdate": "2026/03/02",
        "retmode": "json",
        "retstart": "0",
        "retmax": "200",
        "tool": "digest",
    }
    assert request.credential == "ncbi"


def test_a_backfill_is_a_search_a_month_so_that_none_exceeds_what_may_be_counted():
    spans = [asked_for(one.url) for one in PUBMED.plan(source(), NOW, date(2025, 12, 30))]
    assert [(one["mindate"], one["maxdate"]) for one in spans] == [
        ("2026/02/28", "2026/03/02"),
        ("2026/01/29", "2026/02/27"),
        ("2025/12/30", "2026/01/28"),
    ]


def test_a_search_is_followed_by_its_papers_and_these_by_the_next_page_of_the_search():
    (search,) = PUBMED.plan(source(), NOW, None)
    ids = [str(number) for number in range(1, 201)]
    fetch = PUBMED.follow(search, PUBMED.parse(source(), found(*ids, count=201)))
    assert fetch is not None
    sent, _, kept = fetch.url.partition("#")
    assert asked_for(sent) == {"db": "pubmed", "id": ",".join(ids), "retmode": "xml", "tool": "digest"}
    assert len(sent) < 2_000
    assert "moss" in kept
    following = PUBMED.follow(fetch, PUBMED.parse(source(), papers(ARTICLE)))
    assert following is not None
    assert asked_for(following.url) == asked_for(search.url) | {"retstart": "200"}
    last = PUBMED.follow(following, PUBMED.parse(source(), found("201", count=201)))
    assert last is not None
    assert asked_for(last.url)["id"] == "201"
    assert PUBMED.follow(last, PUBMED.parse(source(), papers(ARTICLE))) is None
    assert {one.credential for one in (search, fetch, following, last)} == {"ncbi"}


def test_the_same_papers_have_another_address_when_more_is_found_after_them():
    (search,) = PUBMED.plan(source(), NOW, None)
    before, after = (PUBMED.follow(search, PUBMED.parse(source(), found("1", count=n))) for n in (201, 202))
    assert before is not None
    assert after is not None
    assert before.url != after.url


def test_a_search_that_finds_nothing_ends_and_says_what_pubmed_does_not_know():
    (search,) = PUBMED.plan(source(), NOW, None)
    parsed = PUBMED.parse(source(), found(errorlist={"phrasesnotfound": ["mosss"], "fieldsnotfound": []}))
    assert PUBMED.follow(search, parsed) is None
    assert [problem.what for problem in parsed.problems] == ['PubMed finds nothing for "mosss"']


def test_a_paper_gives_all_that_it_says():
    entry = only(ARTICLE)
    assert " ".join(from_html(entry.abstract).split()) == (
        "BACKGROUND: Moss grows. METHODS & AIMS: We counted, 10³ times. The end."
    )
    assert entry == EntryData(
        key="pubmed:40000001",
        title="CO<sub>2</sub> and Bryum moss &lt; 3 cm on roofs",
        url="https://pubmed.ncbi.nlm.nih.gov/40000001/",
        abstract=entry.abstract,
        authors=("Ada B Reader", "Max Cruz Jr", "The Roof Group"),
        author_ids=("orcid:0000-0002-1825-0097", "", ""),
        institutions=("University of Moss", "Roof Works, Mosstown, Norway"),
        published_at=datetime(2026, 2, 26, tzinfo=UTC),
        doi="10.5555/moss.1",
        comment="The journal of roofs · Review",
    )


def test_without_a_day_online_the_day_pubmed_got_it_counts_and_then_the_issues_month():
    offline = ARTICLE.replace("ArticleDate", "OtherDate")
    assert only(offline).published_at == datetime(2026, 2, 27, tzinfo=UTC)
    assert only(offline.replace('"pubmed"', '"received"')).published_at == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<PublicationType UI=", "<PublicationType>Retracted Publication</PublicationType><PublicationType UI="),
        ("</MedlineCitation>", "<X><CommentsCorrections RefType='RetractionIn'/></X></MedlineCitation>"),
    ],
)
def test_a_retracted_paper_is_marked(old, new):
    entry = only(ARTICLE.replace(old, new))
    assert entry.withdrawn
    assert "Retract" not in entry.comment


def test_a_notice_of_retraction_is_no_retracted_paper():
    notice = ARTICLE.replace(">Review<", ">Retraction of Publication<")
    assert not only(notice.replace("</Article>", "<C RefType='RetractionOf'/></Article>")).withdrawn


def test_a_translated_title_loses_its_brackets_and_an_arxiv_doi_is_an_arxiv_id():
    moss = "CO<sub>2</sub> and <i>Bryum</i> moss &lt; 3 cm on roofs."
    translated = ARTICLE.replace(moss, "[Moss on roofs.]").replace("10.5555/moss.1", "10.48550/arXiv.2602.00001")
    entry = only(translated.replace("10.5555/Moss.1", ""))
    assert (entry.title, entry.arxiv_id, entry.doi) == ("Moss on roofs", "2602.00001", None)


def test_one_bad_paper_is_a_problem_and_costs_no_other():
    book = "<PubmedBookArticle><BookDocument><PMID>5</PMID></BookDocument></PubmedBookArticle>"
    untitled = ARTICLE.replace("ArticleTitle", "Heading")
    nameless = ARTICLE.replace("PMID", "PMCID")
    parsed = PUBMED.parse(source(), papers(book, untitled, nameless, ARTICLE))
    assert [entry.key for entry in parsed.entries] == ["pubmed:40000001"]
    assert [(problem.where, problem.what) for problem in parsed.problems] == [
        ("entry 1", "it is a book or a chapter of one, not a paper"),
        ("entry 2", "the element `ArticleTitle` of 40000001 is missing or empty"),
        ("entry 3", "the element `PMID` or `Article` is missing"),
    ]


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (papers(ARTICLE.replace("ArticleTitle", "Heading")), "the element `ArticleTitle`"),
        (papers(ARTICLE.replace("PMID", "Id")), "the element `PMID`"),
        (papers(ARTICLE[:-20]), "not well-formed XML"),
        (papers(f"<!ENTITY x 'y'>{ARTICLE}"), "not well-formed XML"),
        (found(ERROR="Search Backend failed"), "answers with an error: Search Backend failed"),
        (FetchResponse(url="u", status=200, body=b'{"esearchresult": {}}'), "`esearchresult.idlist` is missing"),
        (FetchResponse(url="u", status=200, body=b'{"error": "API key invalid"}'), "answers with an error: API key"),
        (FetchResponse(url="u", status=200, body=DTD.encode().replace(b">", b"[<!ENTITY a 'b'>]><a/>")), "entities"),
    ],
)
def test_what_is_not_the_services_answer_is_named(response, words):
    with pytest.raises(ParseError) as caught:
        PUBMED.parse(source(), response)
    assert words in caught.value.what
    assert caught.value.try_


ITEM = """<item><title>Moss on roofs</title><link>https://pubmed.ncbi.nlm.nih.gov/40000001/?utm_source=x&amp;fc=2</link>
<description>We counted ...</description><content:encoded><![CDATA[<div><p style="color: #4aa564;">J Roofs. 2026 Feb 26.
doi: 10.5555/moss.1. Online ahead of print.</p>{abstract}<p style="color: lightgray">PMID:<a
href="https://pubmed.ncbi.nlm.nih.gov/40000001/">40000001</a> | DOI:<a href=https://doi.org/10.5555/moss.1>10.5555/moss.1
</a></p></div>]]></content:encoded><guid isPermaLink="false">pubmed:40000001</guid>
<pubDate>Thu, 26 Feb 2026 06:00:00 -0500</pubDate><dc:creator>Ada B Reader</dc:creator><dc:creator>Max Cruz</dc:creator>
<dc:source>The journal of roofs</dc:source></item>"""


def feed(abstract: str) -> FetchResponse:
    body = (
        '<rss xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
        f'version="2.0"><channel><title>moss</title>{ITEM.replace("{abstract}", abstract)}</channel></rss>'
    )
    return FetchResponse(url="https://pubmed.example/rss", status=200, body=body.encode())


@pytest.mark.parametrize(
    ("abstract", "text"),
    [
        (
            "<p><b>ABSTRACT</b></p><p>BACKGROUND: Moss grows.</p><p>METHODS: We counted.</p>",
            "BACKGROUND: Moss grows. METHODS: We counted.",
        ),
        ("<p><b>NO ABSTRACT</b></p>", ""),
        ("", "We counted ..."),
    ],
)
def test_an_item_of_a_saved_search_is_an_abstract_and_not_the_citation_around_it(abstract, text):
    (entry,) = PUBMED.parse(source(query=""), feed(abstract)).entries
    assert " ".join(from_html(entry.abstract).split()) == text
    assert (entry.key, entry.url) == ("pubmed:40000001", "https://pubmed.ncbi.nlm.nih.gov/40000001/")
    assert (entry.doi, entry.authors) == ("10.5555/moss.1", ("Ada B Reader", "Max Cruz"))
    assert entry.comment == "The journal of roofs"


def test_the_feed_and_the_query_name_a_paper_alike():
    (by_feed,) = PUBMED.parse(source(query=""), feed("<p><b>ABSTRACT</b></p><p>x</p>")).entries
    by_query = only(ARTICLE)
    assert (by_feed.key, by_feed.url, by_feed.doi) == (by_query.key, by_query.url, by_query.doi)


@pytest.mark.parametrize(
    ("asking", "words"),
    [
        (source(query=""), "needs a query, or the url of a saved search's RSS feed"),
        (source(query="", url="https://pubmed.ncbi.nlm.nih.gov/rss/search/x/"), ""),
        (source(url="https://pubmed.ncbi.nlm.nih.gov/rss/search/x/"), "leave one of them out"),
        (source(url="https://mirror.example/eutils"), ""),
        (source(url="/tmp/eutils"), "not http or https"),
    ],
)
def test_what_is_missing_is_said(asking, words):
    assert (words in PUBMED.wants(asking)) if words else PUBMED.wants(asking) == ""
