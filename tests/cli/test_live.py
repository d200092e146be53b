"""`digest preview --serve`: a page for this machine that follows the templates."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from digest.cli.live import Shown, fingerprint, listen
from digest.model.errors import DigestError, TemplateError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/edition.txt.j2").write_text("one")
    return tmp_path / "t"


@pytest.fixture
def server(folder: Path) -> Iterator[ThreadingHTTPServer]:
    def render() -> tuple[str, str]:
        text = (folder / "edition.txt.j2").read_text()
        if text == "broken":
            raise TemplateError("unexpected <end>", where="edition.txt.j2, line 1", try_="close it")
        return f"<p>{text}</p>", text

    running = listen(Shown(render, [folder]), 0)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def get(server: ThreadingHTTPServer, path: str, host: str = "127.0.0.1:1") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_a_changed_template_is_printed_again(server, folder):
    state = get(server, "/state")
    assert get(server, "/edition.html") == (200, "<p>one</p>")
    assert get(server, "/state") == state
    (folder / "edition.txt.j2").write_text("second")
    assert get(server, "/state") != state
    assert get(server, "/edition.txt") == (200, "second")


def test_a_broken_template_is_shown_harmlessly_and_mended(server, folder):
    (folder / "edition.txt.j2").write_text("broken")
    code, text = get(server, "/edition.html")
    assert (code, "unexpected &lt;end>" in text, "line 1" in text) == (200, True, True)
    (folder / "edition.txt.j2").write_text("mended")
    assert get(server, "/edition.txt") == (200, "mended")


def test_the_mail_is_framed_where_nothing_runs_and_only_this_machine_may_look(server):
    code, page = get(server, "/")
    assert (code, page.count("<iframe sandbox ")) == (200, 3)
    assert get(server, "/nothing")[0] == 404
    assert get(server, "/edition.html", host="evil.example")[0] == 421
    assert server.server_address[0] == "127.0.0.1"


def test_a_taken_port_is_told(server):
    with pytest.raises(DigestError) as caught:
        listen(Shown(lambda: ("", ""), []), server.server_address[1])
    assert caught.value.try_ == "choose another --port"


def test_the_fingerprint_follows_every_file(folder):
    before = fingerprint([folder])
    assert fingerprint([folder]) == before
    (folder / "more.css").touch()
    added = fingerprint([folder])
    os.utime(folder / "more.css", ns=(1, 1))
    assert len({before, added, fingerprint([folder])}) == 3
