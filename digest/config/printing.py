"""Prints config.example.toml and docs/configuration.md from the settings classes, so that neither can go stale.

The example holds every option once: those of SHOWN with a real value, all others commented out with their default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from digest.config.environment import variable
from digest.config.preferences import MuteSettings, ProfileFile, WeightSettings
from digest.config.publication import DigestSettings
from digest.config.relaying import RelaySettings, WarmUpSettings
from digest.config.settings import Settings
from digest.config.shape import is_array, options, section_of, suggested
from digest.config.toml import written

#: What the example sets. Real feeds, so that `digest demo --live` and a copy of the file work as they are.
SHOWN: dict[str, Any] = {
    "mail": {"from": "Digest <digest@example.org>"},
    "smtp": [{"transport": "smtp", "host": "localhost", "security": "starttls"}],
    "source": [
        {"id": "hf-daily", "kind": "huggingface"},
        {"id": "arxiv-cs-cl", "kind": "arxiv", "category": "cs.CL"},
        {"id": "arxiv-cs-lg", "kind": "arxiv", "category": "cs.LG"},
        {"id": "arxiv-cs-cv", "kind": "arxiv", "category": "cs.CV"},
        {"id": "deepmind-blog", "kind": "feed", "url": "https://deepmind.google/blog/rss.xml", "every": "3h"},
    ],
    "digest": [
        {
            "name": "papers",
            "title": "Trending papers",
            "send_at": "07:00",
            "timezone": "UTC",
            "categories": {"cs.CL": 2, "cs.LG": 1, "cs.CV": 1},
            "max_items": 25,
        }
    ],
}

_HEAD = """\
# Configuration of Digest. Copy it to config.toml and change what you like, or let `digest init` ask you.
#
# Lines that begin with "# name = value" show an option that may be left out. Relative paths are relative to this file.
# Every option is explained in docs/configuration.md. Any of them can also come from the environment, where
# DIGEST_SMTP__HOST goes over [smtp] host.
#
# This file is printed by `python -m digest.config example`; change the settings classes, not the file.
"""

_REFERENCE_HEAD = """\
# Configuration

Digest reads one TOML file: the one named with `--config`, else `DIGEST_CONFIG`, else `./config.toml`, else
`digest/config.toml` in your config folder (`~/.config`). `digest init` writes one; `config.example.toml` shows every
option.

**Relative paths** are relative to the file. **Durations** are seconds or texts such as `"15m"`, `"36h"`, `"3d"`. An
unknown key is refused, with the nearest right name.

**The environment** goes over the file: every option has a variable, with `__` between the levels (`DIGEST_SMTP__HOST`).
Lists and tables are JSON: `DIGEST_DIGEST='[{"name": "papers", "send_at": "07:00"}]'`. An unknown `DIGEST_` name is
refused. Three names are reserved: `DIGEST_CONFIG` (the file), `DIGEST_NOW` (the clock of one command stands at that
instant) and `DIGEST_SHARED` (data of the project's own tests).

**Secrets** are never in the file: `password_file` and `secret_file` name a file that only the service may read.

This page is printed by `python -m digest.config reference`.
"""

_PROFILE_HEAD = """
## Profile files

`digest rank --profile FILE`, `digest subscribers add --profile FILE` and the column `profile` of a subscribers' CSV
take a profile: a TOML file with the preference keys of one `[[digest]]`, `categories` to `explain`, and two more:

"""


def example() -> str:
    """config.example.toml."""
    blocks = [_HEAD]
    for name, field in options(Settings).items():
        model = section_of(field.annotation)
        assert model is not None  # every top-level option is a section
        shown = SHOWN.get(name, {})
        tables = cast("list[dict[str, Any]]", shown if isinstance(shown, list) else [shown])
        array = is_array(field.annotation) and name != "smtp"
        header = f"[[{name}]]" if array else f"[{name}]"
        if array and name not in SHOWN:
            header = f"# {header}"  # an entry that nobody asked for must not be made by an uncommented header
        blocks.append(_example_section(model, header, tables[0]))
        blocks.extend(_example_table(header, table) for table in tables[1:])
    return "\n".join(blocks)


def _example_section(model: type[BaseModel], header: str, shown: Mapping[str, Any]) -> str:
    lines = [f"# {_doc(model)}", header]
    for name, field in options(model).items():
        lines.append(f"# {field.description}")
        if name in shown:
            lines.append(f"{name} = {written(shown[name])}")
        else:
            lines.append(f"# {name} = {written(suggested(field))}")
    return "\n".join(lines) + "\n"


def _example_table(header: str, shown: Mapping[str, Any]) -> str:
    return "\n".join([header, *(f"{name} = {written(value)}" for name, value in shown.items())]) + "\n"


def reference() -> str:
    """docs/configuration.md."""
    blocks = [_REFERENCE_HEAD]
    for name, field in options(Settings).items():
        model = section_of(field.annotation)
        assert model is not None  # every top-level option is a section
        array = is_array(field.annotation)
        header = f"[[{name}]]" if array and name != "smtp" else f"[{name}]"
        blocks.append(f"\n## {header}\n\n{_doc(model)}\n\n")
        if array and name != "smtp":
            blocks.append(f"From the environment: the whole list as JSON in `{variable(name)}`.\n\n")
        else:
            blocks.append(
                f"From the environment: `{variable(name, '…')}`, for example `{_some_variable(name, model)}`.\n\n"
            )
        blocks.append(_table(options(model)))
        if model is RelaySettings:
            blocks.append(f"\n### warm_up\n\n{_doc(WarmUpSettings)}\n\n{_table(options(WarmUpSettings))}")
        if model is DigestSettings:
            blocks.append(f"\n### mute\n\n{_doc(MuteSettings)} A list stands for `anything`.\n\n")
            blocks.append(_table(options(MuteSettings)))
            blocks.append(f"\n### weights\n\n{_doc(WeightSettings)}\n\n{_table(options(WeightSettings))}")
    own = {name: field for name, field in options(ProfileFile).items() if name in ("likes", "dislikes")}
    return "".join([*blocks, _PROFILE_HEAD, _table(own)])


def _table(fields: Mapping[str, FieldInfo]) -> str:
    lines = ["| option | value | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        extra = _extra(field)
        kind = str(extra["kind"]).replace("|", "\\|")
        meaning = str(field.description).replace("|", "\\|")
        if extra["example"] is not None:
            meaning += f" For example `{written(extra['example'])}`."
        lines.append(f"| `{name}` | {kind} | {_default(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    return "none" if field.default is None else f"`{written(field.default)}`"


def _extra(field: FieldInfo) -> dict[str, Any]:
    return cast("dict[str, Any]", field.json_schema_extra)


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _some_variable(section: str, model: type[BaseModel]) -> str:
    return variable(section, next(iter(options(model))))
