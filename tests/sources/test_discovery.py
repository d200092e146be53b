"""discovery: what is pasted leads to a source, by the form of an address or by what a page says."""

from __future__ import annotations

import pytest

from digest.model.feeds import Source, SourceId
from digest.sources.discovery import MOST, guesses, issn_of, of_address, of_page
from digest.sources.kinds import check

ADDRESSES = {
    "cs.CL": ("arxiv", "", "cs.CL", {}),
    "math": ("arxiv", "", "math", {}),
    "https://arxiv.org/list/cs.LG/recent": ("arxiv", "", "cs.LG", {}),
    "https://rss.arxiv.org/rss/stat.ML": ("arxiv", "", "stat.ML", {}),
    "https://arxiv.org/a/warner_s_1": ("arxiv", "https://arxiv.org/a/warner_s_1.atom2", "", {}),
    "https://arxiv.org/search/?query=Ada+Bell&searchtype=author": ("arxiv", "", "", {"authors": ("Ada Bell",)}),
    "https://arxiv.org/search/?query=diffusion&searchtype=all": ("arxiv", "", "", {"query": ("all:diffusion",)}),
    "https://export.arxiv.org/api/query?search_query=cat:cs.CL": ("arxiv", "", "", {"query": ("cat:cs.CL",)}),
    "https://arxiv.org/abs/2510.01459v2": ("semanticscholar", "", "", {"cites": ("2510.01459",)}),
    "https://www.youtube.com/channel/UCabc-1": (
        "feed", "https://www.youtube.com/feeds/videos.xml?channel_id=UCabc-1", "", {},
    ),
    "https://www.youtube.com/playlist?list=PL1": (
        "feed", "https://www.youtube.com/feeds/videos.xml?playlist_id=PL1", "", {},
    ),
    "https://github.com/pytorch/pytorch/releases": ("github", "", "", {"repositories": ("pytorch/pytorch",)}),
    "https://github.com/topics/llm": ("github", "", "", {"topics": ("llm",)}),
    "https://github.com/torvalds": ("feed", "https://github.com/torvalds.atom", "", {}),
    "https://huggingface.co/papers": ("huggingface", "", "", {}),
    "https://huggingface.co/papers/week/2026-W07": ("huggingface", "", "", {"period": ("weekly",)}),
    "https://huggingface.co/papers/trending": ("huggingface", "", "", {"period": ("trending",)}),
    "https://www.biorxiv.org/collection/cell-biology": ("biorxiv", "", "cell biology", {}),
    "https://www.medrxiv.org/": ("medrxiv", "", "", {}),
    "https://pubmed.ncbi.nlm.nih.gov/?term=sepsis+AND+rct": ("pubmed", "", "", {"query": ("sepsis AND rct",)}),
    "https://openreview.net/group?id=ICLR.cc/2027/Conference": (
        "openreview", "", "", {"venue": ("ICLR.cc/2027/Conference",)},
    ),
    "https://news.ycombinator.com/newest": ("hackernews", "", "", {}),
    "https://www.semanticscholar.org/author/A.-Bell/1741101": ("semanticscholar", "", "", {"authors": ("1741101",)}),
    "https://openalex.org/authors/a5023888391": ("openalex", "", "", {"authors": ("A5023888391",)}),
    "https://openalex.org/I97018004": ("openalex", "", "", {"institutions": ("I97018004",)}),
    "https://orcid.org/0000-0002-1825-0097": ("openalex", "", "", {"authors": ("0000-0002-1825-0097",)}),
    "https://doi.org/10.1038/S41586-021-03819-2": ("openalex", "", "", {"cites": ("10.1038/S41586-021-03819-2",)}),
    "10.1038/s41586-021-03819-2": ("openalex", "", "", {"cites": ("10.1038/s41586-021-03819-2",)}),
    "0028-0836": ("crossref", "", "", {"journals": ("0028-0836",)}),
    "https://www.reddit.com/r/MachineLearning/": ("feed", "https://www.reddit.com/r/MachineLearning/.rss", "", {}),
}  # fmt: skip


