"""Every text of the mails is translated into every language, wholly and with the same values."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from digest.rendering import catalogues
from digest.rendering.catalogues import catalogue_of, faults, path_of, texts, update
from digest.rendering.language import LANGUAGES

PACKAGE = Path(catalogues.__file__).parents[1]
TRANSLATED = tuple(code for code in LANGUAGES if code != "en")


@pytest.fixture(scope="module")
def wanted() -> Catalog:
    return texts()


def test_the_texts_of_the_program_and_of_the_templates_are_found(wanted: Catalog) -> None:
    places = {place for message in wanted for place, _ in message.locations}
    assert {place.partition("/")[0] for place in places} == {"digest", "templates"}
    assert ("%(n)s new paper", "%(n)s new papers") in {message.id for message in wanted}
    assert len(wanted) > 50


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_text_is_translated(code: str, wanted: Catalog) -> None:
    assert path_of(code).exists()
    assert faults(catalogue_of(code), wanted) == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_catalogue_is_as_the_updating_writes_it(code: str, wanted: Catalog) -> None:
    assert path_of(code).read_bytes() == update(code, wanted)


def made(**strings: object) -> Catalog:
    catalogue = Catalog(locale="de")
    for text, string in strings.items():
        if isinstance(string, tuple):
            catalogue.add((f"%(n)s {text} of %(x)s", f"%(n)s {text}s of %(x)s"), string)
        else:
            catalogue.add(f"{text} %(x)s", str(string))
    return catalogue


@pytest.mark.parametrize(
    ("string", "fault"),
    [
        ("Salz %(x)s", None),
        (("ein Salz von %(x)s", "%(n)s Salze von %(x)s"), None),
        ("", "not translated"),
        ("Salz", "other values"),
        ("Salz %(y)s", "other values"),
        ("Salz %(x)s %(y)s", "other values"),
        (("", "%(n)s Salze von %(x)s"), "not translated"),
        (("%(n)s Salz", "%(n)s Salze von %(x)s"), "other values"),
        (("%(n)s Salz von %(x)s",), "1 plural forms and not 2"),
        (("%(n)s Salz von %(x)s",) * 3, "3 plural forms and not 2"),
    ],
)
def test_a_wrong_translation_is_a_fault(string: object, fault: str | None) -> None:
    found = faults(made(salt=string), made(salt=("", "") if isinstance(string, tuple) else ""))
    assert [one.partition(":")[0].partition(" in ")[0] for one in found] == ([fault] if fault else [])


def test_a_missing_a_left_over_and_an_uncertain_text_are_faults(wanted: Catalog) -> None:
    wanted_and_more = texts()
    wanted_and_more.add("A text that nobody has translated")
    for code in TRANSLATED:
        new = set(faults(catalogue_of(code), wanted_and_more)) - set(faults(catalogue_of(code), wanted))
        assert new == {"missing: 'A text that nobody has translated'"}
    assert faults(made(salt="Salz %(x)s", sand="Sand %(x)s"), made(salt="")) == ["left over: 'sand %(x)s'"]
    uncertain = made(salt="Salz %(x)s")
    uncertain["salt %(x)s"].flags.add("fuzzy")
    assert faults(uncertain, made(salt="")) == ["fuzzy: 'salt %(x)s'"]


def test_updating_keeps_translations_adds_what_is_new_and_drops_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogues, "LOCALES", tmp_path)
    for catalogue in (made(salt="", sand=("", "")), made(salt="", tide="")):
        path_of("de").parent.mkdir(parents=True, exist_ok=True)
        path_of("de").write_bytes(update("de", catalogue))
        empty, full = 'salt %(x)s"\nmsgstr ""', 'salt %(x)s"\nmsgstr "Salz %(x)s"'
        path_of("de").write_text(path_of("de").read_text("utf-8").replace(empty, full), "utf-8")
    held = catalogue_of("de")
    assert {message.id: message.string for message in held if message.id} == {
        "salt %(x)s": "Salz %(x)s",
        "tide %(x)s": "",
    }
    assert b"Date" not in path_of("de").read_bytes()


def test_what_is_said_is_a_literal_that_can_be_found() -> None:
    wrong: list[str] = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            # A text's own `count` takes no such thing as "language.count(one, many, number)".
            counting = node.func.attr == "count" and "language" in ast.unparse(node.func.value)
            texts_of = node.args[:1] if node.func.attr == "say" else node.args[:2] if counting else []
            if not all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in texts_of):
                wrong.append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert wrong == []
