"""The archive's addresses: what answers, to whom it may be kept, what it never tells, and that nothing is changed."""

from __future__ import annotations

import re
import shutil
from datetime import date, timedelta

import feedparser
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from digest.storage.base import metadata
from digest.web.application import application
from tests.services.road import Road, paper
from tests.services.shelf import item, put

MONDAY = date(2026, 5, 4)
SITE = "https://digest.example.org"
DIGESTS = (
    {"name": "daily", "title": "The <Daily> & more", "archive": True, "header": "Read <this>"},
    {"name": "private", "title": "Private matters"},
)


@pytest.fixture(scope="module")
def published(tmp_path_factory, built_sqlite):
    """A database after its first day, made once and copied."""
    folder = tmp_path_factory.mktemp("published")
    path = shutil.copyfile(built_sqlite, folder / "digest.db")
    made = Road.open(folder / "home", f"sqlite:///{path}", *DIGESTS)
    made.reader("ada@reader.example", digest="daily")
    made.reader("bo@reader.example", digest="private")
    made.bring(paper(1), paper(2, title="<script>alert(1)</script> & a “quote\" or 'two'"))
    made.publish()
    made.app.close()
    return path


@pytest.fixture
def road(tmp_path, published):
    """What the pages show is the service's matter, tested on both databases; SQLite will do here."""
    path = shutil.copyfile(published, tmp_path / "digest.db")
    made = Road.open(tmp_path / "home", f"sqlite:///{path}", *DIGESTS)
    yield made
    made.app.close()


@pytest.fixture
def client(road):
    return TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)


def entry_of(client) -> str:
    return re.search(r"/archive/daily/paper/(\d+)", client.get("/archive/daily/2026-05-04").text)[1]


def addresses(client) -> list[str]:
    return [
        "/archive",
        "/archive/daily",
        "/archive/daily?before=2026-06-01",
        "/archive/daily/2026-05-04",
        "/archive/daily/2026-05-04?after=1",
        f"/archive/daily/paper/{entry_of(client)}",
        "/archive/daily/search",
        "/archive/daily/search?q=tidal",
        "/archive/daily/feed.atom",
        "/archive/daily/feed.json",
        "/sitemap.xml",
        "/robots.txt",
    ]


def test_every_address_answers_get_and_head_and_changes_nothing(road, client):
    def everything():
        with road.app.store.reading() as tx:
            return {t.name: [tuple(row) for row in tx.execute(select(t))] for t in metadata.sorted_tables}

    before = everything()
    for path in addresses(client):
        got, head = client.get(path), client.head(path)
        assert (got.status_code, head.status_code, head.content) == (200, 200, b""), path
        assert got.headers["content-length"] == head.headers["content-length"] == str(len(got.content))
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert client.request(method, path).status_code == 405, (method, path)
    assert everything() == before


def test_no_page_names_a_reader_a_token_or_a_private_digest(road, client):
    with road.app.store.reading() as tx:
        secrets = tx.execute(select(metadata.tables["subscriptions"].c.secret)).scalars().all()
        keys = tx.execute(select(metadata.tables["messages"].c.key)).scalars().all()
    assert len(secrets) == 2 and keys
    for path in addresses(client):
        text = client.get(path).text
        for word in ("reader.example", "Private matters", *secrets, *keys):
            assert word not in text, (path, word)


def test_all_answers_may_be_kept_for_a_while_and_asked_after(client):
    for path in addresses(client)[:-1]:
        got = client.get(path)
        assert got.headers["cache-control"] == "public, max-age=300"
        tag = got.headers["etag"]
        for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            for method in ("GET", "HEAD"):
                again = client.request(method, path, headers={"If-None-Match": asked})
                assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), path
                assert again.headers["cache-control"] == "public, max-age=300"
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/archive/daily/feed.atom", "/archive/daily/feed.json", "/sitemap.xml"])
def test_feeds_are_asked_after_by_date_too(client, path):
    at = client.get(path).headers["last-modified"]
    assert at == "Mon, 04 May 2026 05:31:00 GMT"
    assert client.get(path, headers={"If-Modified-Since": at}).status_code == 304
    assert client.get(path, headers={"If-Modified-Since": "Mon, 04 May 2026 05:30:59 GMT"}).status_code == 200
    assert client.get(path, headers={"If-Modified-Since": "yesterday"}).status_code == 200
    # A tag says more than a date.
    assert client.get(path, headers={"If-Modified-Since": at, "If-None-Match": '"x"'}).status_code == 200


def test_a_new_edition_is_a_new_document(road, client):
    tags = {path: client.get(path).headers["etag"] for path in ("/archive/daily", "/archive/daily/feed.atom")}
    (entry,) = road.bring(paper(3))
    put(road, "daily", MONDAY + timedelta(days=1), [item(1, entry)])
    for path, tag in tags.items():
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_other_pages_stay_strict_and_are_never_found(road, client):
    for path in (
        "/unsubscribe/x",
        "/preferences/x",
        "/read/x",
        "/nothing",
        "/archive/none",
        "/archive/daily/1999-01-01",
    ):
        got = client.get(path)
        assert got.status_code == 404
        assert (got.headers["cache-control"], got.headers["x-robots-tag"]) == ("no-store", "noindex"), path
        assert '<meta name="robots" content="noindex">' in got.text


