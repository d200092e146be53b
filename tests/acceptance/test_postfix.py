"""Postfix's own test server, smtp-sink, as the relay: it takes, refuses, hangs up and forgets to answer."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services.sending import office, reader

pytestmark = pytest.mark.needs_postfix
#: It lies where only root looks for programs.
SINK = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
READERS = 12


@pytest.fixture
def sink(tmp_path: Path) -> Callable[..., object]:
    """Starts smtp-sink with options; gives (port, recipients of the mails it took)."""

    @contextmanager
    def start(*options: str) -> Iterator[tuple[int, Callable[[], list[str]]]]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        took = tmp_path / f"took-{port}"
        took.mkdir()
        as_root = ["-u", "root"] if os.geteuid() == 0 else []
        command = [SINK, *as_root, *options, "-d", f"{took}/mail.", f"inet:127.0.0.1:{port}", "64"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _await(port, server)
            yield port, lambda: _recipients(took)
        finally:
            server.terminate()
            server.wait()

    return start


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert server.poll() is None, server.stderr.read().decode()
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("smtp-sink did not start")


def _recipients(folder: Path) -> list[str]:
    """Of the mails that were taken whole, by the sink's own notes at the head of each file."""
    found: list[str] = []
    for file in folder.iterdir():
        text = file.read_text("utf-8", "replace")
        if "\n--" in text.rstrip()[-200:]:
            found += re.findall(r"^X-Rcpt-Args: <([^>]+)>", text, re.M)
    return sorted(found)


def test_every_mail_arrives_once(store, sink) -> None:
    """Over several connections, pipelined as Postfix offers it."""
    desk = office(store, READERS)
    with sink() as (port, taken):
        desk.send(port, connections=3)
        assert taken() == [reader(n) for n in range(READERS)]
    assert desk.states() == {"accepted": READERS}


def test_a_lost_acknowledgement_is_uncertain_and_not_sent_again(store, sink) -> None:
    """``-q .``: it takes the final dot and hangs up without a word."""
    desk = office(store, 2)
    with sink("-q", ".") as (port, _):
        desk.send(port)
        assert desk.states() == {"uncertain": 2}
    with sink() as (port, taken):
        desk.later(hours=1)
        desk.send(port)
        assert taken() == []


def test_a_421_at_the_dot_is_tried_again_later(store, sink) -> None:
    """``-Q .``: the relay closes the channel; nothing was said about the reader, so nothing is held against him."""
    desk = office(store, 2)
    with sink("-Q", ".") as (port, _):
        desk.send(port)
        assert set(desk.states()) <= {"deferred", "open"}
    with sink() as (port, taken):
        desk.later(hours=1)
        desk.steady += 3600
        desk.send(port)
        assert taken() == [reader(0), reader(1)]
    assert desk.states() == {"accepted": 2}


@pytest.mark.parametrize(("option", "state"), [("-r", "deferred"), ("-f", "rejected")])
def test_a_refused_recipient_is_settled_by_the_kind_of_refusal(store, sink, option: str, state: str) -> None:
    desk = office(store, 2)
    with sink(option, "RCPT") as (port, taken):
        desk.send(port)
        assert taken() == []
    assert desk.states() == {state: 2}


def test_a_relay_without_esmtp_gets_the_plain_dialogue(store, sink) -> None:
    """``-e``: no EHLO, so no PIPELINING, SIZE or 8BITMIME."""
    desk = office(store, 2)
    with sink("-e") as (port, taken):
        desk.send(port)
        assert taken() == [reader(0), reader(1)]
