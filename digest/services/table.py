"""Tables that people exchange: CSV (RFC 4180) as programs and spreadsheets write it, semicolons and all."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from digest.model.errors import InputError

_END = re.compile(r"\r\n|\r|\n")
_SEPARATORS = ",;\t"
#: What a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True, slots=True)
class RowProblem:
    """One row that could not be taken. The header is row 1; ``column`` is empty where the whole row is meant."""

    row: int
    column: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What an import did: bad rows never keep the good ones out."""

    imported: int
    problems: tuple[RowProblem, ...]


def read_table(
    text: str, *, name: str, required: Sequence[str], optional: Sequence[str], problems: list[RowProblem]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(row number, cells by column) of each row that has the header's width; the others are added to ``problems``.

    Raises InputError, naming the file and the columns, for a header that lacks a required one or has one nobody knows.
    """
    text = text.removeprefix("\ufeff")
    head = text.lstrip().partition("\n")[0]
    separator = max(_SEPARATORS, key=head.count)
    try:
        rows = enumerate(csv.reader(_lines(text), delimiter=separator), 1)
        columns: list[str] = []
        for number, cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = _header(cells, required, optional, name)
            elif len(cells) != len(columns):
                what = f"has {len(cells)} cells, the header has {len(columns)}"
                problems.append(RowProblem(row=number, column="", what=what))
            else:
                yield number, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    except csv.Error as error:
        raise InputError(f"it is not CSV: {error}", where=name, try_="save it as CSV in UTF-8") from error
    if not columns:
        columns_said = ",".join((*required, *optional))
        raise InputError("it is empty", where=name, try_=f"its first row names the columns: {columns_said}")


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends, one at a time: a list of a million readers is not copied."""
    at = 0
    while at < len(text):
        found = _END.search(text, at)
        after = found.end() if found else len(text)
        yield text[at:after]
        at = after


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def inert(text: str) -> str:
    """A text that others wrote, so that no spreadsheet runs it: an apostrophe goes before what looks like a formula."""
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def inert_read(cell: str) -> str:
    """The inverse of ``inert``."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*_FORMULA, "'")) else cell


def _header(cells: Sequence[str], required: Sequence[str], optional: Sequence[str], name: str) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    wrong = {
        "lacks": [name for name in required if name not in names],
        "has the unknown": [name or "(empty)" for name in names if name not in (*required, *optional)],
        "repeats": sorted({name for name in names if names.count(name) > 1}),
    }
    told = [f"{verb} column{'s' * (len(found) > 1)} {', '.join(found)}" for verb, found in wrong.items() if found]
    if told:
        raise InputError(
            f"the header {' and '.join(told)}",
            where=name,
            try_=f"the columns are {', '.join((*required, *optional))}",
        )
    return names
