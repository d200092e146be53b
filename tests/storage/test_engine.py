"""What goes wrong with a database is a sentence that names it and what to do."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import datetime

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import StatementError

from digest.model.errors import ConfigError, Conflict, StorageError
from digest.storage import meta
from digest.storage.engine import explain, open_store
from digest.storage.people import subscribers
from tests.storage.papers import SLOT_AT


@pytest.fixture
def file(built_sqlite, tmp_path):
    path = tmp_path / "digest.db"
    shutil.copyfile(built_sqlite, path)
    return path


def put(store):
    with store.transaction() as tx:
        meta.put(tx, "key", "value")


def refusal(store):
    with pytest.raises(StorageError) as caught:
        put(store)
    return caught.value


def test_a_database_that_another_program_holds_is_named_as_locked(file, open_database):
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        error = refusal(open_database(f"sqlite:///{file}", busy_ms=50))
    assert error.what == "is locked by another program"
    assert error.where == f"sqlite:///{file}"
    assert error.try_ == "close the program that holds it, or wait; nothing was changed"


def test_a_file_that_may_not_be_written_is_named_as_read_only(file, open_database):
    store = open_database(f"sqlite:///{file}")

    @event.listens_for(store.engine, "connect")
    def only_read(connection, _record):
        connection.execute("PRAGMA query_only=ON")  # works for root as well, whom no file mode stops

    error = refusal(store)
    assert error.what == "cannot be written: the file or its file system is read-only"
    assert "check the rights" in error.try_


def test_a_full_disk_is_named(file, open_database):
    store = open_database(f"sqlite:///{file}")

    @event.listens_for(store.engine, "connect")
    def small(connection, _record):
        connection.execute("PRAGMA max_page_count=1")  # means "no more than there are"

    with pytest.raises(StorageError) as caught, store.transaction() as tx:
        meta.put(tx, "key", "x" * 1_000_000)
    assert caught.value.what == "could not be written: the disk is full"


def test_a_full_disk_of_a_server_is_named_as_such():
    error = explain(Exception('could not extend file "base/1/2": No space left on device\nHINT: Check'), "db")
    assert error.what == "could not be written: the disk of its server is full"
    assert error.try_.startswith("free some space there")


def test_a_folder_that_is_missing_is_named_with_the_command_that_makes_it(tmp_path):
    path = tmp_path / "no" / "digest.db"
    with pytest.raises(StorageError) as caught:
        open_store(f"sqlite:///{path}")
    assert (caught.value.what, caught.value.where) == ("its folder does not exist", str(path))
    assert caught.value.try_ == f"create it: mkdir -p {path.parent}"


def test_a_file_that_is_no_database_is_named(tmp_path, open_database):
    path = tmp_path / "digest.db"
    path.write_text("These are my notes, and not a few pages of them.\n" * 100)
    assert refusal(open_database(f"sqlite:///{path}")).what == "is not a SQLite database"


def test_a_damaged_file_is_named_with_the_way_back(file, open_database):
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    error = refusal(open_database(f"sqlite:///{file}"))
    assert (error.what, error.try_) == ("is damaged", "restore it from a backup made by `digest db backup`")


def test_a_server_that_does_not_answer_is_named_without_its_password(open_database):
    error = refusal(open_database("postgresql://me:hunter2@127.0.0.1:9/digest?connect_timeout=2"))
    assert error.what.startswith("the database did not answer: ")
    assert "hunter2" not in str(error)
    assert "check that it runs" in error.try_


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("digest.db", "is not a database URL"),
        ("mysql://host/db", "names the database 'mysql', which Digest does not speak"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_a_url_that_nobody_can_use_is_refused(url, what):
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert (caught.value.what, caught.value.where) == (what, "database.url")


def test_an_exception_takes_the_whole_transaction_back(store):
    with pytest.raises(RuntimeError), store.transaction() as tx:
        meta.put(tx, "key", "value")
        raise RuntimeError
    with store.reading() as tx:
        assert meta.get(tx, "key") is None


def test_a_reader_sees_one_instant_and_blocks_no_writer(store):
    put(store)
    with store.reading() as before:
        assert meta.get(before, "key") == "value"
        with store.transaction() as tx:
            meta.put(tx, "key", "newer")
        assert meta.get(before, "key") == "value"
    with store.reading() as after:
        assert meta.get(after, "key") == "newer"


def test_faults_of_ours_are_not_dressed_up_as_the_databases(store):
    with pytest.raises(Conflict), store.transaction() as tx:
        tx.execute(insert(meta.meta), [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}])


def test_instants_come_back_aware_and_naive_ones_are_refused(store):
    with store.transaction() as tx:
        tx.execute(insert(subscribers).values(address="a", created_at=SLOT_AT, joined=False))
        assert tx.execute(select(subscribers.c.created_at)).scalar_one() == SLOT_AT
    with pytest.raises(StatementError, match="has no time zone"), store.transaction() as tx:
        tx.execute(insert(subscribers).values(address="b", created_at=datetime(2026, 5, 4), joined=False))
