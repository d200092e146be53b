"""Building afresh equals upgrading, and a database that is not ours or not of our age is refused with a remedy."""

from __future__ import annotations

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from digest.model.errors import SchemaError, StorageError
from digest.storage import meta, migrate, partitions
from digest.storage.base import metadata


def test_upgrading_gives_the_tables_that_the_program_describes(store):
    with store.reading() as tx:
        parts = partitions.tables(tx)

        def is_compared(what, name, kind, _reflected, _other):
            # What only one of the databases has, Alembic looks for in the other one, too.
            if kind == "table":
                return name not in parts
            only = getattr(what, "_ddl_if", None)
            return what.table.name not in parts and (only is None or only.dialect == tx.dialect.name)

        options = {"compare_type": True, "include_object": is_compared}
        assert compare_metadata(MigrationContext.configure(tx, opts=options), metadata) == []
        assert set(inspect(tx).get_table_names()) == {*metadata.tables, *parts, "alembic_version"}


def test_building_from_the_description_gives_what_upgrading_gives(store, empty_url, open_database):
    fresh = open_database(empty_url)
    with fresh.transaction() as tx:
        metadata.create_all(tx)
    with store.reading() as one, fresh.reading() as other:
        assert shape(one) == shape(other)


def shape(tx):
    found = inspect(tx)
    return {
        name: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)),
            found.get_pk_constraint(name)["constrained_columns"],
            sorted(
                (k["name"], tuple(k["constrained_columns"]), k["referred_table"]) for k in found.get_foreign_keys(name)
            ),
            sorted((i["name"], tuple(i["column_names"]), bool(i["unique"])) for i in found.get_indexes(name)),
            sorted((u["name"], tuple(u["column_names"])) for u in found.get_unique_constraints(name)),
        )
        for name in {*found.get_table_names()} - partitions.tables(tx)
        if name != "alembic_version"
    }


def test_an_empty_database_is_built_and_a_second_start_finds_it_ready(empty_url, open_database):
    store = open_database(empty_url)
    assert migrate.current(store) is None
    migrate.ready(store)
    migrate.ready(store)
    assert migrate.current(store) == migrate.head()
    assert migrate.upgrade(store) == (migrate.head(), migrate.head())


def test_two_programs_may_build_an_empty_database_at_once(empty_url, open_database):
    failures = []
    start = threading.Barrier(4)

    def build():
        store = open_database(empty_url)
        start.wait()
        try:
            migrate.ready(store)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert migrate.current(open_database(empty_url)) == migrate.head()


def test_a_database_newer_than_the_program_is_refused_with_what_to_do(store):
    with store.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = 'zz99'"))
        meta.put(tx, meta.WORKS_WITH, "zz98")
    for step in (migrate.ready, migrate.upgrade):
        with pytest.raises(SchemaError) as caught:
            step(store)
        assert (
            f"newer than this program (revision zz99, this program knows up to {migrate.head()})" in caught.value.what
        )
        assert caught.value.where == store.where
        assert "install the newest version of Digest" in caught.value.try_


def test_during_an_upgrade_a_program_goes_on_with_a_newer_database_to_which_was_only_added(store):
    with store.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = 'zz99'"))
        meta.put(tx, meta.WORKS_WITH, migrate.head())
    migrate.ready(store)
    assert migrate.upgrade(store) == ("zz99", migrate.head())
    assert migrate.current(store) == "zz99"


def test_tables_of_the_same_names_that_are_not_ours_are_left_alone(empty_url, open_database):
    store = open_database(empty_url)
    with store.transaction() as tx:
        tx.execute(text("CREATE TABLE entries (id INTEGER)"))
    with pytest.raises(StorageError) as caught:
        migrate.ready(store)
    assert "tables of the same names that Digest did not make (entries" in caught.value.what
    with store.reading() as tx:
        assert inspect(tx).get_table_names() == ["entries"]


def test_a_database_older_than_the_program_is_refused_until_it_was_upgraded(store, monkeypatch):
    now = migrate.head()
    monkeypatch.setattr(migrate, "head", lambda: "9999")
    with pytest.raises(SchemaError) as caught:
        migrate.ready(store)
    assert caught.value.what == f"its tables are those of an older version ({now})"
    assert "digest db upgrade" in caught.value.try_
