"""hackernews, github, openreview, huggingface's periods and arXiv's search from a server to the store, end to end.

A real server answers the addresses that each kind asks for; a real fetcher and the ingest service do the rest.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from digest.app import build
from digest.config import from_table
from digest.model.feeds import Entry, Source, SourceId, SourceState
from digest.services.fetching.backfill import Backfill
from digest.services.fetching.ingest import Ingest
from digest.sources.asking.fetch import Fetcher
from digest.sources.kinds import KINDS
from digest.storage import entries
from tests.sources.servers import ScriptedServer, answer

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
#: 20 November 2026, 00:00 UTC.
YESTERDAY = 1795132800
Answer = Callable[[str, dict[str, list[str]]], object]


@pytest.fixture
def database() -> str:
    return "sqlite"


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], ScriptedServer]]:
    """``serve(page)`` answers with what ``page(path, query)`` gives: text, or an object as JSON; None is a 404."""
    servers: list[ScriptedServer] = []

    def start(page: Answer) -> ScriptedServer:
        def speak(connection: socket.socket, request: bytes) -> None:
            parts = urlsplit(request.split(b" ", 2)[1].decode())
            said = page(unquote(parts.path), parse_qs(parts.query))
            body = said if isinstance(said, str) else json.dumps(said)
            connection.sendall(answer("404 Not Found") if said is None else answer("200 OK", body=body.encode()))

        servers.append(ScriptedServer(speak))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


class Desk:
    def __init__(self, store, *sources: Source) -> None:
        self.store, self.now = store, NOW
        fetcher = Fetcher("ops@example.org", timeout=2.0, deadline=5.0, spacing={}, resolve=lambda host, port: (host,))
        self.service = Ingest(
            store=store,
            configured=sources,
            kinds=KINDS,
            fetch=fetcher.fetch,
            clock=lambda: self.now,
            jitter=lambda: 0.0,
        )

    def fetch(self) -> dict[str, tuple[SourceState, int, int]]:
        """(state, new, problems) of each source."""
        rows = self.service.run(everything=True)
        return {row.id: (row.state, row.new, len(row.problems)) for row in rows}

    def backfill(self, since: date) -> dict[str, tuple[SourceState, int, int]]:
        """The same of reading them from a day on."""
        service = Backfill(
            store=self.store,
            configured=self.service.configured,
            kinds=KINDS,
            fetch=self.service.fetch,
            clock=self.service.clock,
        )
        return {row.id: (row.state, row.new, len(row.problems)) for row in service.run(since)}

    def held(self) -> dict[str, Entry]:
        """By the name of the work."""
        with self.store.reading() as tx:
            found = entries.recent(tx, before=datetime(2200, 1, 1, tzinfo=UTC), limit=1000)
            return {entry.work: entry for entry in entries.load(tx, [one.id for one in found])}


def source(name: str, kind: str, url: str, category: str = "", **options: str | tuple[str, ...]) -> Source:
    given = {key: (value,) if isinstance(value, str) else value for key, value in options.items()}
    return Source(
        id=SourceId(name),
        kind=kind,
        url=url,
        category=category,
        allow_private=True,
        options=tuple(sorted(given.items())),
    )


def paper(number: str, version: int = 1, title: str = "Lamps that count their moths") -> str:
    return (
        f"<entry><id>http://arxiv.org/abs/{number}v{version}</id><title>{title}</title>"
        "<summary>We count moths with lamps, and lamps with moths.</summary>"
        "<published>2026-11-19T10:00:00Z</published><author><name>Ada Lumen</name></author>"
        "<category term='cs.CL' scheme='http://arxiv.org/schemas/atom'/></entry>"
    )


def feed(*items: str) -> str:
    return f"<feed xmlns='http://www.w3.org/2005/Atom'><title>ArXiv Query</title>{''.join(items)}</feed>"


def test_a_story_joins_the_paper_it_links_to_with_its_points_and_leaves_its_words_alone(store, serve):
    stories = [
        {
            "objectID": "46",
            "title": "Moths and lamps, oh my [pdf]",
            "url": "https://arxiv.org/pdf/2611.00001v2",
            "points": 310,
            "num_comments": 77,
            "created_at_i": YESTERDAY + 3600,
        },
        {"objectID": "47", "title": "A blog", "url": "https://blog.example/x", "points": 9, "num_comments": 1},
        {
            "objectID": "48",
            "title": "Unheard of",
            "url": "https://openreview.net/pdf?id=aB3",
            "points": 12,
            "num_comments": 0,
            "created_at_i": YESTERDAY + 60,
        },
        {"objectID": "49", "url": "https://arxiv.org/abs/2611.00002", "points": 7},
    ]

    def page(path: str, query: dict[str, list[str]]) -> object:
        if path == "/hn":
            day = f"created_at_i>={YESTERDAY}," in query["numericFilters"][0]
            return {"hits": stories if day else [], "page": 0, "nbPages": 1}
        return feed(paper("2611.00001"))

    server = serve(page)
    desk = Desk(
        store,
        source("arxiv", "arxiv", server.url("/api/query"), query="ti:moth"),
        source("hn", "hackernews", server.url("/hn")),
    )
    first = desk.fetch()
    assert first["hn"][0] is SourceState.OK
    assert first["hn"][2] == 1
    held = desk.held()
    assert sorted(held) == ["arxiv:2611.00001", *sorted(set(held) - {"arxiv:2611.00001"})]
    assert len(held) == 2
    joined = held["arxiv:2611.00001"]
    assert (joined.title, joined.authors) == ("Lamps that count their moths", ("Ada Lumen",))
    assert (joined.comments, [(vote.source_id, vote.upvotes) for vote in joined.votes]) == (77, [("hn", 310)])
    assert {seen.source_id for seen in joined.sightings} == {"arxiv", "hn"}
    (other,) = (entry for work, entry in held.items() if work != "arxiv:2611.00001")
    assert (other.title, other.url, other.upvotes) == ("Unheard of", "https://openreview.net/forum?id=aB3", 12)
    assert other.first_seen_at == datetime(2026, 11, 20, 0, 1, tzinfo=UTC)
    stories[0]["points"] = 350
    again = desk.fetch()
    assert (again["hn"][1], again["arxiv"][1]) == (0, 0)
    assert desk.held()["arxiv:2611.00001"].upvotes == 350


def test_releases_and_repositories_of_a_topic_are_stored_and_nothing_is_new_twice(store, serve):
    entry = (
        "<entry><id>tag:github.com,2008:Repository/7/v{0}</id><title>v{0}</title><updated>2026-11-20T10:00:00Z</updated>"
        "<link rel='alternate' href='https://github.com/harbour/lamp/releases/tag/v{0}'/></entry>"
    )
    found = {"full_name": "moth/net", "html_url": "https://github.com/moth/net", "id": 9, "stargazers_count": 41}

    def page(path: str, query: dict[str, list[str]]) -> object:
        if path == "/harbour/lamp/releases.atom":
            return feed(entry.format("1.1.0"), entry.format("1.0.9"))
        if path == "/api/v3/search/repositories" and query["q"][0].startswith("topic:moths created:>=2026-10-22"):
            return {"total_count": 1, "items": [found, {"full_name": "x"}]}
        return None

    server = serve(page)
    desk = Desk(store, source("gh", "github", server.url(""), repositories="harbour/lamp", topics="moths"))
    assert desk.fetch() == {"gh": (SourceState.OK, 3, 1)}
    assert sorted((held.title, held.stars) for held in desk.held().values()) == [
        ("harbour/lamp v1.0.9", None),
        ("harbour/lamp v1.1.0", None),
        ("moth/net", 41),
    ]
    assert desk.fetch()["gh"][1] == 0


def test_a_venue_is_read_to_its_last_page(store, serve):
    def note(number: int) -> dict[str, object]:
        title = {"value": f"Harbour light {number:04}"}
        return {"id": f"n{number}", "forum": f"n{number}", "pdate": 1795132800000, "content": {"title": title}}

    def page(path: str, query: dict[str, list[str]]) -> object:
        if query.get("content.venueid") != ["MOTH.cc/2027/Conference"]:
            return None
        start = int(query["offset"][0])
        return {"notes": [note(number) for number in range(start, min(start + 1000, 1003))]}

    server = serve(page)
    desk = Desk(store, source("or", "openreview", server.url("/notes"), venue="MOTH.cc/2027/Conference"))
    assert desk.fetch() == {"or": (SourceState.OK, 1003, 0)}
    assert len(server.paths()) == 2


def test_a_week_of_hugging_face_is_read_page_by_page(store, serve):
    def item(number: int) -> dict[str, object]:
        return {"paper": {"id": f"2611.{number:05}", "title": f"Lamp number {number}", "upvotes": number}}

    def page(path: str, query: dict[str, list[str]]) -> object:
        start = 100 * int(query.get("p", ["0"])[0])
        return [item(number) for number in range(start, min(start + 100, 130))] if query["week"] == ["2026-W47"] else []

    server = serve(page)
    desk = Desk(store, source("hf", "huggingface", server.url("/p?week={week}&limit=100"), period="weekly"))
    assert desk.fetch() == {"hf": (SourceState.OK, 130, 0)}
    assert server.paths() == ["/p?week=2026-W47&limit=100", "/p?week=2026-W47&limit=100&p=1"]


def test_authors_papers_and_a_search_of_arxiv_are_one_source_and_a_new_version_revises(store, serve):
    version = [1]

    def page(path: str, query: dict[str, list[str]]) -> object:
        if path == "/a/lumen_a_1.atom2":
            return feed(paper("2611.00001"))
        if query.get("search_query") == ['au:"Bo Wick"']:
            return feed(paper("2611.00002", title="On wicks"))
        if query.get("id_list") == ["1706.03762"]:
            return feed(paper("1706.03762", version[0], f"Attention, version {version[0]}"))
        return None

    server = serve(page)
    wanted = source(
        "people", "arxiv", server.url("/api/query"), authors=("lumen_a_1", "Bo Wick"), papers=("1706.03762",)
    )
    desk = Desk(store, wanted)
    assert desk.fetch() == {"people": (SourceState.OK, 3, 0)}
    version[0] = 2
    assert desk.fetch()["people"][:2] == (SourceState.OK, 0)
    assert desk.held()["arxiv:1706.03762"].title == "Attention, version 2"


def test_a_backfill_of_a_search_asks_for_what_was_submitted_since_then(store, serve):
    server = serve(lambda path, query: feed(paper("2611.00001")))
    desk = Desk(store, source("s", "arxiv", server.url("/q"), category="cs.CL", query="ti:moth"))
    assert desk.backfill(date(2026, 10, 1)) == {"s": (SourceState.OK, 1, 0)}
    (asked,) = server.paths()
    query = parse_qs(urlsplit(asked).query)
    assert query["search_query"] == ["(cat:cs.CL AND ti:moth) AND submittedDate:[202610010000 TO 202611212359]"]
    (held,) = desk.held().values()
    assert held.first_seen_at == datetime(2026, 11, 19, 10, tzinfo=UTC)


def test_what_the_configuration_says_reaches_the_kinds(tmp_path):
    table = {
        "mail": {"from": "digest@example.org"},
        "smtp": {"transport": "folder", "path": "outbox"},
        "web": {"enabled": False},
        "source": [
            {"id": "hn", "kind": "hackernews", "query": "moths", "options": {"points": 10, "all": True}},
            {"id": "gh", "kind": "github", "repositories": ["a/b"], "topics": ["moths"]},
            {"id": "or", "kind": "openreview", "venue": "MOTH.cc/2027/Conference"},
            {"id": "hf", "kind": "huggingface", "period": "weekly"},
            {"id": "ax", "kind": "arxiv", "authors": ["Ada Lumen"], "papers": ["2611.00001"]},
            {"id": "cl", "kind": "arxiv", "category": "cs.CL", "announce": ["new"]},
        ],
        "digest": [{"name": "papers"}],
    }
    app = build(from_table(table, folder=tmp_path, environ={}), clock=lambda: NOW)
    asked = {one.id: [unquote(r.url) for r in KINDS[one.kind].plan(one, NOW, None)] for one in app.ingest.configured}
    app.close()
    assert "query=moths" in asked["hn"][0]
    assert "points>=10" in asked["hn"][0]
    assert [len(asked[name]) for name in ("hn", "gh", "or", "hf", "ax", "cl")] == [3, 2, 1, 1, 2, 1]
    assert asked["hf"] == ["https://huggingface.co/api/daily_papers?week=2026-W47&limit=100"]


def test_a_query_that_arxiv_refuses_is_said_and_costs_nothing_that_is_held(store, serve):
    refusal = (
        "<entry><title>Error</title><id>http://arxiv.org/api/errors#bad</id>"
        "<summary>incorrect query syntax near ((</summary></entry>"
    )
    pages = [feed(refusal), feed(paper("2611.00001"))]
    server = serve(lambda path, query: pages.pop())
    desk = Desk(store, source("s", "arxiv", server.url("/q"), query="((moth"))
    assert desk.fetch() == {"s": (SourceState.OK, 1, 0)}
    (row,) = desk.service.run(everything=True)
    assert row.state is SourceState.BROKEN
    assert "does not understand the query: incorrect query syntax near ((" in row.detail
    assert list(desk.held()) == ["arxiv:2611.00001"]


def test_a_paper_that_only_a_story_named_gets_its_words_from_arxiv(store, serve):
    story = {"objectID": "1", "title": "Read this", "url": "https://arxiv.org/abs/2611.00001", "points": 9}
    server = serve(
        lambda path, query: {"hits": [story], "page": 0, "nbPages": 1} if path == "/hn" else feed(paper("2611.00001"))
    )
    desk = Desk(store, source("hn", "hackernews", server.url("/hn")))
    desk.service = replace(desk.service, arxiv_api=server.url("/api/query"))
    fetch = desk.service.fetch
    desk.service = replace(desk.service, fetch=lambda request: fetch(replace(request, allow_private=True)))
    desk.fetch()
    (held,) = desk.held().values()
    assert (held.title, held.authors, held.categories) == ("Lamps that count their moths", ("Ada Lumen",), ("cs.CL",))
    assert held.abstract.startswith("We count moths")
    assert (held.upvotes, [seen.key for seen in held.sightings]) == (9, ["hn:1"])
    desk.fetch()
    assert next(iter(desk.held().values())).title == "Lamps that count their moths", "it stays"


def test_an_anonymous_call_that_openreview_refuses_says_which_key_is_missing(store):
    server = ScriptedServer(lambda connection, request: connection.sendall(answer("403 Forbidden")))
    desk = Desk(store, source("or", "openreview", server.url("/notes"), venue="MOTH.cc/2027/Conference"))
    (row,) = desk.service.run(everything=True)
    server.stop()
    assert row.state is SourceState.BROKEN
    assert "The server refuses us without the login of [keys] openreview (HTTP 403)" in row.detail


def test_a_search_that_shows_the_same_for_weeks_is_not_stale(store, serve):
    server = serve(lambda path, query: feed(paper("2611.00001")))
    desk = Desk(store, source("s", "arxiv", server.url("/q"), query="ti:moth"))
    desk.fetch()
    desk.now = datetime(2026, 12, 10, 15, tzinfo=UTC)
    assert desk.fetch()["s"][0] is SourceState.UNCHANGED
