"""Programs that the delivery benchmarks run: measured as whole processes, and servers that end with their block.

``smtp-sink`` and ``smtp-source`` are Postfix's (Debian: postfix). sink.c and proxy.c stand beside this file and are
compiled into the folder that is given.
"""

from __future__ import annotations

import mmap
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).parent
AnyServer = TypeVar("AnyServer", bound="Server")
#: smtp-sink takes this many connections at once.
MOST_CONNECTIONS = 256
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One process from start to end, with the children it waited for."""

    seconds: float
    cpu: float
    """User and system seconds."""
    megabytes: float
    """Most memory that was resident, as of the last look before its end; looked at only while it is asked for."""
    told: str
    """What it printed."""
    status: int = 0


@dataclass(kw_only=True, slots=True)
class Server:
    """A server of ours on loopback. ``cpu`` (seconds) is known when its block has ended."""

    port: int
    cpu: float = 0.0
    _count: Callable[[], int] = field(default=lambda: 0)

    @property
    def mails(self) -> int:
        """How many it has taken."""
        return self._count()


@dataclass(kw_only=True, slots=True)
class Counting(Server):
    """sink.c, whose counters may be read while it works."""

    counters: Sequence[int] = ()

    @property
    def mails(self) -> int:
        return self.by_data + self.by_bdat

    @property
    def by_data(self) -> int:
        return self.counters[0]

    @property
    def by_bdat(self) -> int:
        return self.counters[1]

    @property
    def content_bytes(self) -> int:
        return self.counters[2]

    @property
    def open_connections(self) -> int:
        return self.counters[3]


class Started:
    """A program that runs. Its end is awaited, or brought about, once."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._told = tempfile.TemporaryFile()  # noqa: SIM115, closed at the end
        self._command = command
        self._begin = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdout=self._told, stderr=self._told, env={**os.environ, **(environment or {})}
        )
        self._done: Run | None = None
        self._peak = 0.0
        self._looked = 0.0

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.perf_counter() - self._begin

    def end(self, *, wait: bool = True) -> Run | None:
        """What it was, once it has ended; None where it has not and shall not be waited for."""
        if self._done is None:
            self._look()
            pid, status, usage = os.wait4(self._process.pid, 0 if wait else os.WNOHANG)
            if not pid:
                return None
            seconds = self.seconds
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._told.seek(0)
            with self._told:
                text = self._told.read().decode("utf-8", "replace")
            self._done = Run(
                seconds=seconds,
                cpu=usage.ru_utime + usage.ru_stime,
                megabytes=self._peak,
                told=text,
                status=self._process.returncode,
            )
        return self._done

    def kill(self) -> Run:
        """Ends it by SIGKILL, unless it has ended."""
        if self._done is None:
            self._looked = 0.0
            self._look()
            self._process.kill()
        done = self.end()
        assert done is not None
        return done

    def _look(self) -> None:
        """Takes note of its memory. Its usage as wait4 tells it would hold ours, too: a child begins as its parent."""
        now = time.perf_counter()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        with suppress(OSError), Path(f"/proc/{self._process.pid}/status").open(encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    self._peak = max(self._peak, int(line.split()[1]) * 1024 / 1e6)


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Generator[Started]:
    """A program, killed at the end of the block if it still runs."""
    one = Started(command, environment)
    try:
        yield one
    finally:
        one.kill()


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, *, good: Sequence[int] = (0,)) -> Run:
    """Runs a program to its end, which must be one of the ``good`` statuses."""
    with started(command, environment) as one:
        done = one.end()
    assert done is not None
    if done.status not in good:
        raise SystemExit(f"{' '.join(command)} ended with {done.status}:\n{done.told[-2000:]}")
    return done


