"""The kinds that ask an API, from the network to the store: every page is read, and what was read is not new again."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from digest.model.feeds import SourceState
from tests.services.test_ingest import Desk, source
from tests.sources.servers import ScriptedServer, answer

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
TOPICS = ("Moss", "Lichen", "Fern", "Slate", "Thatch", "Copper", "Gutters", "Swifts", "Bats", "Frost")
PLACES = ("roofs", "walls", "towers", "bridges", "barns", "stairs", "chimneys", "windows", "gables", "courtyards")
TIMES = ("in spring", "after rain", "at night", "over decades", "under snow")


@pytest.fixture
def database():
    """Pages and addresses are no database's business: SQLite will do."""
    return "sqlite"


def title(number: int) -> str:
    return (
        f"{TOPICS[number % 10]} on {PLACES[number // 10 % 10]} {TIMES[number // 100 % 5]}, watched by {number} people"
    )


class Service:
    """A service that holds ``papers`` (numbers, newest first) and answers ``read(path, query)`` over a socket."""

    def __init__(self) -> None:
        self.papers: list[int] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.server = ScriptedServer(self._speak)

    def _speak(self, connection, request):
        parts = urlsplit(request.split(b" ", 2)[1].decode())
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append((parts.path, query))
        body = self.read(parts.path, query)
        plain = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.sendall(answer("200 OK", {"Content-Type": "application/json"}, plain))

    def read(self, path: str, query: dict[str, str]) -> object:
        raise NotImplementedError


class BioRxiv(Service):
    url = "/details"
    options: tuple = ()

    def read(self, path, query):
        cursor = int(path.split("/")[-2])
        page = self.papers[::-1][cursor : cursor + 30]
        told = {"status": "ok", "cursor": cursor, "count": len(page), "total": str(len(self.papers))}
        found = [
            {
                "doi": f"10.1101/2026.03.01.{n:06}",
                "title": title(n),
                "authors": f"Reader {n}, A.",
                "date": "2026-3-1",
                "version": "1",
                "category": "plant biology",
                "abstract": f"We saw it {n} times.",
            }
            for n in page
        ]
        return {"messages": [told if page else {"status": "no posts found"}], "collection": found}


class PubMed(Service):
    url = "/eutils"
    options = (("query", ("moss",)),)

    def read(self, path, query):
        if path.endswith("esearch.fcgi"):
            start, size = int(query["retstart"]), int(query["retmax"])
            ids = [str(40_000_000 + n) for n in self.papers[start : start + size]]
            return {"esearchresult": {"count": str(len(self.papers)), "idlist": ids}}
        articles = "".join(
            f"<PubmedArticle><MedlineCitation><PMID>{pmid}</PMID><Article>"
            f"<ArticleTitle>{title(int(pmid) - 40_000_000)}.</ArticleTitle>"
            "<AuthorList><Author><LastName>Reader</LastName><ForeName>Ada</ForeName></Author></AuthorList>"
            "<ArticleDate><Year>2026</Year><Month>03</Month><Day>01</Day></ArticleDate></Article></MedlineCitation>"
            "</PubmedArticle>"
            for pmid in query["id"].split(",")
        )
        return f"<?xml version='1.0'?><PubmedArticleSet>{articles}</PubmedArticleSet>".encode()


class Crossref(Service):
    url = "/works"
    options = (("journals", ("0028-0836",)),)

    def read(self, path, query):
        start = int(query.get("offset") or query["cursor"].removeprefix("*").removeprefix("at ") or 0)
        page = self.papers[start : start + int(query["rows"])]
        day = {"date-parts": [[2026, 3, 1]]}
        items = [
            {"DOI": f"10.5555/{n}", "title": [title(n)], "created": day, "published": day, "type": "journal-article"}
            for n in page
        ]
        message = {"total-results": len(self.papers), "items": items, "next-cursor": f"at {start + len(page)}"}
        return {"status": "ok", "message": message}


