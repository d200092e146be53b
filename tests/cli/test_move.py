"""`digest db move`: what it tells, how it is interrupted and taken back, and that nothing starts on what has moved."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from digest.cli.door import Door


def test_a_move_tells_the_rows_of_each_table_and_what_to_do_next(call, read):
    done = call("db", "move", "sqlite:///new.db")
    assert done.code == 0
    *rows, summary, following = done.out.splitlines()
    told = dict(row.split() for row in rows)
    assert (told["table"], told["subscribers"], told["attempts"]) == ("rows", "1", "0")
    assert "rows were moved and compared" in summary
    new = f"sqlite:///{Path('new.db').absolute()}"
    assert following == f"Next: set database.url to {new} and start `digest run` again."


def test_what_has_moved_starts_nothing_and_says_where_it_is(call, read, monkeypatch):
    done = call("db", "move", "new.db", "--json").json
    new = f"sqlite:///{Path('new.db').absolute()}"
    assert (done.keys(), done["to"], done["moved"]["subscribers"]) == ({"moved", "to", "seconds"}, new, 1)
    monkeypatch.delenv("DIGEST_NOW")
    for words in (["send"], ["fetch"], ["run"], ["web"], ["subscribers", "list"]):
        refused = call(*words, "--json")
        assert (refused.code, refused.json["error"]["what"].partition(" (")[0]) == (
            1,
            f"this database has moved to {new}",
        )
    monkeypatch.setenv("DIGEST_DATABASE__URL", new)
    assert call("subscribers", "list", "--json").json["subscriptions"][0]["address"] == "reader@example.org"
    monkeypatch.delenv("DIGEST_DATABASE__URL")
    assert "restored --sent-until" in call("db", "move", "--undo").out
    assert call("send").code == 1
    assert call("db", "restored", "--sent-until", "2026-03-03T06:00Z").code == 0
    assert call("send").code == 0


def test_an_interrupted_move_leaves_the_old_one_as_it_was(call, read, monkeypatch):
    def told_to_stop(door: Door, text: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        monkeypatch.undo()
        monkeypatch.chdir(read)
        time.sleep(0.1)  # a thread hears it

    monkeypatch.setattr(Door, "progress", told_to_stop)
    done = call("db", "move", "new.db")
    assert (done.code, done.out) == (130, "")
    assert "goes on as it was" in done.err
    assert list(Path().glob("new.db*")) == []
    assert call("status").code == 0


@pytest.mark.parametrize("words", [[], ["sqlite:///new.db", "--undo"]])
def test_a_move_wants_to_know_where_to(call, installed, words):
    assert call("db", "move", *words).code == 2


def test_nothing_is_taken_back_that_never_moved(call, installed):
    told = call("db", "move", "--undo", "--json")
    assert (told.code, told.json["error"]["what"]) == (2, "this database neither moved nor is being moved")


def test_a_password_is_told_nowhere(call, installed):
    told = call("db", "move", "postgresql://ada:geheim@127.0.0.1:1/digest", "--verbose")
    assert told.code == 1
    assert "geheim" not in told.out + told.err
    assert "postgresql://ada@127.0.0.1:1/digest" in told.err
