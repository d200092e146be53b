"""Calls go with the transaction that makes them, one of a kind waits, and nobody's trouble is another's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from importlib import metadata

import psycopg
import pytest
from sqlalchemy import delete, text

from digest.app.calling import wake_of
from digest.fleet.calls import Calls
from digest.fleet.tables import install
from digest.model.errors import StorageError
from digest.services.ports import Work, nobody
from digest.storage import meta, queue
from digest.storage.engine import Store, open_store


def test_a_call_goes_with_its_transaction_and_one_that_waits_is_enough(queued: Store):
    wake = wake_of(queued)
    with suppress(KeyError), queued.transaction() as tx:
        wake(tx, Work.DELIVER)
        raise KeyError
    with queued.reading() as tx:
        assert queue.waiting(tx) == ()
    for _ in range(3):
        with queued.transaction() as tx:
            wake(tx, Work.DELIVER)
            wake(tx, Work.DELIVER)
            wake(tx, Work.PUBLISH)
            meta.put(tx, "after", "the transaction goes on")
    with queued.reading() as tx:
        assert [(one.work, one.waiting, one.doing) for one in queue.waiting(tx)] == [
            ("deliver", 1, 0),
            ("publish", 1, 0),
        ]
        assert meta.get(tx, "after")


def test_a_call_that_the_database_cannot_write_is_told_as_its_trouble(queued: Store, url: str):
    """A lock that is waited for too long stands for whatever else keeps the server from it, as a full disk does."""
    calls = Calls(queued)
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as other:
        other.execute("LOCK TABLE procrastinate_jobs")
        with pytest.raises(StorageError, match="lock timeout"), queued.transaction() as tx:
            tx.execute(text("SET LOCAL lock_timeout = '50ms'"))
            calls.wake(tx, Work.DELIVER)


def test_where_no_queue_is_nobody_is_called(store: Store, tmp_path):
    with store.transaction() as tx:
        wake_of(store)(tx, Work.FETCH)
        meta.put(tx, "after", "the transaction goes on")
    with store.reading() as tx:
        assert queue.waiting(tx) == ()
        assert meta.get(tx, "after")
    alone = open_store(f"sqlite:///{tmp_path / 'digest.db'}")
    assert wake_of(alone) is nobody
    alone.close()


def test_processes_that_start_together_make_the_tables_once(url: str, store: Store):
    stores = [open_store(url) for _ in range(4)]
    with ThreadPoolExecutor() as all_at_once:
        for done in [all_at_once.submit(install, one) for one in stores]:
            done.result(30)
    for one in stores:
        one.close()
    install(store)
    with store.reading() as tx:
        assert queue.are_there(tx)


def test_tables_of_an_older_queue_are_brought_to_ours_and_those_of_somebody_else_are_refused(queued: Store):
    with queued.transaction() as tx:
        queue.note_version(tx, "3.3.9")
        queue.run_script(tx, "DROP FUNCTION procrastinate_retry_job_v2")
        queue.run_script(tx, "DELETE FROM pg_enum WHERE enumlabel = 'retried'")
    install(queued)
    with queued.reading() as tx:
        queue.run_script(tx, "SELECT 'procrastinate_retry_job_v2'::regproc")
        assert queue.version(tx) == metadata.version("procrastinate")
    with queued.transaction() as tx:
        tx.execute(delete(meta.meta))  # as when another installation is moved into this database
    install(queued)
    with queued.transaction() as tx:
        queue.run_script(tx, "COMMENT ON TABLE procrastinate_jobs IS NULL")
    with pytest.raises(StorageError, match="not by us") as refused:
        install(queued)
    assert "database of its own" in refused.value.try_


class Served:
    """A process' side of the queue, in a thread."""

    def __init__(self, store: Store, handlers: Mapping[Work, Callable[[], object]]) -> None:
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(Calls(store, handlers).serve(pace=timedelta(seconds=1)))
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    def __enter__(self) -> Served:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)
        assert not self._thread.is_alive()


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_roles_are_called_each_by_itself_and_a_long_one_holds_up_no_other(queued: Store, url: str):
    acted: Counter[str] = Counter()
    held, let_go = threading.Event(), threading.Event()

    def deliver() -> None:
        acted["deliver"] += 1
        held.set()
        let_go.wait(20)

    with Served(queued, {Work.DELIVER: deliver, Work.FETCH: lambda: acted.update(["fetch"])}):
        until(lambda: held.is_set() and acted["fetch"] >= 2)
        assert acted["deliver"] == 1
        # Nobody here publishes: that call waits for somebody who does, and one of a later version harms nobody.
        with queued.transaction() as tx:
            wake_of(queued)(tx, Work.PUBLISH)
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('fetch', 'digest.weave', '{}'),"
                """ ('fetch', 'digest.fetch', '{"of": "another version"}')"""
            )
        until(lambda: acted["fetch"] >= 4)
        let_go.set()
    with queued.reading() as tx:
        stand = {one.work: one for one in queue.waiting(tx)}
    assert stand["publish"].waiting == 1
    assert stand["publish"].oldest is not None
    assert all(one.doing == 0 for one in stand.values())


def test_what_a_lost_worker_was_called_for_goes_out_again_before_all_else(queued: Store, url: str):
    acted: list[str] = []
    with psycopg.connect(url, autocommit=True) as other:
        (lost,) = other.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id"
        ).fetchone() or (0,)
        other.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id) VALUES"
            " ('deliver', 'digest.deliver', 'doing', %s)",
            (lost,),
        )
    with Served(queued, {Work.DELIVER: lambda: acted.append("deliver")}):

        def nothing_is_left() -> bool:
            with psycopg.connect(url) as other:
                row = other.execute("SELECT count(*) FROM procrastinate_jobs WHERE worker_id = %s", (lost,)).fetchone()
            return row == (0,)

        until(lambda: nothing_is_left() and bool(acted))


def test_a_database_that_was_away_is_gone_back_to(queued: Store, url: str):
    acted: list[float] = []
    with Served(queued, {Work.FETCH: lambda: acted.append(time.monotonic())}):
        until(lambda: bool(acted))
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        cut = time.monotonic()
        until(lambda: acted[-1] > cut + 1)
