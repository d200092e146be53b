"""The operator's command gives the token; every fault is one sentence, and no token is ever in it."""

from __future__ import annotations

import os
import re
import shlex
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

from digest.delivery import oauth
from digest.delivery.oauth import TokenCommand
from digest.model.errors import RelayError

TOKEN = "ya29.a0-Secret_token/+=="


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_the_first_line_is_the_token():
    assert TokenCommand(python(f"print(' {TOKEN} '); print('expires later')"))() == TOKEN


def test_no_shell_reads_the_command(tmp_path):
    command = f"printf '%s\\n' '$HOME;`id`' > {tmp_path / 'made'}"
    with pytest.raises(RelayError, match="is no token") as caught:
        TokenCommand(f"echo two words > {tmp_path / 'made'}")()
    assert "two words" not in caught.value.what
    assert TokenCommand(command)() == "$HOME;`id`"
    assert not (tmp_path / "made").exists()


def test_the_command_cannot_ask():
    assert TokenCommand(python("import sys; print('heard' + sys.stdin.read())"))() == "heard"


@pytest.mark.parametrize(
    ("command", "what", "try_"),
    [
        ("no-such-program --account me", "there is no program 'no-such-program'", "full path"),
        (os.devnull, "cannot be run", "permissions"),
        ("oauth 'me", "the command cannot be read: No closing quotation", "quotes"),
        ("   ", "the command is empty", "program"),
        (python("pass"), "printed no token", "first line"),
        (python("print(); print('late')"), "printed no token", "first line"),
        (python("print('a token')"), "is no token", "alone"),
        (python("print('tok\\x01en')"), "is no token", "alone"),
        (python("print('schlüssel')"), "is no token", "alone"),
        (python("raise SystemExit(3)"), "failed with exit code 3$", "by hand"),
        (
            python("import sys; print('first\\nno refresh \\x1b[1mtoken\\n\\n', file=sys.stderr); sys.exit(1)"),
            r"failed with exit code 1: no refresh  \[1mtoken$",
            "by hand",
        ),
    ],
)
def test_what_goes_wrong_is_one_sentence(command, what, try_):
    with pytest.raises(RelayError) as caught:
        TokenCommand(command)()
    assert re.search(what, caught.value.what)
    assert try_ in caught.value.try_
    assert caught.value.where.startswith("token_command")
    assert " me" not in caught.value.where


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    pid = tmp_path / "pid"
    child = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    command = python(
        f"import subprocess, sys, time; print('{TOKEN}', flush=True);"
        f" subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    )
    began = time.monotonic()
    with pytest.raises(RelayError, match="no token within 2 seconds") as caught:
        TokenCommand(command, timeout=2)()
    assert time.monotonic() - began < 10
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None
    until = time.monotonic() + 5
    while Path(f"/proc/{pid.read_text()}").exists() and time.monotonic() < until:
        if " Z " in Path(f"/proc/{pid.read_text()}/stat").read_text():
            break
        time.sleep(0.02)
    assert time.monotonic() < until


def test_a_failing_command_does_not_bring_its_output_into_the_error():
    with pytest.raises(RelayError) as caught:
        TokenCommand(python(f"import sys; print('{TOKEN}'); sys.exit('expired')"))()
    told = "".join(traceback.format_exception(caught.value))
    assert "expired" in told
    assert TOKEN not in caught.value.what


def test_many_connections_at_once_run_the_command_once(tmp_path):
    count = tmp_path / "count"
    token = TokenCommand(python(f"open({str(count)!r}, 'a').write('x'); print('{TOKEN}')"))
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got, count.read_text()) == ([TOKEN] * 8, "x")
    token.forget()
    assert (token(), count.read_text()) == (TOKEN, "xx")
    assert TOKEN not in repr(token) + str(vars(token).keys())


def test_a_token_is_not_kept_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(oauth, "KEPT", 0.0)
    count = tmp_path / "count"
    token = TokenCommand(python(f"open({str(count)!r}, 'a').write('x'); print('{TOKEN}')"))
    token()
    token()
    assert count.read_text() == "xx"
