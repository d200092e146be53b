"""Lines and replies on a connected socket (RFC 5321 section 4.2; RFC 2034 enhanced codes). Does I/O, and never waits.

Takes a socket whose handshake is done, gives the replies that came, and sends segments without joining them. What a
reply means is dialogue for smtp and retry. Every fault of the other side is one error, BrokenError: the connection is
of no further use.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Sequence

MAX_LINE = 4096
MAX_REPLY = 65536
MAX_TEXT = 500
#: Buffers to one sendmsg; POSIX promises only 16, Linux and the BSDs take 1024.
MAX_SEGMENTS = 512
#: Room for a mail in the kernel, so that it usually goes out in one call.
SEND_BUFFER = 262_144
#: One TLS record. OpenSSL tells of none or of all of what it was given, though whole records may have left: with one at
#: a time, what it has not told of cannot have been read.
TLS_CHUNK = 16_384
READ = 65536

_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")
#: Whole replies of one line each, which is what most servers say to most mails.
_SHORT = re.compile(rb"(?:[2-5][0-9]{2}(?: [^\r\n]{0,4000})?\r?\n)+")
_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BrokenError(Exception):
    """The connection cannot be used any more; the text says what was seen."""


class OutOfStepError(BrokenError):
    """An answer did not come in time, or made no sense: the other side may have lost count of our commands."""


class Reply:
    """One whole reply. Its text is made readable only when somebody asks: most say 250 and nothing else."""

    __slots__ = ("_said", "code")

    def __init__(self, code: int, said: bytes | Sequence[bytes]) -> None:
        """``said``: its line, or its lines, without code and line end."""
        self.code = code
        self._said = said

    @property
    def positive(self) -> bool:
        return 200 <= self.code <= 299

    def words(self) -> tuple[str, str]:
        """(enhanced code or empty, text): the lines joined, without control characters."""
        enhanced = ""
        rest: list[str] = []
        for line in (self._said,) if isinstance(self._said, bytes) else self._said:
            text = line.decode("ascii") if line.isascii() else ""
            if not text.isprintable() or not text or "  " in text:
                text = printable(line)
            match = _ENHANCED.match(text) if text[1:2] == "." else None
            if match is not None and match[1][0] == str(self.code)[0]:
                enhanced = enhanced or match[1]
                text = text[match.end() :]
            if text:
                rest.append(text)
        return enhanced, " ".join(rest)[:MAX_TEXT].strip()


class Wire:
    """A connected socket that speaks in replies.

    ``queued`` and ``sent`` count bytes: given to ``send``, and handed over to the network (with TLS, to the record
    layer). A byte that was not handed over cannot have reached the other side.
    """

    __slots__ = (
        "_buffer",
        "_code",
        "_lines",
        "_pending",
        "_size",
        "_sock",
        "_tls",
        "closed",
        "deaf",
        "fault",
        "queued",
        "sent",
    )

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._buffer = b""
        self._lines: list[bytes] = []
        self._code = b""
        self._size = 0
        self._pending: list[memoryview] = []
        self.queued = self.sent = 0
        self.closed = False
        self.deaf: BrokenError | None = None
        """Why nothing can be sent any more. The other side may still have said something before it hung up."""
        self.fault: BrokenError | None = None
        """Why nothing more will come."""
        sock.setblocking(False)
        with contextlib.suppress(OSError):  # a Unix socket (LMTP) has no such option
            # Else the dot would wait for the content's acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def unsent(self) -> bool:
        """Whether something waits for the network to take it."""
        return bool(self._pending)

    def send(self, segments: Sequence[bytes]) -> None:
        """Send all of them, in order, as far as the network takes them now; ``flush`` goes on."""
        size = sum(map(len, segments))
        self.queued += size
        if self.closed or self.deaf is not None:
            return
        done = 0
        if self._tls is not None:
            # TLS has no sendmsg; joined, small segments share a record.
            self._pending.append(memoryview(b"".join(segments)))
            self.flush()
        elif self._pending or len(segments) > MAX_SEGMENTS:
            self._pending += map(memoryview, filter(None, segments))
            self.flush()
        else:
            try:
                done = self._sock.sendmsg(segments)
            except _WAIT:
                pass
            except OSError as exc:
                self._cannot_send(exc)
                return
            self.sent += done
            if done < size:
                self._pending = _rest(list(map(memoryview, filter(None, segments))), done)

    def flush(self) -> None:
        """Hand over what waits, as far as the network takes it."""
        try:
            while self._pending:
                if self._tls is not None:
                    done = self._tls.send(self._pending[0][:TLS_CHUNK])
                else:
                    done = self._sock.sendmsg(self._pending[:MAX_SEGMENTS])
                self.sent += done
                self._pending = _rest(self._pending, done)
        except _WAIT:
            return
        except OSError as exc:
            self._cannot_send(exc)

    def receive(self) -> list[Reply]:
        """The replies that are complete by now; after the last of them comes ``fault``, if there is one."""
        found: list[Reply] = []
        try:
            while True:
                data = self._sock.recv(READ)
                if not data:
                    self.fault = self.deaf or BrokenError("the server closed the connection without an answer")
                    return found
                self._buffer = self._buffer + data if self._buffer else data
                self._cut(found)
                if self._tls is None or not self._tls.pending():
                    return found
        except _WAIT:
            return found
        except OutOfStepError as exc:
            self.fault = exc
        except OSError as exc:
            why = exc.strerror or exc
            self.fault = self.deaf or BrokenError(f"the connection broke while waiting for an answer: {why}")
        return found

    def close(self) -> None:
        """Drop the connection as it stands; nothing more is sent."""
        self.closed = True
        self._pending = []
        with contextlib.suppress(OSError):
            self._sock.close()

    def _cannot_send(self, exc: OSError) -> None:
        self.deaf = BrokenError(f"the connection broke while sending: {exc.strerror or exc}")
        self._pending = []

    def _cut(self, found: list[Reply]) -> None:
        """Moves whole replies out of the buffer; a bare LF ends a line too, as some servers write it."""
        if not self._code and _SHORT.fullmatch(self._buffer):
            found += [Reply(int(line[:3]), line[4:]) for line in self._buffer.splitlines()]
            self._buffer = b""
        elif b"\n" in self._buffer:
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                self._take(line.removesuffix(b"\r"), found)
        if len(self._buffer) > MAX_LINE:
            raise OutOfStepError(f"the server sent a line of more than {MAX_LINE} bytes")

    def _take(self, line: bytes, found: list[Reply]) -> None:
        code, mark = line[:3], line[3:4]
        if (
            len(line) > MAX_LINE
            or not (code.isdigit() and len(code) == 3 and b"2" <= code[:1] <= b"5" and mark in (b" ", b"-", b""))
            or (self._code and code != self._code)
            or self._size > MAX_REPLY
        ):
            raise OutOfStepError(f"the server answered what is no SMTP reply: {printable(line)[:80]!r}")
        self._lines.append(line[4:])
        if mark == b"-":
            self._code = code
            self._size += len(line)
        else:
            found.append(Reply(int(code), self._lines))
            self._lines, self._code, self._size = [], b"", 0


def printable(raw: bytes) -> str:
    """A remote's words, safe for a log and a terminal."""
    text = raw.decode("utf-8", "replace")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _rest(pending: list[memoryview], done: int) -> list[memoryview]:
    """What is left after so many bytes."""
    for number, view in enumerate(pending):
        if done < len(view):
            return [view[done:], *pending[number + 1 :]]
        done -= len(view)
    return []