@pytest.mark.parametrize(("given", "meant"), ADDRESSES.items(), ids=list(ADDRESSES))
def test_the_form_of_an_address_tells_what_is_meant(given, meant):
    first = of_address(given)[0]
    assert (first.kind, first.url, first.category, dict(first.options)) == meant
    assert first.why
    for one in of_address(given):
        said = {"kind": one.kind, "url": one.url, "category": one.category, "options": one.options}
        check(Source(id=SourceId("new"), **said), where=given)


@pytest.mark.parametrize(
    "given",
    [
        "", "feeds/blog.rss", "blog.rss", "cs", "hello", "0028-0837", "https://lab.example/people", "https://arxiv.org/",
        "https://www.youtube.com/@somebody", "https://github.com/owner/name/commits/main.atom", "https://github.com/",
        "https://notarxiv.org/list/cs.CL", "https://youtube.com.evil.example/channel/UC1", "https://[", "https://pubmed.ncbi.nlm.nih.gov/123/",
    ],
)  # fmt: skip
def test_where_the_form_tells_nothing_the_document_must_be_looked_at(given):
    assert given == "cs" or of_address(given) == ()


def test_several_categories_of_one_listing_are_several_sources():
    assert [one.category for one in of_address("https://rss.arxiv.org/rss/cs.CL+cs.LG")] == ["cs.CL", "cs.LG"]


def test_a_page_names_its_feeds_comments_come_last_and_links_after_them():
    page = b"""<!doctype html><html><head><base href="/blog/">
      <link rel="alternate" type="application/rss+xml" title="Lab &raquo; Comments Feed" href="comments/feed/">
      <link rel="Alternate" type="application/rss+xml; charset=utf-8" title="Lab &amp; News" href="feed/">
      <link rel="alternate" type="text/html" hreflang="de" href="/de"><link rel="stylesheet" href="feed.css">
      <link rel="alternate" type="application/atom+xml" href="javascript:alert(1)">
      </head><body><a href="https://other.example/rss.xml">RSS</a> <a href="mailto:x">feed</a>
      <a href="feed://third.example/x">Feed</a><a href="/about">About</a><a href="feedback">Feedback</a>"""
    found = of_page(page, "https://lab.example/")
    assert [(one.url, one.title) for one in found] == [
        ("https://lab.example/blog/feed/", "Lab & News"),
        ("https://lab.example/blog/comments/feed/", "Lab \u00bb Comments Feed"),
        ("https://other.example/rss.xml", "RSS"),
        ("https://third.example/x", "Feed"),
    ]


def test_a_journal_is_known_by_its_issn_after_its_feeds():
    page = (
        b'<meta name="citation_issn" content="1476-4687"><link rel=alternate type=application/rss+xml href=/nature.rss>'
    )
    found = of_page(page, "https://journal.example/nature/")
    assert [(one.kind, one.url, dict(one.options)) for one in found] == [
        ("feed", "https://journal.example/nature.rss", {}),
        ("crossref", "", {"journals": ("1476-4687",)}),
    ]


def test_a_page_with_thousands_of_links_or_of_nonsense_is_read_in_bounds():
    page = b"".join(b'<a href="/%d/rss">x</a>' % number for number in range(5_000))
    assert len(of_page(page, "https://x.example/")) == MOST
    assert of_page(b"\x00<<<a href='http://[bad/rss'>rss</a><link rel=alternate type=application/rss+xml>", "x") == ()


def test_feeds_are_guessed_beside_the_page_first():
    urls = [one.url for one in guesses("https://x.example/lab/news.html?a=1")]
    assert urls[0] == "https://x.example/lab/news.html/feed"
    assert "https://x.example/lab/feed" in urls
    assert len(urls) <= MOST


def test_an_issn_has_its_check_digit():
    assert (issn_of("ISSN 2041-1723 (online)"), issn_of("0000-0001"), issn_of("2434-561x")) == (
        "2041-1723",
        "",
        "2434-561X",
    )
