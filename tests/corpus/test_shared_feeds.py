"""Every document of the shared feeds and of three parsers' own corpora: none crashes, and what was counted is found."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import FetchResponse, ParsedFeed, Source, SourceId
from digest.sources.kinds import KINDS, sniff

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / ".." / "shared"))
DATA = SHARED / "data"

#: What the manifest counts but is no feed that a source could name, and why.
EXCEPTIONS = {
    "feeds/opml/": "lists of feeds",
    "feeds/authors/": "answers of author services",
    "feeds/peer_digest_eml/2026": "mails",
    "feeds/hf_api/daily_papers_2024-12-11.json": "damaged by its collector: printed objects instead of JSON",
    "feeds/hf_api/daily_papers_2025-01-10.json": "damaged by its collector: printed objects instead of JSON",
}


def parse(name: str, body: bytes, kind: str | None = None) -> ParsedFeed | ParseError:
    kind = kind or sniff(name, body)
    response = FetchResponse(url=f"https://shared.example/{name}", status=200, body=body)
    try:
        return KINDS[kind].parse(Source(id=SourceId("s"), kind=kind), response)
    except ParseError as error:
        assert error.what
        assert error.try_
        return error


def manifest() -> list[dict]:
    path = DATA / "feeds" / "manifest.jsonl"
    assert path.exists(), f"{path} is not there: these tests need the shared data (set DIGEST_SHARED to its folder)"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_document_gives_the_number_of_entries_that_the_manifest_counts():
    counted = 0
    wrong = []
    for row in manifest():
        got = parse(row["path"], (DATA / row["path"]).read_bytes())
        if row["entries"] is None or any(row["path"].startswith(start) for start in EXCEPTIONS):
            continue
        counted += 1
        number = len(got.entries) + len(got.problems) if isinstance(got, ParsedFeed) else str(got)
        if number != row["entries"]:
            wrong.append((row["path"], row["entries"], number))
    assert wrong == []
    assert counted >= 100


def test_every_document_is_survived_by_every_kind():
    for row in manifest():
        body = (DATA / row["path"]).read_bytes()
        for kind in KINDS:
            parse(row["path"], body, kind)


@pytest.mark.parametrize(("corpus", "least"), [("feedparser", 2_000), ("gofeed", 1_000), ("miniflux", 20)])
def test_every_input_of_another_parsers_corpus_is_survived(corpus, least):
    seen = feeds = 0
    with tarfile.open(DATA / "conformance" / f"{corpus}.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                continue
            seen += 1
            feeds += isinstance(parse(member.name, file.read()), ParsedFeed)
    print(f"{corpus}: {seen} inputs, {feeds} read as feeds, {seen - feeds} refused with a sentence")
    assert seen >= least
    assert feeds > 0
