"""Moving from one kind of database to the other: nothing is lost, nobody sends meanwhile, refusals say why."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import threading
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import insert, update

from digest.app.holders import dead_holders, new_holder
from digest.model.errors import DigestError, SendingRefused, StorageError, UsageError
from digest.model.people import SubscriptionState
from digest.services.publishing.publish import may_send
from digest.services.tending.moving import Moving, undo
from digest.storage import destination, meta, moved, people, rows, server, shutting
from digest.storage.base import metadata
from digest.storage.deliveries import deliveries
from digest.storage.engine import Store, open_store
from digest.storage.moved import State
from tests.services.world import World
from tests.storage.full import dump, fill
from tests.storage.papers import SLOT_AT

NOW = SLOT_AT + timedelta(minutes=5)
#: From which kind to which.
WAYS = (("sqlite", "postgresql"), ("postgresql", "sqlite"))


@pytest.fixture
def made(postgres, built_postgresql, built_sqlite, tmp_path):
    """Makes databases: with empty tables, or (``blank``) without any; gives the URL."""
    urls, numbers = [], itertools.count()

    def make(kind, *, blank=False):
        if kind == "sqlite":
            path = tmp_path / f"{next(numbers)}.db"
            if not blank:
                shutil.copyfile(built_sqlite, path)
            return f"sqlite:///{path}"
        urls.append(postgres.create() if blank else postgres.lend(built_postgresql))
        return urls[-1]

    yield make
    for url in urls:
        store = open_store(url)
        with store.transaction() as tx:
            shutting.reopen(tx)
        store.close()
        postgres.take_back(url)


@pytest.fixture(params=WAYS, ids="-to-".join)
def way(request, made, open_database):
    """(the old store, and the URL of the new one, which has empty tables)"""
    old, new = request.param
    return open_database(made(old)), made(new)


def move(source: Store, url: str, progress=None, clock=lambda: NOW):
    with destination.opened(url) as (target, where):
        moving = Moving(
            source=source, target=target, target_where=where, holder=new_holder(), dead=dead_holders, clock=clock
        )
        return moving.run(progress)


def mark(store):
    with store.reading() as tx:
        return moved.mark_of(tx)


def state(store):
    held = mark(store)
    return held and held.state


def refused(source, url) -> DigestError:
    before = dump(source)
    with pytest.raises(DigestError) as caught:
        move(source, url)
    assert dump(source) == before
    assert mark(source) is None
    assert caught.value.try_
    return caught.value


def test_there_and_back_is_the_same(made, open_database):
    old = open_database(made("sqlite"))
    fill(old)
    whole = dump(old)
    middle_url, last_url = made("postgresql", blank=True), made("sqlite", blank=True)
    with psycopg.connect(middle_url, autocommit=True) as server:
        server.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), "
                       "'Asia/Tokyo'); END $$")  # fmt: skip
    told = []
    done = move(old, middle_url, lambda *said: told.append(said))
    middle = open_database(middle_url)
    assert done.moved == {name: len(held) for name, held in whole.items()}
    assert {said[:2] for said in told} == {(what, name) for what in ("copied", "checked") for name in whole}
    assert dump(middle) == whole
    move(middle, last_url)
    last = open_database(last_url)
    assert dump(last) == whole
    assert [state(one) for one in (old, middle, last)] == [State.GONE, State.GONE, None]
    with old.reading() as tx, last.reading() as other:
        for table in map(metadata.tables.__getitem__, whole):  # the very texts of JSON, too
            if table is not meta.meta:
                assert list(rows.read(tx, table)) == list(rows.read(other, table))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_move_to_the_same_kind_takes_an_installation_with_its_secret_and_numbers(kind, made, open_database):
    old, url = open_database(made(kind)), made(kind)
    with old.transaction() as tx:
        secret = meta.secret(tx)
    reader = World(old).reader()
    fresh = open_database(url)
    with fresh.transaction() as tx:
        meta.secret(tx)  # somebody looked whether it can be used
    move(old, url)
    with fresh.reading() as tx:
        assert meta.secret(tx) == secret
        assert people.subscription(tx, reader.id) == reader
    assert World(fresh).reader("bo@example.org").id > reader.id
    assert World(fresh).send() == []


def test_what_has_moved_neither_sends_nor_starts_nor_takes_a_change(way):
    old, url = way
    world = World(old)
    world.reader()
    to = move(old, url).to
    with pytest.raises(SendingRefused) as caught:
        world.publish.run(NOW)
    assert caught.value.what == f"this database has moved to {to} (2026-05-04 05:35 UTC)"
    assert "set database.url" in caught.value.try_
    with pytest.raises(DigestError, match="has moved"):
        world.deliver.run()
    with pytest.raises(StorageError, match="has moved"):
        moved.refuse(old)
    with pytest.raises(StorageError, match="has moved"):
        world.subscribe.leave("ada@example.org")
    with pytest.raises(StorageError, match="has moved to"):
        move(old, url)


def test_a_reader_who_leaves_while_it_is_copied_is_told_no_lie(way, open_database):
    old, url = way
    World(old).reader()
    came = leaving(old, at="subscribers", and_then=lambda: None)
    move(old, url, came.progress)
    came.thread.join()
    assert isinstance(came.ended, StorageError)
    with open_database(url).reading() as tx:
        assert [one.state for one in people.page(tx)] == [SubscriptionState.CONFIRMED]


def test_a_reader_who_leaves_while_a_copy_fails_has_left(way):
    old, url = way
    World(old).reader()

    def fails():
        raise KeyboardInterrupt

    came = leaving(old, at="subscribers", and_then=fails)
    with pytest.raises(KeyboardInterrupt):
        move(old, url, came.progress)
    came.thread.join()
    assert came.ended is None
    with old.reading() as tx:
        assert [one.state for one in people.page(tx)] == [SubscriptionState.UNSUBSCRIBED]
    assert mark(old) is None
    assert move(old, url).moved["subscriptions"] == 1


class leaving:
    """Somebody leaves, in a thread, when a table is copied."""

    def __init__(self, store, *, at, and_then):
        self.ended = None
        self.thread = threading.Thread(target=self.leave)
        self._store, self._at, self._and_then = store, at, and_then

    def leave(self):
        try:
            World(self._store).subscribe.leave("ada@example.org")
        except Exception as error:
            self.ended = error

    def progress(self, what, table, done, of):
        if (what, table, done) == ("copied", self._at, 0):
            self.thread.start()
            with self._store.reading() as tx, pytest.raises(SendingRefused, match="is being moved to"):
                may_send(tx, has_public_url=True)
            self._and_then()


@pytest.mark.parametrize("way", WAYS[:1], indirect=True, ids="-to-".join)
def test_a_difference_is_told_and_nothing_is_moved(way, monkeypatch, open_database):
    old, url = way
    fill(old, each=2)
    whole = dump(old)
    write = rows.write

    def forgetful(tx, table, given):
        held = list(given)
        write(tx, table, held[:-1] if table.name == "votes" else held)

    monkeypatch.setattr(rows, "write", forgetful)
    with pytest.raises(StorageError) as caught:
        move(old, url)
    assert caught.value.where == "table votes"
    assert "2 rows with the checksum" in caught.value.what and "1 with " in caught.value.what
    monkeypatch.undo()
    assert (mark(old), dump(old)) == (None, whole)
    move(old, url)
    assert dump(open_database(url)) == whole


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_that_is_not_empty_is_refused_and_named(kind, made, open_database):
    old, url = open_database(made("sqlite")), made(kind)
    World(open_database(url)).reader()
    whole = dump(open_database(url))
    error = refused(old, url)
    assert error.what == "it is not empty: 1 in subscribers, 1 in subscriptions"
    assert dump(open_database(url)) == whole


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_of_others_or_of_another_age_is_refused(kind, made, open_database):
    old, url = open_database(made("sqlite")), made(kind, blank=True)
    other = open_database(url)
    with other.transaction() as tx:
        tx.exec_driver_sql("CREATE TABLE wages (id INTEGER)")
    assert refused(old, url).what == "it has tables that Digest did not make: wages"
    aged = made(kind)
    with open_database(aged).transaction() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'")
    assert "another version of Digest (0003" in refused(old, aged).what


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_database_itself_is_refused_by_whatever_name(kind, made, open_database, tmp_path):
    url = made(kind)
    old = open_database(url)
    if kind == "sqlite":
        (tmp_path / "alias.db").symlink_to(url.removeprefix("sqlite:///"))
        url = f"sqlite:///{tmp_path}/alias.db"
    else:
        url += "&application_name=other"
    assert refused(old, url).what == "this is the database that is in use"


def test_what_is_no_database_is_refused_without_its_password(made, open_database, tmp_path, monkeypatch, postgres):
    old = open_database(made("sqlite"))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        told = [
            refused(old, url)
            for url in (
                f"postgresql://ada:geheim@127.0.0.1:{port}/digest",
                f"postgresql://127.0.0.1:{port}/digest?user=ada&password=geheim",
                "postgresql://ada:geh@eim@127.0.0.1/digest",
                "mysql://ada:geheim@127.0.0.1/digest",
                "postgresql://ada:geheim@127.0.0.1:port/digest",
                made("postgresql", blank=True).replace("/digest_", "/nowhere_"),
                f"sqlite:///{tmp_path}/none/new.db",
            )
        ]
    assert "geh" not in "".join(f"{error} {error.what} {error.where} {error.try_}" for error in told)
    assert [type(error).__name__ for error in told[2:5]] == ["UsageError", "ConfigError", "UsageError"]
    assert "createdb" in told[5].try_ and "mkdir" in told[6].try_
    url = made("postgresql", blank=True)
    monkeypatch.setattr(server, "LEAST_VERSION", 99)
    assert "Digest needs 99 or newer" in refused(old, url).what
    monkeypatch.undo()
    postgres.run("DROP ROLE IF EXISTS guest")
    postgres.run("CREATE ROLE guest LOGIN")
    as_guest = refused(old, url.replace("//postgres:@", "//guest@").replace("//postgres@", "//guest@"))
    assert as_guest.what.startswith("guest may not make tables there")
    postgres.run("DROP ROLE guest")


def test_a_file_that_was_made_for_a_move_that_is_refused_goes_again(made, open_database, tmp_path):
    old = open_database(made("sqlite"))
    with old.transaction() as tx:
        meta.take_lease(tx, "publish", "elsewhere:7:1", NOW, NOW + timedelta(hours=1))
    assert refused(old, f"sqlite:///{tmp_path}/new.db").what == "process 7 on elsewhere is publishing"
    assert list(tmp_path.glob("new.db*")) == []


@pytest.mark.parametrize("way", WAYS[:1], indirect=True, ids="-to-".join)
def test_who_sends_holds_a_move_up_unless_he_is_gone(way, open_database):
    old, url = way
    fill(old, each=2)
    with old.transaction() as tx:
        of = deliveries.c.id == 1
        later = NOW + timedelta(minutes=1)
        tx.execute(update(deliveries).where(of).values(lease="elsewhere:7:1:2", leased_until=later, state="sending"))
    assert refused(old, url).what == "process 7 on elsewhere is sending"
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    with old.transaction() as tx:
        gone = f"{socket.gethostname()[:30]}:{child}:1:1"
        tx.execute(update(deliveries).where(of).values(lease=gone))
        tx.execute(insert(meta.leases).values(name="publish", holder=gone, until=later))
        tx.execute(insert(meta.leases).values(name="old", holder="elsewhere:8:1", until=NOW))
    move(old, url)
    with open_database(url).reading() as tx:
        assert tx.execute(deliveries.select().where(of)).one().lease == gone  # as uncertain as it was


def killed(point, old_url, new_url):
    """A process of its own that moves, and is killed (SIGKILL) at a point; waits for its end."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        return
    try:
        _move_and_die(point, old_url, new_url)
    finally:
        os._exit(1)


