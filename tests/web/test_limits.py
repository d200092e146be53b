"""What a stranger's connection may cost: half-open requests keep nobody out, endless bodies end, nonsense is refused.

All over a real socket.
"""

from __future__ import annotations

import logging
import re
import resource
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest

from digest.model.people import SubscriptionState, SuppressionReason
from digest.storage import deliveries
from digest.web import archive, connections
from digest.web.connections import MOST_CONNECTIONS, Phase
from tests.services.road import Road, paper
from tests.web.sockets import dial, heard, read, served, talk
from tests.web.test_pages import everything

OPEN = {"name": "daily", "title": "Daily", "join": True, "archive": True}
POST = b"POST /unsubscribe/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def database():
    """These are questions to the server, not to the store."""
    return "sqlite"


@pytest.fixture
def road(url, tmp_path):
    made = Road.open(tmp_path / "home", url, OPEN)
    yield made
    made.app.close()


@pytest.fixture
def port(road):
    with served(road) as port:
        yield port


class TestWhoNeverEnds:
    HALVES = (
        b"",
        b"GET /heal",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        POST + b"Content-Length: 100\r\n\r\na=b",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    )

    def test_keeps_nobody_out_however_many_they_are(self, port):
        """More half-open requests than there are places, all of them younger than their end."""
        with ExitStack() as end:
            for number in range(MOST_CONNECTIONS + 200):
                half = end.enter_context(dial(port))
                half.sendall(self.HALVES[number % len(self.HALVES)])
            for _ in range(5):
                answer = talk(port, CLOSING)
                assert (answer.status, answer.body) == (200, b"ok\n")

    def test_is_closed_after_a_while(self, port, monkeypatch):
        monkeypatch.setattr(connections, "SECONDS", dict.fromkeys(Phase, 1.0))
        with ThreadPoolExecutor(len(self.HALVES)) as hands:
            answers = list(hands.map(lambda half: talk(port, half), self.HALVES))
        assert [answer.status for answer in answers] == [0, 408, 408, 408, 408]

    def test_gains_no_time_by_sending_a_byte_now_and_then(self, port, monkeypatch):
        monkeypatch.setattr(connections, "SECONDS", dict.fromkeys(Phase, 0.3))
        with dial(port) as line:
            started = time.monotonic()
            with pytest.raises(ConnectionError):
                while time.monotonic() - started < 20:
                    line.sendall(b"GET /" if time.monotonic() - started < 0.05 else b"x")
                    time.sleep(0.06)

    def test_between_two_requests_is_closed_too(self, port, monkeypatch):
        monkeypatch.setattr(connections, "SECONDS", dict.fromkeys(Phase, 1.0))
        answer = talk(port, HEALTH)
        assert (answer.status, answer.body) == (200, b"ok\n")

    def test_to_read_an_answer_is_closed(self, road, port, monkeypatch):
        """Who asks for page after page and takes none."""
        monkeypatch.setitem(connections.SECONDS, Phase.READING, 0.3)
        road.bring(*(paper(number) for number in range(1, 60)))
        road.publish()
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect(("127.0.0.1", port))
            line.settimeout(20)
            started = time.monotonic()
            with pytest.raises(ConnectionError):
                while time.monotonic() - started < 60:
                    line.sendall(b"GET /archive/daily/2026-05-04 HTTP/1.1\r\nHost: x\r\n\r\n" * 100)

    def test_leaves_nothing_in_the_log(self, port, caplog):
        with caplog.at_level(logging.WARNING):
            for half in self.HALVES:
                dial(port).sendall(half)
                with dial(port) as line:
                    line.sendall(half)
                    line.shutdown(socket.SHUT_WR)
                    heard(line)
            assert talk(port, CLOSING).status == 200
        assert caplog.records == []


