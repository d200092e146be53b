"""Calls of `digest` as the script makes them, in a folder of their own, with the samples of the demo as feeds."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import digest
from digest.cli import run

SAMPLES = Path(digest.__file__).parent / "samples"
#: Five minutes after the slot of the samples' first and second day.
FIRST, SECOND = "2026-03-03T07:05:00Z", "2026-03-04T07:05:00Z"

CONFIG = """
[mail]
from = "Digest <digest@example.org>"
[smtp]
transport = "folder"
path = "outbox"
[web]
public_url = "https://digest.example.org"
[fetch]
arxiv_api = ""
[[source]]
id = "hf-daily"
kind = "huggingface"
url = "feeds/hf-daily.json"
[[source]]
id = "arxiv"
kind = "arxiv"
url = "feeds/arxiv.atom"
[[digest]]
name = "papers"
title = "Trending papers"
send_at = "07:00"
max_items = 25
"""


@dataclass(frozen=True)
class Call:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, no variables, and the signals as they were."""
    monkeypatch.chdir(tmp_path)
    for name in ("DIGEST_CONFIG", "DIGEST_NOW"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Call]:
    """Calls `digest` with arguments; gives code and output."""

    def call_(*arguments: object) -> Call:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Call(code, told.out, told.err)

    return call_


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the clock of the next calls."""
    return lambda instant: monkeypatch.setenv("DIGEST_NOW", instant)


@pytest.fixture
def feeds(tmp_path: Path) -> Callable[[int], None]:
    """Puts a day's samples where the configuration looks."""
    return lambda day: show(tmp_path, day)


def show(folder: Path, day: int) -> None:
    shutil.copytree(SAMPLES / f"day-{day}", folder / "feeds", dirs_exist_ok=True)


def install(folder: Path, tables: Path) -> None:
    """A configuration that needs no network, empty tables, and the first day's feeds."""
    shutil.copyfile(tables, folder / "digest.db")
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    show(folder, 1)


@pytest.fixture
def installed(tmp_path: Path, built_sqlite: Path, at) -> Path:
    """An installation, on the first day."""
    install(tmp_path, built_sqlite)
    at(FIRST)
    return tmp_path


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, built_sqlite: Path) -> Callable[..., None]:
    """Puts an installation of the first day into a folder as it is after these calls, which are made once for all."""

    @cache
    def after(*calls: str) -> tuple[Path, list[tuple[str, str]]]:
        made = tmp_path_factory.mktemp("after")
        install(made, built_sqlite)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()):
            patch.chdir(made)
            patch.setenv("DIGEST_NOW", FIRST)
            for words in calls:
                assert run(words.split()) == 0
        return made, naming(made / "digest.db", str(made))

    def put(folder: Path, *calls: str) -> None:
        made, columns = after(*calls)
        shutil.copytree(made, folder, dirs_exist_ok=True)
        with closing(sqlite3.connect(folder / "digest.db")) as held, held:
            for table, column in columns:
                held.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(made), str(folder)))

    return put


def naming(path: Path, folder: str) -> list[tuple[str, str]]:
    """Where a database names its folder: (table, column)."""
    with closing(sqlite3.connect(path)) as held:
        every = held.execute(
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
        ).fetchall()
        return [
            (table, column)
            for table, column in every
            if held.execute(f'SELECT 1 FROM "{table}" WHERE instr("{column}", ?)', (folder,)).fetchone()
        ]


READ = ("fetch", "subscribers add reader@example.org")


@pytest.fixture
def read(installed: Path, once) -> Path:
    """An installation after the first fetch, with one reader."""
    once(installed, *READ)
    return installed
