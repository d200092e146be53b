"""Raw talk with a web server: bytes in, bytes out, and what came of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from digest.web.application import application
from digest.web.server import WebServer
from tests.services.road import Road


@contextmanager
def served(road: Road) -> Iterator[int]:
    """The port of a server like the daemon's, once it answers."""
    with ExitStack() as end:
        server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="web.bind")
        end.callback(server.close)
        assert talk(server.port, b"GET /health HTTP/1.0\r\n\r\n").status == 200
        yield server.port


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """``status`` is 0 where the other side closed without a word."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float


def dial(port: int, *, patience: float = 30.0) -> socket.socket:
    """A connection, as soon as somebody listens."""
    end = time.monotonic() + patience
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=patience)
        except ConnectionRefusedError:
            assert time.monotonic() < end, "nobody listens"
            time.sleep(0.01)


def talk(port: int, *pieces: bytes) -> Answer:
    """What is answered until the other side closes."""
    with dial(port) as line:
        started = time.monotonic()
        try:
            for piece in pieces:
                line.sendall(piece)
        except OSError:
            pass  # closed before all was said: there may be an answer all the same
        raw = heard(line)
        return read(raw, time.monotonic() - started)


def heard(line: socket.socket) -> bytes:
    """Everything until the end of the connection."""
    raw = bytearray()
    try:
        while piece := line.recv(65_536):
            raw += piece
    except ConnectionResetError:
        pass
    return bytes(raw)


def read(raw: bytes, seconds: float = 0.0) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    pairs = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
    status = int(lines[0].split()[1]) if head else 0
    return Answer(status=status, headers=pairs, body=body, seconds=seconds)
