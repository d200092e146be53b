"""An SMTP peer on a raw socket that says exactly what a test scripts, a relay and a mail to try on it."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from digest.delivery.relay import Relay
from digest.model.mail import Envelope

ENVELOPE = Envelope(sender="bounces@example.org", recipient="reader@example.net", size=120)
CONTENT = (b"Message-ID: <0123456789abcdef0123456789abcdef@example.org>\r\n", b"Subject: Papers\r\n\r\n", b"Hello\r\n")
FEATURES = ("PIPELINING", "8BITMIME", "SIZE 1000000", "ENHANCEDSTATUSCODES")
PLAIN_FEATURES = ("8BITMIME", "SIZE 1000000")


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
    }
    return Relay(**{**base, **settings})  # type: ignore[arg-type]


class Dot:
    """A before_dot that counts its calls."""

    def __init__(self, answer: bool = True) -> None:
        self.answer = answer
        self.calls = 0

    def __call__(self) -> bool:
        self.calls += 1
        return self.answer
