"""An SMTP server on a raw socket that goes wrong where it is told to, and keeps its own log of every mail.

It serves any number of connections at once. ``plan`` is asked at each point of the dialogue whether, and how, the next
thing it says or does goes wrong; None is a healthy answer.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

#: Where something can go wrong, in the order of a dialogue. ``after`` is between the answer to a dot and what follows.
POINTS = ("greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "content", "dot", "after")
BASE = ("8BITMIME", "SIZE 20000000", "ENHANCEDSTATUSCODES")
MODES = {
    "pipelined": (*BASE, "PIPELINING"),
    "in-turn": BASE,
    "bdat": (*BASE, "PIPELINING", "CHUNKING"),
    "bdat-in-turn": (*BASE, "CHUNKING"),
}
#: (point, how often this point was reached) -> how it goes wrong.
Plan = Callable[[str, int], str | None]

#: What the log says of a content that came: a yes was said to it; the whole came, and no answer was given that could
#: be understood in time; it was refused, for now or for good; only a part was read.
YES, UNSURE, LATER, NO, PART = "yes", "unsure", "later", "no", "part"


def healthy(point: str, count: int) -> None:
    return None


class Left(Exception):
    """The dialogue is over."""


@dataclass
class FaultyPeer:
    features: tuple[str, ...]
    plan: Plan = healthy
    seconds: float = 1.0
    """How long a late answer takes."""
    tls: ssl.SSLContext | None = None
    narrow: bool = False
    """Next to nothing is kept by the kernel that was not read."""
    log: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By recipient: what became of each content that came, and each refusal, in order."""
    contents: list[tuple[str, bytes]] = field(default_factory=list)
    """What was said yes to: (recipient, content, dots undone)."""
    reached: Counter[str] = field(default_factory=Counter)
    talkative: bool = False
    """It said more than it was asked."""
    faults: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.narrow:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(10)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a connection was never closed"
        assert not self.faults, self.faults

    def fault(self, point: str) -> str | None:
        with self._lock:
            self.reached[point] += 1
            return self.plan(point, self.reached[point])

    def note(self, address: str, what: str) -> None:
        with self._lock:
            self.log[address].append(what)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        dialogue = _Dialogue(self, sock)
        try:
            dialogue.run()
        except (Left, OSError):
            pass
        except BaseException as error:
            self.faults.append(error)
        finally:
            dialogue.sock.close()


