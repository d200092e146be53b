"""What a person sees in each shared document that is a feed, beside what its kind gives.

``seen.jsonl`` has one document a line, read by eye: how many entries it shows, and of the first, the last and sometimes
the second how the title begins, how many authors there are, the first and the last of them, the date, the DOI, the
arXiv id, the link, and the words with which the abstract begins and ends. What is not there must not be read either.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from digest.model.feeds import EntryData, FetchResponse
from digest.services.fetching.check import check
from digest.sources.kinds import sniff
from tests.corpus.test_shared_feeds import DATA, EXCEPTIONS, manifest

pytestmark = pytest.mark.shared

SEEN = [json.loads(line) for line in Path(__file__).with_name("seen.jsonl").read_text("utf-8").splitlines()]
#: Each of their entries is compared with another reading in ``test_shared_social.py``.
WHOLE = ("feeds/arxiv_api/", "feeds/arxiv_rss/", "feeds/hf_api/", "feeds/hf_rss/", "feeds/social/hackernews")


def told(entry: EntryData, seen: dict[str, Any]) -> dict[str, Any]:
    """Of an entry what was noted of it, in the same form."""
    found = {"entry": seen["entry"], "title": entry.title[: len(seen["title"])], "url": entry.url}
    if "authors" in seen:
        found["authors"] = len(entry.authors)
        found |= {"first": entry.authors[0], "last": entry.authors[-1]} if entry.authors else {}
    if entry.published_at is not None:
        found["on"] = entry.published_at
    found |= {"doi": entry.doi} if entry.doi else {}
    found |= {"arxiv": entry.arxiv_id} if entry.arxiv_id else {}
    if entry.abstract:
        starts, ends = seen.get("starts", ""), seen.get("ends", "")
        found |= {"starts": entry.abstract[: len(starts) or 40], "ends": entry.abstract[-(len(ends) or 40) :]}
    return found


@pytest.mark.parametrize("document", SEEN, ids=lambda document: document["path"])
def test_a_document_is_read_as_a_person_sees_it(document):
    body = (DATA / "feeds" / document["path"]).read_bytes()
    response = FetchResponse(url=f"https://shared.example/{document['path']}", status=200, body=body)
    (checked,) = check([document["path"]], lambda _: response, kind=sniff(document["path"], body))
    assert len(checked.entries) == document["entries"]
    for seen in document["seen"]:
        noted = seen | ({"on": datetime.fromisoformat(seen["on"])} if "on" in seen else {})
        assert told(checked.entries[seen["entry"] - 1], seen) == noted


def test_no_document_is_left_out():
    feeds = {row["path"] for row in manifest() if not row["path"].startswith((*EXCEPTIONS, *WHOLE))}
    assert feeds == {f"feeds/{document['path']}" for document in SEEN}
