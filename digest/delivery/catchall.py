"""A small SMTP server that takes every mail and sends none on: for `digest demo`, for trials and tests. Does I/O.

Listens on loopback only, in threads of its own, with nothing but the standard library (RFC 5321; PIPELINING,
8BITMIME, SIZE, SMTPUTF8). Keeps what it took in memory, in a folder as numbered .eml files, or both, or merely counts.
"""

from __future__ import annotations

import re
import socketserver
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

MAX_SIZE = 50_000_000
MAX_COMMAND = 2048
IDLE_SECONDS = 300
OFFER = f"250-digest catch-all\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {MAX_SIZE}"

_PATH = re.compile(rb"(?:FROM|TO):\s*<([^<>]*)>", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Caught:
    """One mail as it arrived, dots unstuffed."""

    sender: str
    recipient: str
    content: bytes


class CatchAll:
    """A running server; use it in a ``with``, or call close()."""

    def __init__(self, *, folder: Path | None = None, keep: bool = True) -> None:
        self._folder = folder
        self._keep = keep
        self._lock = threading.Lock()
        self._caught: list[Caught] = []
        self._files: list[Path] = []
        self._count = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def count(self) -> int:
        """How many mails were taken, one for each recipient."""
        return self._count

    @property
    def messages(self) -> tuple[Caught, ...]:
        """The kept mails, in the order in which they came."""
        with self._lock:
            return tuple(self._caught)

    @property
    def files(self) -> tuple[Path, ...]:
        """The written .eml files, in the order in which they came."""
        with self._lock:
            return tuple(self._files)

    def take(self, sender: str, recipients: list[str], content: bytes) -> None:
        """Keep one mail for each of its recipients. Raises OSError if it cannot be written."""
        with self._lock:
            for recipient in recipients:
                if self._folder is not None:
                    path = self._folder / f"{self._count + 1:05}.eml"
                    path.write_bytes(content)
                    self._files.append(path)
                if self._keep:
                    self._caught.append(Caught(sender=sender, recipient=recipient, content=content))
                self._count += 1

    def close(self) -> None:
        """Stop listening. What was caught stays readable."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, catcher: CatchAll) -> None:
        self.catcher = catcher
        super().__init__(("127.0.0.1", 0), _Dialogue)


class _Dialogue(socketserver.StreamRequestHandler):
    """One client's conversation."""

    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    def setup(self) -> None:
        super().setup()
        assert isinstance(self.server, _Server)
        self._catcher = self.server.catcher

    def handle(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        try:
            self._say("220 digest catch-all")
            while line := self.rfile.readline(MAX_COMMAND):
                if not self._answer(line):
                    return
        except OSError:
            return  # the client is gone

    def _say(self, reply: str) -> None:
        self.wfile.write(f"{reply}\r\n".encode())

    def _answer(self, line: bytes) -> bool:
        """Answer one command; False ends the conversation."""
        if not line.endswith(b"\n"):
            self._say("500 5.5.6 line too long")
            return False
        verb, _, rest = line.strip().partition(b" ")
        match verb.upper():
            case b"EHLO":
                self._reset()
                self._say(OFFER)
            case b"HELO" | b"RSET":
                self._reset()
                self._say("250 2.0.0 ok")
            case b"MAIL":
                self._mail(rest)
            case b"RCPT":
                self._rcpt(rest)
            case b"DATA":
                return self._data()
            case b"NOOP":
                self._say("250 2.0.0 ok")
            case b"QUIT":
                self._say("221 2.0.0 bye")
                return False
            case _:
                self._say("500 5.5.2 unknown command")
        return True

    def _reset(self) -> None:
        self._sender = None
        self._recipients = []

    def _mail(self, rest: bytes) -> None:
        match = _PATH.match(rest)
        size = re.search(rb"\bSIZE=(\d{1,15})\b", rest, re.IGNORECASE)
        if match is None:
            self._say("501 5.1.7 MAIL FROM:<address> expected")
        elif size is not None and int(size[1]) > MAX_SIZE:
            self._say("552 5.3.4 too big")
        else:
            self._sender = match[1].decode("utf-8", "replace")
            self._recipients = []
            self._say("250 2.1.0 ok")

    def _rcpt(self, rest: bytes) -> None:
        match = _PATH.match(rest)
        if self._sender is None:
            self._say("503 5.5.1 MAIL first")
        elif match is None or not match[1]:
            self._say("501 5.1.3 RCPT TO:<address> expected")
        else:
            self._recipients.append(match[1].decode("utf-8", "replace"))
            self._say("250 2.1.5 ok")

    def _data(self) -> bool:
        if self._sender is None or not self._recipients:
            self._say("503 5.5.1 MAIL and RCPT first")
            return True
        self._say("354 go ahead")
        content = self._content()
        if content is None:
            return False
        if len(content) > MAX_SIZE:
            self._say("552 5.3.4 too big")
        else:
            try:
                self._catcher.take(self._sender, self._recipients, content)
                self._say("250 2.0.0 kept")
            except OSError as exc:
                self._say(f"451 4.3.0 {exc.strerror}")
        self._reset()
        return True

    def _content(self) -> bytes | None:
        """Up to the final dot; None if the client left before it, and then nothing is kept."""
        content = bytearray()
        while line := self.rfile.readline():
            if line == b".\r\n":
                return bytes(content)
            if len(content) <= MAX_SIZE:
                content += line[1:] if line.startswith(b".") else line
        return None