class _Dialogue:
    """One connection."""

    def __init__(self, peer: FaultyPeer, sock: socket.socket) -> None:
        self.peer = peer
        self.sock = sock
        sock.settimeout(10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._size = 0
        self._address = ""
        self._begun = False

    def run(self) -> None:
        self._answer("greeting", "220 peer")
        while True:
            words = self._line().split(b" ", 1)
            rest = words[1] if len(words) > 1 else b""
            match words[0].upper():
                case b"EHLO":
                    self._answer("ehlo", "\r\n".join(self._offer()))
                case b"STARTTLS":
                    self._starttls()
                case b"AUTH":
                    self._answer("auth", "235 2.7.0 welcome")
                case b"MAIL":
                    self._address = ""
                    size = re.search(rb"SIZE=(\d+)", rest)
                    self._size = int(size[1]) if size else 0
                    self._begun = self._answer("mail", "250 2.1.0 ok") == "2"
                case b"RCPT":
                    self._rcpt(rest)
                case b"DATA" if self._address:
                    address = self._address
                    said = self._answer("data", "354 go ahead")
                    if said == "3":
                        self._content(None)
                    else:
                        self.peer.note(address, NO if said == "5" else LATER)
                        self._address = ""
                case b"BDAT":
                    size_, _, last = rest.partition(b" ")
                    assert last == b"LAST", rest
                    self._content(int(size_))
                case b"RSET":
                    self._address, self._begun = "", False
                    self._say("250 2.0.0 ok")
                case b"QUIT":
                    self._say("221 2.0.0 bye")
                    raise Left
                case _:
                    self._say("503 5.5.1 what?")

    def _offer(self) -> list[str]:
        lines = ["peer", *self.peer.features]
        if self.peer.tls is not None and not isinstance(self.sock, ssl.SSLSocket):
            lines.append("STARTTLS")
        return [f"250{' ' if at == len(lines) - 1 else '-'}{line}" for at, line in enumerate(lines)]

    def _starttls(self) -> None:
        assert self.peer.tls is not None
        how = self.peer.fault("starttls")
        self._say("220 go\r\n250 slipped in" if how == "more" else "220 go")
        self._buffer.clear()
        self.sock = self.peer.tls.wrap_socket(self.sock, server_side=True)

    def _rcpt(self, rest: bytes) -> None:
        if not self._begun:
            self._say("503 5.5.1 MAIL first")
            return
        address = rest.partition(b"<")[2].partition(b">")[0].decode()
        said = self._answer("rcpt", "250 2.1.5 ok")
        if said == "2":
            self._address = address
        else:
            self.peer.note(address, NO if said == "5" else LATER)

    def _content(self, size: int | None) -> None:
        """All of a mail; by its size, or up to the dot."""
        address, self._address, self._begun = self._address, "", False
        how = self.peer.fault("content")
        if how is not None:
            self._interrupt(how, address, min(2000, (self._size if size is None else size) // 2))
        content = self._whole(address, size)
        if how == "early yes":
            self._yes(address, content)
        else:
            self._answer_dot(address, content)

    def _interrupt(self, how: str, address: str, size: int) -> None:
        """Something happens in mid-content."""
        try:
            self._read(size)
        except (Left, OSError):
            self.peer.note(address, PART)
            raise
        match how:
            case "early yes":
                self._say("250 2.0.0 early")
            case "early no":
                self.peer.note(address, NO)
                self._say("552 5.3.4 too big")
                raise Left
            case "silence":
                self.peer.note(address, PART)
                time.sleep(self.peer.seconds)  # and nothing is read
                raise Left
            case _:
                self.peer.note(address, PART)
                self._go_wrong(how, "250 2.0.0 ok")

    def _whole(self, address: str, size: int | None) -> bytes:
        try:
            if size is not None:
                self._read(size)
                return self._cut(size)
            looked = 0
            while not self._buffer.startswith(b".\r\n") and (at := self._buffer.find(b"\r\n.\r\n", looked)) < 0:
                looked = max(0, len(self._buffer) - 4)
                self._more()
        except (Left, OSError):
            self.peer.note(address, PART)
            raise
        content = b"" if self._buffer.startswith(b".\r\n") else self._cut(at + 2)
        assert self._cut(3) == b".\r\n"
        return re.sub(rb"(?m)^\.", b"", content)

    def _cut(self, size: int) -> bytes:
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found

    def _answer_dot(self, address: str, content: bytes) -> None:
        how = self.peer.fault("dot")
        match how:
            case None | "double" | "drip" | "nul" | "lose":
                self._yes(address, content)
                self._go_wrong(how, "250 2.0.0 taken") if how else self._say("250 2.0.0 taken")
            case "4xx" | "421":
                self.peer.note(address, LATER)
                self._go_wrong(how, "")
            case "5xx":
                self.peer.note(address, NO)
                self._go_wrong(how, "")
            case _:
                self.peer.note(address, UNSURE)
                self._go_wrong(how, "250 2.0.0 taken")
        more = self.peer.fault("after")
        if more is not None:
            time.sleep(0.003)
            self._go_wrong(more, "250 2.0.0 once more")

    def _yes(self, address: str, content: bytes) -> None:
        with self.peer._lock:
            self.peer.log[address].append(YES)
            self.peer.contents.append((address, content))

    def _answer(self, point: str, usual: str) -> str:
        """Says it, or what goes wrong instead; gives the class of what was said."""
        how = self.peer.fault(point)
        if how is None:
            self._say(usual)
            return usual[0]
        return self._go_wrong(how, usual)

    def _go_wrong(self, how: str, usual: str) -> str:
        self.peer.talkative |= how in ("double", "unasked")
        match how:
            case "drop":
                raise Left
            case "reset":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise Left
            case "421":
                self._say("421 4.3.2 closing")
                raise Left
            case "4xx":
                self._say("450 4.2.0 not now")
                return "4"
            case "5xx":
                self._say("554 5.7.1 no")
                return "5"
            case "slow down":
                self._say("451 4.7.28 too many mails from you")
                return "4"
            case "554":
                self._say("554 5.7.1 go away")
                raise Left
            case "garbage":
                self._say("what?")
                return "?"
            case "half":
                self.sock.sendall(usual[:4].encode())
                self._wait_till_gone()
            case "silence":
                self._wait_till_gone()
            case "late":
                time.sleep(self.peer.seconds)
                self._say(usual)
            case "drip":
                for byte in f"{usual}\r\n".encode():
                    self.sock.sendall(bytes([byte]))
                    time.sleep(0.002)
            case "double":
                self._say(f"{usual}\r\n{usual}")
            case "endless":
                while True:
                    self._say("250-and on" * 1000)
            case "endless lines":
                while True:
                    self._say("\r\n".join(["250-and on"] * 1000))
            case "long":
                self._say("250 " + "x" * 10_000)
            case "nul":
                self._say(usual.replace(" ", " \0", 1))
            case "unasked":
                self._say("250 2.0.0 nobody asked")
            case "lose":
                self._lose()
                self._say(usual)
            case _:
                raise AssertionError(how)
        return usual[0]

    def _lose(self) -> None:
        """Forget what came with the command, as a server that looks for one command in each read."""
        self.sock.settimeout(0.02)
        try:
            while self.sock.recv(65536):
                pass
        except TimeoutError:
            pass
        self.sock.settimeout(10)
        self._buffer.clear()

    def _wait_till_gone(self) -> None:
        while self.sock.recv(65536):
            pass
        raise Left

    def _say(self, text: str) -> None:
        self.sock.sendall(f"{text}\r\n".encode())

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._more()
        return self._cut(self._buffer.index(b"\n") + 1).rstrip(b"\r\n")

    def _read(self, size: int) -> None:
        while len(self._buffer) < size:
            self._more()

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise Left
        self._buffer += data
