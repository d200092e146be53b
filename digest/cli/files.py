"""Files that a person names on the command line."""

from __future__ import annotations

from pathlib import Path

from digest.model.errors import InputError


def read_text(file: Path) -> str:
    """A file's text. Raises InputError where it is not UTF-8, OSError where it cannot be read."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text (byte {error.start})", where=str(file), try_="save it as UTF-8") from error
