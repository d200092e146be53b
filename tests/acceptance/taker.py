"""A mail server that takes every mail and thinks for a moment before it says so: much is under way at any instant."""

from __future__ import annotations

import random
import socketserver
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Taker(socketserver.ThreadingTCPServer):
    """Use it in a ``with``. A mail counts as taken at its final dot (or last chunk), before the answer to it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        *,
        hesitates: float = 0.0,
        chunking: bool = False,
        at_greeting: Callable[[], None] = lambda: None,
        at_mail: Callable[[int, str], None] = lambda number, recipient: None,
    ) -> None:
        """``hesitates``: at most so many seconds before the answer to a mail. ``at_mail`` is told how many were taken,
        and to whom this one goes."""
        super().__init__(("127.0.0.1", 0), _Dialogue)
        self.hesitates = hesitates
        self.chunking = chunking
        self.at_greeting = at_greeting
        self.at_mail = at_mail
        self.taken: list[tuple[float, str, bytes]] = []
        """(when by time.monotonic, recipient, content), in order."""
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def count(self) -> int:
        return len(self.taken)

    def copies(self) -> dict[str, list[bytes]]:
        """Every content that a recipient got, in order."""
        found: dict[str, list[bytes]] = defaultdict(list)
        with self._lock:
            for _, recipient, content in self.taken:
                found[recipient].append(content)
        return dict(found)

    def take(self, recipient: str, content: bytes) -> None:
        with self._lock:
            self.taken.append((time.monotonic(), recipient, content))
            number = len(self.taken)
        self.at_mail(number, recipient)
        if self.hesitates:
            time.sleep(random.uniform(0, self.hesitates))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def __enter__(self) -> Self:
        return self


class _Dialogue(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    timeout = 60

    def handle(self) -> None:
        try:
            self._talk(self.server)  # type: ignore[arg-type]
        except OSError:
            return  # the sender is gone

    def _talk(self, server: Taker) -> None:
        server.at_greeting()
        self._say("220 taker")
        recipient = ""
        content = b""
        while line := self.rfile.readline():
            verb, _, rest = line.strip().partition(b" ")
            match verb:
                case b"EHLO":
                    more = "250-CHUNKING\r\n" if server.chunking else ""
                    self._say(f"250-taker\r\n250-PIPELINING\r\n250-8BITMIME\r\n{more}250 SIZE 1000000")
                case b"RCPT":
                    recipient, content = rest.partition(b"<")[2].partition(b">")[0].decode(), b""
                    self._say("250 2.1.5 ok")
                case b"DATA":
                    self._say("354 go ahead")
                    whole = self._lines()
                    if whole is None:
                        return
                    server.take(recipient, whole)
                    self._say("250 2.0.0 taken")
                case b"BDAT":
                    size = int(rest.split()[0])
                    chunk = self.rfile.read(size)
                    if len(chunk) < size:
                        return
                    content += chunk
                    if rest.endswith(b"LAST"):
                        server.take(recipient, content)
                    self._say("250 2.0.0 taken")
                case b"QUIT":
                    self._say("221 2.0.0 bye")
                    return
                case _:
                    self._say("250 2.0.0 ok")

    def _lines(self) -> bytes | None:
        """Up to the final dot; None when the sender left before it."""
        lines: list[bytes] = []
        while line := self.rfile.readline():
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line.removeprefix(b"."))
        return None

    def _say(self, reply: str) -> None:
        self.wfile.write(f"{reply}\r\n".encode())
