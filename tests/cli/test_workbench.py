"""`digest preview --serve` without a browser: what is asked for, what is answered, and what the page is told."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from digest.app import system_clock
from digest.cli.workbench.bench import Bench, fingerprint
from digest.cli.workbench.clients import FRAMES
from digest.cli.workbench.excerpt import excerpt
from digest.cli.workbench.server import listen
from digest.cli.workbench.wish import Wish
from digest.config import load
from digest.model.errors import DigestError
from digest.rendering.ladder import LIMIT
from digest.rendering.render import default_template_folder

# -- the wish ------------------------------------------------------------------------------------------------------


def test_a_wish_is_read_from_a_query_and_written_as_one():
    wish = Wish(digest="papers", reader="ada@example.org", profile="a b.toml", layout="brief", at="2026-03-03")
    assert Wish.of_query(wish.query) == wish
    assert Wish().query == ""


@pytest.mark.parametrize(
    ("query", "wish"),
    [
        ("", Wish()),
        ("&&==&a=b&hide=text", Wish()),
        ("for=%E6%9D%8E&for=x", Wish(reader="x")),
        ("for=%FF%00%0A%1b[0m", Wish(reader="�[0m")),
        ("digest=" + "x" * 5000, Wish(digest="x" * 300)),
        ("&".join(f"a{n}=1" for n in range(500)) + "&for=x", Wish()),
    ],
)
def test_nonsense_in_a_query_is_no_wish(query, wish):
    assert Wish.of_query(query) == wish


# -- the server ----------------------------------------------------------------------------------------------------


class Echo:
    """Answers with what it was asked."""

    def state(self, wish: Wish, *, again: bool = False) -> dict[str, object]:
        return {"wish": wish.query, "again": again}

    def frame(self, name: str, wish: Wish) -> str | None:
        if name == "text":
            raise RecursionError("too deep")
        return f"<p>{name}" if any(frame.name == name for frame in FRAMES) else None


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    running = listen(Echo(), 0)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def get(
    server: ThreadingHTTPServer, path: str, *, host: str = "127.0.0.1:8000", method: str = "GET"
) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}


def test_the_page_comes_with_its_style_and_its_script(server):
    for path, kind in (("/", "text/html"), ("/?for=x", "text/html"), ("/page.css", "text/css")):
        code, _, head = get(server, path)
        assert (code, head["content-type"]) == (200, f"{kind}; charset=utf-8")
    code, script, head = get(server, "/page.js")
    assert (code, head["content-type"]) == (200, "text/javascript; charset=utf-8")
    # Text is put into the page as text, never as markup.
    assert "innerHTML" not in script
    assert "insertAdjacentHTML" not in script


def test_the_frames_are_sandboxed_and_run_no_scripts(server):
    _, script, _ = get(server, "/page.js")
    (sandbox,) = re.findall(r'sandbox: "([^"]*)"', script)
    assert sandbox == "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
    policy = get(server, "/frame/phone")[2]["content-security-policy"]
    assert f"sandbox {sandbox}" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "img-src https:" in policy
    assert "img-src 'none'" in get(server, "/frame/images")[2]["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", 200),
        ("GET", "/state", 200),
        ("GET", "/frame/dark", 200),
        ("GET", "/frame/", 404),
        ("GET", "/frame/nothing", 404),
        ("GET", "/frame/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/frame/%FF%E6%9D", 404),
        ("GET", "/../../pyproject.toml", 404),
        ("GET", "/page.html", 404),
        ("GET", "//evil.example/", 404),
        ("GET", "/favicon.ico", 404),
        ("GET", "/frame/text", 500),
        ("GET", "/" + "x" * 70_000, 414),
        ("HEAD", "/", 405),
        ("POST", "/state", 405),
        ("PUT", "/", 405),
        ("DELETE", "/frame/phone", 405),
        ("OPTIONS", "*", 405),
        ("BREW", "/", 405),
    ],
)
def test_every_answer_has_a_strict_policy_and_is_kept_by_nobody(server, method, path, code):
    got, text, head = get(server, path, method=method)
    assert got == code
    assert head["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe-eval" not in head["content-security-policy"]
    assert (head["x-content-type-options"], head["cache-control"]) == ("nosniff", "no-store")
    assert head["cross-origin-resource-policy"] == "same-origin"
    assert "Traceback" not in text
    if code == 405:
        assert head["allow"] == "GET"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9", "localhost", "localhost:8000"])
def test_this_machine_may_look(server, host):
    assert get(server, "/state", host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost:80@evil.example", "", "[::1]:80"]
)
def test_nobody_else_may(server, host):
    assert get(server, "/", host=host)[0] == 421
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe\r\n\r\n", b"GET\r\n\r\n", b""])
def test_what_is_no_request_ends_nothing(server, sent):
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=20) as wire:
        wire.sendall(sent)
        wire.shutdown(socket.SHUT_WR)
        while wire.recv(4096):
            pass
    assert get(server, "/state")[0] == 200


def test_the_state_is_asked_for_with_a_wish(server):
    code, text, head = get(server, "/state?for=%E6%9D%8E&layout=brief&again=1")
    assert (code, head["content-type"]) == (200, "application/json; charset=utf-8")
    assert json.loads(text) == {"wish": "for=%E6%9D%8E&layout=brief", "again": True}
    assert json.loads(get(server, "/state?x=again=1")[1]) == {"wish": "", "again": False}


def test_a_taken_port_is_told(server):
    with pytest.raises(DigestError) as caught:
        listen(Echo(), server.server_address[1])
    assert caught.value.try_ == "choose another --port"


# -- the place of an error -----------------------------------------------------------------------------------------


def test_the_line_of_a_template_is_shown_with_its_neighbours(tmp_path):
    (tmp_path / "t").mkdir()
    file = tmp_path / "t/a.html.j2"
    file.write_text("one\ntwo\nthree\nfour\nfive\n")
    for where in (f"{file}:4", "a.html.j2:4"):
        found = excerpt(where, [tmp_path / "t"])
        assert found is not None
        assert (found.file, found.line) == (str(file), 4)
        assert found.lines == ((2, "two"), (3, "three"), (4, "four"), (5, "five"))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("send_at = 7", "send_at = 7"),
        ('password = "hunter2"', "password = …"),
        ('"api-token"="hunter2"', '"api-token"=…'),
        ('url = "postgresql://ada:hunter2@db/digest"', 'url = "postgresql://ada:…@db/digest"'),
    ],
)
def test_the_line_of_a_configuration_is_shown_alone_and_without_its_secrets(tmp_path, line, shown):
    (tmp_path / "config.toml").write_text(f"\n{line}\nx = 1\n")
    found = excerpt(f"{tmp_path / 'config.toml'} line 2, column 4")
    assert found is not None
    assert found.lines == ((2, shown),)


@pytest.mark.parametrize("where", ["", "--at", "nowhere.j2:3", "a.j2:99", "a.j2:0", "a.j2", "a line 3"])
def test_what_is_no_place_is_not_shown(tmp_path, where):
    (tmp_path / "a.j2").write_text("one\n")
    assert excerpt(where, [tmp_path]) is None


def test_the_fingerprint_follows_every_template_and_nothing_else(tmp_path):
    (tmp_path / "t").mkdir()
    file = tmp_path / "t/a.css"
    empty = fingerprint([tmp_path])
    file.touch()
    written = fingerprint([tmp_path])
    os.utime(file, ns=(1, 1))
    older = fingerprint([tmp_path])
    file.unlink()
    assert len({empty, written, older}) == 3
    assert fingerprint([file]) not in (empty, written, older)
    (tmp_path / "outbox.eml").touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden/b.css").touch()
    assert fingerprint([tmp_path]) == empty


# -- the bench, on a store with the samples' papers ----------------------------------------------------------------


@pytest.fixture
def bench(read: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(*profiles: Path) -> Bench:
        path = read / "config.toml"
        one = Bench(load(path, {}), load=lambda: load(path, {}), clock=system_clock, profiles=profiles)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


#: A slot of the samples' first day: the clock of these tests is this machine's.
FIRST_DAY = "2026-03-03"


def shown(bench: Bench, **wish: str) -> Any:
    """The state, as the page gets it."""
    return json.loads(json.dumps(bench.state(Wish(**{"at": FIRST_DAY, **wish}))))


def test_the_page_is_told_what_the_mail_measures_and_what_can_be_chosen(bench):
    state = shown(bench())
    proofs, choices = state["proofs"], state["choices"]
    assert (state["errors"], state["stale"]) == ([], False)
    assert proofs["is_mail"]
    assert 20_000 < proofs["html_bytes"] <= proofs["limit_bytes"] == LIMIT
    assert 2_000 < proofs["text_bytes"] < proofs["html_bytes"] < proofs["eml_bytes"]
    assert (proofs["printed"], proofs["candidates"], proofs["omitted"]) == (18, 18, 0)
    assert (proofs["sender"], proofs["slot"]) == ("Digest <digest@example.org>", "2026-03-03@2026-03-03T07:00:00Z")
    assert proofs["subject"]
    assert proofs["preheader"]
    assert min(proofs["first_ms"], proofs["again_ms"], proofs["composed_ms"]) > 0
    assert choices["digests"] == [{"name": "papers", "title": "Trending papers"}]
    assert choices["readers"] == ["reader@example.org"]
    assert choices["languages"] == ["en", "de", "fr", "es", "zh", "ar"]
    assert choices["layouts"] == ["full", "brief", "catalogue", "titles"]
    assert len(choices["dates"]) == 14
    assert choices["dates"] == sorted(choices["dates"], reverse=True)
    assert [frame["name"] for frame in state["frames"]] == [frame.name for frame in FRAMES]


def test_a_wish_changes_the_mail_and_its_version(bench, tmp_path):
    (tmp_path / "theory.toml").write_text('categories = ["math.CO"]\n')
    one = bench(tmp_path / "theory.toml")
    whole, brief, titles = (shown(one, layout=layout) for layout in ("", "brief", "titles"))
    assert whole["proofs"]["text_bytes"] > brief["proofs"]["text_bytes"] > titles["proofs"]["text_bytes"]
    profile = shown(one, profile=str(tmp_path / "theory.toml"))
    assert 0 < profile["proofs"]["printed"] < 18
    reader = shown(one, reader="reader@example.org")
    assert len({state["version"] for state in (whole, brief, titles, profile)}) == 4
    assert not any(state["errors"] for state in (whole, brief, titles, profile, reader))
    assert shown(one)["version"] == whole["version"]


#: What was wished wrongly, and what is said of it; nothing where it is strange and yet right.
WRONG = (
    ({"digest": "nothing"}, 'there is no digest "nothing"'),
    ({"reader": "no address"}, "no address"),
    ({"profile": "/etc/passwd"}, "there is no profile '/etc/passwd'"),
    ({"language": "tlh"}, "'tlh' is not a language that mails are written in"),
    ({"layout": "<b>"}, "there is no layout '<b>'"),
    ({"at": "yesterday"}, "'yesterday' is not an instant"),
    ({"at": "0001-01-01"}, "'0001-01-01' is at the end of the calendar"),
    ({"at": "9999-12-31"}, ""),
    ({"reader": "ada@例え.jp"}, ""),
)


def test_a_wrong_wish_is_told_and_the_next_one_is_granted(bench):
    one = bench()
    for wish, what in WRONG:
        state = shown(one, **wish)
        if what:
            (wrong,) = state["errors"]
            assert what in wrong["what"]
            assert "fault of ours" not in wrong["what"]
            assert (state["proofs"], state["stale"]) == (None, True)
            assert one.frame("phone", Wish(**{"at": FIRST_DAY, **wish})) is not None
        else:
            assert state["errors"] == []
        assert state["choices"]["layouts"]
        assert shown(one)["errors"] == []


def test_a_slot_without_a_mail_says_why(bench):
    state = shown(bench(), at="2020-01-01")
    assert (state["errors"], state["proofs"]["is_mail"]) == ([], False)
    assert state["proofs"]["reason"]


def test_every_frame_is_printed_and_no_other(bench):
    one, wish = bench(), Wish(at=FIRST_DAY)
    for frame in FRAMES:
        assert "Slow Tokens" in (one.frame(frame.name, wish) or "")
    assert one.frame("", wish) is None
    assert one.frame("phone/..", wish) is None


@pytest.fixture
def own(read: Path) -> Path:
    """The operator's own template folder, with one part in it, and a configuration that names it."""
    part = read / "own/parts/top.txt.j2"
    part.parent.mkdir(parents=True)
    part.write_bytes((default_template_folder() / "parts/top.txt.j2").read_bytes())
    config = read / "config.toml"
    config.write_text(config.read_text().replace("[smtp]", 'templates = "own"\n[smtp]'))
    return part


