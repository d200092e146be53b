"""One run over hostile servers and twenty good ones: each is named, the good ones end on time, memory stays in limits.

The run is a process of its own, so that its memory can be measured. All servers are on the loopback; names lead to
them by a resolver and a dialler of the run's own, as public addresses would.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.services.recorded import Desk, Web, feed, rss
from tests.services.recorded import answer as page
from tests.sources.servers import ScriptedServer, answer

GOOD = 20
#: Seconds for one connection or read, and for a whole document.
TIMEOUT, DEADLINE = 2.0, 6.0
MEGABYTES = 400

RUN = """
import json, resource, sys, time
from datetime import UTC, datetime
from digest.model.feeds import Source, SourceId
from digest.services.fetching.ingest import Ingest
from digest.sources.asking.fetch import Fetcher
from digest.sources.kinds import KINDS
from digest.storage import entries, migrate
from digest.storage.engine import open_store
import socket

given = json.load(sys.stdin)
asked = {}

def resolve(host, port):
    if host not in given["names"]:
        return tuple(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    number = asked[host] = asked.get(host, -1) + 1
    found = given["names"][host]
    return tuple(found[min(number, len(found) - 1)])

def dial(address, timeout):
    dialled.append(address[0])
    return socket.create_connection(("127.0.0.1", given["machines"][address[0]]), timeout)

dialled = []
store = open_store(given["database"])
migrate.ready(store)
fetcher = Fetcher("", timeout=given["timeout"], deadline=given["deadline"], resolve=resolve, dial=dial)
sources = tuple(Source(id=SourceId(name), kind="feed", url=url) for name, url in given["sources"].items())
service = Ingest(
    store=store, configured=sources, kinds=KINDS, fetch=fetcher.fetch, clock=lambda: datetime.now(UTC),
    jitter=lambda: 0.0, queue=fetcher.queue, free_in=fetcher.free_in, hang_up=fetcher.hang_up,
)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began, ended = time.monotonic(), {}
rows = service.run(progress=lambda row: ended.setdefault(row.id, time.monotonic() - began))
with store.reading() as tx:
    held = entries.count(tx)
    longest = max(len(one.title) for one in entries.recent(tx, before=datetime(2200, 1, 1, tzinfo=UTC), limit=20_000))
print(json.dumps({
    "rows": {row.id: [row.state.value, row.new, row.detail] for row in rows},
    "ended": ended, "seconds": time.monotonic() - began, "held": held, "longest": longest, "dialled": dialled,
    "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000,
}))
"""

BILLION_LAUGHS = (
    b"<?xml version='1.0'?><!DOCTYPE rss [<!ENTITY a 'ha'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><rss version='2.0'><channel><title>&j;</title></channel></rss>"
)
OUTSIDE = (
    b"<?xml version='1.0'?><!DOCTYPE rss [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
    b"<rss version='2.0'><channel><title>t</title><item><title>&a;</title></item></channel></rss>"
)


def endless(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<rss version='2.0'><channel>")
    while True:
        connection.sendall(b"<item><title>again</title></item>" * 2000)


def drip(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
    while True:
        connection.sendall(b"<")
        time.sleep(1)


def dripping_headers(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        connection.sendall(b"x")
        time.sleep(1)


def long_title(connection: socket.socket, request: bytes) -> None:
    """100 MB of a title, in a document that does not say how long it is."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<rss version='2.0'><channel><item><title>")
    for _ in range(100):
        connection.sendall(b"long " * 200_000)
    connection.sendall(b"</title></item></channel></rss>")


def loop(connection: socket.socket, request: bytes) -> None:
    path = request.split(b" ", 2)[1]
    connection.sendall(answer("302 Found", {"Location": "/b" if path == b"/feed.xml" else "/feed.xml"}))


def staircase(connection: socket.socket, request: bytes) -> None:
    connection.sendall(answer("302 Found", {"Location": request.split(b" ", 2)[1].decode() + "x"}))


def good(connection: socket.socket, request: bytes) -> None:
    """A feed with the paper that its address names."""
    connection.sendall(answer("200 OK", {}, rss(int(request.split(b"/", 2)[1].split()[0]))))


def to(address: str) -> bytes:
    return answer("302 Found", {"Location": address})


def old(body: bytes) -> bytes:
    return b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n" + body


