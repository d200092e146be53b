"""Texts for a terminal: what feeds and readers wrote is made harmless first.

Tables are drawn by rich on a terminal, and aligned with spaces for everything else.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

#: Control characters (with ESC), line and paragraph separators, what changes the direction of text, lone surrogates.
_HARMFUL = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
_HARM = re.compile(f"[{_HARMFUL}]")


@dataclass(frozen=True, slots=True)
class Rows:
    """A table to print."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


def safe(text: object) -> str:
    """The text without anything a terminal would obey; line ends and tabs stay."""
    return _HARM.sub("", str(text))


def in_line(text: object) -> str:
    """The same on one line."""
    return " ".join(safe(text).split())


def when(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "-"


def slot(key: str | None) -> str:
    """A slot's key as people read it; the local date is told where the UTC date is another."""
    if not key:
        return "-"
    date, _, at = key.partition("@")
    instant = f"{at[:10]} {at[11:16]} UTC"
    return instant if instant.startswith(date) else f"{date} ({instant})"


def as_text(document: object) -> str:
    """JSON that is readable in every language its reader can take, and as harmless on a terminal as ``safe`` text."""
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    # json escapes what is below a space itself, so what is left to match stands inside texts.
    written = json.dumps(document, ensure_ascii=ascii_only, indent=2, allow_nan=False)
    return _HARM.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def put(*parts: str | Rows, to: TextIO | None = None) -> None:
    """Prints texts and tables; texts are made safe here, so no caller can forget it."""
    out = to or sys.stdout
    for part in parts:
        if isinstance(part, str):
            out.write(safe(part) + "\n")
        elif out.isatty():
            _draw(part, out)
        else:
            out.write(_aligned(part))


def _aligned(table: Rows) -> str:
    lines = [table.columns, *([in_line(cell) for cell in row] for row in table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    rows = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{row.rstrip()}\n" for row in rows)


def _draw(table: Rows, out: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*table.columns, box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for row in table.rows:
        drawn.add_row(*(Text(in_line(cell)) for cell in row))
    Console(file=out).print(drawn)
