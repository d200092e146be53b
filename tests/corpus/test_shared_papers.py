"""The real documents of bioRxiv, PubMed and Semantic Scholar through their kinds, beside a plain reading of each.

The plain reading takes what a person sees on the page of the document: it knows nothing of our parsers.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
import xml.etree.ElementTree as ElementTree

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchResponse, Source, SourceId
from digest.services.fetching.understanding import understood
from digest.sources.kinds import KINDS
from tests.corpus.test_shared_feeds import DATA, manifest

pytestmark = pytest.mark.shared

RSS = "{http://purl.org/rss/1.0/}"
DC = "{http://purl.org/dc/elements/1.1/}"
ATOM = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"


def documents(folder: str, pattern: str = "") -> dict[str, bytes]:
    paths = [row["path"] for row in manifest() if row["path"].startswith(f"feeds/{folder}/")]
    return {path: (DATA / path).read_bytes() for path in paths if re.search(pattern, path)}


def entries(kind: str, path: str, body: bytes) -> list[EntryData]:
    response = FetchResponse(url=f"https://shared.example/{path}", status=200, body=body)
    parsed = understood(KINDS[kind].parse, Source(id=SourceId("s"), kind=kind), response)
    assert parsed.problems == ()
    return list(parsed.entries)


def seen(text: str | None) -> str:
    """What an eye sees of a text: letters and digits, whatever the markup, spaces and quotes."""
    plain = re.sub(r"<[^>]+>", "", html.unescape(text or ""))
    return "".join(c for c in unicodedata.normalize("NFKC", plain) if c.isalnum()).casefold()


def test_saved_searches_of_pubmed():
    for path, body in documents("pubmed").items():
        items = list(ElementTree.fromstring(body).iter("item"))
        found = entries("pubmed", path, body)
        assert len(found) == len(items) > 0
        for item, entry in zip(items, found, strict=True):
            ids = [one.text or "" for one in item.iter(f"{DC}identifier")]
            assert entry.key == item.findtext("guid")
            assert seen(entry.title) == seen(item.findtext("title"))
            assert [f"doi:{entry.doi}"] == [one.lower() for one in ids if one.startswith("doi:")]
            assert [seen(name) for name in entry.authors] == [seen(one.text) for one in item.iter(f"{DC}creator")]
            assert seen(entry.comment) == seen(item.findtext(f"{DC}source"))
            assert entry.published_at is not None
            content = item.findtext(f"{CONTENT}encoded") or ""
            between = re.split(r"<b>ABSTRACT</b></p>|<p style=\"color: lightgray\">", content)[1]
            # Raised digits and their carets are normalising's; what stands here is in the same order.
            assert seen(entry.abstract).startswith(seen(between)[:60])
            assert seen(entry.abstract)[-40:] == seen(between)[-40:]
            assert re.fullmatch(r"https://pubmed\.ncbi\.nlm\.nih\.gov/\d+/", entry.url)


def test_subject_feeds_of_biorxiv():
    for path, body in documents("preprints", r"\.rdf$|rss_1\.0").items():
        items = list(ElementTree.fromstring(body).iter(f"{RSS}item"))
        found = entries("biorxiv", path, body)
        assert len(found) == len(items) > 0
        for item, entry in zip(items, found, strict=True):
            assert f"doi:{entry.doi}" == (item.findtext(f"{DC}identifier") or "").strip().lower()
            assert seen(entry.title) == seen(item.findtext(f"{RSS}title"))
            assert seen(entry.abstract) == seen(item.findtext(f"{RSS}description"))
            written = re.findall(r"([^,]+), ([^,]+)", item.findtext(f"{DC}creator") or "")
            assert [seen(name) for name in entry.authors] == [seen(given + family) for family, given in written]
            assert f"{entry.published_at:%Y-%m-%d}" == item.findtext(f"{DC}date")


def test_searches_of_biorxiv_as_somebody_made_feeds_of_them():
    for path, body in documents("preprints", "wduverger").items():
        items = list(ElementTree.fromstring(body).iter(f"{ATOM}entry"))
        found = entries("biorxiv", path, body)
        assert len(found) == len(items) > 0
        for item, entry in zip(items, found, strict=True):
            content = item.findtext(f"{ATOM}content") or ""
            page = item.findtext(f"{ATOM}id") or ""
            assert seen(entry.title) == seen(item.findtext(f"{ATOM}title"))
            assert entry.abstract == ""  # the document shows a citation and no abstract
            assert entry.doi is not None
            assert page.lower().startswith(f"https://www.biorxiv.org/content/{entry.doi}v")
            spans = re.findall(r'<span class="nlm-(?:surname|collab)"[^>]*>(.*?)</span>', content)
            assert len(entry.authors) == len(spans)
            for name, last in zip(entry.authors, spans, strict=True):
                assert seen(name).endswith(seen(last))
            assert spans


def test_papers_of_an_author_and_a_search_of_semantic_scholar():
    for path, body in documents("authors", r"papers_\d|transformer").items():
        told = json.loads(body)
        found = entries("semanticscholar", path, body)
        assert len(found) == len(told["data"]) > 0
        for paper, entry in zip(told["data"], found, strict=True):
            assert entry.key == paper["paperId"]
            assert seen(entry.title) == seen(paper["title"])
            assert [seen(name) for name in entry.authors] == [seen(one["name"]) for one in paper.get("authors") or ()]
            outside = paper.get("externalIds") or {}
            assert entry.arxiv_id == outside.get("ArXiv")
            assert entry.doi == (
                outside["DOI"].lower() if outside.get("DOI") and "10.48550" not in outside["DOI"] else None
            )
            assert seen(entry.abstract) == seen(paper.get("abstract"))
            assert (entry.published_at.date().isoformat() if entry.published_at else None) == paper.get(
                "publicationDate"
            )


@pytest.mark.parametrize("kind", ["biorxiv", "crossref", "openalex", "pubmed", "semanticscholar"])
def test_what_an_author_service_says_of_people_is_refused_with_a_sentence(kind):
    for path, body in documents("authors", r"get_authors|search_author|openalex").items():
        with pytest.raises(ParseError) as caught:
            entries(kind, path, body)
        assert caught.value.what
        assert caught.value.try_
