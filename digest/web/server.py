"""Runs the pages in a thread of the daemon."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn

from digest.app import App
from digest.model.errors import DigestError
from digest.web.pages import Pages


class WebServer:
    """Listens from the moment it is made (so a taken port is told at the start) until ``close()``."""

    def __init__(self, current: Callable[[], App], host: str, port: int) -> None:
        self._socket = _listen(host, port)
        config = uvicorn.Config(
            Pages(current).application(),
            log_level="warning",
            access_log=False,  # paths hold tokens
            server_header=False,
            timeout_keep_alive=15,
            limit_concurrency=512,
            h11_max_incomplete_event_size=32_768,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._socket.getsockname()[1]

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise DigestError(
            f"cannot listen there: {error.strerror or error}",
            where=f"web.bind {host}:{port}",
            try_="stop the program that uses it, choose another address, or set web.enabled = false",
        ) from error
    listener.set_inheritable(False)
    return listener
