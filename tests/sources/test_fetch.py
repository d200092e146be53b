"""fetch: what is asked, what is taken, what is remembered; against real servers on the loopback."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from datetime import UTC, datetime

import pytest

from digest.model.errors import FetchError
from digest.model.feeds import FetchRequest, FetchResponse, Validators
from digest.sources.asking.fetch import Fetcher
from tests.sources.servers import answer

FEED = b"<rss version='2.0'><channel><title>t</title></channel></rss>"


def private(url: str, **fields: object) -> FetchRequest:
    return FetchRequest(url=url, allow_private=True, **fields)


def error_of(fetcher: Fetcher, request: FetchRequest) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(request)
    return caught.value


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}


def test_a_document_comes_with_its_address_status_and_headers_in_lower_case(serve, fetcher):
    server = serve(answer("200 OK", {"ETag": '"a"', "Content-Type": "text/xml"}, FEED))
    got = fetcher.fetch(private(server.url()))
    assert got == FetchResponse(url=server.url(), status=200, headers=got.headers, body=FEED)
    assert (got.headers["etag"], got.headers["content-type"]) == ('"a"', "text/xml")


def test_the_request_says_who_we_are_what_we_read_and_sends_no_validators_when_there_are_none(serve, fetcher):
    server = serve(answer("200 OK", {}, FEED))
    fetcher.fetch(private(server.url(), accept="application/atom+xml"))
    headers = headers_of(server.requests[0])
    assert headers["user-agent"] == "Digest/1.2 (+ops@example.org)"
    assert headers["accept"] == "application/atom+xml"
    assert headers["accept-encoding"] == "gzip, deflate"
    assert not {"if-none-match", "if-modified-since", "cookie", "authorization"} & headers.keys()


def test_a_contact_with_line_breaks_cannot_add_a_header(serve):
    server = serve(answer("200 OK", {}, FEED))
    Fetcher("a\r\nX-Evil: 1").fetch(private(server.url()))
    assert "x-evil" not in headers_of(server.requests[0])


def test_unchanged_documents_are_asked_for_conditionally_and_answered_304(serve, fetcher):
    server = serve(answer("304 Not Modified", {"ETag": '"a"'}))
    validators = Validators(etag='"a"', last_modified="Sat, 01 Nov 2025 00:00:00 GMT")
    got = fetcher.fetch(private(server.url(), validators=validators))
    headers = headers_of(server.requests[0])
    assert (got.status, got.not_modified, got.body) == (304, True, b"")
    assert headers["if-none-match"] == '"a"'
    assert headers["if-modified-since"] == "Sat, 01 Nov 2025 00:00:00 GMT"


def test_a_304_that_nobody_asked_for_is_an_error(serve, fetcher):
    error = error_of(fetcher, private(serve(answer("304 Not Modified")).url()))
    assert error.http_status == 304


def test_an_environment_proxy_is_not_used(serve, fetcher, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert fetcher.fetch(private(serve(answer("200 OK", {}, FEED)).url())).body == FEED


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(FEED)), ("deflate", zlib.compress(FEED)), ("identity", FEED)],
    ids=["gzip", "deflate", "identity"],
)
def test_compressed_documents_are_unpacked(serve, fetcher, encoding, packed):
    server = serve(answer("200 OK", {"Content-Encoding": encoding}, packed))
    assert fetcher.fetch(private(server.url())).body == FEED


def test_a_compression_we_did_not_ask_for_is_named(serve, fetcher):
    error = error_of(fetcher, private(serve(answer("200 OK", {"Content-Encoding": "br"}, b"x")).url()))
    assert "did not ask for (br)" in error.what


def test_damaged_compression_is_named(serve, fetcher):
    error = error_of(fetcher, private(serve(answer("200 OK", {"Content-Encoding": "gzip"}, b"not gzip")).url()))
    assert error.what == "the document's compression is damaged"


# Redirects


def test_permanent_redirects_all_the_way_are_remembered(serve, fetcher):
    server = serve(
        {
            "/a": answer("301 Moved", {"Location": "/b"}),
            "/b": answer("308 Moved", {"Location": "c?x=1"}),
            "/c?x=1": answer("200 OK", {}, FEED),
        }
    )
    got = fetcher.fetch(private(server.url("/a")))
    assert (got.url, got.moved_to, got.body) == (server.url("/c?x=1"), server.url("/c?x=1"), FEED)


def test_one_temporary_redirect_on_the_way_means_that_nothing_moved(serve, fetcher):
    server = serve(
        {
            "/a": answer("301 Moved", {"Location": "/b"}),
            "/b": answer("302 Found", {"Location": "/c"}),
            "/c": answer("200 OK", {}, FEED),
        }
    )
    got = fetcher.fetch(private(server.url("/a")))
    assert (got.url, got.moved_to) == (server.url("/c"), None)


def test_a_document_that_is_unchanged_behind_a_permanent_redirect_has_moved_too(serve, fetcher):
    server = serve({"/a": answer("301 Moved", {"Location": "/b"}), "/b": answer("304 Not Modified")})
    got = fetcher.fetch(private(server.url("/a"), validators=Validators(etag='"e"')))
    assert (got.status, got.moved_to) == (304, server.url("/b"))


def test_a_circle_of_redirects_ends_with_a_sentence(serve, fetcher):
    server = serve({"/a": answer("302 Found", {"Location": "/b"}), "/b": answer("302 Found", {"Location": "/a"})})
    assert error_of(fetcher, private(server.url("/a"))).what == "the redirects go round in a circle"
    assert server.paths() == ["/a", "/b"]


def test_a_circle_that_only_wants_its_cookie_back_is_followed(serve, fetcher):
    def handler(connection, request):
        if b"cookie: seen=1" in request.lower():
            connection.sendall(answer("200 OK", {}, FEED))
        else:
            connection.sendall(answer("302 Found", {"Location": "/a", "Set-Cookie": "seen=1"}))

    assert fetcher.fetch(private(serve(handler).url("/a"))).body == FEED


def test_an_endless_chain_of_redirects_is_cut(serve):
    def handler(connection, request):
        number = int(request.split(b" ", 2)[1][1:])
        connection.sendall(answer("302 Found", {"Location": f"/{number + 1}"}))

    server = serve(handler)
    assert error_of(Fetcher("", max_redirects=3), private(server.url("/0"))).what == "more than 3 redirects"
    assert server.paths() == ["/0", "/1", "/2", "/3"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.org/", "gopher://x", "javascript:alert(1)"])
def test_a_redirect_to_something_that_is_not_the_web_is_refused(serve, fetcher, location):
    server = serve(answer("302 Found", {"Location": location}))
    error = error_of(fetcher, private(server.url(), allow_files=True))
    assert "not an" in error.what


# Refusals


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("400 Bad Request", "cannot understand the request (HTTP 400)"),
        ("403 Forbidden", "the server refuses us (HTTP 403)"),
        ("404 Not Found", "nothing at this address (HTTP 404)"),
        ("418 Teapot", "refuses the request (HTTP 418)"),
        ("500 Oops", "the server is in trouble (HTTP 500)"),
        ("503 Unavailable", "the server is in trouble (HTTP 503)"),
        ("300 Multiple", "points elsewhere without saying where (HTTP 300)"),
        ("206 Partial", "answer is not a document (HTTP 206)"),
    ],
)
def test_each_refusal_has_a_sentence_its_status_and_an_advice(serve, fetcher, status, words):
    server = serve(answer(status))
    error = error_of(fetcher, private(server.url()))
    assert words in error.what
    assert (error.http_status, error.where, error.throttled, error.gone) == (
        int(status[:3]),
        server.url(),
        False,
        False,
    )
    assert error.try_


def test_410_is_gone_for_good(serve, fetcher):
    error = error_of(fetcher, private(serve(answer("410 Gone")).url()))
    assert (error.gone, error.http_status) == (True, 410)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        ("429 Too Many", {"Retry-After": "120"}, 120.0),
        ("503 Unavailable", {"Retry-After": "Fri, 21 Nov 2025 12:01:30 GMT"}, 90.0),
        ("429 Too Many", {"Retry-After": "Fri, 21 Nov 2025 11:00:00 GMT"}, 0.0),
        ("429 Too Many", {"RateLimit": '"api";r=0;t=55'}, 55.0),
        ("429 Too Many", {"Retry-After": "soon"}, None),
        ("429 Too Many", {}, None),
    ],
)
def test_a_server_that_asks_us_to_slow_down_says_how_long(serve, status, headers, seconds):
    fetcher = Fetcher("", now=lambda: datetime(2025, 11, 21, 12, tzinfo=UTC))
    error = error_of(fetcher, private(serve(answer(status, headers)).url()))
    assert (error.throttled, error.retry_after) == (True, seconds)


# Limits


def test_a_document_that_announces_too_much_is_not_read(serve):
    server = serve(answer("200 OK", {"Content-Length": "200000000"}, b"x"))
    assert error_of(Fetcher(""), private(server.url())).what == "the document is larger than 50 MB"


def test_an_endless_document_is_cut(serve):
    def handler(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    assert "larger than 1 MB" in error_of(Fetcher("", max_bytes=1_000_000), private(serve(handler).url())).what


def test_a_compression_bomb_is_cut_while_it_is_unpacked(serve):
    bomb = gzip.compress(bytes(60_000_000))
    server = serve(answer("200 OK", {"Content-Encoding": "gzip"}, bomb))
    assert len(bomb) < 100_000
    assert "larger than 5 MB" in error_of(Fetcher("", max_bytes=5_000_000), private(server.url())).what


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: "]
)
def test_one_byte_at_a_time_ends_at_the_deadline(serve, start):
    def handler(connection, request):
        connection.sendall(start)
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    fetcher = Fetcher("", timeout=5, deadline=0.4)
    began = time.monotonic()
    assert error_of(fetcher, private(serve(handler).url())).what == "no whole answer came within 0.4 seconds"
    assert time.monotonic() - began < 3


def test_a_server_that_says_nothing_ends_at_the_time_out(serve):
    server = serve(lambda connection, request: time.sleep(2))
    error = error_of(Fetcher("", timeout=0.2), private(server.url()))
    assert (error.what, error.http_status) == ("no whole answer came within 0.2 seconds", None)


def test_a_document_shorter_than_announced_is_not_taken(serve, fetcher):
    server = serve(answer("200 OK", {"Content-Length": "1000"}, FEED))
    assert "ended before the whole document had come" in error_of(fetcher, private(server.url())).what


@pytest.mark.parametrize("garbage", [b"", b"SSH-2.0-OpenSSH\r\n", b"\x00\x01\x02", b"HTTP/1.1 abc\r\n\r\n"])
def test_a_server_that_does_not_speak_http_is_an_error_with_a_sentence(serve, fetcher, garbage):
    assert error_of(fetcher, private(serve(garbage).url())).try_


def test_a_refused_connection_is_an_error_with_a_sentence(fetcher):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = error_of(fetcher, private(f"http://127.0.0.1:{port}/"))
    assert error.what == "the server cannot be reached: Connection refused"


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://ex ample.org/", "https://:80/", "http://a:b:c/"])
def test_what_is_not_an_address_is_named(fetcher, url):
    assert error_of(fetcher, FetchRequest(url=url)).try_


def test_a_password_in_the_address_is_never_shown(serve, fetcher):
    server = serve(answer("404 Not Found"))
    url = server.url().replace("http://", "http://user:secret@")
    error = error_of(fetcher, private(url))
    assert "secret" not in str(error)
    assert headers_of(server.requests[0])["authorization"].startswith("Basic ")


def test_closing_wakes_those_who_wait_for_their_turn(serve):
    server = serve(answer("200 OK", {}, FEED))
    fetcher = Fetcher("", spacing={"127.0.0.1": 60.0})
    fetcher.fetch(private(server.url()))
    found: list[FetchError] = []
    waiting = threading.Thread(target=lambda: found.append(error_of(fetcher, private(server.url()))))
    waiting.start()
    fetcher.close()
    waiting.join(5)
    assert [error.what for error in found] == ["not fetched: the program is stopping"]