def test_a_broken_template_is_shown_by_its_line_and_heals(bench, own):
    one, right = bench(), own.read_text()
    before = shown(one)
    own.write_text(right + "\n{% if %}\n")
    number = len((right + "\n").splitlines()) + 1
    state = shown(one)
    (wrong,) = state["errors"]
    assert wrong["where"] == f"{own}:{number}"
    assert [number, "{% if %}"] in wrong["excerpt"]["lines"]
    assert "in: {% if %}" not in wrong["what"]
    # The last good mail stays, and is known to be old.
    assert (state["version"], state["stale"]) == (before["version"], True)
    own.write_text(right + "\nThis is new.\n")
    state = shown(one)
    assert (state["errors"], state["stale"]) == ([], False)
    assert state["version"] != before["version"]
    assert "This is new." in (one.frame("text", Wish(at=FIRST_DAY)) or "")


def test_a_template_that_comes_or_goes_is_seen(bench, own):
    one = bench()
    before = shown(one)["version"]
    whole = own.parents[1] / "edition.txt.j2"
    whole.write_text("All in a line.\n")
    assert shown(one)["errors"] == []
    assert "All in a line." in (one.frame("text", Wish(at=FIRST_DAY)) or "")
    whole.unlink()
    assert shown(one)["version"] == before


