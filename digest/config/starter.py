"""The file that `digest init` writes: short, commented, and working as it stands. The CLI asks; nothing is asked here.

Without a mail server the mails are written into a folder, so that the first digest can be looked at
before any server is set up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from digest.config.toml import written
from digest.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What `digest init` asks; the defaults are those of ``--yes``."""

    from_address: str = "Digest <digest@localhost>"
    smtp_host: str = ""
    """Empty: write the mails into the folder ``outbox``."""
    reader: str = ""
    """Address of the first reader, who is also told when something stays broken."""
    categories: tuple[str, ...] = ("cs.CL", "cs.LG", "cs.CV")
    send_at: str = "07:00"
    timezone: str = "UTC"


def starter(answers: Answers) -> str:
    """The text of config.toml."""
    blocks = [_HEAD, _mail(answers), _smtp(answers), _SOURCES]
    for category in answers.categories:
        slug = re.sub(r"[^a-z0-9]+", "-", category.lower()).strip("-")
        blocks.append(f'[[source]]\nid = {written(f"arxiv-{slug}")}\nkind = "arxiv"\ncategory = {written(category)}\n')
    blocks.append(_digest(answers))
    return "\n".join(blocks)


def write_config(path: Path, answers: Answers) -> None:
    """Writes the file, and the folders to it; ConfigError when it exists already or cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(starter(answers))
    except FileExistsError as error:
        raise ConfigError(
            "exists already, and init never overwrites", where=str(path), try_="edit it, or name another with --config"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            try_="name another place with --config",
        ) from error


_HEAD = """\
# Configuration of Digest. Every option is explained in docs/configuration.md.
# Relative paths are relative to this file; the database lies beside it.
"""


def _mail(answers: Answers) -> str:
    lines = ["[mail]", f"from = {written(answers.from_address)}"]
    if answers.reader:
        lines += ["# Who is told when a source stays broken.", f"alerts_to = {written(answers.reader)}"]
    return "\n".join(lines) + "\n"


def _smtp(answers: Answers) -> str:
    if not answers.smtp_host:
        return """\
[smtp]
# No mail server yet: each mail becomes a .eml file in the folder outbox. To send them, write for example
#   host = "smtp.example.org"
#   username = "digest@example.org"
#   password_file = "smtp-password"
# instead of the next two lines.
transport = "folder"
path = "outbox"
"""
    host, _, port = answers.smtp_host.rpartition(":")
    if not host or not port.isdigit():
        host, port = answers.smtp_host, ""
    # A server on this machine rarely has a certificate for its name; nobody can listen in between.
    local = host in ("localhost", "127.0.0.1", "::1")
    lines = ["[smtp]", f"host = {written(host)}"]
    if port:
        lines.append(f"port = {int(port)}")
    if local:
        lines.append('security = "none"')
    else:
        lines += ['# username = "digest@example.org"', '# password_file = "smtp-password"']
    return "\n".join(lines) + "\n"


_SOURCES = """\
# What is read. The votes of Hugging Face's daily papers say what is trending; arXiv says what is new.
[[source]]
id = "hf-daily"
kind = "huggingface"
"""


def _digest(answers: Answers) -> str:
    return f"""\
# What is mailed, and when. Readers are added with `digest subscribers add ADDRESS`.
[[digest]]
name = "papers"
title = "Trending papers"
send_at = {written(answers.send_at)}
timezone = {written(answers.timezone)}
categories = {written(answers.categories)}
max_items = 25
"""
