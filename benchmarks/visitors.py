"""What the benchmarks of the web share: an installation, its server in a process of its own, and who comes to it.

The server is the daemon's (digest/web/server.py) over a whole App, with the real clock; the client is another process.
A visitor's network is told by X-Forwarded-For, as a proxy on the same machine tells it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' installation and forger serve here, too

from digest.app import App, build
from digest.config import from_table
from digest.web.application import application
from digest.web.server import WebServer
from tests.services.road import DAY, Road, paper, table
from tests.web.sockets import talk

PAPERS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """An installation whose server runs. ``road`` is the same installation, seen from this process."""

    road: Road
    port: int
    process: subprocess.Popen[str]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def megabytes(self) -> float:
        """Resident memory of the server now."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu(self) -> float:
        """Processor seconds of the server so far."""
        values = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, values[11:13])) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Seen:
    """What a visitor saw: by name, seconds and statuses of the answers."""

    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    statuses: Counter[str] = field(default_factory=Counter[str])

    def add(self, name: str, seconds: float, status: int) -> None:
        self.seconds.setdefault(name, []).append(seconds)
        self.statuses[f"{name} {status}"] += 1

    def told(self) -> dict[str, object]:
        times = {
            name: {"requests": len(all_), "p50_ms": at(all_, 0.5), "p99_ms": at(all_, 0.99), "most_ms": at(all_, 1)}
            for name, all_ in sorted(self.seconds.items())
        }
        return {**times, "statuses": dict(sorted(self.statuses.items()))}


def at(seconds: Sequence[float], share: float) -> float:
    """A quantile, in milliseconds."""
    ordered = sorted(seconds)
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def configuration(url: str, port: int, smtp: Mapping[str, object]) -> dict[str, object]:
    """Two digests that anybody may join and look at; one of them was due two minutes ago."""
    due = datetime.now(UTC) - timedelta(minutes=2)
    said = {"send_at": f"{due:%H:%M}", "timezone": "UTC", "join": True, "archive": True}
    made = table(
        url,
        {"name": "daily", "categories": {"cs.CL": 1, "cs.CV": 1}, **said},
        web={"enabled": False, "public_url": f"http://127.0.0.1:{port}", "joins_per_hour": 1_000_000},
    )
    return made | ({"smtp": dict(smtp)} if smtp else {})


@contextmanager
def installation(
    folder: Path, url: str, readers: int, *, smtp: Mapping[str, object] | None = None, papers: int = PAPERS
) -> Iterator[Served]:
    """An installation with so many readers and an edition that is published."""
    port = free_port()
    made = configuration(url, port, smtp or {})
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "table.json").write_text(json.dumps(made))
    app = _built(folder)
    road = Road(folder, url, app, now=datetime.now(UTC))
    for number in range(readers):
        road.reader(f"r{number}@example.org", "daily", since=road.now - 14 * DAY)
    road.bring(*(paper(number) for number in range(1, papers + 1)), at=road.now - timedelta(hours=3))
    assert app.publish.run(datetime.now(UTC)).slots, "nothing was due"
    command = [sys.executable, __file__, "serve", str(folder), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        try:
            assert talk(port, b"GET /health HTTP/1.0\r\n\r\n").status == 200
            yield Served(road=road, port=port, process=process)
        finally:
            process.stdin.close()
            process.wait(20)
            app.close()


@contextmanager
def bare() -> Iterator[int]:
    """The port of the least that can be served: one Starlette handler with the same uvicorn."""
    port = free_port()
    with subprocess.Popen([sys.executable, __file__, "bare", str(port)], stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert talk(port, b"GET /page HTTP/1.0\r\n\r\n").status == 200
        try:
            yield port
        finally:
            process.stdin.close()
            process.wait(20)


def _built(folder: Path) -> App:
    return build(from_table(json.loads((folder / "table.json").read_text()), folder=folder), clock=_now)


def _now() -> datetime:
    return datetime.now(UTC)


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def stamp_of(port: int, path: str = "/join/daily") -> str:
    """A form's stamp, old enough to be a person's."""
    page = talk(port, f"GET {path} HTTP/1.0\r\n\r\n".encode()).body.decode()
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found is not None
    time.sleep(2.1)
    return found[1]


def get(path: str, *, network: str = "192.0.2.1") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {network}\r\n\r\n".encode()


def post(path: str, body: str, *, network: str = "192.0.2.1") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {network}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}"
    ).encode()


class Visitor:
    """One kept connection, made again whenever it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, float, bytes]:
        """(status, seconds, body); status 0 where the connection was closed without an answer."""
        began = time.perf_counter()
        try:
            if self._line is None:
                self._line = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._line
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            status = int(head[9:12])
        except (OSError, asyncio.IncompleteReadError):
            status, head, body = 0, b"connection: close", b""
        seconds = time.perf_counter() - began
        if b"connection: close" in head:
            self.close()
        return status, seconds, body

    def close(self) -> None:
        if self._line is not None:
            self._line[1].close()
            self._line = None


async def crowd(port: int, name: str, requests: Iterator[bytes], seen: Seen, *, hands: int) -> float:
    """So many visitors, each asking its next as soon as it was answered; gives the seconds it took in all."""

    async def hand() -> None:
        visitor = Visitor(port)
        for request in requests:
            status, seconds, _ = await visitor.ask(request)
            seen.add(name, seconds, status)
        visitor.close()

    began = time.perf_counter()
    await asyncio.gather(*(hand() for _ in range(hands)))
    return time.perf_counter() - began


async def at_leisure(port: int, ask: Callable[[], tuple[str, bytes]], seen: Seen, until: asyncio.Event) -> None:
    """Ten visitors a second who wait for nobody else, until the event: what others notice."""

    async def one(name: str, request: bytes) -> None:
        visitor = Visitor(port)
        status, seconds, _ = await visitor.ask(request)
        seen.add(name, seconds, status)
        visitor.close()

    coming: set[asyncio.Task[None]] = set()
    while not until.is_set():
        task = asyncio.create_task(one(*ask()))
        coming.add(task)
        task.add_done_callback(coming.discard)
        await asyncio.sleep(0.1)
    await asyncio.gather(*coming)


def _serve(folder: Path, port: int) -> None:
    app = _built(folder)
    server = WebServer(application(lambda: app), f"127.0.0.1:{port}", option="web.bind")
    sys.stdin.read()  # until the other side lets go
    server.close()
    app.close()


def _bare(port: int) -> None:
    import threading

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    async def page(request: Request) -> HTMLResponse:
        await request.body()
        return HTMLResponse("<p>" + "x" * 4000)

    app = Starlette(routes=[Route("/page", page, methods=["GET", "POST"])])
    config = uvicorn.Config(app, port=port, http="h11", log_level="error", access_log=False)
    threading.Thread(target=uvicorn.Server(config).run, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        _bare(int(sys.argv[2]))
