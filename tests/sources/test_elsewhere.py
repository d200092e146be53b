"""Kinds of other packages: found by entry point, refused with a reason, and never in the way of the rest."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import EntryPoint

import pytest

from digest.model.errors import ConfigError, ParseError
from digest.model.feeds import FetchResponse, Source, SourceId
from digest.sources.kinds import KINDS, check, installed
from digest.sources.kinds.elsewhere import GROUP, Kinds
from tests.sources.test_kit import GOOD, raising

NOW = datetime(2025, 11, 21, tzinfo=UTC)
SOURCE = Source(id=SourceId("s"), kind="board", options=(("board", ("42",)),))
HERE = "tests.sources.test_elsewhere"

BOARD = GOOD
OTHER_NAME = replace(GOOD, name="other")
NO_KIND = {"name": "board"}
FRAGILE = replace(GOOD, plan=raising(KeyError("board")), parse=lambda source, response: None)


def kinds(*points: tuple[str, str]) -> Kinds:
    return Kinds(KINDS, lambda: [EntryPoint(name, value, GROUP) for name, value in points])


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that can be imported: module("name", "code")."""
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def write(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code, "utf-8")
        written.append(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_our_own_kinds_and_those_of_others_stand_side_by_side():
    found = kinds(("board", f"{HERE}:BOARD"))
    assert "board" in found
    assert "arxiv" in found
    assert [*found] == [*KINDS, "board"]
    assert len(found) == len(KINDS) + 1
    assert found["arxiv"] is KINDS["arxiv"]
    assert found["board"].about == "the papers of a board"
    check(SOURCE, found, where="config.toml line 3")


def test_nothing_is_imported_before_it_is_asked_for(module):
    module("slow_to_import", "raise AssertionError('it was imported')")
    found = kinds(("board", "slow_to_import:KIND"))
    assert found["feed"].name == "feed"
    assert "board" in found
    assert "slow_to_import" not in sys.modules


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ([("board", "no.such.module:KIND")], "importing no.such.module:KIND fails (ModuleNotFoundError: No module"),
        ([("board", f"{HERE}:MISSING")], "fails (AttributeError"),
        ([("board", f"{HERE}:NO_KIND")], "is not a SourceKind, but of type dict"),
        ([("board", f"{HERE}:OTHER_NAME")], "its entry point is called board, but the kind calls itself other"),
        ([("board", f"{HERE}:BOARD"), ("board", f"{HERE}:FRAGILE")], "several packages bring a kind of this name"),
        ([("arxiv", f"{HERE}:BOARD")], "the name is one of our own kinds"),
        ([("Bo ard", f"{HERE}:BOARD")], "a kind's name is lower-case"),
    ],
)
def test_what_cannot_be_used_is_named(points, problem):
    (foreign,) = kinds(*points).foreign()
    assert problem in foreign.problem
    assert foreign.name == points[0][0]


@pytest.mark.parametrize("code", ["raise RuntimeError('no\\n  licence')", "import sys; sys.exit('bye')", "x = ("])
def test_a_package_that_raises_on_import_costs_only_its_own_sources(module, code):
    module("raises_on_import", code)
    found = kinds(("board", "raises_on_import:KIND"), ("other", f"{HERE}:OTHER_NAME"))
    check(SOURCE, found, where="config.toml")  # the configuration is good, the package is not
    for step in (
        lambda: found["board"].plan(SOURCE, NOW, None),
        lambda: found["board"].parse(SOURCE, FetchResponse(url="u", status=200)),
    ):
        with pytest.raises(ConfigError) as caught:
            step()
        assert (
            "the kind of raises_on_import:KIND cannot be used: importing raises_on_import:KIND fails"
            in caught.value.what
        )
        assert "\n" not in caught.value.what
    assert found["other"].name == "other"
    assert found["feed"] is KINDS["feed"]


def test_our_own_name_stays_ours():
    found = kinds(("feed", f"{HERE}:BOARD"))
    assert found["feed"] is KINDS["feed"]
    assert [*found] == [*KINDS]


def test_a_kind_whose_package_was_taken_out_fails_and_says_so():
    found = kinds()
    assert "board" not in found
    with pytest.raises(ConfigError, match="no installed package brings the kind board"):
        found["board"].plan(SOURCE, NOW, None)
    with pytest.raises(ConfigError, match="there is no source kind 'board'"):
        check(SOURCE, found, where="config.toml")


def test_what_a_strangers_code_raises_or_gives_becomes_a_sentence():
    kind = kinds(("board", f"{HERE}:FRAGILE"))["board"]
    with pytest.raises(ParseError, match=r"the kind board of .* failed in plan \(KeyError: 'board'\)"):
        kind.plan(SOURCE, NOW, None)
    with pytest.raises(ParseError, match=r"failed in parse \(TypeError: it gave a NoneType, not a ParsedFeed\)"):
        kind.parse(SOURCE, FetchResponse(url="u", status=200, body=b"[]"))


def test_an_installation_that_is_seen_twice_is_one():
    found = kinds(("board", f"{HERE}:BOARD"), ("board", f"{HERE}:BOARD"))
    assert found.foreign()[0].problem == ""


def test_what_is_installed_here_has_our_kinds():
    assert set(KINDS) <= set(installed())
