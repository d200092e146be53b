"""Understanding: a document as its kind reads it, with clean entries. Pure, and the dear part of a fetch.

It is alone here so that a process that does nothing else (sources/workers.py) starts soon and stays small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from digest.entries.normalize import clean
from digest.model.errors import InputError
from digest.model.feeds import EntryData, FetchResponse, ParsedFeed, Problem, Source

#: How a kind reads a document (SourceKind.parse).
Parse = Callable[[Source, FetchResponse], ParsedFeed]


def understood(parse: Parse, source: Source, response: FetchResponse) -> ParsedFeed:
    """The document with clean entries; raises what ``parse`` raises."""
    return cleaned(parse(source, response))


def cleaned(parsed: ParsedFeed) -> ParsedFeed:
    """The feed with clean texts; an entry that cannot be taken is named among its problems, in its own words."""
    problems = list(parsed.problems)
    found: list[EntryData] = []
    for number, data in enumerate(parsed.entries, 1):
        try:
            found.append(clean(data))
        except InputError as error:
            problems.append(Problem(where=error.where or data.key[:200] or f"item {number}", what=error.what))
    return replace(parsed, entries=tuple(found), problems=tuple(problems))