def test_the_strict_headers_are_on_the_archive_too(client):
    for path in addresses(client):
        got = client.get(path)
        assert got.headers["content-security-policy"].startswith("default-src 'none'")
        assert (got.headers["x-content-type-options"], got.headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert "set-cookie" not in got.headers
        assert len(got.headers.get_list("cache-control")) == 1


def test_search_engines_keep_pages_but_not_searches(client):
    for path in ("/archive", "/archive/daily", "/archive/daily/2026-05-04"):
        got = client.get(path)
        assert (got.headers["x-robots-tag"], "noindex" in got.text) == ("all", False)
        assert f'<link rel="canonical" href="{SITE}{path}">' in got.text
    got = client.get("/archive/daily/search?q=tidal")
    assert (got.headers["x-robots-tag"], "noindex" in got.text, "canonical" in got.text) == ("noindex", True, False)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "digest.example.org"])
def test_a_host_that_a_request_claims_counts_for_nothing(client, host):
    for path in addresses(client):
        text = client.get(path, headers={"Host": host, "X-Forwarded-Host": host, "Forwarded": f"host={host}"}).text
        assert "evil" not in text
        assert "testserver" not in text


def test_pages_tell_previews_what_they_are(client):
    text = client.get(f"/archive/daily/paper/{entry_of(client)}").text
    for name in ("title", "description", "type", "url", "site_name"):
        assert re.search(rf'<meta property="og:{name}" content="[^"]+">', text), name
    assert '<link rel="alternate" type="application/atom+xml"' in text
    assert '<link rel="alternate" type="application/feed+json"' in text


def test_what_a_feed_says_is_text(client):
    for path in addresses(client)[:-4]:
        text = client.get(path).text
        assert "<script" not in text, path
        assert "<Daily>" not in text, path
        assert "Read <this>" not in text, path
    # Open Graph holds the title in an attribute.
    pages = [
        client.get(found).text
        for found in sorted(set(re.findall(r"/archive/daily/paper/\d+", client.get("/archive/daily/2026-05-04").text)))
    ]
    assert any("alert(1)" in page for page in pages)
    for page in pages:
        assert not re.search(r'content="[^"]*"[^>]*"', page)


@pytest.mark.parametrize(
    "path",
    [
        "/archive/private",
        "/archive/private/2026-05-04",
        "/archive/private/search?q=tidal",
        "/archive/private/feed.atom",
        "/archive/private/feed.json",
        "/archive/nothing",
        "/archive/daily/2026-05-05",
        "/archive/daily/2026-02-30",
        "/archive/daily/2026-5-4",
        "/archive/daily/\u0662\u0660\u0662\u0666-05-04",
        "/archive/daily/paper/0",
        "/archive/daily/paper/-1",
        "/archive/daily/paper/99999999999999999999999",
        "/archive/daily/paper/one",
        "/archive/daily/no%00thing",
        "/archive/%ff",
        "/archive/daily/2026-05-04/more",
        "/archive/",
    ],
)
def test_what_is_not_there_is_told_kindly(client, path):
    got = client.get(path)
    assert (got.status_code, "<h1>There is nothing here</h1>" in got.text) == (404, True)


@pytest.mark.parametrize(
    "query",
    [
        "before=never",
        "before=0001-01-01",
        "before=9999-12-31",
        "after=-5",
        "after=99999999999999999999",
        "q=%00&after=9999-12-31.7",
        "q=" + "x%20" * 5_000,
        "q=a&after=2026-05-04.99999999999999999999",
        "q=%ed%a0%80",
    ],
)
def test_odd_questions_get_ordinary_answers(client, query):
    for path in ("/archive/daily", "/archive/daily/2026-05-04", "/archive/daily/search"):
        assert client.get(f"{path}?{query}").status_code == 200


def test_without_an_archive_there_is_none(road):
    road.use({"name": "daily", "title": "Daily"})
    client = TestClient(application(lambda: road.app), raise_server_exceptions=False)
    for path in ("/archive", "/archive/daily", "/archive/daily/feed.atom", "/sitemap.xml"):
        got = client.get(path)
        assert (got.status_code, "/archive" in got.text) == (404, False)
    assert "Sitemap" not in client.get("/robots.txt").text


def test_behind_a_path_every_link_stays_below_it(road):
    road.use(*DIGESTS, web={"enabled": False, "public_url": "https://lab.example/digest"})
    client = TestClient(application(lambda: road.app), raise_server_exceptions=False)
    text = client.get("/archive/daily/2026-05-04").text
    links = re.findall(r'(?:href|action)="(/[^"]*)"', text)
    assert links and all(link.startswith("/digest/archive") for link in links)
    assert '<link rel="canonical" href="https://lab.example/digest/archive/daily/2026-05-04">' in text
    feed = feedparser.parse(client.get("/archive/daily/feed.atom").content)
    assert feed.entries[0].id.startswith("https://lab.example/digest/archive/daily/paper/")
