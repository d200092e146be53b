"""Files that a person names on the command line."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from digest.model.errors import InputError


def read_text(file: Path) -> str:
    """A file's text. Raises InputError where it is not UTF-8, OSError where it cannot be read."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text (byte {error.start})", where=str(file), try_="save it as UTF-8") from error


_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"


def blocks(name: str) -> Iterator[bytes]:
    """A file's bytes in blocks, unpacked if it is gzip's; "-" is standard input.

    Raises InputError for a damaged gzip file, OSError where it cannot be read.
    """
    with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
        head = file.read(_BLOCK)
        if head.startswith(_GZIP) and name != "-":
            file.seek(0)
            yield from _unpacked(file, name)
            return
        while head:
            yield head
            head = file.read(_BLOCK)


def lines(name: str) -> Iterator[str]:
    """A file's lines, unpacked if it is gzip's; "-" is standard input. What is no UTF-8 is named by its line.

    Raises as ``blocks``.
    """
    rest, number = b"", 0
    for block in chain(blocks(name), (b"\n",)):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            number += 1
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"is not UTF-8 text (byte {error.start})",
                    where=f"{name}, line {number}",
                    try_="save it as UTF-8",
                ) from error


def _unpacked(file: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        with gzip.open(file) as plain:
            while block := plain.read(_BLOCK):
                yield block
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"is a damaged gzip file: {error}", where=name, try_="unpack it by hand and look") from error
