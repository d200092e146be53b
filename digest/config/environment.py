"""DIGEST_… variables as a table that goes over the file: ``DIGEST_SMTP__HOST`` is ``[smtp] host``.

Takes a mapping (never os.environ itself). Lists and tables are JSON. A name that no option has is refused, so that a
misspelt variable is never silently without effect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast, get_args

from pydantic import BaseModel

from digest.config.nearest import nearest
from digest.config.problems import Loc
from digest.config.settings import Settings
from digest.config.shape import options, section_of
from digest.model.errors import ConfigError

PREFIX = "DIGEST_"
#: Read elsewhere: the file's place, the tests' data, the clock of one command.
RESERVED = frozenset({"DIGEST_CONFIG", "DIGEST_SHARED", "DIGEST_NOW"})


def table_of(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[Loc, str]]:
    """The table, and which variable each of its keys came from."""
    table: dict[str, Any] = {}
    variables: dict[Loc, str] = {}
    # Shorter names first, so that DIGEST_SMTP__HOST goes over a DIGEST_SMTP given as JSON.
    for name in sorted(environ, key=lambda n: (n.count("__"), n)):
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        annotation = _annotation_at(path, name)
        _put(table, path, _value(environ[name], annotation, name), name)
        variables[path] = name
    return table, variables


def known_names() -> tuple[str, ...]:
    """Every variable that means something."""
    return tuple(sorted(RESERVED | {PREFIX + name for name in _names(Settings)}))


def variable(*path: str) -> str:
    """The variable of an option: ``variable("smtp", "host")``."""
    return PREFIX + "__".join(path).upper()


def _names(model: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in options(model).items():
        names.append(name.upper())
        section = section_of(field.annotation)
        if section is not None and name not in ("source", "digest"):
            names.extend(f"{name.upper()}__{rest}" for rest in _names(section))
    return names


def _annotation_at(path: tuple[str, ...], name: str) -> Any:
    """The annotation of the option at ``path``; anything goes below a free table such as domain_rates."""
    here: type[BaseModel] | None = Settings
    annotation: Any = None
    for depth, part in enumerate(path):
        field = options(here).get(part) if here else None
        if field is None or (depth == 1 and path[0] in ("source", "digest")):
            known = known_names()
            try_ = nearest(name.lower(), [n.lower() for n in known]).upper().replace("DID YOU MEAN", "did you mean")
            if not try_.startswith("did"):
                try_ = "docs/configuration.md lists every variable"
            raise ConfigError(f"{name} is not a variable of Digest", where="environment", try_=try_)
        annotation = field.annotation
        here = section_of(annotation)
    return annotation


def _mentions(annotation: Any, *wanted: type) -> bool:
    origin = getattr(annotation, "__origin__", annotation)
    if isinstance(origin, type) and issubclass(origin, wanted):
        return True
    return any(_mentions(part, *wanted) for part in get_args(annotation))


def _value(text: str, annotation: Any, name: str) -> Any:
    if _mentions(annotation, tuple, list, dict, BaseModel):
        return _json(text, annotation, name)
    if _mentions(annotation, int, float) and not _mentions(annotation, bool):
        try:
            return json.loads(text)
        except ValueError:
            return text  # the validator says what the option should be
    return text


def _json(text: str, annotation: Any, name: str) -> Any:
    if not text.lstrip().startswith(("[", "{")):
        if not _mentions(annotation, dict, BaseModel):
            return text  # one address: the validator decides whether a single one will do
        raise ConfigError(
            "should be JSON, a list in [ ] or a table in { }", where=name, try_=f"write for example {name}='[…]'"
        )
    try:
        return json.loads(text)
    except ValueError as error:
        at = f"character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else "its numbers"
        raise ConfigError(f"is not valid JSON at {at}", where=name, try_="put texts in double quotes") from error


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any, name: str) -> None:
    here = table
    for part in path[:-1]:
        below = cast("object", here.setdefault(part, {}))
        if not isinstance(below, dict):
            raise ConfigError(
                f"cannot go into {part}, which is given as a list", where=name, try_="change the list's JSON instead"
            )
        here = cast("dict[str, Any]", below)
    here[path[-1]] = value
