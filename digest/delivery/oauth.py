"""OAuth 2.0 access tokens from the operator's own command; such programs keep the refresh token and its secrets. Does
I/O: it runs a process, without a shell.

A token is a password for an hour: it is part of no error, log or repr.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
import time

from digest.model.errors import RelayError

#: How long the command may take.
TIMEOUT = 30.0
#: A token is used again for so long (seconds): several connections are opened at once, and one run serves them all.
KEPT = 60.0
MAX_TEXT = 200
_TOKEN = re.compile(r"[!-~]{1,8192}")


class TokenCommand:
    """Gives the token that the command prints. May be called from several threads."""

    def __init__(self, command: str, *, timeout: float = TIMEOUT) -> None:
        self._command = command
        self._timeout = timeout
        self._lock = threading.Lock()
        self._held = ""
        self._until = float("-inf")

    def __call__(self) -> str:
        """The first line of the command's output. Raises RelayError, with what to try."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._held = ""
                self._held = _token(_run(self._command, self._timeout), self._command)
                self._until = time.monotonic() + KEPT
            return self._held

    def forget(self) -> None:
        """The server refused it: the next call runs the command again."""
        with self._lock:
            self._until = float("-inf")


def _run(command: str, timeout: float) -> str:
    """What the command prints."""
    words = _words(command)
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own configuration names it
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that all that it started can be ended with it
        )
    except FileNotFoundError as error:
        raise _problem(f"there is no program {words[0]!r}", command, "write its full path") from error
    except OSError as error:
        raise _problem(f"{words[0]!r} cannot be run: {error.strerror}", command, "check its permissions") from error
    with process:
        try:
            out, complaint = process.communicate(timeout=timeout)
        except BaseException as error:
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            # Not chained: the exception holds what was printed so far.
            raise _problem(
                f"no token within {timeout:g} seconds", command, "run it by hand: it must not ask anything"
            ) from None
    if process.returncode != 0:
        last = _last_line(complaint)
        said = f": {last}" if last else ""
        raise _problem(f"the command failed with exit code {process.returncode}{said}", command, "run it by hand")
    return out.decode("utf-8", "replace")


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _problem(f"the command cannot be read: {error}", command, "check its quotes") from error
    if not words:
        raise _problem("the command is empty", command, "write a program and its arguments")
    return words


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()


def _token(printed: str, command: str) -> str:
    token = printed.partition("\n")[0].strip()
    if not token:
        raise _problem("the command printed no token", command, "its first line of output should be the token")
    if not _TOKEN.fullmatch(token):
        raise _problem("the first line that the command printed is no token", command, "it should be the token alone")
    return token


def _last_line(complaint: bytes) -> str:
    lines = [line.strip() for line in complaint.decode("utf-8", "replace").splitlines() if line.strip()]
    return "".join(char if char.isprintable() else " " for char in lines[-1])[:MAX_TEXT] if lines else ""


def _problem(what: str, command: str, try_: str) -> RelayError:
    # The program alone: its arguments may hold what nobody should read.
    return RelayError(what, where=f"token_command {command.split(' ')[0][:MAX_TEXT]}".strip(), try_=try_)