class TestBodies:
    PIECE = b"x" * 65_536

    def test_of_a_gigabyte_that_says_so_is_refused_before_it_comes(self, road, port):
        before = everything(road)
        with dial(port) as line:
            line.sendall(POST + b"Content-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n")
            assert b"413 " in line.recv(65_536).partition(b"\r\n")[0]
        assert everything(road) == before

    @pytest.mark.parametrize("is_chunked", [False, True])
    def test_of_a_gigabyte_that_comes_all_the_same_is_stopped(self, port, is_chunked):
        says = b"Transfer-Encoding: chunked\r\n\r\n" if is_chunked else b"Content-Length: 1000000000\r\n\r\n"
        piece = b"%x\r\n%s\r\n" % (len(self.PIECE), self.PIECE) if is_chunked else self.PIECE
        talk(port, CLOSING)
        most, sent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
        with dial(port) as line:
            line.sendall(POST + says)
            try:
                while sent < 1_000_000_000:
                    line.sendall(piece)
                    sent += len(self.PIECE)
            except OSError:
                pass
            raw = heard(line)
        assert sent < 40_000_000
        assert raw == b"" or read(raw).status == 413  # what was not read yet may be lost with the connection
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 60_000  # KB
        assert talk(port, CLOSING).status == 200

    def test_that_nobody_reads_ends_as_soon(self, port):
        """A GET's, whose answer does not wait for it."""
        with dial(port) as line:
            line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
            assert read(line.recv(65_536)).status == 200
            with pytest.raises(ConnectionError):
                for _ in range(15_000):
                    line.sendall(self.PIECE)


