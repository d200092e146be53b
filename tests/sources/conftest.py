"""What the tests of this part share: a server that is stopped at the end, and a fetcher with short limits."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator

import pytest

from digest.sources.asking.fetch import Fetcher
from tests.sources.servers import Handler, ScriptedServer


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start a server: ``serve(bytes)`` always answers these, ``serve(function)`` runs it, ``tls=`` a server context."""
    servers: list[ScriptedServer] = []

    def start(script: bytes | Handler | dict[str, bytes], tls: ssl.SSLContext | None = None) -> ScriptedServer:
        if isinstance(script, bytes):
            handler: Handler = lambda connection, request: connection.sendall(script)  # noqa: E731
        elif isinstance(script, dict):

            def handler(connection: socket.socket, request: bytes) -> None:
                connection.sendall(script[request.split(b" ", 2)[1].decode()])
        else:
            handler = script
        servers.append(ScriptedServer(handler, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    fetcher = Fetcher("ops@example.org", timeout=2, deadline=5, version="1.2")
    yield fetcher
    fetcher.close()
