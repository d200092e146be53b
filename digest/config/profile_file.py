"""A profile in a file of its own, TOML or JSON: what one reader wishes to see."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from digest.config.loading import read_text, syntax
from digest.config.preferences import parse_profile
from digest.model.errors import ConfigError


def read_profile(file: Path) -> Mapping[str, object]:
    """The file's table, checked. Raises ConfigError with file, line or key, and the nearest right name."""
    text = read_text(file)
    if file.suffix.lower() == ".json":
        table = _json(text, file)
    else:
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise syntax(error, file) from error
    parse_profile(table, where=str(file))
    return table


def _json(text: str, file: Path) -> Mapping[str, object]:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"is not valid JSON: {error}", where=str(file), try_="put texts in double quotes") from error
    if not isinstance(found, dict):
        raise ConfigError(
            "is no JSON object", where=str(file), try_="write { … } with the preference keys of a [[digest]]"
        )
    return cast("dict[str, object]", found)
