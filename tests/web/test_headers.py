"""What a scanner of headers looks for, on every answer of every room and every trouble."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from digest.services.stamping import CONFIRM, PREFERENCES, TASTE
from digest.web import connections
from digest.web.application import application
from digest.web.connections import MOST_CONNECTIONS, Phase
from tests.services.road import Road, paper
from tests.web.sockets import dial, heard, read, served, talk
from tests.web.test_pages import token

OPEN = {"name": "daily", "title": "Daily", "join": True, "archive": True, "categories": {"cs.CL": 1}}
STRICT = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS")


@pytest.fixture
def database():
    """These are questions to the server, not to the store."""
    return "sqlite"


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, OPEN)
    yield made
    made.app.close()


def policy(headers) -> dict[str, str]:
    """The directives of the Content-Security-Policy."""
    return dict(one.strip().partition(" ")[::2] for one in headers["content-security-policy"].split(";"))


def assert_strict(headers, whose: object) -> None:
    assert {name: headers.get(name) for name in STRICT} == STRICT, whose
    told = policy(headers)
    assert (told["default-src"], told["base-uri"], told["frame-ancestors"]) == ("'none'", "'none'", "'none'"), whose
    assert not {"'unsafe-eval'", "'unsafe-inline'", "*", "data:"} & set(told.get("script-src", "").split()), whose
    assert told["form-action"] == "'self'", whose
    assert headers["cache-control"] in ("no-store", "public, max-age=300"), whose
    assert not {"server", "x-powered-by", "access-control-allow-origin"} & set(headers), whose


def paths_of(road: Road) -> list[str]:
    """An address of every route there is: with good tokens where the fields are known, and with nonsense."""
    ada = road.reader(digest="daily")
    bo = road.reader("bo@example.org", digest="daily")
    (row,) = road.bring(paper(1))
    road.publish()
    good = {
        "/unsubscribe/": ada.secret,
        "/preferences/": token(road, PREFERENCES, ada),
        "/feedback/": token(road, TASTE, ada),
        "/confirm/": token(road, CONFIRM, bo),
        "/never/": token(road, CONFIRM, bo),
    }
    found: list[str] = []
    for route in application(lambda: road.app).app.routes:
        assert isinstance(route, Route)
        fields = {"digest": "daily", "day": "2026-05-04", "entry": str(row)}
        for start, secret in good.items():
            if route.path.startswith(start):
                fields["token"] = secret
        found.append(re.sub(r"\{(\w+)[^}]*\}", lambda one, known=fields: known.get(one[1], "x"), route.path))
        found.append(re.sub(r"\{[^}]*\}", "x", route.path))
    return list(dict.fromkeys([*found, "/", "/nothing/here", "/favicon.ico", "/archive/daily/search?q=tidal"]))


def test_every_answer_of_every_route_is_strict(road):
    paths = paths_of(road)
    client = TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)
    seen: set[int] = set()
    for path in paths:
        for method in METHODS:
            answer = client.request(method, path)
            seen.add(answer.status_code)
            assert_strict(answer.headers, (method, path))
            assert answer.status_code < 500, (method, path)
            assert "set-cookie" not in answer.headers or path.startswith("/desk"), path
            kind = answer.headers.get("content-type", "")
            if kind.startswith("text/html"):
                assert not re.search(r"<script|\son[a-z]+=|javascript:", answer.text), path
                assert kind.endswith("charset=utf-8"), path
            assert not answer.content or kind, path
    assert {200, 404, 405, 422} <= seen


def test_every_trouble_is_strict(road, monkeypatch):
    client = TestClient(application(lambda: road.app), raise_server_exceptions=False)
    feed = "/archive/daily/feed.atom"
    road.reader(digest="daily")
    road.bring(paper(1))
    road.publish()
    tag = client.get(feed).headers["etag"]
    answers = [
        client.post("/unsubscribe/x", content=b"x" * 70_000),
        client.post("/link", data={"email": "a" * 70_000}),
        client.get(feed, headers={"If-None-Match": tag}),
        client.get("/archive/daily/2026-05-04", headers={"Range": "bytes=0-10"}),
    ]
    monkeypatch.setattr(type(road.app.subscribe), "look_up", lambda _self, _token: 1 / 0)
    answers.append(client.get("/unsubscribe/x"))
    assert [answer.status_code for answer in answers] == [413, 413, 304, 200, 503]
    for answer in answers:
        assert_strict(answer.headers, answer.status_code)


def test_so_is_what_the_server_answers_before_there_is_a_page(road, monkeypatch):
    monkeypatch.setattr(connections, "SECONDS", dict.fromkeys(Phase, 1.0))
    with served(road) as port:
        answers = [
            talk(port, b"nonsense\r\n\r\n"),
            talk(port, b"GET /health HTTP/1.1\r\nHost:"),
            talk(port, b"POST /unsubscribe/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"),
        ]
    assert [answer.status for answer in answers] == [400, 408, 413]
    for answer in answers:
        assert_strict(dict(answer.headers), answer.status)
        names = [name for name, _ in answer.headers]
        assert len(names) == len(set(names)), "each header once"


def test_so_is_the_answer_where_all_places_are_taken_by_work(road, monkeypatch):
    """Nobody's request is thrown away for a newer one: who comes last is told to come again."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)
    assert MOST_CONNECTIONS > 100
    with served(road) as port:
        owed = connections.Connection._owed
        monkeypatch.setattr(connections.Connection, "_owed", lambda one: Phase.NOTHING if one.cycle else owed(one))
        with dial(port) as one, dial(port) as two:
            for line in (one, two):
                line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                line.recv(10_000)
            with dial(port) as late:
                answer = read(heard(late))
    assert (answer.status, answer.body) == (503, b"Service Unavailable\n")
    assert_strict(dict(answer.headers), 503)


@pytest.mark.parametrize(
    ("public_url", "is_told"),
    [
        ("https://digest.example.org", True),
        ("https://digest.example.org:443", True),
        ("https://digest.example.org:8443", False),
        ("https://example.org/papers", False),
        ("http://digest.example.org", False),
    ],
)
def test_browsers_are_told_to_use_tls_only_where_the_whole_host_is_ours(road, public_url, is_told):
    road.use(OPEN, web={"enabled": False, "public_url": public_url})
    client = TestClient(application(lambda: road.app))
    assert ("strict-transport-security" in client.get("/health").headers) is is_told


def test_what_a_request_says_of_our_host_is_on_no_page(road):
    """The Host header, and all that proxies say in its place."""
    client = TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)
    names = ("Host", "X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Host")
    forged = dict.fromkeys(names, "evil.example") | {"Forwarded": "host=evil.example", "X-Forwarded-Proto": "evil"}
    for path in paths_of(road):
        for method in ("GET", "POST"):
            answer = client.request(method, path, headers=forged)
            told = answer.text + str(answer.headers)
            assert "evil.example" not in told, (method, path)
            assert "testserver" not in told, (method, path)
