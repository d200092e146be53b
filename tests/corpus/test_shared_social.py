"""The shared documents of arXiv, Hugging Face and Hacker News through their kinds, beside another reading of them.

XML is read a second time with the standard library, JSON as it is: what a person sees must be what the kind gives.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.entries.normalize import clean
from digest.model.feeds import FetchResponse, ParsedFeed, Source, SourceId
from digest.sources.kinds import KINDS
from digest.sources.reading.names import split_names
from tests.acceptance.archive import shared

pytestmark = pytest.mark.shared

ATOM, ARXIV = "{http://www.w3.org/2005/Atom}", "{http://arxiv.org/schemas/atom}"


def feeds() -> Path:
    return shared() / "data" / "feeds"


def parse(path: Path, kind: str, **options: tuple[str, ...]) -> ParsedFeed:
    source = Source(id=SourceId("s"), kind=kind, options=tuple(options.items()))
    return KINDS[kind].parse(
        source, FetchResponse(url=f"https://x.example/{path.name}", status=200, body=path.read_bytes())
    )


def ascii_of(text: str | None) -> str:
    """Without what the collector of arXiv's answers spoiled (UTF-8 read as Latin-1), which feedparser mends in part."""
    return squeezed(re.sub(r"[^\x00-\x7f]+", "", text or ""))


def squeezed(text: str | None) -> str:
    return " ".join((text or "").split())


def test_every_answer_of_arxivs_api_is_read_as_it_is_written():
    seen = 0
    for path in sorted((feeds() / "arxiv_api").iterdir()):
        written = ElementTree.fromstring(path.read_bytes()).findall(f"{ATOM}entry")
        read = parse(path, "arxiv").entries
        for entry, item in zip(read, written, strict=True):
            seen += 1
            link = item.findtext(f"{ATOM}id") or ""
            named = re.search(r"abs/(.+?)v(\d+)$", link)
            assert named is not None
            assert (entry.key, entry.arxiv_id, entry.version) == (link, named[1], int(named[2]))
            assert ascii_of(entry.title) == ascii_of(item.findtext(f"{ATOM}title"))
            assert ascii_of(entry.abstract) == ascii_of(item.findtext(f"{ATOM}summary"))
            names = [squeezed(one.findtext(f"{ATOM}name")) for one in item.findall(f"{ATOM}author")]
            assert [*map(ascii_of, entry.authors)] == [*map(ascii_of, dict.fromkeys(names))]
            primary = item.find(f"{ARXIV}primary_category")
            assert primary is not None
            assert entry.categories[0] == primary.get("term")
            assert ascii_of(entry.comment) == ascii_of(item.findtext(f"{ARXIV}comment"))
            assert entry.doi == ((item.findtext(f"{ARXIV}doi") or "").lower() or None)
            assert entry.published_at == datetime.fromisoformat(item.findtext(f"{ATOM}published") or "")
    assert seen == 200


def test_a_listing_of_arxiv_is_read_as_announced_and_its_announcements_can_be_chosen():
    path = feeds() / "arxiv_rss" / "rss.arxiv.org_atom_cs.AI_2025-08-20.xml"
    body = path.read_text("utf-8")
    whole = parse(path, "arxiv")
    # The document was cut off by its collector, within its last entry.
    assert body.count("</entry>") == len(whole.entries) == 86
    assert [problem.what for problem in whole.problems] == ["it is cut off; the document ends early"]
    told = Counter(re.findall(r"<arxiv:announce_type>([\w-]+)</arxiv:announce_type>", body.rpartition("</entry>")[0]))
    assert Counter(entry.announce for entry in whole.entries) == told
    new = parse(path, "arxiv", announce=("new",)).entries
    assert len(new) == told["new"] > 0
    assert {entry.announce for entry in new} == {"new"}
    creators = re.findall(r"<dc:creator>(.*?)</dc:creator>", body, re.DOTALL)
    counts = [len(split_names(squeezed(line))) for line in creators[:86] if "(" not in line and "{" not in line]
    assert counts == [
        len(entry.authors)
        for entry, line in zip(whole.entries, creators, strict=False)
        if "(" not in line and "{" not in line
    ]
    assert len(counts) > 60


def test_every_answer_of_hugging_face_is_read_as_it_is_written():
    seen = 0
    for name in ("2024-05-27", "2025-03-03", "2025-07-07", "2025-09-30"):
        path = feeds() / "hf_api" / f"daily_papers_{name}.json"
        loaded = json.loads(path.read_text("utf-8"))
        written = loaded if isinstance(loaded, list) else loaded.get("data", loaded.get("papers"))
        read = parse(path, "huggingface", period=("weekly",)).entries
        for entry, item in zip(read, written, strict=True):
            seen += 1
            paper = item["paper"]
            assert (entry.key, entry.arxiv_id) == (paper["id"], paper["id"])
            assert (entry.title, entry.abstract) == (paper["title"].strip(), paper["summary"].strip())
            assert (entry.upvotes, entry.comments) == (paper["upvotes"], item["numComments"])
            shown = [one["name"].strip() for one in paper["authors"] if not one.get("hidden")]
            assert list(entry.authors) == list(dict.fromkeys(shown))
    assert seen == 71


def test_lists_of_hugging_face_as_rss_are_read_with_their_votes():
    for path in sorted((feeds() / "hf_rss").iterdir()):
        items = ElementTree.fromstring(path.read_bytes()).iter("item")
        for entry, item in zip(parse(path, "feed").entries, items, strict=True):
            text = item.findtext("description") or ""
            votes = re.search(r"Upvotes:?\s*</(?:b|strong)>:?\s*(\d+)", text)
            assert votes is not None
            assert (entry.upvotes, squeezed(entry.title)) == (int(votes[1]), squeezed(item.findtext("title")))
            assert entry.arxiv_id is not None


def test_the_front_page_of_hacker_news_is_read_as_a_feed_and_refused_by_its_own_kind():
    path = feeds() / "social" / "hackernews_2025-12-13.xml"
    items = list(ElementTree.fromstring(path.read_bytes()).iter("item"))
    read = parse(path, "feed").entries
    assert [(entry.title, entry.url) for entry in read] == [
        (squeezed(item.findtext("title")), item.findtext("link")) for item in items
    ]
    assert len(read) == 30
    assert {entry.abstract for entry in read} == {""}, "the word Comments is no abstract"
    with pytest.raises(Exception, match="this is XML"):
        parse(path, "hackernews")


def test_what_a_person_sees_in_some_of_them():
    api = feeds() / "arxiv_api"
    (one,) = parse(api / "api_id_astro-ph_0601001_s0_m100_3150dca9dc76.xml", "arxiv").entries
    assert one.title == (
        "Frequency of Hot Jupiters and Very Hot Jupiters from the OGLE-III Transit Surveys "
        "Toward the Galactic Bulge and Carina"
    )
    assert one.published_at == datetime(2006, 1, 2, 14, 57, 58, tzinfo=UTC)
    assert one.institutions[:2] == ("Ohio State", "CfA")
    assert parse(api / "api_id_0000.0000_s0_m100_8b51d9633a68.xml", "arxiv").entries == ()
    broken = parse(api / "api_q_testing_s0_m15_80c242b59d59.xml", "arxiv").entries[1]
    assert clean(broken).authors == ("Aurora Ramírez", "Mario Berrios", "José Raúl Romero", "Robert Feldt")
