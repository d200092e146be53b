"""The place that an error names, shown: the file, the line's number, and the line itself with its neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: ``edition.html.j2:12`` and ``config.toml line 3, column 4``.
_PLACES = (re.compile(r"(?P<file>.+):(?P<line>\d+)"), re.compile(r"(?P<file>.+?) line (?P<line>\d+)\b.*"))
_TEMPLATE = ".j2"
#: What may be secret in a configuration: a value of such a key, and a password inside a URL.
_SECRET = re.compile(r"(?i)\b([\w.-]*(?:password|secret|token|key)[\w.-]*\"?\s*=\s*).*")
_IN_URL = re.compile(r"(://[^:/@\s]*:)[^@\s\"']+@")


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """``lines`` are (number, text); ``line`` is the number of the one that is meant."""

    file: str
    line: int
    lines: tuple[tuple[int, str], ...]


def excerpt(where: str, folders: Iterable[Path] = (), around: int = 2) -> Excerpt | None:
    """What stands where an error says it happened; None where that is no line of a file.

    A template comes with ``around`` lines on both sides, any other file with nothing but the line, its secrets covered.
    """
    for shape in _PLACES:
        found = shape.fullmatch(where)
        if found is None:
            continue
        number = int(found["line"])
        for path in (Path(found["file"]), *(folder / found["file"] for folder in folders)):
            try:
                lines = path.read_text("utf-8-sig", "replace").splitlines()
            except OSError:
                continue
            if not 0 < number <= len(lines):
                continue
            reach = around if path.suffix == _TEMPLATE else 0
            first, last = max(1, number - reach), min(len(lines), number + reach)
            shown = tuple((at, _covered(lines[at - 1])) for at in range(first, last + 1))
            return Excerpt(file=str(path), line=number, lines=shown)
    return None


def _covered(line: str) -> str:
    return _IN_URL.sub(r"\1…@", _SECRET.sub(r"\1…", line))[:500]
