"""Every format on a small document of our own: ``samples/NAME.EXT`` beside ``samples/NAME.expect``, compared whole.

An expectation names the kind and gives, for the feed and for each entry, every field that is not empty.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from digest.model.feeds import EntryData, FetchResponse, ParsedFeed, Source, SourceId
from digest.sources.kinds import kind_of, sniff

SAMPLES = Path(__file__).parent / "samples"
DOCUMENTS = sorted(path for path in SAMPLES.iterdir() if path.suffix != ".expect")


def plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def filled(thing: EntryData | ParsedFeed, *without: str) -> dict[str, object]:
    """The fields that are not at their default, as JSON has them."""
    found: dict[str, object] = {}
    for field in fields(thing):
        value = getattr(thing, field.name)
        empty = field.default if field.default is not MISSING else None
        if field.name not in without and value != empty and value != frozenset():
            found[field.name] = plain(value)
    return found


def described(name: str, kind: str, body: bytes) -> dict[str, object]:
    response = FetchResponse(url=f"https://feeds.example/{name}", status=200, body=body)
    parsed = kind_of(kind).parse(Source(id=SourceId("s"), kind=kind), response)
    return {
        "kind": kind,
        "feed": filled(parsed, "entries", "problems"),
        "entries": [filled(entry) for entry in parsed.entries],
        "problems": [f"{problem.where}: {problem.what}" for problem in parsed.problems],
    }


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_sample_is_read_as_expected(path: Path):
    expected = json.loads(path.with_suffix(".expect").read_text("utf-8"))
    assert described(path.name, expected["kind"], path.read_bytes()) == expected


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_kind_is_recognised_from_the_document_alone(path: Path):
    expected = json.loads(path.with_suffix(".expect").read_text("utf-8"))
    assert sniff("downloaded", path.read_bytes()) == expected["kind"]
