"""ingest with many documents at once: other processes help, a few rounds share a transaction, and each stands alone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from digest.model.feeds import FetchResponse, Source, SourceState
from digest.services.fetching import ingest
from digest.services.fetching.understanding import understood
from digest.sources.kinds import KINDS
from digest.sources.workers import Workers
from digest.storage import entries
from tests.services.test_ingest import Desk, item, rss, source


def parse(source: Source, response: FetchResponse):
    """Reads a feed, but kills the process that reads the bad one, unless it is ours."""
    if source.id == "bad" and source.one("home") != str(os.getpid()):
        os.kill(os.getpid(), signal.SIGKILL)
    return KINDS["feed"].parse(source, response)


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


def sources_of(folder, *names: str) -> list[Source]:
    """Sources with two papers of their own each."""
    made: list[Source] = []
    for number, name in enumerate(names):
        feed = folder / f"{name}.xml"
        feed.write_bytes(rss(item(2 * number), item(2 * number + 1)))
        made.append(source(name, feed, options=(("home", (str(os.getpid()),)),)))
    return made


def test_where_many_documents_wait_other_processes_read_them(store, tmp_path, workers, monkeypatch):
    monkeypatch.setattr(ingest, "_CROWD", 1)
    asked: list[str] = []

    def elsewhere(read, source, response):
        asked.append(source.id)
        return workers.call(understood, read, source, response)

    names = [f"s{n}" for n in range(8)]
    desk = Desk(store, *sources_of(tmp_path, *names), elsewhere=elsewhere, kinds=KINDS, dismiss=workers.close)
    rows = desk.fetch()
    assert {row.new for row in rows.values()} == {2} and sorted(asked) == names
    assert len(desk.held()) == 16


def test_a_process_that_dies_of_a_document_is_its_sources_fault(store, tmp_path, workers, monkeypatch):
    monkeypatch.setattr(ingest, "_CROWD", 1)
    kinds = {"feed": replace(KINDS["feed"], parse=parse)}
    some = sources_of(tmp_path, "a", "bad", "c", "d")
    desk = Desk(store, *some, elsewhere=partial(workers.call, understood), kinds=kinds)
    rows = desk.fetch()
    assert rows["bad"].state is SourceState.BROKEN and "died (signal 9)" in rows["bad"].detail
    assert [rows[name].new for name in "acd"] == [2, 2, 2]


def test_few_documents_are_read_here(store, tmp_path):
    def elsewhere(*document):
        raise AssertionError("nobody else is asked")

    rows = Desk(store, *sources_of(tmp_path, "a", "b"), elsewhere=elsewhere).fetch()
    assert [row.new for row in rows.values()] == [2, 2]


def test_one_that_cannot_be_written_costs_those_beside_it_nothing(store, tmp_path, monkeypatch):
    """The first is held up while it is written, so that the others wait together."""
    beside: list[set[str]] = []
    waiting = threading.Event()
    take_all = ingest.take_all

    def taking(tx, said, *, now):
        names = {one.source.id for one in said}
        beside.append(names)
        if len(beside) == 1:
            waiting.wait(1)
        if "bad" in names:
            raise ValueError("no database takes it")
        return take_all(tx, said, now=now)

    monkeypatch.setattr(ingest, "take_all", taking)
    rows = Desk(store, *sources_of(tmp_path, "a", "bad", "c", "d", "e")).fetch()
    assert max(map(len, beside)) > 1
    assert rows["bad"].state is SourceState.BROKEN and "no database takes it" in rows["bad"].detail
    assert [rows[name].new for name in "acde"] == [2, 2, 2, 2]


def test_nothing_is_parsed_while_much_waits_to_be_written(store, tmp_path, monkeypatch):
    """Each feed is as much as may wait: beside what is written there are a few that had their turn, and not all."""
    monkeypatch.setattr(ingest, "_UNWRITTEN", 1)
    monkeypatch.setattr(ingest, "_PARSED_AT_ONCE", 1)
    ahead: list[int] = []
    desk = Desk(store, *sources_of(tmp_path, *(f"s{n}" for n in range(12))))
    take_all = ingest.take_all

    def taking(tx, said, *, now):
        threading.Event().wait(0.05)  # time to run ahead
        ahead.append(desk.parsed.total() - entries.count(tx) // 2)
        return take_all(tx, said, now=now)

    monkeypatch.setattr(ingest, "take_all", taking)
    assert {row.new for row in desk.fetch().values()} == {2}
    assert max(ahead) <= 6