class TestNonsense:
    SAID = (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET  /health  HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health FTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",  # no Host
        b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        POST + b"Transfer-Encoding: gzip\r\n\r\nabcdef",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\r\n" * 40_000,
    )

    def test_is_refused_shortly_and_kept_out_of_the_log(self, port, caplog):
        for said in self.SAID:
            with caplog.at_level(logging.WARNING):
                answer = talk(port, said)
            # Of much that nobody read the connection may be lost before our answer is.
            assert answer.status == 400 or (answer.status == 0 and len(said) > 40_000), said[:80]
            assert answer.status == 0 or dict(answer.headers)["x-content-type-options"] == "nosniff"
            assert caplog.records == []
            assert talk(port, CLOSING).status == 200

    def test_behind_an_answer_ends_the_connection(self, port, caplog):
        for said in (HEALTH + b"garbage\r\n\r\n", HEALTH[:-2] + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with caplog.at_level(logging.WARNING):
                assert talk(port, said).status in (200, 400)
            assert caplog.records == []

    def test_methods_are_refused_with_a_page(self, port):
        for method in ("CONNECT", "TRACE", "OPTIONS", "FOO", "get"):
            answer = talk(port, f"{method} /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert (answer.status, b"Traceback" in answer.body) == (405, False), method

    def test_targets_lead_nowhere_else(self, port):
        for target in ("http://evil.example/health", "//evil.example/health", "*", "/health/../health"):
            answer = talk(port, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert (answer.status, b"evil" in answer.body) == (404, False), target

    def test_an_upgrade_is_not_taken_up(self, port, caplog):
        says = b"Connection: upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
        with caplog.at_level(logging.WARNING):
            assert talk(port, b"GET /health HTTP/1.1\r\nHost: x\r\n" + says + b"\r\n").status == 200
        assert caplog.records == []


class TestOldAndQuickClients:
    def test_http_1_0_is_answered_and_closed(self, port):
        answer = talk(port, b"GET /health HTTP/1.0\r\n\r\n")
        assert (answer.status, answer.body) == (200, b"ok\n")

    def test_requests_that_come_at_once_are_answered_in_turn(self, port):
        raw = talk(port, HEALTH * 20 + b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n" + CLOSING)
        assert raw.status == 200
        assert raw.body.count(b"ok\n") == 21
        assert raw.body.count(b"HTTP/1.1 200") == 20  # and the first one's
        assert raw.body.index(b"HTTP/1.1 404") > raw.body.rindex(b"ok\n", 0, raw.body.index(b"HTTP/1.1 404"))

    def test_who_sends_slowly_but_in_time_is_answered(self, port):
        with dial(port) as line:
            for byte in CLOSING:
                line.sendall(bytes([byte]))
            assert read(heard(line)).status == 200


class TestSearching:
    def test_much_from_one_network_is_asked_to_wait_and_others_are_not(self, road, port, monkeypatch):
        monkeypatch.setattr(archive, "SEARCHES", 3)

        def search(peer: str):
            says = f"Host: x\r\nX-Forwarded-For: {peer}\r\nConnection: close\r\n"
            return talk(port, f"GET /archive/daily/search?q=tidal HTTP/1.1\r\n{says}\r\n".encode())

        assert [search("192.0.2.1").status for _ in range(5)] == [200, 200, 200, 429, 429]
        told = search("192.0.2.1")
        assert 0 < int(dict(told.headers)["retry-after"]) <= 60
        assert b"wait" in told.body
        assert search("192.0.2.2").status == 200
        assert [search(f"2001:db8::{n}").status for n in range(4)] == [200, 200, 200, 429]

    def test_is_nothing_for_search_engines_and_so_is_asking_for_a_link(self, port):
        robots = talk(port, b"GET /robots.txt HTTP/1.0\r\n\r\n").body.decode().splitlines()
        assert {"Disallow: /link", "Disallow: /archive/*/search"} <= set(robots)


class TestBombing:
    """In small; `python benchmarks/web.py bomb` does it with a hundred thousand."""

    def form(self, road, port) -> str:
        page = talk(port, b"GET /join/daily HTTP/1.0\r\n\r\n").body.decode()
        road.now += timedelta(seconds=5)
        return re.search(r'name="form" value="([^"]+)"', page)[1]

    def planned(self, road) -> Counter[str]:
        with road.app.store.reading() as tx:
            return Counter(one.address for one in deliveries.listing(tx, limit=1000))

    def test_of_one_address_from_many_networks_sends_one_mail_and_others_are_served(self, road, port):
        form = self.form(road, port)

        def ask(number: int) -> int:
            said = f"email=victim%2B{number}@example.org&form={form}"
            return talk(port, posted("/join/daily", said, network=f"10.0.{number % 50}.1")).status

        with ThreadPoolExecutor(8) as hands:
            asked = [hands.submit(ask, number) for number in range(200)]
            others = [
                talk(port, posted("/join/daily", f"email=o{number}@example.org&form={form}", network="10.9.9.9")).status
                for number in range(5)
            ]
            assert {one.result() for one in asked} == {200}
        assert others == [200] * 5
        end = time.monotonic() + 20
        while len(self.planned(road)) < 6 and time.monotonic() < end:
            time.sleep(0.05)
        mails = self.planned(road)
        assert sorted(address.partition("@")[0].partition("+")[0] for address in mails) == [
            *(f"o{number}" for number in range(5)),
            "victim",
        ]
        assert set(mails.values()) == {1}


class TestWhoReadsHere:
    def test_cannot_be_told_from_any_byte_of_an_answer(self, road, port):
        """`python benchmarks/web.py alike` asks whether it can be told from the time."""
        road.reader("reader@example.org", digest="daily")
        road.app.subscribe.add("pending@example.org", "daily", state=SubscriptionState.PENDING)
        road.reader("left@example.org", digest="daily")
        road.app.subscribe.leave("left@example.org")
        road.app.subscribe.suppress("never@example.org", SuppressionReason.REQUEST)
        page = talk(port, b"GET /join/daily HTTP/1.0\r\n\r\n").body.decode()
        form = re.search(r'name="form" value="([^"]+)"', page)[1]
        road.now += timedelta(seconds=5)
        for path in ("/join/daily", "/link"):
            answers = set()
            for number, name in enumerate(("nobody", "reader", "pending", "left", "never", "reader", "nobody")):
                said = f"email={name}@example.org&form={form}"
                answer = talk(port, posted(path, said, network=f"10.1.1.{number}"))
                headers = tuple(one for one in answer.headers if one[0] != "date")
                answers.add((answer.status, headers, answer.body))
            assert len(answers) == 1, path


def posted(path: str, body: str, *, network: str) -> bytes:
    """A form's request, from behind a proxy that says whose it is."""
    says = f"Host: x\r\nX-Forwarded-For: {network}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{says}Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}".encode()
