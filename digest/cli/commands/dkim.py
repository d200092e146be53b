"""`digest dkim`: the keys that sign mails, and the DNS records by which receivers verify them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.door import Door, with_door
from digest.model.errors import ConfigError, UsageError
from digest.model.signing import SigningKey

group = typer.Typer(help="Keys that sign mails (DKIM).", no_args_is_help=True)

_TYPES = {"rsa": "digest", "ed25519": "digest-ed25519"}
"""Each with the selector it gets where none is named."""


@group.command("keygen")
@with_door
def keygen(
    door: Door,
    selector: Annotated[str, typer.Option(help="The key's name in the DNS.", metavar="NAME", show_default=False)] = "",
    domain: Annotated[
        str,
        typer.Option(metavar="DOMAIN", help="The signing domain; else the configured sender's.", show_default=False),
    ] = "",
    type_: Annotated[str, typer.Option("--type", metavar="KIND", help="rsa (2048 bits) or ed25519.")] = "rsa",
    out: Annotated[
        Path | None, typer.Option(help="Where the key is written; never overwrites.", metavar="FILE")
    ] = None,
) -> None:
    """Make a key, and print the DNS record and the section of config.toml that go with it."""
    if type_ not in _TYPES:
        raise UsageError(f'there is no type "{type_}"', where="--type", try_=f"one of {', '.join(_TYPES)}")
    selector = selector or _TYPES[type_]
    folder = Path.cwd() if domain else door.config.folder
    file = (out if out is not None else folder / f"dkim-{selector}.pem").absolute()
    pem, key = _made(type_, selector, domain or door.config.sender.from_address.rpartition("@")[2])
    _write(file, pem)
    section = _section(key, file, folder, with_domain=bool(domain))
    door.show(
        {"file": str(file), "config": section, **_document(key)},
        f"Wrote {file}; only you may read it.",
        "",
        "1. Publish this record in the DNS:",
        *_record(key),
        "",
        "2. When it can be seen there, add this to config.toml:",
        *(f"   {line}" for line in section.splitlines()),
        "",
        "3. `digest doctor` compares the two, and `digest send --to ADDRESS` mails a copy that is signed.",
    )


@group.command("record")
@with_door
def record(door: Door) -> None:
    """Print the DNS records of the configured keys again."""
    from digest.app.signing import signing_keys

    keys = signing_keys(door.config)
    if not keys:
        raise ConfigError(
            "the configuration has no [[dkim]]",
            where=str(door.config.path or ""),
            try_="digest dkim keygen makes a key",
        )
    lines = [line for key in keys for line in ("", f"{key.kind.value}, {key.bits} bits:", *_record(key))]
    door.show({"records": [_document(key) for key in keys]}, *lines[1:])


def _made(kind: str, selector: str, domain: str) -> tuple[str, SigningKey]:
    from digest.app.signing import new_signing_key
    from digest.config.settings import SELECTOR

    if not re.fullmatch(SELECTOR, selector):
        raise UsageError(
            f"{selector!r} is no name of the DNS", where="--selector", try_="letters, digits, hyphens and dots"
        )
    try:
        return new_signing_key(kind, selector=selector, domain=domain)
    except ValueError as error:
        raise UsageError(str(error), where="--domain", try_="write example.org") from error


def _write(file: Path, pem: str) -> None:
    """The file, whole or not at all, for its owner's eyes from its first byte on."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(
            "exists already, and keygen never overwrites",
            where=str(file),
            try_="name another with --selector or --out; a key in use must stay until no mail signed with it is on its "
            "way",
        ) from error
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(pem)
    except OSError:
        file.unlink()
        raise


def _section(key: SigningKey, file: Path, folder: Path, *, with_domain: bool) -> str:
    from digest.config.toml import written

    near = not with_domain and file.is_relative_to(folder)
    lines = [
        "[[dkim]]",
        f"selector = {written(key.selector)}",
        f"key_file = {written(str(file.relative_to(folder) if near else file))}",
    ]
    return "\n".join([*lines, f"domain = {written(key.domain)}"] if with_domain else lines)


def _record(key: SigningKey) -> tuple[str, ...]:
    return (
        f"   name:   {key.name}",
        "   type:   TXT",
        f"   value:  {key.record}",
        "   or, as a line of a zone file:",
        f"   {key.zone_line}",
    )


def _document(key: SigningKey) -> dict[str, object]:
    return {
        "selector": key.selector,
        "domain": key.domain,
        "type": key.kind.value,
        "bits": key.bits,
        "record": {"name": key.name, "value": key.record, "zone": key.zone_line},
    }
