"""Processes that call functions for us, as Python runs one thread at a time. Does I/O.

A process is started when it is first needed, and ended by ``close``. Function, arguments and answer go through its
pipes as pickles, which nobody else can write to. What cannot be sent, and where no process can be started, is called
here; a process that dies fails the call that it died of, and the next one gets another process.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

from digest.model.errors import InputError

T = TypeVar("T")

_LENGTH = struct.Struct("!Q")
#: More processes than this wait for the one that writes what they read.
_MOST = 4


class Workers:
    """At most ``most`` processes, one a processor by default; may be used by many threads."""

    def __init__(self, most: int | None = None) -> None:
        self._most = min(_MOST, processors()) if most is None else most
        self._places = threading.Semaphore(self._most)
        self._idle: list[_Worker] = []

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function gives or raises. InputError where the process died of it.

        The function must be one that a module holds under its name.
        """
        try:
            asked = pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError):
            return function(*arguments)
        if self._most < 2 or not sys.executable:
            return function(*arguments)
        with self._places:
            try:
                worker = self._taken()
            except OSError:
                return function(*arguments)
            could, answer = worker.ask(asked)
            self._idle.append(worker)
        if could is None:
            return function(*arguments)
        if not could:
            raise answer
        return answer

    def _taken(self) -> _Worker:
        """An idle process, or a new one; between looking and taking another thread may have been."""
        try:
            return self._idle.pop()
        except IndexError:
            return _Worker()

    def close(self) -> None:
        """Ends the processes; not while a call is under way."""
        while self._idle:
            self._idle.pop().close()


def processors() -> int:
    """How many processors we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    def __init__(self) -> None:
        # -P: the folder that we stand in is no place to import from, unless we do so ourselves.
        places = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
        self._process = subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": places},
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._asks, self._answers = self._process.stdin, self._process.stdout

    def ask(self, asked: bytes) -> tuple[bool | None, Any]:
        """(True, what it gave), (False, what it raised), or (None, None) where it could not be asked there."""
        try:
            _send(self._asks, asked)
            answered = _receive(self._answers)
        except OSError:
            answered = None
        if answered is None:
            self.close()
            raise InputError(
                f"the process that read it died ({_ending(self._process.returncode)})",
                try_="look at the document, which may be too large; it is tried again in the next round",
            )
        return pickle.loads(answered)  # noqa: S301  from our own process

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._asks.close()
        self._answers.close()
        self._process.wait()


def serve() -> None:
    """Answers what it is asked until nobody asks any more: the whole life of such a process."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # these are for whoever asks us, and we end with him
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    gc.set_threshold(20_000)  # what is read holds thousands of objects, and nothing of it goes in circles
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a function prints is no answer
    while (asked := _receive(sys.stdin.buffer)) is not None:
        _send(answers, _answer(asked))


def _answer(asked: bytes) -> bytes:
    try:
        function, arguments = pickle.loads(asked)  # noqa: S301  from our own process
    except Exception:
        return pickle.dumps((None, None))
    try:
        told = pickle.dumps((True, function(*arguments)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return _raised(error)
    return told


def _raised(error: Exception) -> bytes:
    """The error, if it comes through a pickle as what it is; else the caller finds it out again."""
    try:
        told = pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
        pickle.loads(told)  # noqa: S301  as above
    except Exception:
        return pickle.dumps((None, None))
    return told


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(_LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; None where the other side has gone."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = pipe.read(length)
    return message if len(message) == length else None


def _ending(status: int) -> str:
    """How a process ended, in words."""
    return f"status {status}" if status >= 0 else f"signal {-status}"
