"""Behind a pooler that gives each transaction another connection nobody may have the server keep statements."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url

from digest.app.calling import wake_of
from digest.config import from_table
from digest.model.errors import ConfigError
from digest.services.ports import Work
from digest.storage import meta
from digest.storage.engine import Store, open_store
from tests.fleet.test_calls import Served, until

_SOCKET = ".s.PGSQL.5432"
#: The message Parse with a name, as psycopg gives one to what the server is to keep.
_KEPT = re.compile(rb"P.{4}_pg3_", re.DOTALL)


class Overheard:
    """A socket before the server's, and all that is said to the server through it."""

    def __init__(self, url: str, folder: Path) -> None:
        parsed = make_url(url)
        self._server = str(Path(str(parsed.query["host"])) / _SOCKET)
        self.url = parsed.update_query_dict({"host": str(folder)}).render_as_string(hide_password=False)
        self.said = bytearray()
        self._ear = socket.socket(socket.AF_UNIX)
        self._ear.bind(str(folder / _SOCKET))
        self._ear.listen(50)
        self._ends: list[socket.socket] = [self._ear]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._ear.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._ends += (client, server)
                for one, other, note in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass, args=(one, other, note), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, note: bool) -> None:
        with suppress(OSError):
            while some := one.recv(65536):
                if note:
                    self.said += some
                other.sendall(some)
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def overheard(url: str) -> Iterator[Overheard]:
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a short path: a socket's may not exceed 107 bytes
    wire = Overheard(url, folder)
    try:
        yield wire
    finally:
        wire.close()
        shutil.rmtree(folder)


@pytest.mark.parametrize(("parameter", "keeps"), [("", True), ("&prepared_statements=false", False)])
def test_neither_the_ledger_nor_the_queue_has_a_statement_kept_where_none_may_be(
    queued: Store, url: str, parameter: str, keeps: bool
):
    acted: list[int] = []
    with overheard(url) as wire, overheard(url) as wire_of_the_queue:
        store, served = (open_store(one.url + parameter) for one in (wire, wire_of_the_queue))
        for number in range(8):
            with store.transaction() as tx:
                meta.put(tx, "number", str(number))
        with Served(served, {Work.FETCH: lambda: acted.append(1)}):
            for number in range(8):
                with queued.transaction() as tx:
                    wake_of(queued)(tx, Work.FETCH)
                until(lambda: len(acted) > number)  # noqa: B023
        for one in (store, served):
            one.close()
        assert b"number" in wire.said and b"procrastinate_" in wire_of_the_queue.said
        assert [bool(_KEPT.search(one.said)) for one in (wire, wire_of_the_queue)] == [keeps, keeps]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://db/papers", "postgresql+psycopg://db/papers?prepared_statements=false"),
        ("postgresql://db/papers?a=b", "postgresql+psycopg://db/papers?a=b&prepared_statements=false"),
        ("sqlite:////var/lib/digest.db", "sqlite:////var/lib/digest.db"),
    ],
)
def test_the_option_goes_with_the_url_to_whoever_opens_it(tmp_path: Path, url: str, expected: str):
    table = {"mail": {"from": "digest@example.org"}, "database": {"url": url, "prepared_statements": False}}
    assert from_table(table, folder=tmp_path).database_url == expected


def test_it_is_no_part_of_what_is_shown_and_a_wrong_word_is_refused(url: str):
    store = open_store(f"{url}&prepared_statements=false")
    assert store.where == open_store(url).where
    store.close()
    with pytest.raises(ConfigError, match="prepared_statements should be true or false"):
        open_store(f"{url}&prepared_statements=no")
