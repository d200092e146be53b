"""Lines and replies on a connected socket (RFC 5321 section 4.2; RFC 2034 enhanced codes). Does I/O.

Takes a socket whose handshake is done, gives whole replies within a deadline, and sends segments without joining
them. What a reply means is dialogue for smtp and retry. Every fault of the other side is one error, BrokenError: the
connection is of no further use.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

MAX_LINE = 4096
MAX_REPLY = 65536
MAX_TEXT = 500
#: Buffers to one sendmsg; POSIX promises only 16, Linux and the BSDs take 1024.
MAX_SEGMENTS = 512
TLS_CHUNK = 65536

_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")


class BrokenError(Exception):
    """The connection cannot be used any more; the text says what was seen."""


class OutOfStepError(BrokenError):
    """An answer did not come in time, or made no sense: the other side may have lost count of our commands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One reply, its lines joined, without control characters."""

    code: int
    enhanced: str
    text: str

    @property
    def positive(self) -> bool:
        return 200 <= self.code <= 299


class Wire:
    """A connected socket that speaks in replies."""

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self._sock = sock
        self._timeout = timeout
        self._buffer = bytearray()
        self._scanned = 0
        self.closed = False
        with contextlib.suppress(OSError):  # a Unix socket (LMTP) has no such option
            # Else the dot would wait for the content's acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, segments: Sequence[bytes]) -> None:
        """Send all of them, in order; each step must go out within the timeout."""
        self._usable()
        try:
            self._sock.settimeout(self._timeout)
            if isinstance(self._sock, ssl.SSLSocket):
                self._send_tls(segments)
            else:
                self._send_plain(segments)
        except TimeoutError as exc:
            raise BrokenError(f"the server took nothing for {self._timeout:g} seconds") from exc
        except OSError as exc:
            raise BrokenError(f"the connection broke while sending: {exc}") from exc

    def reply(self, timeout: float | None = None) -> Reply:
        """The next reply, whole, within ``timeout`` seconds (else the wire's own)."""
        allowed = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + allowed
        texts: list[str] = []
        code = b""
        size = 0
        while True:
            line = self._line(deadline, allowed)
            size += len(line)
            match = _REPLY_LINE.fullmatch(line)
            if match is None or (code and match[1] != code) or size > MAX_REPLY:
                raise OutOfStepError(f"the server answered what is no SMTP reply: {printable(line)[:80]!r}")
            code = match[1]
            texts.append(printable(match[3] or b""))
            if match[2] != b"-":
                return _reply(int(code), texts)

    def spoke(self) -> bool:
        """Whether the other side said something, or hung up, without having been asked. Never waits."""
        self._usable()
        if self._buffer:
            return True
        try:
            self._sock.settimeout(0)
            data = self._sock.recv(MAX_LINE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            return True
        self._buffer += data
        return True

    def close(self) -> None:
        """Drop the connection as it stands; nothing more is sent."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._sock.close()

    def _usable(self) -> None:
        if self.closed:
            raise BrokenError("the connection is closed")

    def _line(self, deadline: float, allowed: float) -> bytes:
        """One line without its end; a bare LF ends it too, as some servers write it."""
        while (end := self._buffer.find(b"\n", self._scanned)) < 0:
            self._scanned = len(self._buffer)
            if self._scanned > MAX_LINE:
                break
            self._buffer += self._receive(deadline, allowed)
        if end < 0 or end > MAX_LINE:
            raise OutOfStepError(f"the server sent a line of more than {MAX_LINE} bytes")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        return line.removesuffix(b"\r")

    def _receive(self, deadline: float, allowed: float) -> bytes:
        self._usable()
        remaining = deadline - time.monotonic()
        try:
            if remaining <= 0:
                raise TimeoutError
            self._sock.settimeout(remaining)
            data = self._sock.recv(MAX_LINE)
        except TimeoutError as exc:
            raise OutOfStepError(f"the server did not answer within {allowed:g} seconds") from exc
        except OSError as exc:
            raise BrokenError(f"the connection broke while waiting for an answer: {exc}") from exc
        if not data:
            raise BrokenError("the server closed the connection without an answer")
        return data

    def _send_plain(self, segments: Sequence[bytes]) -> None:
        for start in range(0, len(segments), MAX_SEGMENTS):
            pending = [memoryview(segment) for segment in segments[start : start + MAX_SEGMENTS] if segment]
            while pending:
                sent = self._sock.sendmsg(pending)
                while pending and sent >= len(pending[0]):
                    sent -= len(pending.pop(0))
                if sent:
                    pending[0] = pending[0][sent:]

    def _send_tls(self, segments: Sequence[bytes]) -> None:
        # TLS has no sendmsg; joined, small segments share a record.
        whole = b"".join(segments)
        for start in range(0, len(whole), TLS_CHUNK):
            self._sock.sendall(whole[start : start + TLS_CHUNK])


def printable(raw: bytes) -> str:
    """A remote's words, safe for a log and a terminal."""
    text = raw.decode("utf-8", "replace")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _reply(code: int, texts: Sequence[str]) -> Reply:
    enhanced = ""
    rest: list[str] = []
    for text in texts:
        match = _ENHANCED.match(text)
        if match is not None and match[1][0] == str(code)[0]:
            enhanced = enhanced or match[1]
            text = text[match.end() :]
        if text:
            rest.append(text)
    return Reply(code=code, enhanced=enhanced, text=" ".join(rest)[:MAX_TEXT])