@contextmanager
def postfix_sink(folder: Path) -> Generator[Server]:
    """A fresh smtp-sink, which counts mails as they come (``-c``)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.NamedTemporaryFile(dir=folder) as counters:
        counted = Path(counters.name)
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [_program("smtp-sink"), "-c", *user, "-m", str(MOST_CONNECTIONS), f"127.0.0.1:{port}", "1000"]
        with _served(Server(port=port, _count=lambda: _last_count(counted)), command, counters.fileno()) as server:
            _wait_for(port)
            yield server


@contextmanager
def own_sink(folder: Path, *, chunking: bool = True) -> Generator[Counting]:
    """A fresh sink of ours (sink.c), which is no wall."""
    binary, counters = compiled("sink", folder), folder / "counters"
    counters.unlink(missing_ok=True)
    command = [str(binary), str(counters), *([] if chunking else ["nochunking"])]
    with _printing_port(Counting(port=0), command) as server:
        server.counters = _mapped(counters)
        yield server


@contextmanager
def proxy(folder: Path, port: int, *, milliseconds: float) -> Generator[Server]:
    """A proxy before a port of this machine that delays what passes by so much in each direction (proxy.c)."""
    with _printing_port(Server(port=0), [str(compiled("proxy", folder)), str(port), str(milliseconds)]) as server:
        yield server


def compiled(name: str, folder: Path) -> Path:
    """The program of NAME.c, compiled at the first call."""
    binary = folder / f"{name}-program"
    if not binary.exists():
        subprocess.run([_program("gcc"), "-O3", "-o", str(binary), str(HERE / f"{name}.c")], check=True)
    return binary


def smtp_source(port: int, mails: int, *, sessions: int = 16, size: int = 60_000) -> Run:
    """Postfix's load generator, which keeps its sessions open (``-d``)."""
    options = ["-d", "-s", str(sessions), "-l", str(size), "-m", str(mails)]
    return run([_program("smtp-source"), *options, f"127.0.0.1:{port}"])


def machine() -> dict[str, float | None]:
    """How many cores there are, and how many programs wanted one in the minute before: ours should be alone."""
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"others are at work here (load {load:.1f}); seconds mean little, ratios a little more", file=sys.stderr)
    return {"cores": os.cpu_count(), "load_before": round(load, 1)}


def in_turn(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """(round, name): all names in each round, in an order that turns from round to round."""
    for number in range(rounds):
        turned = [*names[number % len(names) :], *names[: number % len(names)]]
        for name in turned:
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            yield number, name


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one mail more costs: the difference between a small and a large run, and what is left over as start-up."""

    seconds: float
    cpu: float
    start: float
    """Seconds."""

    @property
    def rate(self) -> float:
        return 1 / self.seconds


def marginal(few: tuple[int, Run], many: tuple[int, Run]) -> Cost:
    """The cost a mail between (mails, run) of a small and a large run."""
    more = many[0] - few[0]
    seconds = (many[1].seconds - few[1].seconds) / more
    return Cost(
        seconds=seconds, cpu=(many[1].cpu - few[1].cpu) / more, start=max(0.0, few[1].seconds - few[0] * seconds)
    )


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """The median with the least and the most."""
    return {
        "median": round(statistics.median(values), digits),
        "least": round(min(values), digits),
        "most": round(max(values), digits),
    }


def ratios(ours: Sequence[float], theirs: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Ours to theirs, round by round."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)], digits)


@contextmanager
def _served(server: AnyServer, command: Sequence[str], stdout: int) -> Generator[AnyServer]:
    process = subprocess.Popen(command, stdout=stdout)
    try:
        yield server
    finally:
        process.terminate()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        server.cpu = usage.ru_utime + usage.ru_stime


@contextmanager
def _printing_port(server: AnyServer, command: Sequence[str]) -> Generator[AnyServer]:
    reading, writing = os.pipe()
    with os.fdopen(reading) as told, _served(server, command, writing):
        os.close(writing)
        server.port = int(told.readline())
        yield server


def _wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _last_count(counters: Path) -> int:
    """smtp-sink writes ``sess=1 quit=0 mesg=7`` again and again, over the same line."""
    with counters.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 200))
        told = [line for line in file.read().decode().split("\r") if "mesg=" in line]
    return int(told[-1].partition("mesg=")[2].split()[0]) if told else 0


def _mapped(counters: Path) -> Sequence[int]:
    with counters.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        package = "gcc" if name == "gcc" else "postfix"
        raise SystemExit(f"{name} is not installed; Debian has it in the package {package}")
    return found
