"""Copies are whole and refuse to send; a released copy repeats nothing; retention never takes what is still needed."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from digest.model.errors import SendingRefused, StorageError, UsageError
from digest.model.feeds import EntryId
from digest.storage import deliveries, editions, entries, meta, migrate, people, sources
from digest.storage.base import metadata
from tests.services.world import DAILY, World
from tests.storage.papers import SLOT_AT, new_paper


def rows(store):
    with store.reading() as tx:
        return {
            table.name: sorted(map(repr, tx.execute(select(table))))
            for table in metadata.sorted_tables
            if table.name not in ("meta", "leases")
        }


def a_lived_in_world(store):
    """Two days of sending, a merged work, a joined mail, somebody who left."""
    world = World(store, digests=(DAILY, replace(DAILY, name="weekly", title="The Weekly")))
    world.source()
    for number in range(1, 6):
        world.paper(number, votes=number)
    later = new_paper(9)
    with store.transaction() as tx:
        meta.secret(tx)
        # The absorbed row (1) points to a later one.
        entries.apply(tx, [replace(later, absorbed=(EntryId(1),))], now=world.now)
    ada = world.reader(joined=True)
    world.reader(digest="weekly")
    world.reader("bo@example.org", preferences={"keywords": ["ledgers"]}, timezone="Asia/Tokyo")
    world.send()
    world.subscribe.leave("bo@example.org")
    assert ada.address == "ada@example.org"
    return world


def test_a_backup_holds_everything_and_only_its_owner_may_read_it(store, tmp_path, open_database):
    world = a_lived_in_world(store)
    path = tmp_path / "copy.db"
    done = world.upkeep.backup(path, secret_file=b"one\ntwo\n")
    copied = open_database(f"sqlite:///{path}")
    assert path.stat().st_mode & 0o777 == 0o600
    assert rows(copied) == rows(store)
    assert done.rows == sum(map(len, rows(store).values())) + 2  # in meta: the secret, and who works with these tables
    with copied.reading() as tx, store.reading() as original:
        assert meta.get(tx, meta.SECRET) == meta.get(original, meta.SECRET) is not None
        assert meta.get(tx, "secret_file") == "one\ntwo\n"
        assert meta.instant(tx, meta.RESTORED) == world.now
        assert meta.get(original, meta.RESTORED) is None
    assert migrate.current(copied) == migrate.head()


def test_a_backup_leaves_nothing_else_behind(store, tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    World(store).upkeep.backup(folder / "copy.db")
    assert [file.name for file in folder.iterdir()] == ["copy.db"]


def test_a_backup_never_replaces_a_file(store, tmp_path):
    path = tmp_path / "copy.db"
    path.write_bytes(b"precious")
    with pytest.raises(StorageError, match="file of this name already"):
        World(store).upkeep.backup(path)
    assert path.read_bytes() == b"precious"


def test_a_backup_into_no_folder_says_so(store, tmp_path):
    with pytest.raises(StorageError) as caught:
        World(store).upkeep.backup(tmp_path / "nowhere" / "copy.db")
    assert caught.value.what == "the copy cannot be written: No such file or directory"


def test_a_backup_is_of_one_instant_while_others_write(store, tmp_path, open_database):
    world = World(store)
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            world.paper(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            world.upkeep.backup(tmp_path / f"{number}.db")
    finally:
        stop.set()
        writer.join()
    for number in range(3):
        with open_database(f"sqlite:///{tmp_path / f'{number}.db'}").reading() as tx:
            works = tx.execute(select(func.count()).select_from(entries.entries)).scalar_one()
            seen = tx.execute(select(func.count()).select_from(entries.sightings)).scalar_one()
            assert works == seen


def test_a_restored_copy_refuses_to_publish_and_to_deliver(store, tmp_path, open_database):
    world = World(store)
    world.reader()
    world.upkeep.backup(tmp_path / "copy.db")
    copied = replace(world, store=open_database(f"sqlite:///{tmp_path / 'copy.db'}"))
    for send in (lambda: copied.publish.run(copied.now), copied.deliver.run):
        with pytest.raises(SendingRefused) as caught:
            send()
        assert "digest db restored --sent-until" in caught.value.try_
    assert copied.report.status().restored is True


def test_a_released_copy_repeats_nothing_that_the_lost_database_sent(store, tmp_path, open_database):
    world = World(store, now=SLOT_AT - timedelta(hours=2))
    world.source()
    world.reader()
    world.paper(1)
    world.upkeep.backup(tmp_path / "copy.db")
    # The lost database goes on for a day: it sends 1, then 2, which the copy does not know.
    world.now = SLOT_AT + timedelta(minutes=5)
    assert len(world.send()) == 1
    world.now += timedelta(days=1)
    world.paper(2, seen_at=world.now - timedelta(hours=4))
    assert len(world.send()) == 1
    lost_at = world.now

    again = replace(world, store=open_database(f"sqlite:///{tmp_path / 'copy.db'}"), now=lost_at + timedelta(hours=1))
    released = again.upkeep.restored(lost_at)
    assert (released.sent_until, released.uncertain, released.subscriptions) == (lost_at, 0, 1)
    # The feed brings 2 again: the source's next fetch counts as its first, so the work has its own, older date.
    again.paper(2, seen_at=lost_at - timedelta(hours=4))
    assert again.send() == []
    again.paper(3, seen_at=again.now)
    again.now += timedelta(days=1)
    ((address, mail),) = again.send()
    assert address == "ada@example.org"
    assert b"volume 3" in mail and b"volume 1" not in mail and b"volume 2" not in mail


def test_what_was_open_in_a_copy_becomes_uncertain_and_is_not_sent(store, tmp_path, open_database):
    world = World(store)
    world.reader()
    world.paper(1)
    world.publish.run(world.now)
    world.upkeep.backup(tmp_path / "copy.db")
    again = replace(world, store=open_database(f"sqlite:///{tmp_path / 'copy.db'}"))
    assert again.upkeep.restored(world.now).uncertain == 1
    assert again.send() == []
    assert again.report.status().deliveries["uncertain"] == 1


def test_releasing_forgets_what_sources_were_fetched_and_keeps_todays_later_slot(store):
    world = World(store)
    world.source()
    tokyo = world.reader(timezone="Asia/Tokyo", send_at="23:00")
    berlin = world.reader("bo@example.org")
    until = SLOT_AT + timedelta(minutes=1)
    world.upkeep.restored(until)
    with store.reading() as tx:
        (held,) = sources.all_held(tx)
        assert (held.first_fetched_at, held.next_at) == (None, None)
        assert people.subscription(tx, tokyo.id).last_slot_date == "2026-05-03"
        assert people.subscription(tx, berlin.id).last_slot_date == "2026-05-04"
        assert people.subscription(tx, berlin.id).last_slot_at == until
        assert meta.get(tx, meta.RESTORED) is None


def test_releasing_twice_never_moves_the_instant_back(store):
    world = World(store)
    reader = world.reader()
    world.upkeep.restored(SLOT_AT)
    assert world.upkeep.restored(SLOT_AT - timedelta(days=3)).sent_until == SLOT_AT
    with store.reading() as tx:
        assert people.subscription(tx, reader.id).last_slot_at == SLOT_AT


def test_releasing_until_the_future_is_refused(store):
    world = World(store)
    with pytest.raises(UsageError, match="is in the future"):
        world.upkeep.restored(world.now + timedelta(seconds=1))


def test_retention_folds_deliveries_and_keeps_the_accounting(store):
    world = World(store)
    world.reader()
    world.paper(1)
    world.send()
    before = world.report.status().deliveries
    world.now += timedelta(days=98)
    assert world.upkeep.prune(retention_days=400).deliveries == 0
    world.now += timedelta(days=2)
    assert world.upkeep.prune(retention_days=400).deliveries == 1
    assert world.report.status().deliveries == before
    with store.reading() as tx:
        assert deliveries.listing(tx) == ()


def test_retention_drops_old_messages_but_none_that_a_delivery_still_waits_for(store):
    world = World(store)
    world.reader()
    world.paper(1)
    world.send()
    world.now += timedelta(days=1)
    world.paper(2, seen_at=world.now - timedelta(hours=3))
    world.publish.run(world.now)
    with store.reading() as tx:
        (sent, waiting) = deliveries.listing(tx)
    world.now += timedelta(days=500)
    world.upkeep.prune(retention_days=400)
    with store.reading() as tx:
        assert editions.message(tx, sent.message_key) is None
        assert editions.message(tx, waiting.message_key) is not None
