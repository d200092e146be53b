"""discover: pages and addresses tried through the real fetcher, against a real server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from digest.model.errors import ConfigError
from digest.services.fetching.discover import MOST_TRIED, Discover
from digest.sources.asking.fetch import Fetcher
from digest.sources.kinds import KINDS
from tests.sources.servers import ScriptedServer, answer

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Lab</title>{}</feed>"""
ITEM = "<entry><id>{0}</id><title>Paper {0}</title><link href='https://lab.example/{0}'/><published>{1}</published></entry>"
WEEKLY = ATOM.format("".join(ITEM.format(n, f"2026-0{n}-01T00:00:00Z") for n in (2, 3, 4)))
RSS = (
    "<rss version='2.0'><channel><title>Lab</title>"
    + "".join(
        f"<item><guid>{n}</guid><title>Paper {n}</title><link>https://lab.example/{n}</link></item>" for n in (2, 3, 4)
    )
    + "</channel></rss>"
)


@pytest.fixture
def site():
    """A server of documents by path; the paths asked for are in ``server.paths()``."""
    documents: dict[str, str] = {}

    def serve(connection, request):
        path = request.split(b" ", 2)[1].decode()
        found = documents.get(path)
        kind = "text/html" if found and "<html" in found else "application/xml"
        connection.sendall(
            answer("200 OK", {"Content-Type": kind}, found.encode()) if found else answer("404 Not Found")
        )

    server = ScriptedServer(serve)
    yield server, documents
    server.stop()


@pytest.fixture
def look():
    fetcher = Fetcher("you@example.org", spacing={}, timeout=5)
    discover = Discover(kinds=KINDS, fetch=fetcher.fetch, clock=lambda: NOW)
    yield lambda given, **how: discover.look(given, allow_private=True, **how)
    fetcher.close()


def test_a_feed_itself_is_found_with_its_pace(site, look):
    server, documents = site
    documents["/atom"] = WEEKLY
    (found,) = look(server.url("/atom")).found
    assert (found.source.kind, found.source.url, found.title) == ("feed", server.url("/atom"), "Lab")
    assert (len(found.entries), found.newest.isoformat(), found.a_week) == (3, "2026-04-01", 0.2)


def test_a_page_leads_to_what_it_names_and_the_same_in_two_formats_is_found_once(site, look):
    server, documents = site
    documents["/"] = (
        "<html><head><link rel=alternate type='application/rss+xml' href='/rss'>"
        "<link rel=alternate type='application/atom+xml' href='/atom'>"
        "<link rel=alternate type='application/atom+xml' href='/gone'></head>"
    )
    documents |= {"/atom": WEEKLY, "/rss": RSS}
    seen = look(server.url("/"))
    assert [one.source.url for one in seen.found] == [server.url("/rss")]
    assert {one.where: one.what for one in seen.failed} == {
        server.url("/atom"): "it brings the same as another one here",
        server.url("/gone"): seen.failed[1].what,
    }
    assert "404" in seen.failed[1].what


def test_a_page_that_says_nothing_is_tried_where_feeds_lie_and_no_further(site, look):
    server, documents = site
    documents["/lab/"] = "<html><body>our lab</body></html>"
    nothing = look(server.url("/lab/"))
    assert nothing.found == ()
    assert "not a feed" in nothing.failed[0].what
    assert len(server.requests) == 1 + MOST_TRIED
    documents["/lab/rss"] = RSS
    assert [one.source.url for one in look(server.url("/lab/")).found] == [server.url("/lab/rss")]


def test_what_is_no_page_is_not_guessed_about(site, look):
    server, documents = site
    documents["/x"] = "just words"
    assert look(server.url("/x")).failed[0].what.startswith("the document is neither")
    assert server.paths() == ["/x"]


def test_a_server_that_is_away_is_said_and_a_known_address_is_found_all_the_same(look):
    away = ScriptedServer(lambda *_: None)
    away.stop()
    assert "cannot be reached" in look(away.url("/feed")).failed[0].what

    fetcher = Fetcher("you@example.org", resolve=lambda host, port: (_ for _ in ()).throw(OSError()))
    discover = Discover(kinds=KINDS, fetch=fetcher.fetch, clock=lambda: NOW)
    (found,) = discover.look("https://arxiv.org/list/cs.CL/new").found
    assert (found.source.category, found.entries) == ("cs.CL", ())
    assert "cannot be resolved" in found.unseen
    fetcher.close()


def test_what_somebody_else_typed_never_names_a_file(site, look, tmp_path):
    server, documents = site
    documents["/atom"] = WEEKLY
    (tmp_path / "feed.xml").write_text(WEEKLY)
    assert look(str(tmp_path / "feed.xml")).found[0].source.from_operator
    for kind in ("", "feed", "file", "maildir"):
        assert look(str(tmp_path / "feed.xml"), kind=kind, allow_files=False).found == ()
    (found,) = look(server.url("/atom"), allow_files=False).found
    assert not found.source.from_operator
    blind = Discover(kinds=KINDS, fetch=lambda _: None, clock=lambda: NOW)
    assert not blind.unseen("https://lab.example/atom", allow_files=False).from_operator
    assert blind.unseen("https://lab.example/atom").from_operator


def test_a_password_in_an_address_is_never_told(site, look):
    server, documents = site
    documents["/x"] = "just words"
    for path in ("/x", "/none"):
        given = server.url(path).replace("://", "://bob:hunter2@")
        seen = look(given)
        assert seen.failed
        assert not any("hunter2" in one.where + one.what for one in (*seen.failed, *look(given, kind="feed").failed))


def test_a_kind_can_be_forced(site, look):
    server, documents = site
    documents["/feed"] = RSS
    assert "Hugging Face's papers come as JSON" in look(server.url("/feed"), kind="huggingface").failed[0].what
    with pytest.raises(ConfigError):
        Discover(kinds=KINDS, fetch=lambda _: None, clock=lambda: NOW).unseen("x", kind="nonsense")


@pytest.mark.parametrize(
    ("status", "headers", "advice"),
    [
        ("429 Too Many Requests", {"Retry-After": "40"}, "in 40 seconds"),
        ("503 Service Unavailable", {}, "later"),
    ],
)
def test_what_will_pass_is_yours_to_try_again(look, status, headers, advice):
    server = ScriptedServer(lambda connection, _: connection.sendall(answer(status, headers)))
    (failed,) = look(server.url("/feed")).failed
    server.stop()
    assert failed.what.endswith(f"; try it again {advice}")
