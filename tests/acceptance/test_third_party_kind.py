"""A kind of another package, built and installed as one, used from configuration by a process of its own.

The package is the one that docs/sources/your-own.md shows, word by word.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sources" / "your-own.md"
PINS = {
    "pins": [
        {
            "id": 7,
            "title": "On snails",
            "link": "https://arxiv.org/abs/2511.00001",
            "by": ["A. Doe"],
            "pinned": 1763700000,
        },
        {"id": 8, "title": "On slugs", "pinned": 1763700001},
        {"id": 9},
    ]
}
BROKEN = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "digest-broken"
version = "0.1"
[project.entry-points."digest.sources"]
broken = "digest_broken:KIND"
feed = "digest_broken:FEED"
"""


def blocks() -> dict[str, str]:
    """The example's files, by name."""
    page = PAGE.read_text("utf-8")
    return {
        "pyproject.toml": re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0],
        "digest_board/__init__.py": re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0],
        "test_board.py": re.findall(r"```python\n(.*?)```", page, re.DOTALL)[1],
    }


def install(files: dict[str, str], work: Path, site: Path) -> None:
    """Builds a wheel of these files, as pip would, and unpacks it: a real installation, entry points included."""
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text, "utf-8")
    build = "import hatchling.build; print(hatchling.build.build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=work, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(work / done.stdout.split()[-1]) as wheel:
        wheel.extractall(site)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(blocks(), tmp_path_factory.mktemp("board"), folder)
    code = "raise RuntimeError('its licence has expired')\n"
    broken = {"pyproject.toml": BROKEN, "digest_broken/__init__.py": code}
    install(broken, tmp_path_factory.mktemp("broken"), folder)
    return folder


@pytest.fixture
def call(site, tmp_path):
    """Calls `digest` in a process that sees the installed packages; gives (exit code, JSON, standard error)."""

    def call_(*arguments: str):
        path = os.pathsep.join(filter(None, (str(site), str(ROOT), os.environ.get("PYTHONPATH", ""))))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        done = subprocess.run(
            [sys.executable, "-m", "digest", *arguments, "--json"],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": path, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, json.loads(done.stdout), done.stderr

    return call_


def configure(tmp_path: Path, url: str, more: str = "") -> None:
    (tmp_path / "config.toml").write_text(
        f"""
[mail]
from = "digest@example.org"
[smtp]
transport = "folder"
path = "outbox"
[[source]]
id = "house"
kind = "board"
url = "{url}"
options = {{ board = "42" }}
allow_private = true
{more}
[[digest]]
name = "papers"
""",
        "utf-8",
    )


def test_a_kind_of_another_package_is_used_from_configuration(call, tmp_path, httpserver):
    httpserver.expect_request("/api/42").respond_with_json(PINS)
    configure(tmp_path, httpserver.url_for("/api"))
    code, told, _ = call("fetch", "--all")
    (row,) = told["sources"]
    assert (code, row["state"], row["new"]) == (0, "ok", 2)
    assert "1 could not be taken, the first: pin 3" in row["detail"]
    _, shown, _ = call("entries", "show", "arxiv:2511.00001")
    assert "On snails" in json.dumps(shown)


def test_one_that_raises_on_import_is_named_and_the_rest_runs(call, tmp_path, httpserver):
    httpserver.expect_request("/api/42").respond_with_json(PINS)
    configure(tmp_path, httpserver.url_for("/api"), '[[source]]\nid = "lost"\nkind = "broken"\noptions = { a = 1 }\n')
    code, told, error = call("fetch", "--all")
    rows = {row["id"]: row for row in told["sources"]}
    assert (code, rows["house"]["state"], rows["lost"]["state"]) == (3, "ok", "broken")
    assert "digest-broken 0.1" in rows["lost"]["detail"]
    assert "RuntimeError: its licence has expired" in rows["lost"]["detail"]
    assert "Traceback" not in error

    _, doctor, _ = call("doctor")
    found = {finding["what"]: finding for finding in doctor["findings"]}
    assert found["kind board"]["state"] == "ok"
    assert found["kind broken"]["state"] == "fail"
    assert "digest-broken 0.1" in found["kind broken"]["detail"]
    assert "no package can take over" in found["kind feed"]["detail"]


def test_the_kinds_are_listed_with_where_they_come_from(call):
    code, told, _ = call("sources", "kinds")
    kinds = {(one["name"], one["from"]): one for one in told["kinds"]}
    assert code == 3
    assert kinds["feed", "digest"]["problem"] is None
    board = kinds["board", "digest-board 1.0"]
    assert (board["options"], board["problem"]) == ({"board": "the number of the board"}, None)
    assert "its licence has expired" in kinds["broken", "digest-broken 0.1"]["problem"]


def test_what_the_kind_misses_is_a_wrong_configuration(call, tmp_path):
    configure(tmp_path, "ftp://x.example")
    code, told, _ = call("fetch")
    assert code == 2
    assert "needs a url: where the boards are" in told["error"]["what"]


def test_the_example_passes_the_test_kit(site, tmp_path):
    (tmp_path / "test_board.py").write_text(blocks()["test_board.py"], "utf-8")
    path = os.pathsep.join((str(site), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", "import test_board; test_board.test_the_kind_keeps_the_protocol()"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_help_imports_no_package(site, tmp_path):
    path = os.pathsep.join((str(site), str(ROOT)))
    look = "print('digest_broken' in sys.modules, 'digest.sources.kinds' in sys.modules)"
    code = f"import sys; import digest.cli; digest.cli.run(['--help']); {look}"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split()[-2:] == ["False", "False"]
