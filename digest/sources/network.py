"""The way to the network: an httpx2 transport that resolves a name once, judges the addresses, and connects to those.

Takes one fetch's limits (a deadline and a number of bytes on the wire), gives a transport for that fetch alone.
Because the address that was judged is the one that is dialled, a name that changes its answer in between (DNS
rebinding) gains nothing; because each connection comes through here, every redirect is judged again.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

from digest.sources.guard import public_only

#: (host, port) -> addresses, best first. Raises OSError when the name has none.
Resolve = Callable[[str, int], Sequence[str]]
#: ((address, port), timeout in seconds) -> a connected socket. Raises OSError.
Dial = Callable[[tuple[str, int], float], socket.socket]


def resolve(host: str, port: int) -> tuple[str, ...]:
    """The addresses of ``host`` as the operating system knows them, without repeats."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def dial(address: tuple[str, int], timeout: float) -> socket.socket:
    return socket.create_connection(address, timeout)


class NotPublic(Exception):
    """A name has no public address; ``addresses`` are those it has."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        super().__init__(host)
        self.host = host
        self.addresses = tuple(addresses)


class NoSuchName(Exception):
    """A name could not be resolved."""


class Untrusted(Exception):
    """No TLS connection could be made with the server; the text says why."""


class TooSlow(Exception):
    """The whole fetch took longer than it may."""


class TooMuch(Exception):
    """More bytes came over the wire than may."""


@dataclass(slots=True)
class Allowance:
    """What one fetch may still use; shared by all its connections."""

    ends_at: float
    """On the monotonic clock."""
    wire_bytes: int

    def seconds(self, timeout: float | None) -> float:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TooSlow
        return left if timeout is None else min(timeout, left)

    def take(self, count: int) -> None:
        self.wire_bytes -= count
        if self.wire_bytes < 0:
            raise TooMuch


class _Stream(httpcore2.NetworkStream):
    """A connected socket that keeps to the allowance on every read, write and handshake.

    A time-out of the socket is per read, so a server that sends one byte a second would never run into it.
    """

    def __init__(self, sock: socket.socket, allowance: Allowance) -> None:
        self._socket = sock
        self._allowance = allowance

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._allowance.seconds(timeout))
        try:
            data = self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout from error
        except OSError as error:
            raise httpcore2.ReadError(error.strerror or "") from error
        self._allowance.take(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(self._allowance.seconds(timeout))
        try:
            self._socket.sendall(buffer)
        except TimeoutError as error:
            raise httpcore2.WriteTimeout from error
        except OSError as error:
            raise httpcore2.WriteError(error.strerror or "") from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        self._socket.settimeout(self._allowance.seconds(timeout))
        try:
            wrapped = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except TimeoutError as error:
            self.close()
            raise httpcore2.ConnectTimeout from error
        except ssl.SSLError as error:
            self.close()
            raise Untrusted(getattr(error, "verify_message", "") or error.reason or "") from error
        except OSError as error:
            self.close()
            raise httpcore2.ConnectError(error.strerror or "") from error
        return _Stream(wrapped, self._allowance)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return True  # the pool takes an idle connection with something to read for dead: each hop gets its own
        return self._socket if info == "socket" else None


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, allowance: Allowance, allow_private: bool, resolve: Resolve, dial: Dial) -> None:
        self._allowance = allowance
        self._allow_private = allow_private
        self._resolve = resolve
        self._dial = dial

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            found = self._resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise NoSuchName(host) from error
        allowed = found if self._allow_private else public_only(found)
        if not allowed:
            raise NotPublic(host, found)
        return _Stream(self._first_that_answers(allowed, port, timeout), self._allowance)

    def _first_that_answers(self, addresses: Sequence[str], port: int, timeout: float | None) -> socket.socket:
        failure: OSError | None = None
        for address in addresses[:4]:
            try:
                sock = self._dial((address, port), self._allowance.seconds(timeout))
            except OSError as error:
                failure = error
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
        if isinstance(failure, TimeoutError):
            raise httpcore2.ConnectTimeout from failure
        raise httpcore2.ConnectError(failure.strerror if failure and failure.strerror else "") from failure


class GuardedTransport(httpx2.BaseTransport):
    """httpx2's road to ``_Backend``: its own transport cannot be given a network backend."""

    def __init__(
        self, *, allowance: Allowance, allow_private: bool, tls: ssl.SSLContext, resolve: Resolve, dial: Dial
    ) -> None:
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls, network_backend=_Backend(allowance, allow_private, resolve, dial)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=b"",
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()
