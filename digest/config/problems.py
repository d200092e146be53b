"""Turns what pydantic found wrong into one ConfigError: file and line or variable, key, problem, nearest right name.

Values are never repeated unless the option says what it may be (a choice, a zone), so a secret cannot leak.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from digest.config.nearest import nearest
from digest.config.shape import model_at, options, section_of, suggested
from digest.config.toml import written
from digest.model.errors import ConfigError

Loc = tuple[str | int, ...]

_PLAIN = {
    "missing": "is missing",
    "string_type": "should be a text in quotes",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "model_type": "should be a table",
    "model_attributes_type": "should be a table",
    "dict_type": "should be a table",
    "tuple_type": "should be a list",
    "path_type": "should be a path in quotes",
    "string_pattern_mismatch": "should be made of letters, digits, dots, hyphens and underscores",
}


def explain(
    error: ValidationError,
    shape: type[BaseModel],
    *,
    where: str,
    variables: Mapping[Loc, str] | None = None,
    text: str = "",
) -> ConfigError:
    """The first problem as a sentence, with the number of others.

    ``variables`` names the environment variable that a key came from; ``text`` is the file, in which to find the line.
    """
    found = error.errors(include_url=False)
    # A list of which no item could be read is too short for pydantic; to a person that is no second problem.
    found = [one for one in found if one["type"] != "too_short"] or found
    first = found[0]
    loc: Loc = tuple(part for part in first["loc"])
    known: tuple[str, ...] = tuple(options(m)) if (m := model_at(shape, loc[:-1])) else ()
    try_ = ""
    name = key_name(loc, text)
    if len(loc) == 1 and first["type"] == "missing" and section_of(options(shape)[str(loc[0])].annotation):
        name = f"[{name}]"
    if first["type"] == "extra_forbidden":
        what, try_ = f"{name} is not known", nearest(str(loc[-1]), known)
    else:
        what = f"{name} {_sentence(first)}".strip()
        choices = str(first.get("ctx", {}).get("expected", ""))
        if first["type"] in ("literal_error", "enum") and isinstance(first["input"], str):
            try_ = nearest(first["input"], re.findall(r"'([^']+)'", choices))
    if len(found) > 1:
        try_ = "; ".join(filter(None, (try_, f"{len(found) - 1} more to put right after this")))
    if not try_:
        try_ = _example(shape, loc)
    return ConfigError(what, where=place(loc, where=where, variables=variables or {}, text=text), try_=try_)


def _example(shape: type[BaseModel], loc: Loc) -> str:
    """A right value of the option at ``loc``, or where to read about it."""
    names = [part for part in loc if isinstance(part, str)]
    for end in range(len(names), 0, -1):
        model = model_at(shape, names[: end - 1])
        field = options(model).get(names[end - 1]) if model else None
        if field is not None and field.json_schema_extra and suggested(field) is not None:
            return f"write for example {names[end - 1]} = {written(suggested(field))}"
    return "docs/configuration.md shows every option"


def _sentence(found: Mapping[str, Any]) -> str:
    plain = _PLAIN.get(found["type"])
    if plain:
        return plain
    message = str(found["msg"])
    for prefix in ("Value error, ", "Input "):
        message = message.removeprefix(prefix)
    return message


def key_name(loc: Sequence[str | int], text: str = "") -> str:
    """``("source", 1, "url")`` as ``[[source]] 2: url``, ``("web", "bind")`` as ``[web] bind``."""
    if not loc:
        return "the settings"
    words = [str(part) for part in loc if not isinstance(part, int)]
    if len(loc) == 1:
        return words[0]
    if loc[:2] == ("smtp", 0) and "[[smtp" not in text:
        return f"[smtp] {'.'.join(words[1:])}".strip()
    if isinstance(loc[1], int):
        rest = ".".join(words[1:])
        return f"[[{loc[0]}]] {loc[1] + 1}: {rest}" if rest else f"[[{loc[0]}]] {loc[1] + 1}"
    return f"[{words[0]}] {'.'.join(words[1:])}"


def place(loc: Sequence[str | int], *, where: str, variables: Mapping[Loc, str], text: str) -> str:
    """The variable a key came from, else the file and the line."""
    names = tuple(part for part in loc if not isinstance(part, int))
    for end in range(len(names), 0, -1):
        if names[:end] in variables:
            return variables[names[:end]]
    line = line_of(text, loc)
    return f"{where} line {line}" if line else where


def line_of(text: str, loc: Sequence[str | int]) -> int | None:
    """The line where a key of a section stands, else where the section begins; None if neither is found."""
    if not loc:
        return None
    section = str(loc[0])
    wanted = loc[1] if len(loc) > 1 and isinstance(loc[1], int) else 0
    keys = [part for part in loc[1:] if not isinstance(part, int)]
    count, inside, start = -1, False, None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([\w.\"-]+)\s*\]\]?", line)
        if header:
            name = header[1].replace('"', "")
            if name == section:
                count += 1
            inside = count == wanted and (name == section or name.startswith(f"{section}."))
            start = number if inside and start is None else start
        elif re.match(rf"\s*\"?{re.escape(section)}\"?\s*[.=]", line) and start is None and count < 0:
            return number
        if inside and keys and re.match(rf"\s*\"?{re.escape(keys[0])}\"?\s*[.=]", line):
            return number
    return start
