"""Nonsense: two readable lines or JSON, the right code, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from digest.cli import run
from digest.cli.failures import failure, share
from digest.model.errors import ConfigError, FetchError, NotFound, RelayError, StorageError, UsageError


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("fetch", "--jsn"),
        ("preview", "--port", "many"),
        ("explain",),
        ("subscribers", "nope"),
        ("deliveries", "show", "one"),
        ("fetch", "--since", "yesterday"),
        ("fetch", "--since", "2999-01-01"),
        ("preview", "--at", "soon"),
        ("preview", "--for", "nobody"),
        ("explain", "2510.01459", "--for", "nobody"),
        ("send", "--to", "nobody"),
        ("preview", "--digest", "nope"),
        ("fetch", "no-such-source"),
        ("status", "--config", "none.toml"),
    ],
)
def test_wrong_usage_is_2_in_words_and_in_json(call, installed, arguments):
    told = call(*arguments)
    assert (told.code, told.out) == (2, "")
    first, second, *rest = told.err.splitlines()
    assert (first.startswith("error: "), second.startswith("  try: "), rest) == (True, True, [])
    document = call(*arguments, "--json")
    assert (document.code, document.err) == (2, "")
    assert set(document.json["error"]) == {"what", "where", "try"}


def test_a_misspelt_variable_is_told_where_no_configuration_is_read(call, monkeypatch, tmp_path):
    monkeypatch.setenv("DIGEST_NWO", "2026-05-04")
    told = call("rank", tmp_path / "papers.jsonl")
    assert (told.code, told.err.splitlines()[0]) == (2, "error: environment: DIGEST_NWO is not a variable of Digest")


def test_no_configuration_says_how_to_get_one(call):
    told = call("status", "--json")
    assert (told.code, told.json["error"]["what"]) == (2, "there is no configuration")
    assert "digest init" in told.json["error"]["try"]


def test_a_wrong_key_is_named_with_the_nearest_right_one(call, installed):
    Path("config.toml").write_text(Path("config.toml").read_text().replace("send_at", "sent_at"))
    told = call("status")
    assert told.code == 2
    assert "sent_at" in told.err
    assert "send_at" in told.err


def test_a_variable_nobody_knows_and_a_clock_nobody_reads_are_refused(call, installed, monkeypatch):
    monkeypatch.setenv("DIGEST_NOW", "tomorrow")
    assert call("status", "--json").json["error"]["where"] == "DIGEST_NOW"
    monkeypatch.delenv("DIGEST_NOW")
    monkeypatch.setenv("DIGEST_SMPT__HOST", "x")
    assert call("status").code == 2


def test_a_database_that_is_none_is_1(call, installed):
    Path("digest.db").write_bytes(b"no database at all, but long enough to be looked at" * 30)
    told = call("status")
    assert (told.code, "is not a SQLite database" in told.err, "Traceback" in told.err) == (1, True, False)


def test_global_options_stand_before_or_behind_the_command(call, installed):
    Path("other.toml").write_text(Path("config.toml").read_text().replace("papers", "others"))
    words = "init fetch preview send run rank explain sources subscribers deliveries suppressions entries status doctor"
    names = f"{words} demo db bounce".split()
    told = {name: call(name, "--help") for name in names}
    assert {name for name, one in told.items() if one.code or "--help" not in one.out} == set()
    plain = set(names) - {"sources", "subscribers", "deliveries", "suppressions", "entries", "db"}
    assert {
        name
        for name in plain
        for option in ("--config", "--json", "--quiet", "--verbose")
        if option not in told[name].out
    } == set()


def test_the_table_of_exit_codes():
    errors = (ConfigError("x"), UsageError("x"), FetchError("x"), NotFound("x"), RelayError("x"), StorageError("x"))
    assert [failure(error, "digest x").code for error in errors] == [2, 2, 1, 1, 1, 1]
    assert [failure(error, "digest x").code for error in (KeyboardInterrupt(), OSError("disk"), KeyError("x"))] == [
        130,
        1,
        1,
    ]
    assert [share(0, 3), share(1, 3), share(3, 3), share(0, 0)] == [0, 3, 1, 0]
    told = failure(PermissionError(13, "Permission denied", "/etc/shadow"), "digest x")
    assert told.lines() == ("error: /etc/shadow: permission denied", "  try: check the path and who may use it")


def test_a_reader_who_leaves_the_pipe_gets_no_traceback(installed):
    script = "import sys; from digest.cli import run; sys.exit(run(sys.argv[1:]))"
    writer = subprocess.Popen(
        [sys.executable, "-c", script, "sources", "list", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.close()
    said = writer.stderr.read()
    writer.stderr.close()
    assert (writer.wait() in (0, 1), said) == (True, "")


def test_run_takes_a_list_and_gives_a_code(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("digest ")