#: name -> (what its server does, state, words of the reason)
HOSTILE: dict[str, tuple[object, str, str]] = {
    "gzip-bomb": (
        answer("200 OK", {"Content-Encoding": "gzip"}, gzip.compress(bytes(500_000_000), 1)),
        "broken",
        "larger than 50 MB",
    ),
    "gzip-in-gzip": (
        answer("200 OK", {"Content-Encoding": "gzip, gzip"}, gzip.compress(gzip.compress(bytes(300_000_000), 1))),
        "broken",
        "larger than 50 MB",
    ),
    "xml-bomb": (answer("200 OK", {}, BILLION_LAUGHS), "broken", "declares XML entities"),
    "xml-file": (answer("200 OK", {}, OUTSIDE), "broken", "declares XML entities"),
    "endless": (endless, "broken", "larger than 50 MB"),
    "drip": (drip, "broken", "no whole answer came within"),
    "drip-headers": (dripping_headers, "broken", "no whole answer came within"),
    "silent": (lambda connection, request: time.sleep(30), "broken", "no whole answer came within 2 seconds"),
    "circle": (loop, "broken", "the redirects go round in a circle"),
    "staircase": (staircase, "broken", "more than 5 redirects"),
    "to-loopback": (to("http://127.0.0.1/admin"), "broken", "127.0.0.1 is not a public address"),
    "to-metadata": (to("http://169.254.169.254/latest/meta-data/"), "broken", "is not a public address"),
    "to-mapped": (to("http://[::ffff:7f00:1]/"), "broken", "is not a public address"),
    "to-nat64": (to("http://[64:ff9b::7f00:1]/"), "broken", "is not a public address"),
    "to-6to4": (to("http://[2002:7f00:1::]/"), "broken", "is not a public address"),
    "to-decimal": (to("http://2130706433/"), "broken", "is not a public address"),
    "to-rebound": (to("http://rebound.example/next"), "broken", "is not a public address (10.0.0.7)"),
    "to-file": (to("file:///etc/passwd"), "broken", "not an http or https address"),
    "too-long": (answer("200 OK", {"Content-Length": "90"}, rss(901)), "quiet", "it is cut off"),
    "too-short": (answer("200 OK", {"Content-Length": "99999"}, rss(902)), "broken", "before the whole document"),
    "http-1.0": (old(rss(903)), "ok", "1 entry: 1 new"),
    "unknown-authority": (answer("200 OK", {}, rss(904)), "broken", "self-signed certificate"),
    "many": (answer("200 OK", {}, rss(*range(10_000, 20_000))), "ok", "5000 entries: 5000 new"),
    "long-title": (long_title, "broken", "larger than 50 MB"),
    "long-word": (answer("200 OK", {}, rss(905).replace(b"Harbour lights", b"x" * 20_000_000)), "ok", "1 new"),
}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate that its own key signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "unknown-authority.example")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "both.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def servers(certificate):
    """Every hostile server and the good one: name -> port."""
    started: dict[str, ScriptedServer] = {}
    for name, (script, *_) in HOSTILE.items():
        context = None
        if name == "unknown-authority":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        started[name] = ScriptedServer(_handler(script), context)
    started["good"] = ScriptedServer(good)
    yield {name: server.port for name, server in started.items()}
    for server in started.values():
        server.stop()


def _handler(script):
    return script if callable(script) else lambda connection, request: connection.sendall(script)


@pytest.mark.parametrize("database", ["sqlite"])  # no matter of the database
def test_twenty_good_sources_end_on_time_beside_every_hostile_one(url, servers):
    public = {name: f"93.184.215.{number}" for number, name in enumerate(HOSTILE, 1)}
    names = {f"{name}.example": [[address]] for name, address in public.items()}
    names["rebound.example"] = [["10.0.0.7"]]
    names["to-rebound.example"] = [[public["to-rebound"]]]
    names["rebinding.example"] = [["8.8.4.4"], ["127.0.0.1"]]
    names |= {f"good-{number}.example": [["8.8.8.8"]] for number in range(GOOD)}
    machines = {address: servers[name] for name, address in public.items()} | {"8.8.8.8": servers["good"]}
    # Its first answer points to itself; by then its name leads inwards.
    turns = ScriptedServer(lambda connection, request: connection.sendall(to("http://rebinding.example/inside")))
    machines["8.8.4.4"] = turns.port
    scheme = {"unknown-authority": "https"}
    sources = {name: f"{scheme.get(name, 'http')}://{name}.example/feed.xml" for name in HOSTILE}
    sources["rebinding"] = "http://rebinding.example/feed.xml"
    sources |= {f"good-{number}": f"http://good-{number}.example/{number}" for number in range(GOOD)}
    given = {"database": url, "timeout": TIMEOUT, "deadline": DEADLINE, "names": names, "machines": machines}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps({**given, "sources": sources}),
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    turns.stop()
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    wrong = {
        name: told["rows"][name]
        for name, (_, state, words) in HOSTILE.items()
        if told["rows"][name][0] != state or words.lower() not in told["rows"][name][2].lower()
    }
    assert wrong == {}
    assert told["rows"]["rebinding"][0] == "broken"
    assert "(127.0.0.1)" in told["rows"]["rebinding"][2]
    assert {told["rows"][f"good-{number}"][0] for number in range(GOOD)} == {"ok"}
    assert set(told["dialled"]) <= set(machines)  # and nothing inside
    assert told["held"] == GOOD + 5_000 + 2
    assert told["longest"] <= 500
    last = max(told["ended"][f"good-{number}"] for number in range(GOOD))
    assert last < told["seconds"]
    print(f"\nthe good ones took {last:.1f} s, all {told['seconds']:.1f} s and {told['megabytes']:.0f} MB more memory")
    assert told["megabytes"] < MEGABYTES


def test_the_threads_of_a_run_end_with_it(store):
    web = Web()
    names = [f"lab-{number}" for number in range(30)]
    web.pages |= {f"{name}.example": lambda asked: page(body=rss(1)) for name in names}
    desk = Desk(store, web, *(feed(name) for name in names))
    before = {thread.name for thread in threading.enumerate()}
    assert len(desk.run()) == 30
    left = {thread.name for thread in threading.enumerate()} - before
    assert not {name for name in left if name.startswith(("fetch", "batches"))}
    web.stop()
