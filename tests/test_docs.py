"""The documents name only commands, options and settings that exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from digest.cli.root import root

ROOT = Path(__file__).parent.parent
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("benchmarks/*.md"),
    ROOT / "packaging/digest.service",
    ROOT / "packaging/digest-web.service",
]

_CODE = re.compile(r"^```[^\n]*\n(.*?)^```|`([^`]+)`", re.DOTALL | re.MULTILINE)
_CALL = re.compile(r"(?:^\s*|[;(&]\s*|/bin/)digest((?: [^\s#;|&)]+)+)")


def calls(text: str) -> Iterator[list[str]]:
    """The words behind `digest` in every call that a page writes as code."""
    for block, inline in _CODE.findall(text):
        for line in (block or inline.replace("\n", " ")).splitlines():
            for found in _CALL.findall(line.partition(" #")[0]):
                yield [word.rstrip(".,:…") for word in shlex.split(found.replace("'", ""))]


def unknown(words: list[str]) -> str:
    """The first word of a call that the program does not know; empty for a call it understands."""
    command: Any = typer.main.get_command(root)
    options = set(_options(command))
    for word in words:
        if word.startswith("--"):
            if word.partition("=")[0] not in options:
                return word
        elif commands := getattr(command, "commands", None):
            for name in word.split("/"):
                if name not in commands:
                    return word
            command = commands[word.split("/")[0]]
            options |= set(_options(command))
    return ""


def _options(command: Any) -> Iterator[str]:
    for param in command.params:
        yield from (*param.opts, *param.secondary_opts)
    yield "--help"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_call_that_a_page_shows_is_one_the_program_understands(page):
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".service":
        text = f"```\n{text}```"
    wrong = [f"digest {' '.join(words)}: {word}" for words in calls(text) if (word := unknown(words))]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_a_page_names_exists(page):
    reference = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    sections = {
        name: set(re.findall(r"(?m)^\| `(\w+)`", body))
        for name, body in re.findall(r"(?ms)^## \[+(\w+)\]+\n(.*?)(?=^## |\Z)", reference)
    }
    text = page.read_text(encoding="utf-8")
    named = [(section, key) for section, key in re.findall(r"`\[(\w+)\] (\w+)", text) if section in sections]
    named += [(name, "") for name in re.findall(r"`\[(\w+)\]`", text)]
    assert [f"[{s}] {k}" for s, k in named if s not in sections or (k and k not in sections[s])] == []


def test_the_toml_of_the_readme_is_a_configuration():
    from digest.config import from_table

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    whole: dict[str, Any] = {"mail": {"from": "you@example.org"}}
    for block in re.findall(r"(?ms)^```toml\n(.*?)^```", text):
        whole |= tomllib.loads(block)
    config = from_table(whole, folder=ROOT)
    assert config.digests[0].profile.categories == (("cs.CL", 2.0), ("cs.LG", 1.0))
