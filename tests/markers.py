"""Which tests run: plain ones always, ``needs_NAME`` with CI=true or named by -m, ``shared`` only named by -m.

A selected test whose tool is missing fails, so that nothing is passed over in silence.
"""

from __future__ import annotations

import os
import re
import shutil
from importlib.util import find_spec

import pytest

#: The programs of a need, any of which will do; a need that is not listed is a program of its own name.
PROGRAMS = {
    "needs_chromium": ("chromium", "chromium-browser", "google-chrome"),
    "needs_dovecot_imapd": ("dovecot", "/usr/sbin/dovecot"),
    # These two exclude Postfix, so their tests install them in a root of their own.
    "needs_exim4": ("unshare",),
    "needs_opensmtpd": ("unshare",),
    "needs_opendkim": ("opendkim", "/usr/sbin/opendkim"),
    "needs_postfix": ("postfix", "/usr/sbin/postfix"),
}
#: Needs that are a Python package; .ci/run installs it without the packages that it would bring along.
PACKAGES = {"needs_axe": "axe_playwright_python"}


def _special(item: pytest.Item) -> set[str]:
    return {mark.name for mark in item.iter_markers() if mark.name == "shared" or mark.name.startswith("needs_")}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    expression = str(config.option.markexpr)
    everything = os.environ.get("CI", "").lower() in ("1", "true", "yes")

    def selected(name: str) -> bool:
        return name in expression or (everything and name != "shared")

    kept = [item for item in items if all(selected(name) for name in _special(item))]
    left = [item for item in items if item not in set(kept)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in sorted(_special(item) - {"shared"}):
        if name in PACKAGES:
            if find_spec(PACKAGES[name]) is None:
                pytest.fail(f"{name}: the package {PACKAGES[name]} is not installed", pytrace=False)
            continue
        programs = PROGRAMS.get(name, (name.removeprefix("needs_"),))
        if not any(shutil.which(program) for program in programs):
            pytest.fail(f"{name}: none of {', '.join(programs)} is installed", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How many tests ran of each need that -m names."""
    ended = [one for kind in ("passed", "failed", "error") for one in terminalreporter.stats.get(kind, ())]
    for name in re.findall(r"\bneeds_\w+", str(config.option.markexpr)):
        number = len({one.nodeid for one in ended if name in one.keywords})
        terminalreporter.write_line(f"{name}: {number} tests" if number else f"no test carries {name}")
