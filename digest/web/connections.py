"""One connection to a reader, a proxy or a stranger: how long it may take, and who goes when there are too many.

uvicorn waits for ever for a request that has begun, and above its limit of connections it refuses everybody alike: some
hundred half-open requests would close the door. Here each step has an end, and where all places are taken, the one goes
that has waited longest for its other side; a request that came whole is answered within milliseconds and never waits.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from heapq import nsmallest
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from digest.web.headers import STRICT

#: Below the 1,024 files that a process may usually have open: mails and feeds need some, too.
MOST_CONNECTIONS = 512
_AT_ONCE = 16
_AT_WORK = frozenset({h11.SEND_RESPONSE, h11.SEND_BODY})
#: What may still come of a request that is answered already.
_LINGERING_BYTES = 1_000_000


class Phase(Enum):
    """What the other side owes us."""

    HEAD = "head"
    """A request's first lines; also while there is no next request yet."""
    BODY = "body"
    """The rest of a request, after its first lines."""
    REST = "rest"
    """The rest of a request that was refused: closed before it was read, our answer could get lost."""
    READING = "reading"
    """To read what we wrote: more than a buffer of it waits."""
    CLOSING = "closing"
    """To read the last of it."""
    NOTHING = "nothing"
    """It is our turn."""


#: How long each is waited for.
SECONDS = {Phase.HEAD: 20.0, Phase.BODY: 60.0, Phase.REST: 2.0, Phase.READING: 30.0, Phase.CLOSING: 5.0}


class Connection(H11Protocol):
    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._phase: Phase = Phase.NOTHING
        self._ends: asyncio.TimerHandle | None = None
        self._since: float = 0.0
        self._is_full = False
        self._after_answer = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.REST:
            self._after_answer += len(data)
            if self._after_answer > _LINGERING_BYTES:
                self.transport.abort()
                return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._is_full = True
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._is_full = False
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _watch(self) -> None:
        """Begins to wait for what is owed now; what was owed before goes on to be waited for."""
        phase = self._owed()
        if phase is self._phase:
            return
        self._stop()
        self._phase, self._since = phase, self.loop.time()
        if phase is not Phase.NOTHING:
            self._ends = self.loop.call_later(SECONDS[phase], self._too_late)

    def _owed(self) -> Phase:
        if self.transport.is_closing():
            return Phase.CLOSING
        if self._is_full:
            return Phase.READING
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY if self.conn.our_state in _AT_WORK else Phase.REST
        return Phase.HEAD if self.conn.their_state is h11.IDLE else Phase.NOTHING

    def _too_late(self) -> None:
        begun = self._phase is Phase.BODY or (self._phase is Phase.HEAD and bool(self.conn.trailing_data[0]))
        if begun:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.abort()

    def _make_room(self) -> None:
        """Closes some that have been owing for longest; the new one, where all others are at work."""
        held = cast("set[object]", self.connections)
        owing = [one for one in held if isinstance(one, Connection) and one._phase is not Phase.NOTHING]
        # Some at once, for to look for them costs more than to close them.
        oldest = nsmallest(min(_AT_ONCE, len(owing) - 1), owing, key=lambda one: one._since)
        if not oldest:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        for one in oldest:
            one.transport.abort()
            self.connections.discard(one)  # now, for the next ones may come before it is told

    def _refuse(self, status: HTTPStatus) -> None:
        """A short answer, where none has begun, and the end."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
            body = f"{status.phrase}\n".encode()
            own = (
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            )
            lines = [b"%s: %s" % one for one in (*self.server_state.default_headers, *own, *STRICT)]
            first = f"HTTP/1.1 {status.value} {status.phrase}".encode()
            self.transport.write(b"\r\n".join([first, *lines, b"", body]))
        self.transport.close()
        self._watch()

    def _stop(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None