class OpenAlex(Service):
    url = ""
    options = (("cites", ("1706.03762",)), ("authors", ("A5000000001",)))

    def read(self, path, query):
        if query["select"] == "id,doi":
            return {
                "meta": {},
                "results": [{"id": "https://openalex.org/W99999", "doi": f"https://doi.org/{query['filter'][4:]}"}],
            }
        cites = query["filter"].startswith("cites:W99999,")
        held = self.papers if cites else self.papers[:3]
        start = (int(query["page"]) - 1) * 100 if "page" in query else int(query["cursor"].strip("*") or 0)
        page = held[start : start + 100]
        results = [
            {
                "id": f"https://openalex.org/W{44_000_000 + n}",
                "doi": None,
                "title": title(n),
                "publication_date": "2026-03-01",
                "authorships": [{"author": {"id": "https://openalex.org/A5000000001", "display_name": "Ada Reader"}}],
            }
            for n in page
        ]
        return {"meta": {"count": len(held), "next_cursor": str(start + 100)}, "results": results}


class SemanticScholar(Service):
    url = "/graph/v1"
    options = (("authors", ("1741101",)), ("cites", ("1706.03762",)), ("query", ("moss",)))

    def read(self, path, query):
        bulk = path.endswith("/search/bulk")
        start = int(query.get("token", "0") if bulk else query["offset"])
        held = self.papers if path.endswith("/author/1741101/papers") else self.papers[:7]
        page = held[start : start + 500] if not bulk else held[start : start + 4]
        papers = [{"paperId": f"{n:040x}", "title": title(n), "publicationDate": "2026-03-01"} for n in page]
        more = start + len(page) < len(held)
        if path.endswith("/citations"):
            papers = [{"citingPaper": paper} for paper in papers]
        if bulk:
            return {"total": len(held), "token": str(start + 4) if more else None, "data": papers}
        return {"offset": start, "data": papers, **({"next": start + 500} if more else {})}


KINDS = {
    "biorxiv": (BioRxiv, 70),
    "medrxiv": (BioRxiv, 70),
    "pubmed": (PubMed, 230),
    "crossref": (Crossref, 130),
    "openalex": (OpenAlex, 130),
    "semanticscholar": (SemanticScholar, 510),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def service(kind):
    form, count = KINDS[kind]
    made = form()
    made.papers = list(range(count, 0, -1))
    yield made
    made.server.stop()


@pytest.fixture
def desk(store, kind, service):
    made = Desk(store, source("s", service.server.url(service.url), kind=kind, options=service.options))
    made.now = NOW
    return made


def test_all_pages_are_read_and_a_second_round_brings_nothing_new(desk, kind, service):
    row = desk.fetch()["s"]
    assert (row.state, row.new, row.problems) == (SourceState.OK, len(service.papers), ())
    assert desk.titles() == sorted(title(n) for n in service.papers)
    assert {entry.first_seen_at for entry in desk.held()} == {datetime(2026, 3, 1, tzinfo=UTC)}
    desk.now += timedelta(hours=1)
    row = desk.fetch()["s"]
    assert (row.state in (SourceState.QUIET, SourceState.UNCHANGED), row.new, row.revised) == (True, 0, 0)


@pytest.mark.parametrize("place", ["first", "last"])
def test_one_paper_more_is_found_wherever_the_service_puts_it(desk, kind, service, place):
    desk.fetch()
    new = max(service.papers) + 1
    # The last of Semantic Scholar's 510 is found when the window moves on, as its pages say nothing of one another.
    later = timedelta(days=1) if (kind, place) == ("semanticscholar", "last") else timedelta(hours=1)
    service.papers.insert(0 if place == "first" else len(service.papers), new)
    desk.now += later
    row = desk.fetch()["s"]
    assert (row.state, row.new, row.revised) == (SourceState.OK, 1, 0)
    assert title(new) in desk.titles()


def test_a_backfill_reads_all_pages_from_its_day_on(desk, kind, service):
    row = desk.backfill(date(2026, 2, 20))["s"]
    assert (row.state, row.new) == (SourceState.OK, len(service.papers))
    assert all("#" not in path and "from=" not in path for path, _ in service.asked)


def test_a_changed_schema_is_named_and_what_is_held_stays(desk, kind, service):
    desk.fetch()
    before = desk.titles()
    plain = service.read

    def renamed(path, query):
        body = plain(path, query)
        if isinstance(body, bytes):
            return body.replace(b"ArticleTitle", b"ArticleHeading")
        text = json.dumps(body)
        return text.replace('"title"', '"heading"').encode()

    service.read = renamed
    service.papers.insert(0, max(service.papers) + 1)
    desk.now += timedelta(days=1)
    row = desk.fetch()["s"]
    assert row.state is SourceState.BROKEN
    assert "`ArticleTitle`" in row.detail or "`title`" in row.detail
    assert desk.titles() == before
