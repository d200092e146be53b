"""Runs a program of the operator and takes what it prints as a document: the road of command: addresses. Does I/O.

No shell: the arguments are what was configured. The program gets an environment of its own, without our settings and
secrets, and a process group of its own, which is ended with it: when it takes too long, prints too much, or leaves
something running. What it says on standard error is told when it fails.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from digest.model.errors import FetchError
from digest.model.feeds import FetchRequest, FetchResponse
from digest.sources.asking.answers import too_big

#: What of our environment a program needs to run at all.
_PASSED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "SHELL",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
#: How long after being asked to end it is killed, in seconds.
_GRACE = 2.0
_STDERR = 8_192


class Programs:
    """Runs programs, from many threads at once. ``deadline`` is for the whole of a run, in seconds."""

    def __init__(self, folder: Path, *, max_bytes: int = 50_000_000, deadline: float = 120.0) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._deadline = deadline
        self._closed = threading.Event()

    def close(self) -> None:
        """End what runs, and start nothing more."""
        self._closed.set()

    def fetch(self, request: FetchRequest) -> FetchResponse:
        """What ``request.arguments`` prints; FetchError if it cannot be run, fails, or does not come to an end."""
        if not request.arguments:
            raise FetchError("no program is named", where=request.url, try_="name it and its arguments in command")
        if self._closed.is_set():
            raise FetchError("not run: the program is stopping", where=request.url, try_="start it again")
        try:
            process = subprocess.Popen(  # noqa: S603  the operator's own words, and no shell
                request.arguments,
                cwd=self._folder,
                env=_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            said = (error.strerror if isinstance(error, OSError) else None) or error
            raise FetchError(
                f"the program cannot be run: {said}",
                where=request.url,
                try_="check its path, and that this program's user may execute it",
            ) from error
        with process:
            try:
                body, told = self._collect(process, request.url)
                status = process.wait(_GRACE)
            except subprocess.TimeoutExpired as error:
                raise self._too_slow(request.url) from error
            finally:
                _end(process)
        if status:
            raise _failed(status, told, request.url)
        return FetchResponse(url=request.url, status=200, body=body)

    def _collect(self, process: subprocess.Popen[bytes], where: str) -> tuple[bytes, bytes]:
        """(standard output, the end of standard error), until both are closed or the program ended."""
        assert process.stdout is not None and process.stderr is not None
        ends_at = time.monotonic() + self._deadline
        body, told = bytearray(), bytearray()
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ, body)
            waiting.register(process.stderr, selectors.EVENT_READ, told)
            while waiting.get_map():
                if self._closed.is_set():
                    raise FetchError("stopped: the program is stopping", where=where, try_="start it again")
                left = ends_at - time.monotonic()
                if left <= 0:
                    raise self._too_slow(where)
                ready = waiting.select(min(left, 0.2))
                if not ready and process.poll() is not None:
                    break  # it ended; whatever it left behind holds the pipes open
                for key, _ in ready:
                    data = os.read(key.fd, 65_536)
                    if not data:
                        waiting.unregister(key.fileobj)
                    key.data.extend(data)
                if len(body) > self._max_bytes:
                    raise too_big(where, self._max_bytes)
                del told[:-_STDERR]
        return bytes(body), bytes(told)

    def _too_slow(self, where: str) -> FetchError:
        return FetchError(
            f"the program did not end within {self._deadline:g} seconds, and was ended",
            where=where,
            try_="run it by hand, and see what it waits for",
        )


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in ours.items() if name in _PASSED or name.startswith("LC_")}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the whole group: asked first, then killed. One that is gone already is no fault."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
        if process.returncode is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)


def _failed(status: int, told: bytes, where: str) -> FetchError:
    lines = [line for line in told.decode("utf-8", "replace").splitlines() if line.strip()]
    said = "".join(char if char.isprintable() else " " for char in lines[-1]).strip()[:300] if lines else ""
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return FetchError(
        f"the program {how}: {said}" if said else f"the program {how} and said nothing",
        where=where,
        try_="run it by hand as the same user",
    )
