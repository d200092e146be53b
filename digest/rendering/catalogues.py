"""The translations' files: what they must hold, and bringing them up to date.

``python -m digest.rendering.catalogues`` in a checkout finds every text of the mails, in the program and in the
templates, and writes locales/CODE/LC_MESSAGES/digest.po anew: translations stay, new texts are added without one, texts
that nobody uses go. It then names what is missing or wrong, and exits with 1 if anything is. A text is marked by
calling ``language.say``, ``language.count``, or in a template ``_`` or ``count``, with literals.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from digest.rendering.language import LANGUAGES, LOCALES
from digest.rendering.library import default_template_folder

#: Of each call, which arguments are texts; None is the first.
KEYWORDS: dict[str, tuple[int, ...] | None] = {"say": None, "_": None, "count": (1, 2)}
_VALUE = re.compile(r"%\((\w+)\)s")
#: Lines of the header that would change with every run, or that nobody has filled in.
_IDLE = re.compile(
    rb'^"(?:POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|Report-Msgid-Bugs-To|Language-Team):.*\n',
    re.MULTILINE,
)


def path_of(code: str) -> Path:
    """Where the catalogue of a language lies."""
    return LOCALES / code / "LC_MESSAGES" / "digest.po"


def texts() -> Catalog:
    """Every text of the program and the built-in templates, not translated."""
    found = Catalog(project="Digest", charset="utf-8")
    for file, shown, method in _sources():
        for _, message, _, _ in extract_from_file(method, file, KEYWORDS, options={"silent": "false"}):
            found.add(message, None, [(shown, 0)])
    return found


def python_texts(
    file: IO[bytes], keywords: Collection[str], comment_tags: Collection[str], options: Mapping[str, object]
) -> Iterator[tuple[int, str, tuple[str | None, ...], list[str]]]:
    """For babel: calls of methods named in ``keywords``, each with those arguments that are literal texts. Babel's own
    reader stumbles over ``count(b"…")``.
    """
    found: list[tuple[int, str, tuple[str | None, ...], list[str]]] = []
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in keywords:
            values = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
            literals = tuple(one if isinstance(one, str) else None for one in values)
            found.append((node.lineno, node.func.attr, literals, []))
    yield from sorted(found, key=lambda one: one[0])


def _sources() -> Iterator[tuple[Path, str, Callable[..., Any]]]:
    """(file, its name for translators, how babel reads it)."""
    package, templates = Path(__file__).parents[1], default_template_folder()
    for file in sorted(package.rglob("*.py")):
        yield file, f"digest/{file.relative_to(package).as_posix()}", python_texts
    for file in sorted(templates.rglob("*.j2")):
        yield file, f"templates/{file.relative_to(templates).as_posix()}", babel_extract


def catalogue_of(code: str) -> Catalog:
    """The catalogue of a language; an empty one where there is none yet."""
    path = path_of(code)
    if not path.exists():
        return Catalog(locale=code, project="Digest", charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def update(code: str, wanted: Catalog) -> bytes:
    """The catalogue's file with exactly the ``wanted`` texts: translations stay, nothing is guessed."""
    catalogue = catalogue_of(code)
    catalogue.update(wanted, no_fuzzy_matching=True, update_header_comment=False)
    catalogue.header_comment = f"# The texts of Digest's mails: {code}."
    catalogue.fuzzy = False
    file = BytesIO()
    write_po(file, catalogue, width=100, ignore_obsolete=True, sort_by_file=True, include_lineno=False)
    return _IDLE.sub(b"", file.getvalue()).rstrip(b"\n").replace(b"Version:  Digest", b"Version: Digest") + b"\n"


def faults(catalogue: Catalog, wanted: Catalog) -> list[str]:
    """What is wrong with a catalogue, a sentence each: texts that are missing, left over, without a translation or
    one of its plural forms, uncertain, or with other ``%(name)s`` than the text (a plural form may leave ``%(n)s``
    out: "one paper").
    """
    found = [f"left over: {message.id!r}" for message in catalogue.obsolete.values()]
    found += [f"left over: {message.id!r}" for message in catalogue if message.id and message.id not in wanted]
    for text in wanted:
        if text.id:
            found += _faults(catalogue, text.id)
    return found


def _faults(catalogue: Catalog, text: Any) -> list[str]:
    message = catalogue.get(text)
    if message is None:
        return [f"missing: {text!r}"]
    forms, plural = _forms(message.string), not isinstance(text, str)
    expected = catalogue.num_plurals if plural else 1
    values = _values(*_forms(text))
    needed = values - {"n"} if plural else values
    found = [f"fuzzy: {text!r}"] if message.fuzzy else []
    if not all(forms):
        found.append(f"not translated: {text!r}")
    elif len(forms) != expected:
        found.append(f"{len(forms)} plural forms and not {expected}: {text!r}")
    else:
        found += [f"other values in {form!r}: {text!r}" for form in forms if not needed <= _values(form) <= values]
        found += [f"a lone % or markup in {form!r}: {text!r}" for form in forms if not _is_sound(form, values)]
    return found


def _is_sound(form: str, values: frozenset[str]) -> bool:
    """Whether it can be filled in, and is a text: templates print it as it is."""
    if values and "%" in _VALUE.sub("", form).replace("%%", ""):
        return False
    return not set("<>&") & set(form)


def _forms(text: object) -> tuple[str, ...]:
    """The forms of a text: itself, unless it has one a number."""
    return tuple(cast("tuple[str, ...]", text)) if isinstance(text, (tuple, list)) else (cast(str, text or ""),)


def _values(*texts: str) -> frozenset[str]:
    return frozenset(name for text in texts for name in _VALUE.findall(text))


def main() -> int:
    """Update every catalogue; 0 if they are whole."""
    wanted, whole = texts(), True
    for code in LANGUAGES:
        if code == "en":
            continue
        path = path_of(code)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(update(code, wanted))
        todo = faults(catalogue_of(code), wanted)
        sys.stdout.write(f"{code}: {len(wanted)} texts, {len(todo)} to do\n" + "".join(f"  {one}\n" for one in todo))
        whole = whole and not todo
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
