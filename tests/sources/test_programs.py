"""Programs as sources, really run: what they print is taken, and no way of failing leaves anything running."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from digest.model.errors import FetchError
from digest.model.feeds import FetchRequest, FetchResponse, Source, SourceId
from digest.sources import kit
from digest.sources.asking.programs import Programs
from digest.sources.asking.roads import by_scheme
from digest.sources.kinds.program import COMMAND

FEED = b'{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "1", "title": "A paper of ours"}]}'


def run(code: str, folder: Path, *, max_bytes: int = 10_000, deadline: float = 10.0) -> FetchResponse:
    request = FetchRequest(url="command:python", arguments=(sys.executable, "-c", code))
    return Programs(folder, max_bytes=max_bytes, deadline=deadline).fetch(request)


def failure(code: str, folder: Path, **limits: float) -> FetchError:
    with pytest.raises(FetchError) as caught:
        run(code, folder, **limits)
    assert caught.value.where == "command:python"
    assert caught.value.try_
    return caught.value


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet collected by its new parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def ends(pid: int) -> bool:
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


def test_what_a_program_prints_is_read_as_a_feed(tmp_path):
    response = run(f"print({FEED.decode()!r})", tmp_path)
    source = Source(id=SourceId("ours"), kind="command", options=(("command", ("python",)),))
    assert [entry.title for entry in COMMAND.parse(source, response).entries] == ["A paper of ours"]


def test_a_program_runs_in_the_folder_of_the_configuration_without_our_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGEST_SMTP__PASSWORD", "geheim")
    monkeypatch.setenv("AWS_SECRET", "geheim")
    told = run("import os; print(os.getcwd()); print(sorted(os.environ)); print(os.environ['PATH'])", tmp_path)
    folder, names, path = told.body.decode().splitlines()
    assert folder == str(tmp_path)
    assert "DIGEST" not in names
    assert "SECRET" not in names
    assert path == os.environ["PATH"]


def test_no_shell_reads_its_arguments(tmp_path):
    request = FetchRequest(url="command:echo", arguments=("echo", "$HOME; touch x", "`id`"))
    assert Programs(tmp_path).fetch(request).body == b"$HOME; touch x `id`\n"
    assert list(tmp_path.iterdir()) == []


def test_a_failure_says_its_status_and_its_last_word(tmp_path):
    error = failure("import sys; print('x'); sys.stderr.write('first\\n\\x1b[31mno key\\n\\n'); sys.exit(3)", tmp_path)
    assert error.what == "the program ended with status 3: [31mno key"
    assert failure("import sys; sys.exit(1)", tmp_path).what == "the program ended with status 1 and said nothing"
    assert failure("import os; os.kill(os.getpid(), 9)", tmp_path).what.startswith("the program was ended by signal 9")


def test_a_program_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(FetchError, match="the program cannot be run: No such file"):
        Programs(tmp_path).fetch(FetchRequest(url="command:none", arguments=("/none/such",)))
    with pytest.raises(FetchError, match="no program is named"):
        Programs(tmp_path).fetch(FetchRequest(url="command:"))


SLOW = """
import subprocess, sys, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleeper = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", sleeper])
open("child", "w").write(str(child.pid))
time.sleep(60)
"""


def test_one_that_does_not_end_is_killed_with_its_children(tmp_path):
    began = time.monotonic()
    error = failure(SLOW, tmp_path, deadline=1.5)
    assert error.what == "the program did not end within 1.5 seconds, and was ended"
    assert time.monotonic() - began < 10
    assert ends(int((tmp_path / "child").read_text()))


def test_what_it_leaves_running_is_ended_and_does_not_hold_us_up(tmp_path):
    code = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("child", "w").write(str(child.pid))
print({FEED.decode()!r}, flush=True)
"""
    began = time.monotonic()
    assert b"A paper of ours" in run(code, tmp_path).body
    assert time.monotonic() - began < 8
    assert ends(int((tmp_path / "child").read_text()))


def test_one_that_prints_without_end_is_stopped(tmp_path):
    error = failure("while True: print('x' * 1000)", tmp_path, max_bytes=5_000)
    assert "larger" in error.what or "more than" in error.what


def test_one_that_fills_standard_error_does_not_stand_still(tmp_path):
    code = "import sys; sys.stderr.write('y' * 1_000_000); print('{}')"
    assert run(code, tmp_path).body == b"{}\n"


def test_a_stopping_daemon_ends_what_runs(tmp_path):
    programs = Programs(tmp_path, deadline=60)
    threading.Timer(0.5, programs.close).start()
    began = time.monotonic()
    with pytest.raises(FetchError, match="the program is stopping"):
        programs.fetch(FetchRequest(url="command:sleep", arguments=("sleep", "60")))
    assert time.monotonic() - began < 10
    with pytest.raises(FetchError, match="the program is stopping"):
        programs.fetch(FetchRequest(url="command:true", arguments=("true",)))


@pytest.mark.parametrize("url", ["command:/bin/true", "maildir:/var/mail", "IMAPS://me@x.example/", "imap://x.example"])
def test_a_source_from_the_web_goes_no_road_but_the_fetchers(url):
    def never(request: FetchRequest) -> FetchResponse:
        raise AssertionError("it must not be asked")

    fetch = by_scheme(never, dict.fromkeys(("command", "maildir", "imap", "imaps"), never))
    with pytest.raises(FetchError, match="addresses are not allowed here"):
        fetch(FetchRequest(url=url))


def test_a_password_in_an_address_is_never_told():
    def fails(request: FetchRequest) -> FetchResponse:
        raise FetchError("nobody is there", where=request.url)

    fetch = by_scheme(fails, {"imaps": fails})
    for allowed in (True, False):
        with pytest.raises(FetchError) as caught:
            fetch(FetchRequest(url="imaps://bob:hunter2@x.example/Alerts", allow_files=allowed))
        assert caught.value.where == "imaps://x.example/Alerts"


def test_each_scheme_has_its_road():
    def says(name: str):
        return lambda request: FetchResponse(url=name, status=200)

    fetch = by_scheme(says("fetcher"), {"command": says("program")})
    assert fetch(FetchRequest(url="command:x", allow_files=True)).url == "program"
    for url in ("https://x.example", "/a/path", "file:///x", "ftp://x", "command", "C:/x"):
        assert fetch(FetchRequest(url=url, allow_files=True)).url == "fetcher"


def test_the_kind_keeps_the_protocol():
    source = Source(id=SourceId("ours"), kind="command", options=(("command", ("/usr/bin/ours", "--new")),))
    kit.check_kind(COMMAND, source, [FEED])
    assert COMMAND.plan(source, None, None)[0].arguments == ("/usr/bin/ours", "--new")
    assert "--new" not in COMMAND.plan(source, None, None)[0].url


@pytest.mark.parametrize(
    ("given", "wanting"),
    [
        ({}, "needs a command"),
        ({"url": "/bin/x"}, "has a url"),
        ({"options": (("command", ("a\x00b",)),)}, "has a NUL"),
        ({"options": (("command", ("a",)),), "from_operator": False}, "may not run a program"),
    ],
)
def test_what_a_command_lacks_is_said(given, wanting):
    assert COMMAND.wants(Source(id=SourceId("a"), kind="command", **given)).startswith(wanting)
