"""Secrets of links and keys of services: where the configuration says they lie, read when they are needed."""

from __future__ import annotations

from pathlib import Path

from digest.config import Config, read_secret
from digest.services.stamping import Keys
from digest.storage import meta
from digest.storage.engine import Store


def keys_of(store: Store, config: Config) -> Keys:
    with store.transaction() as tx:
        lasting = meta.secret(tx)
        copied = meta.get(tx, "secret_file")
    if config.web.secret_file is not None:
        lines = read_secret_lines(config.web.secret_file)
    else:
        lines = tuple(line for line in (copied or "").splitlines() if line.strip())
    return Keys(lasting=lasting, links=tuple(line.strip().encode() for line in lines) or (lasting,))


def key_of(config: Config, name: str) -> tuple[str, ...]:
    """The lines of the file that [keys] names for a service; none where it names none."""
    file: Path | None = getattr(config.keys, name, None)
    return read_secret_lines(file) if file is not None else ()


def read_secret_lines(file: Path) -> tuple[str, ...]:
    """The keys of a secret file, newest first; raises ConfigError when there is none."""
    first = read_secret(file)
    return (first, *(line for line in file.read_text("utf-8").splitlines()[1:] if line.strip()))