def test_a_changed_configuration_is_followed_and_a_wrong_one_is_not(bench, read):
    one, config = bench(), read / "config.toml"
    right = config.read_text()
    before = shown(one)
    config.write_text(right + "max_itens = 3\n")
    state = shown(one)
    (wrong,) = state["errors"]
    assert wrong["excerpt"]["lines"] == [[len(right.splitlines()) + 1, "max_itens = 3"]]
    assert 'did you mean "max_items"?' in wrong["try"]
    assert (state["version"], state["stale"], state["proofs"]["printed"]) == (before["version"], False, 18)
    config.write_text(right.replace("max_items = 25", "max_items = 3"))
    state = shown(one)
    assert (state["errors"], state["proofs"]["printed"]) == ([], 3)
    config.unlink()
    assert shown(one)["proofs"]["printed"] == 3
    assert "there is no such file" in shown(one)["errors"][0]["what"]


def test_a_wrong_profile_file_is_told_and_heals(bench, tmp_path):
    file = tmp_path / "p.toml"
    file.write_text("keywords = [\n")
    one = bench(file)
    (wrong,) = shown(one, profile=str(file))["errors"]
    assert "is not valid TOML" in wrong["what"]
    file.write_text("max_items = 2\n")
    assert shown(one, profile=str(file))["proofs"]["printed"] == 2


