"""Calls of `digest` as the script makes them, in a folder of their own, with the samples of the demo as feeds."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    return lambda day: shutil.copytree(SAMPLES / f"day-{day}", tmp_path / "feeds", dirs_exist_ok=True) and None


@pytest.fixture
def installed(tmp_path: Path, built_sqlite: Path, feeds, at) -> Path:
    """A configuration that needs no network, empty tables, and the first day's feeds, on the first day."""
    shutil.copyfile(built_sqlite, tmp_path / "digest.db")
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    feeds(1)
    at(FIRST)
    return tmp_path


@pytest.fixture
def read(installed: Path, call) -> Path:
    """The same after the first fetch, with one reader."""
    assert call("fetch").code == 0
    assert call("subscribers", "add", "reader@example.org").code == 0
    return installed
