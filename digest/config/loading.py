"""Finds and reads the configuration: one TOML file, and DIGEST_… over it. The only module here that touches the disk.

Order of places: --config, DIGEST_CONFIG, ./config.toml, the user's config folder (XDG Base Directory). Every fault of
the file is a ConfigError with file, line or key, the problem and the nearest right name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from digest.config.build import Builder
from digest.config.environment import table_of
from digest.config.problems import explain
from digest.config.record import Config
from digest.config.settings import Settings
from digest.model.errors import ConfigError


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Reads the file (found when ``path`` is None) and the environment; ConfigError says what is wrong where."""
    file = find(path, environ)
    text = read_text(file)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise syntax(error, file) from error
    return from_table(table, folder=file.absolute().parent, environ=environ, path=file, text=text)


def from_table(
    table: Mapping[str, object],
    *,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    path: Path | None = None,
    text: str = "",
) -> Config:
    """A configuration from a table that is already read; relative paths are relative to ``folder``."""
    over, variables = table_of(environ or {})
    where = str(path or "configuration")
    for name, value in over.items():
        given = table.get(name)
        if isinstance(given, list) and isinstance(value, Mapping):
            several = len(cast("list[object]", given))
            if several > 1:
                variable = next(v for loc, v in variables.items() if loc[0] == name)
                raise ConfigError(
                    f"does not say which of the {several} [[{name}]] it means",
                    where=variable,
                    try_=f"give the whole list as JSON in DIGEST_{name.upper()}",
                )
            table = {**table, name: cast("list[object]", given)[0]}
    try:
        settings = _merged(table, over)
    except ValidationError as error:
        raise explain(error, Settings, where=where, variables=variables, text=text) from error
    return Builder(settings, path=path, folder=folder.absolute(), variables=variables, text=text).config()


def find(path: Path | None, environ: Mapping[str, str]) -> Path:
    """The file to read; ConfigError when there is none."""
    named = path or (Path(environ["DIGEST_CONFIG"]) if environ.get("DIGEST_CONFIG") else None)
    if named is not None:
        named = named.expanduser()
        if not named.exists():
            raise ConfigError(
                "there is no such file", where=str(named), try_=f"digest init --config {named} writes one"
            )
        return named
    places = (Path("config.toml"), user_config(environ))
    for place in places:
        if place.exists():
            return place
    raise ConfigError(
        "there is no configuration",
        where=" or ".join(map(str, places)),
        try_="run digest init to write one, or name yours with --config",
    )


def user_config(environ: Mapping[str, str]) -> Path:
    """The configuration file in the user's config folder."""
    home = environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path(environ.get("HOME") or Path.home()) / ".config") / "digest" / "config.toml"


def read_secret(file: Path) -> str:
    """The first line of a secret file; the text is never part of an error."""
    lines = read_text(file).splitlines()
    if not lines or not lines[0].strip():
        raise ConfigError("the secret file is empty", where=str(file), try_="its first line should be the secret")
    return lines[0].strip()


def read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"is not UTF-8 text (byte {error.start})", where=str(file), try_="save it as UTF-8"
        ) from error
    except IsADirectoryError as error:
        raise ConfigError("is a folder, not a file", where=str(file), try_="name the file in it") from error
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror or error}",
            where=str(file),
            try_="check the path and who may read it",
        ) from error


def syntax(error: tomllib.TOMLDecodeError, file: Path) -> ConfigError:
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
    message, line, column = found.groups() if found else (str(error), None, None)
    where = f"{file} line {line}, column {column}" if line else str(file)
    return ConfigError(
        f"is not valid TOML: {message[:1].lower()}{message[1:]}",
        where=where,
        try_="correct it there; texts need quotes, and a table stands once",
    )


class _Table(PydanticBaseSettingsSource):
    """A table that is already read, as a source of settings."""

    def __init__(self, settings_cls: type[BaseSettings], table: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self.table = table

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self.table.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self.table)


def _merged(file: Mapping[str, object], environ: Mapping[str, Any]) -> Settings:
    """Validates the file's table with the environment's over it. No other source is asked."""

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return _Table(settings_cls, environ), _Table(settings_cls, file)

    return Sourced()  # pyright: ignore[reportCallIssue]  (its values come from the two sources)