def test_what_is_fetched_meanwhile_is_printed_on_demand(bench, read, call, feeds, at):
    one = bench()
    at("2026-03-04T07:05:00Z")
    day = {"at": "2026-03-04T07:05:00Z"}
    before = shown(one, **day)["proofs"]["candidates"]
    feeds(2)
    assert call("fetch", "--all").code == 0
    assert shown(one, **day)["proofs"]["candidates"] == before
    one.state(Wish(**day), again=True)
    assert shown(one, **day)["proofs"]["candidates"] > before


def test_what_passes_by_itself_is_tried_again(read):
    path, busy = read / "config.toml", [True]

    def clock() -> datetime:
        if busy[0]:
            raise OSError(errno.EBUSY, "busy")
        return datetime(2026, 3, 3, 7, 5, tzinfo=UTC)

    one = Bench(load(path, {}), load=lambda: load(path, {}), clock=clock, patience=0.0)
    try:
        assert shown(one, at="")["errors"][0]["what"] == "busy"
        busy[0] = False
        assert shown(one, at="")["errors"] == []
    finally:
        one.close()


def test_only_so_many_wishes_are_remembered(bench):
    one = bench()
    for number in range(15):
        shown(one, at=f"nonsense {number}")
    assert shown(one)["proofs"]["is_mail"]


# -- the command ---------------------------------------------------------------------------------------------------


def test_preview_takes_a_profile_and_a_layout(read, call):
    (read / "three.toml").write_text("max_items = 3\n")
    told = call("preview", "--json", "--at", FIRST_DAY, "--profile", "three.toml", "--layout", "titles").json
    assert told["counts"]["printed"] == 3
    assert Path(told["files"]["eml"]).exists()


def test_a_wrong_wish_is_a_usage_error(read, call):
    for options, where in (
        (["--language", "tlh"], "--language"),
        (["--layout", "tiny"], "--layout"),
        (["--profile", "a.toml", "--profile", "b.toml"], "--profile"),
        (["--profile", "nothing.toml"], "nothing.toml"),
    ):
        told = call("preview", "--json", *options)
        assert (told.code, told.json["error"]["where"]) == (2, where)


def test_a_broken_template_is_told_with_file_line_and_the_line_itself(read, call, own):
    own.write_text("{% if %}\n")
    told = call("preview", "--json", "--at", FIRST_DAY)
    assert (told.code, told.json["error"]["where"]) == (1, f"{own}:1")
    assert told.json["error"]["what"].endswith("in: {% if %}")