def _move_and_die(point, old_url, new_url):
    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(what, table, done, of):
        if (what, table) == (point, "attempts"):
            die()

    transaction = Store.transaction

    @contextmanager
    def watched(self):
        with transaction(self) as tx:
            yield tx
        if state(self) == point:
            die()

    Store.transaction = watched
    move(open_store(old_url), new_url, progress)


@pytest.mark.parametrize("way", WAYS[1:], indirect=True, ids="-to-".join)
def test_what_a_killed_move_left_is_taken_back_or_begun_again(way, open_database):
    old, url = way
    fill(old, each=2)
    whole = dump(old)
    old_url = old.engine.url.render_as_string(hide_password=False)
    old.close()
    killed("copied", old_url, url)
    assert state(old) is State.LEAVING
    with old.reading() as tx, pytest.raises(SendingRefused):
        may_send(tx, has_public_url=True)
    assert undo(old, lambda: NOW).was_gone is False
    assert (mark(old), dump(old)) == (None, whole)
    old.close()
    killed(State.ARRIVING, old_url, url)
    new = open_database(url)
    assert (state(old), state(new)) == (State.LEAVING, State.ARRIVING)
    with pytest.raises(StorageError, match="did not come to its end"):
        moved.refuse(new)
    with old.transaction() as tx:
        meta.put(tx, "since", "then")  # the old one still counts
    move(old, url)
    with new.reading() as tx:
        assert meta.get(tx, "since") == "then"
    moved.refuse(new)
    assert {**dump(new), "meta": whole["meta"]} == whole


@pytest.mark.parametrize("way", WAYS[:1], indirect=True, ids="-to-".join)
def test_a_move_that_was_killed_at_its_very_end_is_ended_by_starting_it_again(way, open_database):
    old, url = way
    fill(old, each=2)
    whole = dump(old)
    old.close()
    killed(State.GONE, old.engine.url.render_as_string(hide_password=False), url)
    new = open_database(url)
    assert (state(old), state(new)) == (State.GONE, State.ARRIVING)
    done = move(old, url)
    assert done.moved == {name: len(held) for name, held in whole.items()}
    assert dump(new) == whole


@pytest.mark.parametrize("way", WAYS[1:], indirect=True, ids="-to-".join)
def test_what_has_moved_can_be_taken_back_as_a_backup_that_was_put_back(way):
    old, url = way
    world = World(old)
    world.reader()
    move(old, url)
    assert undo(old, lambda: NOW).was_gone is True
    with pytest.raises(SendingRefused, match="restored backup"):
        world.deliver.run()
    world.now = NOW
    world.upkeep.restored(NOW)
    world.subscribe.leave("ada@example.org")
    with pytest.raises(UsageError, match="neither moved nor is being moved"):
        undo(old, lambda: NOW)
