"""One thread commits many writes together; each caller gets his own result or his own failure."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import event

from digest.storage import meta
from digest.storage.writer import Writer


@pytest.fixture
def writer(store):
    made = Writer(store)
    yield made
    made.close()


def test_a_write_is_committed_when_the_call_returns(store, writer):
    assert writer.call(lambda tx: meta.put(tx, "key", "value")) is None
    with store.reading() as tx:
        assert meta.get(tx, "key") == "value"
    assert writer.call(lambda tx: meta.get(tx, "key")) == "value"


def test_writes_that_wait_are_committed_together(store):
    commits = []
    event.listen(store.engine, "commit", lambda connection: commits.append(1))
    writer = Writer(store)
    inside, go_on = threading.Event(), threading.Event()

    def first(tx):
        inside.set()
        go_on.wait(10)

    threads = [threading.Thread(target=writer.call, args=(first,))]
    threads[0].start()
    inside.wait(10)
    for number in range(20):
        thread = threading.Thread(target=writer.call, args=(lambda tx, n=number: meta.put(tx, f"{n}", "x"),))
        thread.start()
        threads.append(thread)
    while writer._jobs.qsize() < 20:
        pass
    go_on.set()
    for thread in threads:
        thread.join()
    writer.close()
    assert len(commits) < 10
    with store.reading() as tx:
        assert all(meta.get(tx, f"{number}") == "x" for number in range(20))


def test_one_failing_write_does_not_take_the_others_with_it(store):
    writer = Writer(store)
    inside, go_on = threading.Event(), threading.Event()
    results = {}

    def first(tx):
        inside.set()
        go_on.wait(10)

    def write(number):
        def job(tx):
            meta.put(tx, f"{number}", "x")
            if number == 3:
                raise ValueError("bad write")
            return number

        try:
            results[number] = writer.call(job)
        except ValueError as error:
            results[number] = str(error)

    threads = [threading.Thread(target=writer.call, args=(first,))]
    threads[0].start()
    inside.wait(10)
    for number in range(6):
        threads.append(threading.Thread(target=write, args=(number,)))
        threads[-1].start()
    while writer._jobs.qsize() < 6:
        pass
    go_on.set()
    for thread in threads:
        thread.join()
    writer.close()
    assert results == {0: 0, 1: 1, 2: 2, 3: "bad write", 4: 4, 5: 5}
    with store.reading() as tx:
        assert [meta.get(tx, f"{number}") for number in range(6)] == ["x", "x", "x", None, "x", "x"]


def test_two_writers_and_plain_transactions_share_the_database(store):
    writers = [Writer(store), Writer(store)]

    def add(tx):
        meta.put(tx, "sum", str(int(meta.get(tx, "sum") or 0) + 1))

    def plain():
        for number in range(20):
            with store.transaction() as tx:
                meta.put(tx, f"plain-{number}", "x")

    def through(writer, name):
        for number in range(20):
            writer.call(lambda tx, n=number: meta.put(tx, f"{name}-{n}", "x"))

    threads = [threading.Thread(target=through, args=(writer, n)) for n, writer in enumerate(writers)]
    threads.append(threading.Thread(target=plain))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(3):
        writers[0].call(add)
    for writer in writers:
        writer.close()
    with store.reading() as tx:
        assert meta.get(tx, "sum") == "3"
        names = (f"{name}-{number}" for name in ("plain", "0", "1") for number in range(20))
        assert all(meta.get(tx, name) == "x" for name in names)
