"""A server that stands for many hosts, keeps connections open, and writes down every request; and a clock to turn."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from digest.model.feeds import Source, SourceId
from digest.services.fetching.ingest import FetchedSource, Ingest
from digest.sources.asking.credentials import Credentials
from digest.sources.asking.fetch import Fetcher
from digest.sources.kinds import KINDS
from digest.storage import sources
from digest.storage.engine import Store

#: A Monday.
START = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)
PUBLIC = "93.184.215.14"


@dataclass(frozen=True, slots=True)
class Asked:
    """One line of the log."""

    host: str
    path: str
    at: datetime
    headers: dict[str, str]
    connection: int
    body: bytes = b""


def answer(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """``etag="1"`` becomes ETag; the length is right."""
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    length = "" if status.startswith("304") else f"Content-Length: {len(body)}\r\n"
    return f"HTTP/1.1 {status}\r\n{length}{named}\r\n".encode() + body


class Web:
    """``pages[host]`` answers a line of the log; every name leads here. Time stands still but for sleeping."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.pages: dict[str, Callable[[Asked], bytes]] = {}
        self.log: list[Asked] = []
        self.now = START
        self._connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=200)
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def asked(self, host: str) -> list[Asked]:
        return [one for one in self.log if one.host == host]

    def gaps(self, host: str) -> list[timedelta]:
        times = [one.at for one in self.asked(host)]
        return [after - before for before, after in pairwise(times)]

    def resolve(self, host: str, port: int) -> tuple[str, ...]:
        return (PUBLIC,)

    def dial(self, address: tuple[str, int], timeout: float) -> socket.socket:
        assert address[0] == PUBLIC
        return socket.create_connection(self._socket.getsockname(), timeout)

    def seconds(self) -> float:
        return (self.now - START).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def fetcher(self, credentials: Credentials | None = None, tls: ssl.SSLContext | None = None) -> Fetcher:
        return Fetcher(
            "ops@example.org",
            timeout=5,
            resolve=self.resolve,
            dial=self.dial,
            credentials=credentials,
            tls=tls,
            clock=self.seconds,
            sleep=self.sleep,
            now=lambda: self.now,
        )

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections += 1
            threading.Thread(target=self._talk, args=(connection, self._connections), daemon=True).start()

    def _talk(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            held = b""
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while True:
                while b"\r\n\r\n" not in held:
                    data = connection.recv(65536)
                    if not data:
                        return
                    held += data
                head, _, held = held.partition(b"\r\n\r\n")
                first, *lines = head.decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                size = int(headers.get("content-length", 0))
                while len(held) < size:
                    held += connection.recv(65536)
                body, held = held[:size], held[size:]
                asked = Asked(headers["host"], first.split(" ")[1], self.now, headers, number, body)
                self.log.append(asked)
                connection.sendall(self.pages[asked.host](asked))


class Desk:
    """An ingest service that fetches from a Web."""

    def __init__(self, store: Store, web: Web, *configured: Source, **changes: object) -> None:
        self.store, self.web = store, web
        self.fetcher = web.fetcher()
        self.service = replace(
            Ingest(
                store=store,
                configured=configured,
                kinds=KINDS,
                fetch=self.fetcher.fetch,
                clock=lambda: web.now,
                jitter=lambda: 0.0,
                queue=self.fetcher.queue,
                hang_up=self.fetcher.hang_up,
            ),
            **changes,  # type: ignore[arg-type]
        )

    def run(self, *ids: str) -> dict[str, FetchedSource]:
        return {row.id: row for row in self.service.run(ids or None)}

    def live(self, days: float) -> list[FetchedSource]:
        """Days of a daemon that fetches whatever is due, as soon as it is."""
        until = self.web.now + timedelta(days=days)
        rows: list[FetchedSource] = []
        while True:
            rows += self.service.run()
            due = min((one.next_at for one in self.held().values() if one.next_at), default=until)
            if due >= until:
                self.web.now = until
                return rows
            self.web.now = max(due, self.web.now)

    def held(self) -> dict[str, sources.HeldSource]:
        with self.store.reading() as tx:
            return {one.source.id: one for one in sources.all_held(tx)}


def feed(name: str, **fields: object) -> Source:
    known: dict[str, object] = {"kind": "feed", "url": f"http://{name}.example/feed", **fields}
    return Source(id=SourceId(name), **known)  # type: ignore[arg-type]


def rss(*numbers: int, head: str = "", at: datetime = START) -> bytes:
    """A feed with papers of these numbers; ``head`` goes into its channel."""
    items = "".join(
        f"<item><title>Harbour lights, part {number} of many</title><link>https://papers.example.org/{number}</link>"
        f"<guid>https://papers.example.org/{number}</guid><pubDate>{at:%a, %d %b %Y %H:%M:%S} GMT</pubDate></item>"
        for number in numbers
    )
    return f"<rss version='2.0'><channel><title>Harbour</title>{head}{items}</channel></rss>".encode()
