"""Three parsers' own corpora against kind ``feed``: none crashes it, and what they expect is what we read.

Each disagreement stands in ``DISAGREED`` with its reason; one that is not there fails, and so does one that is settled.
"""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from digest.model.feeds import FetchResponse, Source, SourceId
from digest.sources.kinds.feed import FEED
from tests.corpus import conformance

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("DIGEST_SHARED", Path(__file__).parents[2] / ".." / "shared"))
FOLDER = SHARED / "data" / "conformance"

_CRAZY = "scripts hidden in broken comments: theirs prints what is left of them, ours what a browser would show"
_IFRAME = "what stands inside an iframe is shown by no browser"
_NAKED = "tags inside what holds plain text: feedparser, on which we build, loses such a field"
_XHTML = "not well-formed: the title is closed as a subtitle"

DISAGREED = {
    "tests/wellformed/atom10/tag_in_attr.xml title": "an image as a title, with a tag inside its attribute",
    "tests/wellformed/rss/entity_in_doctype.xml entry 0 key": "it declares entities; such a document is refused",
    **{
        f"tests/wellformed/sanitize/{name}": _CRAZY
        for name in (
            "entry_content_crazy.xml entry 0 abstract",
            "entry_summary_crazy.xml entry 0 abstract",
            "entry_title_crazy.xml entry 0 title",
            "feed_title_crazy.xml title",
            "item_content_encoded_crazy.xml entry 0 abstract",
            "item_description_crazy.xml entry 0 abstract",
            "item_fullitem_crazy.xml entry 0 abstract",
        )
    },
    "tests/wellformed/sanitize/entry_content_iframe.xml entry 0 abstract": _IFRAME,
    "tests/wellformed/sanitize/entry_summary_iframe.xml entry 0 abstract": _IFRAME,
    "tests/wellformed/sanitize/xml_malicious_comment.xml title": "a comment that ends by SGML's rules, not by HTML's",
    "testdata/parser/atom/atom10_feed_title_xhtml_escaped_markup.xml title": _XHTML,
    "testdata/parser/atom/atom10_feed_title_xhtml_inline_markup.xml title": _XHTML,
    "testdata/parser/rss/issue_320_legacy_entity_prefix.xml title": "&copy without a semicolon is a sign in a text",
    "testdata/parser/rss/rss_channel_item_author_naked_markup.xml entry 0 authors": _NAKED,
    "testdata/parser/rss/rss_channel_item_category_naked_markup.xml entry 0 categories 0": _NAKED,
    "testdata/parser/rss/rss_channel_item_category_naked_markup.xml entry 0 categories 1": _NAKED,
    "testdata/parser/rss/rss_channel_item_guid_naked_markup.xml entry 0 key": _NAKED,
    "testdata/translator/atom/feed_categories_-_atom_feed_categories.xml entry 0 categories 0": (
        "categories are matched, so the term counts (cs.CL), not its label"
    ),
}

#: miniflux keeps its expectations in its tests; this is what a person sees in its feeds: title, entries, first, last.
MINIFLUX = {
    "parser/testdata/large_atom.xml": ("Artificial truth", 25, "Using vale with vim", "A sneaky Golang bug"),
    "parser/testdata/large_rss.xml": ("Artificial truth", 25, "Using vale with vim", "A sneaky Golang bug"),
    "parser/testdata/encoding_WINDOWS-1251.xml": ("iBash.Org.Ru", 50, "Цитата #17703", "Цитата #17220"),
    "parser/testdata/no_encoding_ISO-8859-1.xml": (
        "Flux RSS du magazine de psychologie Le Cercle Psy",
        9,  # of ten; one has neither title nor text
        "Perturbateurs endocriniens : quels effets sur le cerveau ?",
        "Psychologue à domicile : de la clinique à l'état brut",
    ),
    "encoding/testdata/koi8r.xml": ("Пример RSS ленты", 2, "Первая новость", "Вторая новость"),
    "xml/testdata/koi8r.xml": ("Пример RSS ленты", 2, "Первая новость", "Вторая новость"),
    "encoding/testdata/utf8.xml": ("테스트 피드", 1, "Café", "Café"),
    "encoding/testdata/invalid-prolog.xml": ("테스트 피드", 1, "Café", "Café"),
    "encoding/testdata/utf8-incorrect-prolog.xml": ("테스트 피드", 1, "Café", "Café"),
    "encoding/testdata/iso-8859-1.xml": ("Café", 0, "", ""),
    "encoding/testdata/windows-1252.xml": ("Euro €", 0, "", ""),
}


def test_miniflux_feeds_are_read_as_a_person_sees_them():
    found = {}
    with tarfile.open(FOLDER / "miniflux.tar.gz") as archive:
        for member in archive:
            name = member.name.partition("internal/reader/")[2]
            file = archive.extractfile(member)
            if name in MINIFLUX and file is not None:
                response = FetchResponse(url=f"https://miniflux.example/{name}", status=200, body=file.read())
                parsed = FEED.parse(Source(id=SourceId("s"), kind="feed"), response)
                titles = [entry.title for entry in parsed.entries] or [""]
                found[name] = (parsed.title, len(parsed.entries), titles[0], titles[-1])
    assert found == MINIFLUX


@pytest.mark.parametrize(
    ("corpus", "documents", "least"),
    [
        ("feedparser", conformance.feedparser_documents, 1_200),
        ("gofeed", conformance.gofeed_documents, 800),
    ],
)
def test_ninety_nine_in_a_hundred_fields_are_read_as_the_corpus_expects(corpus, documents, least):
    assert FOLDER.exists(), f"{FOLDER} is not there: these tests need the shared data (set DIGEST_SHARED)"
    fields, agreed, disagreed = Counter(), Counter(), {}
    read = 0
    for document in documents(FOLDER):
        read += 1
        found = conformance.read(document)
        for claim in document.claims:
            kind = claim.field.partition(" ")[0]
            fields[kind] += 1
            if conformance.agrees(claim, found):
                agreed[kind] += 1
            else:
                disagreed[conformance.told(claim, found)] = kind
    print(f"{corpus}: {read} documents, {agreed.total()} of {fields.total()} claims agree: {dict(fields)}")
    assert {name for name in disagreed if name not in DISAGREED} == set()
    prefix = "tests/" if corpus == "feedparser" else "testdata/"
    assert {name for name in DISAGREED if name.startswith(prefix)} - set(disagreed) == set(), "no longer true"
    assert fields.total() >= least
    assert agreed.total() >= 0.99 * fields.total()
