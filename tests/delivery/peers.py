"""An SMTP peer on a raw socket that says exactly what a test scripts, a relay and a mail to try on it."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from digest.delivery.content import dotted, ended
from digest.delivery.exchange import Exchange, hand_over
from digest.delivery.relay import Event, Mail, Relay, Session
from digest.model.mail import Envelope, Outcome

ENVELOPE = Envelope(sender="bounces@example.org", recipient="reader@example.net", size=120)
CONTENT = (b"Message-ID: <0123456789abcdef0123456789abcdef@example.org>\r\n", b"Subject: Papers\r\n\r\n", b"Hello\r\n")
FEATURES = ("PIPELINING", "8BITMIME", "SIZE 1000000", "ENHANCEDSTATUSCODES")
PLAIN_FEATURES = ("8BITMIME", "SIZE 1000000")
CHUNKING = (*FEATURES, "CHUNKING")


class Gone(Exception):
    """The client hung up."""


@dataclass
class Talk:
    """One accepted connection, as the script sees it."""

    sock: socket.socket
    heard: list[bytes] = field(default_factory=list)
    _buffer: bytes = b""

    def line(self) -> bytes:
        while b"\n" not in self._buffer:
            data = self.sock.recv(65536)
            if not data:
                raise Gone
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        line = line.removesuffix(b"\r")
        self.heard.append(line)
        return line

    def say(self, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode() + b"\r\n"
        self.sock.sendall(data)

    def drip(self, text: str) -> None:
        for byte in text.encode() + b"\r\n":
            self.sock.sendall(bytes([byte]))
            time.sleep(0.0005)

    def content(self) -> bytes:
        """Up to the final dot, which is taken too."""
        lines: list[bytes] = []
        while (line := self.line()) != b".":
            lines.append(line + b"\r\n")
        return b"".join(lines)

    def chunk(self) -> bytes:
        """The bytes of a BDAT LAST, whose command is the next line."""
        words = self.line().split()
        assert (words[0], words[2]) == (b"BDAT", b"LAST"), words
        return self.exactly(int(words[1]))

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = self.sock.recv(65536)
            if not data:
                raise Gone
            self._buffer += data
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    @property
    def waiting(self) -> bytes:
        """What the client has sent beyond what was read, once it is quiet."""
        self.sock.settimeout(0.15)
        try:
            while data := self.sock.recv(65536):
                self._buffer += data
        except TimeoutError:
            pass
        finally:
            self.sock.settimeout(10)
        return self._buffer

    def lose(self) -> None:
        """Throw away what came and was not read, as a server that cannot do PIPELINING."""
        assert self.waiting is not None
        self._buffer = b""

    def drop(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Hang up with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def greet(self, *features: str) -> None:
        """220 and the answer to EHLO."""
        self.say("220 peer")
        self.line()
        lines = ("peer", *features)
        self.say("\r\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{line}" for i, line in enumerate(lines)))

    def envelope(self, mail: str = "250 ok", rcpt: str = "250 ok", data: str = "354 go") -> None:
        """MAIL, RCPT and DATA, whether they come at once or in turn."""
        for answer in (mail, rcpt, data):
            self.line()
            self.say(answer)

    def idle(self) -> None:
        """Answer RSET and QUIT until the client leaves."""
        while True:
            command = self.line()
            self.say("221 bye" if command == b"QUIT" else "250 ok")


Script = Callable[[Talk], None]


class Peer:
    """A listening peer that plays one script for each connection, in turn."""

    def __init__(self, *scripts: Script, listener: socket.socket | None = None) -> None:
        self._scripts = scripts
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.talks: list[Talk] = []
        self.faults: list[BaseException] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(10)
            talk = Talk(sock)
            self.talks.append(talk)
            try:
                script(talk)
            except (Gone, ConnectionError, ssl.SSLError):
                pass
            except BaseException as exc:
                self.faults.append(exc)
            finally:
                sock.close()

    def close(self) -> None:
        # shutdown wakes a waiting accept; close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        assert not self.faults, self.faults

    @property
    def heard(self) -> list[bytes]:
        return [line for talk in self.talks for line in talk.heard]


@contextmanager
def playing(*scripts: Script, listener: socket.socket | None = None) -> Iterator[Peer]:
    peer = Peer(*scripts, listener=listener)
    try:
        yield peer
    finally:
        peer.close()


def relay_to(port: int, /, **settings: object) -> Relay:
    base: dict[str, object] = {
        "name": "test",
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "timeout": 3.0,
        "dot_timeout": 3.0,
        "helo_name": "sender.example.org",
        "answer_timeout": settings.get("timeout", 3.0),
    }
    return Relay(**{**base, **settings})  # type: ignore[arg-type]


def packed(envelope: Envelope = ENVELOPE, segments: Sequence[bytes] = CONTENT, about: object = None) -> Mail:
    """A mail as services make it: its last line ended, its dots doubled."""
    parts = ended(segments)
    return Mail(envelope, parts, dotted(parts), about)


def submit(relay: Relay, envelope: Envelope = ENVELOPE, segments: Sequence[bytes] = CONTENT) -> Outcome:
    """One mail over a connection of its own."""
    return hand_over(relay, packed(envelope, segments))


@dataclass
class Line:
    """An open connection, for one mail after the other."""

    exchange: Exchange
    session: Session
    ready: int = 0
    """How many envelopes were accepted."""

    def submit(self, envelope: Envelope = ENVELOPE, segments: Sequence[bytes] = CONTENT) -> Outcome:
        """Offers a mail and waits for its end."""
        mail = packed(envelope, segments)
        refused = self.offer(mail)
        if refused is not None:
            return refused
        self.session.go()
        outcome = self.hear(mail)[1]
        assert outcome is not None
        return outcome

    def offer(self, mail: Mail) -> Outcome | None:
        """Offers a mail and waits for its answer: None when its content may go."""
        outcome = self.session.offer(mail) or self.hear(mail)[1]
        self.ready += outcome is None
        return outcome

    def hear(self, mail: Mail | None, seconds: float = 10.0) -> tuple[list[Event], Outcome | None]:
        """Waits until something is said of a mail: (all that was said meanwhile, the outcome or None for ready)."""
        deadline = time.monotonic() + seconds
        told: list[Event] = []
        while time.monotonic() < deadline:
            told += self.exchange.poll(0.1)
            for event in told:
                if event.mail is mail:
                    return told, event.outcome
        raise AssertionError(f"nothing was said of the mail, only {told}")


@contextmanager
def connected(relay: Relay) -> Iterator[Line]:
    exchange = Exchange()
    try:
        exchange.open(relay)
        while not exchange.opened:
            exchange.poll(relay.timeout)
        (opened,) = exchange.opened
        exchange.opened.clear()  # taken: while it lies there each poll comes back at once
        if opened.error is not None:
            raise opened.error
        assert opened.session is not None
        yield Line(exchange, opened.session)
    finally:
        exchange.close()
