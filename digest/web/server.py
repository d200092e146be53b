"""Answers HTTP in a thread of the daemon."""

from __future__ import annotations

import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from digest.model.errors import DigestError
from digest.web.connections import Connection

#: Connections that wait in the kernel to be taken, and how many of them are in one turn of the loop: far fewer than may
#: be open, so that a request is read and at work before newer connections could push it out.
_WAITING, _TAKEN_AT_ONCE = 1024, 64
#: Seconds for answers that are under way when the server ends.
_GRACE = 5


class WebServer:
    """Listens from the moment it is made (so a taken port is told at the start) until ``close()``."""

    def __init__(self, application: ASGIApp, bind: str, *, option: str) -> None:
        """``bind`` is an address and a port, ``option`` the one that named them, for whoever has to change it."""
        self._socket = _listen(bind, option)
        config = uvicorn.Config(
            application,
            log_config=None,  # it is told where the rest is
            log_level="error",  # warnings are of what strangers send: they would fill the disk
            access_log=False,  # paths hold tokens
            server_header=False,
            http=Connection,
            ws="none",
            backlog=_TAKEN_AT_ONCE,
            timeout_keep_alive=15,
            h11_max_incomplete_event_size=32_768,
            timeout_graceful_shutdown=_GRACE,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._socket.getsockname()[1]

    @property
    def where(self) -> str:
        """What it listens on; the port is the one it got where 0 was asked for."""
        host = self._socket.getsockname()[0]
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def is_alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(_WAITING)  # asyncio knows one number only, and has listened with how many it takes at once


def _listen(bind: str, option: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, for asyncio sends without delay (TCP_NODELAY) only where it is: else each answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
        listener.listen(_WAITING)  # from now on a request waits; it is not refused until the loop runs
    except OSError as error:
        listener.close()
        raise DigestError(
            f"cannot listen there: {error.strerror or error}",
            where=f"{option} {bind}",
            try_="stop the program that uses it, or choose another address",
        ) from error
    listener.set_inheritable(False)
    return listener
