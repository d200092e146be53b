"""A stop that is said twice leaves no mail in doubt; a person at the keyboard may end all at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from digest.app import build
from digest.config import load
from tests.delivery.peers import playing
from tests.services.sending import Mails, answering
from tests.test_daemon import Child, feed, ledger, running, toml

pytestmark = pytest.mark.parametrize("database", ["sqlite"])


@dataclass
class Draining:
    """A daemon that waits for the answer to one mail, was told to stop and said that it does."""

    child: Child
    path: Path
    answer: threading.Event
    """Lets the relay take the mail."""

    def states(self) -> list[str]:
        app = build(load(self.path, {}))
        found = [row.state.value for row in ledger(app)]
        app.close()
        return found


@contextmanager
def draining(url: str, folder: Path) -> Iterator[Draining]:
    answer, came = threading.Event(), threading.Event()

    def dot(_address: str) -> str:
        came.set()
        answer.wait(30)
        return "250 2.0.0 queued"

    with playing(answering(Mails(), dot=dot)) as relay:
        path = folder / "config.toml"
        smtp = f'host = "127.0.0.1"\nport = {relay.port}\nsecurity = "none"\nchunking = false\n'
        path.write_text(toml(url).replace('transport = "folder"\n', smtp), "utf-8")
        feed(folder, range(1, 4))
        app = build(load(path, {}))
        app.subscribe.add("ada@example.org", "daily")
        app.close()
        try:
            with running(path) as child:
                child.wait_for(came.is_set)
                child.process.send_signal(signal.SIGTERM)
                child.wait_for(lambda: child.said("stopping"))
                yield Draining(child, path, answer)
        finally:
            answer.set()


def test_a_second_sigterm_changes_nothing_and_says_what_is_waited_for(url, tmp_path):
    with draining(url, tmp_path) as drained:
        child = drained.child
        for times in (1, 2):
            child.process.send_signal(signal.SIGTERM)
            child.wait_for(lambda: child.said("stopping already", "mails_on_the_wire=1", "10 min", times=times))  # noqa: B023
        drained.answer.set()
        assert child.process.wait(30) == 0
        assert child.said("stopped")
        assert drained.states() == ["accepted"]


def test_a_ctrl_c_while_it_stops_ends_it_at_once_and_leaves_the_mail_in_doubt(url, tmp_path):
    with draining(url, tmp_path) as drained:
        drained.child.process.send_signal(signal.SIGINT)
        assert drained.child.process.wait(30) == 130
        assert drained.child.said("ended at once")
        assert drained.states() == ["sending"]
