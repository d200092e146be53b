"""Tables that people exchange: CSV (RFC 4180) as programs and spreadsheets write it, semicolons and all."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from digest.model.errors import InputError

_END = re.compile(r"\r\n|\r|\n")
_SEPARATORS = ",;\t"
#: Above the header there may be as many empty lines; and no row of ours is as long as a megabyte.
_MOST_EMPTY, _MOST_LINE = 100, 1 << 20
_PIECE = 1 << 16
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
    """What an import did: bad rows never keep the good ones out. ``problems`` may be the first of the ``refused``."""

    imported: int
    problems: tuple[RowProblem, ...]
    refused: int = 0


def read_table(
    text: str | Iterable[str], *, name: str, required: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, Mapping[str, str] | RowProblem]]:
    """(row number, cells by column) of each row; of one that has not the header's width, what is wrong with it.

    ``text`` is the table, or its lines with their ends. Raises InputError, naming the file and the columns, for a
    header that lacks a required one or has one nobody knows.
    """
    lines = _lines(text) if isinstance(text, str) else iter(text)
    top = _top(lines)
    head = top[-1] if top else ""
    separator = max(_SEPARATORS, key=head.count)
    try:
        rows = enumerate(csv.reader(chain(top, lines), delimiter=separator), 1)
        columns: list[str] = []
        for number, cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = _header(cells, required, optional, name)
            elif len(cells) != len(columns):
                what = f"has {len(cells)} cells, the header has {len(columns)}"
                yield number, RowProblem(row=number, column="", what=what)
            else:
                yield number, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
    except csv.Error as error:
        raise InputError(f"it is not CSV: {error}", where=name, try_="save it as CSV in UTF-8") from error
    if not columns:
        columns_said = ",".join((*required, *optional))
        raise InputError("it is empty", where=name, try_=f"its first row names the columns: {columns_said}")


def read_lines(file: BinaryIO, name: str) -> Iterator[str]:
    """The lines of a table's file, from its beginning, without holding more than one.

    Raises InputError for what is not UTF-8, and for what is no text in lines.
    """
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        while line := text.readline(_MOST_LINE):
            if len(line) == _MOST_LINE:
                raise InputError("a line of it is longer than a megabyte", where=name, try_="save it as CSV in UTF-8")
            yield line
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", where=name, try_="save it as UTF-8") from error
    finally:
        text.detach()


def _top(lines: Iterator[str]) -> list[str]:
    """The lines up to the first of the header, without a byte order mark."""
    top: list[str] = []
    for line in islice(lines, _MOST_EMPTY):
        top.append(line if top else line.removeprefix("\ufeff"))
        if top[-1].strip():
            break
    return top


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends, one at a time: a list of a million readers is not copied."""
    at = 0
    while at < len(text):
        found = _END.search(text, at)
        after = found.end() if found else len(text)
        yield text[at:after]
        at = after


def write_rows(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The text of each row, one at a time: a table need not fit into the memory."""
    said: list[str] = []
    writer = csv.writer(_Into(said.append), lineterminator="\r\n")
    for row in rows:
        writer.writerow(row)
        yield from said
        said.clear()


def in_pieces(texts: Iterable[str]) -> Iterator[str]:
    """The same text in pieces of some 64 kB, for who writes it down or sends it."""
    held: list[str] = []
    length = 0
    for text in texts:
        held.append(text)
        length += len(text)
        if length >= _PIECE:
            yield "".join(held)
            held, length = [], 0
    if held:
        yield "".join(held)


@dataclass(frozen=True, slots=True)
class _Into:
    """What a CSV writer takes for a file."""

    write: Callable[[str], object]


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
