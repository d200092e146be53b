"""The way to the network: resolves a name once, judges the addresses, connects to those, and speaks HTTP/1.1.

Takes a request and one fetch's limits (a deadline and a number of bytes on the wire), gives an answer to read. Because
the address that was judged is the one that is dialled, a name that changes its answer in between (DNS rebinding) gains
nothing; because each connection comes through here, every redirect is judged again. A connection is kept for a short
while for the next request to the same host; the caller lets one request at a time go to a host.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpcore2

from digest.sources.asking.guard import of_own_network, public_only

#: (host, port) -> addresses, best first. Raises OSError when the name has none.
Resolve = Callable[[str, int], Sequence[str]]
#: ((address, port), timeout in seconds) -> a connected socket. Raises OSError.
Dial = Callable[[tuple[str, int], float], socket.socket]

#: How long an idle connection may be used again, in seconds: longer than arXiv's pause, shorter than servers wait.
_KEPT_OPEN = 15.0
_MOST_IDLE = 64


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
    """A connected socket that keeps to the allowance of the fetch that uses it, on every read, write and handshake.

    A time-out of the socket is per read, so a server that sends one byte a second would never run into it.
    """

    def __init__(self, sock: socket.socket, allowance: Allowance) -> None:
        self._socket = sock
        self.allowance = allowance

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self.allowance.seconds(timeout))
        try:
            data = self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout from error
        except OSError as error:
            raise httpcore2.ReadError(error.strerror or "") from error
        self.allowance.take(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(self.allowance.seconds(timeout))
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
    ) -> _Stream:
        self._socket.settimeout(self.allowance.seconds(timeout))
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
        return _Stream(wrapped, self.allowance)

    @property
    def is_readable(self) -> bool:
        """True for an idle connection that the server has closed, or on which it says what nobody asked."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))


@dataclass(frozen=True, slots=True)
class _Open:
    connection: httpcore2.HTTP11Connection
    stream: _Stream
    since: float
    """When it was last used, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What an open connection may be used for again: a judgement of addresses holds for nobody else."""

    scheme: bytes
    host: bytes
    port: int
    allow_private: bool


class Answer:
    """A response whose body is still to be read; ``close`` keeps the connection if it may be used again."""

    def __init__(self, response: httpcore2.Response, give_back: Callable[[], None]) -> None:
        self.status = response.status
        self.headers: tuple[tuple[str, str], ...] = tuple(
            (name.decode("latin-1").lower(), _text(value)) for name, value in response.headers
        )
        self._response = response
        self._give_back = give_back

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes over the wire, compressed if it is."""
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()
        self._give_back()


class Connections:
    """Connections to judged addresses, kept open for the next request to the same host; used from many threads.

    ``timeout`` is for connecting; a request carries those of reading and writing.
    """

    def __init__(self, *, tls: ssl.SSLContext, resolve: Resolve, dial: Dial, timeout: float) -> None:
        self._tls = tls
        self._resolve = resolve
        self._dial = dial
        self._timeout = timeout
        self._idle: dict[_Key, _Open] = {}
        self._lock = threading.Lock()

    def ask(self, request: httpcore2.Request, allowance: Allowance, *, allow_private: bool) -> Answer:
        """Sends a request and reads the head of its answer."""
        url = request.url
        key = _Key(url.scheme, url.host, url.origin.port, allow_private)
        used = self._taken(key)
        if used is not None:
            used.stream.allowance = allowance
            try:
                return self._asked(key, used, request)
            except (httpcore2.NetworkError, httpcore2.RemoteProtocolError):
                pass  # the server closed it just now: asked again on a new one
        return self._asked(key, self._opened(key, url.origin, allowance), request)

    def hang_up(self) -> None:
        """Closes what nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for one in idle.values():
            one.connection.close()

    def _asked(self, key: _Key, way: _Open, request: httpcore2.Request) -> Answer:
        return Answer(way.connection.handle_request(request), lambda: self._give_back(key, way))

    def _taken(self, key: _Key) -> _Open | None:
        with self._lock:
            one = self._idle.pop(key, None)
        if one is None:
            return None
        if time.monotonic() - one.since < _KEPT_OPEN and not one.stream.is_readable:
            return one
        one.connection.close()
        return None

    def _give_back(self, key: _Key, way: _Open) -> None:
        if not way.connection.is_idle():
            way.connection.close()
            return
        with self._lock:
            before = self._idle.pop(key, None)
            self._idle[key] = _Open(way.connection, way.stream, time.monotonic())
            oldest = self._idle.pop(next(iter(self._idle))) if len(self._idle) > _MOST_IDLE else None
        for one in (before, oldest):
            if one is not None:
                one.connection.close()

    def _opened(self, key: _Key, origin: httpcore2.Origin, allowance: Allowance) -> _Open:
        host = key.host.decode("ascii").strip("[]")
        try:
            found = self._resolve(host, key.port)
        except (OSError, UnicodeError) as error:
            raise NoSuchName(host) from error
        allowed = of_own_network(found) if key.allow_private else public_only(found)
        if not allowed:
            raise NotPublic(key.host.decode("ascii"), found)
        stream = _Stream(self._first_that_answers(allowed, key.port, allowance), allowance)
        if key.scheme == b"https":
            stream = stream.start_tls(self._tls, host, self._timeout)
        return _Open(httpcore2.HTTP11Connection(origin, stream), stream, time.monotonic())

    def _first_that_answers(self, addresses: Sequence[str], port: int, allowance: Allowance) -> socket.socket:
        failure: OSError | None = None
        for address in addresses[:4]:
            try:
                sock = self._dial((address, port), allowance.seconds(self._timeout))
            except OSError as error:
                failure = error
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
        if isinstance(failure, TimeoutError):
            raise httpcore2.ConnectTimeout from failure
        raise httpcore2.ConnectError(failure.strerror if failure and failure.strerror else "") from failure


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
