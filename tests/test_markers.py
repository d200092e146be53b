"""Which tests run by default, with CI=true, and by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: Without the plugins of the environment, which take two seconds to be imported and have no say here.
ALONE = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

SAMPLE = """
import pytest

def test_plain(): pass

@pytest.mark.needs_no_such_tool
def test_tool(): pass

@pytest.mark.shared
def test_shared(): pass
"""


@pytest.mark.parametrize(
    ("arguments", "environ", "summary"),
    [
        ([], {}, "1 passed, 2 deselected"),
        ([], {"CI": "true"}, "1 passed, 1 deselected, 1 error"),
        (["-m", "shared"], {}, "1 passed, 2 deselected"),
        (["-m", "needs_no_such_tool"], {}, "2 deselected, 1 error"),
        (["-m", "needs_chromium"], {"CI": "true"}, "3 deselected"),
    ],
)
def test_what_is_selected(tmp_path, arguments, environ, summary):
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.markers", "-p", "no:cacheprovider", "-q", "-W", "ignore"]
    run = subprocess.run(
        [*command, *arguments, "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT,
        env={**{name: value for name, value in ALONE.items() if name != "CI"}, **environ},
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip().splitlines()[-1].startswith(summary), run.stdout + run.stderr


def test_a_missing_tool_is_named(tmp_path):
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.markers",
        "-p",
        "no:cacheprovider",
        "-m",
        "needs_no_such_tool",
    ]
    run = subprocess.run(
        [*command, "-c", os.devnull, str(tmp_path)], cwd=ROOT, env=ALONE, capture_output=True, text=True
    )
    assert "needs_no_such_tool: none of no_such_tool is installed" in run.stdout


def test_a_need_that_no_test_carries_is_said_aloud(tmp_path):
    (tmp_path / "test_sample.py").write_text("import pytest\n\n@pytest.mark.needs_python3\ndef test_tool(): pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.markers", "-p", "no:cacheprovider", "-q", "-W", "ignore"]
    run = subprocess.run(
        [*command, "-m", "needs_python3 or needs_nothing", "-c", os.devnull, str(tmp_path)],
        cwd=ROOT,
        env=ALONE,
        capture_output=True,
        text=True,
    )
    assert "needs_python3: 1 tests\nno test carries needs_nothing\n1 passed" in run.stdout
