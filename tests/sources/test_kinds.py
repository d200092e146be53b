"""kinds: names lead to kinds, mistakes to the nearest name, bare documents to the kind that reads them."""

from __future__ import annotations

import pytest

from digest.model.errors import ConfigError
from digest.model.feeds import Source, SourceId
from digest.sources.kinds import KINDS, check, kind_of, sniff


def test_each_kind_is_known_by_its_own_name():
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert kind_of("arxiv") is KINDS["arxiv"]


@pytest.mark.parametrize(("name", "near"), [("arXiv", "arxiv"), ("hugging-face", "huggingface"), ("feeds", "feed")])
def test_an_unknown_kind_is_refused_with_the_nearest_name(name, near):
    with pytest.raises(ConfigError) as caught:
        kind_of(name)
    assert f"did you mean {near}?" in caught.value.try_


@pytest.mark.parametrize(
    ("source", "what", "try_"),
    [
        ({}, 'the source "a" needs a url', "docs/sources.md"),
        ({"url": "ftp://x.example"}, "should have an http, https or file: URL", ""),
        ({"kind": "arxiv"}, "needs a category", ""),
        ({"kind": "arxiv", "category": "all of it"}, "does not look like one of arXiv", ""),
        ({"kind": "arxive"}, "there is no source kind 'arxive'", "did you mean arxiv?"),
        ({"url": "https://x.example", "category": "cs.CL"}, "has category, which kind feed does not know", "arxiv"),
        ({"url": "https://x.example", "options": (("issn", ("1",)),)}, "has issn", "known to no kind"),
    ],
)
def test_a_source_that_its_kind_cannot_read_is_refused_with_its_place(source, what, try_):
    with pytest.raises(ConfigError) as caught:
        check(Source(id=SourceId("a"), **{"kind": "feed", **source}), where="config.toml line 7")
    assert what in caught.value.what
    assert try_ in caught.value.try_
    assert "config.toml line 7" in caught.value.where


@pytest.mark.parametrize(
    ("where", "body", "kind"),
    [
        ("https://huggingface.co/api/daily_papers?date=2025-11-21", b"[]", "huggingface"),
        ("x.json", b"[]", "feed"),
        ("https://rss.arxiv.org/rss/cs.CL", b"<rss/>", "arxiv"),
        ("https://rss.example/cs.CL", b"<rss/>", "feed"),
        ("", b"", "feed"),
    ],
)
def test_where_the_content_does_not_tell_the_address_does(where, body, kind):
    assert sniff(where, body) == kind


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("crossref", b'{"status":"ok","message-type":"work-list","message":{"items":[{"DOI":"10.1/x"}]}}'),
        ("crossref", b'{"status":"ok","message-type":"work","message":{"DOI":"10.1/x"}}'),
        ("openalex", b'{"meta": {"count": 1}, "results": [{"id": "https://openalex.org/W44", "title": "T"}]}'),
        ("semanticscholar", b'{"total": 1, "data": [{"paperId": "ab", "title": "T"}]}'),
        ("semanticscholar", b'{"offset": 0, "data": [{"citingPaper": {"paperId": "ab", "title": "T"}}]}'),
        ("hackernews", b'{"hits": [{"title": "T", "objectID": "4", "points": 9}], "nbHits": 1}'),
        ("github", b'{"total_count": 1, "incomplete_results": false, "items": [{"full_name": "a/b"}]}'),
        ("openreview", b'{"notes": [{"id": "a", "content": {"title": {"value": "T"}}}], "count": 1}'),
        ("pubmed", b'<?xml version="1.0"?>\n<!DOCTYPE PubmedArticleSet>\n<PubmedArticleSet><PubmedArticle/>'),
        ("pubmed", b'{"header": {"type": "esearch"}, "esearchresult": {"count": "1", "idlist": ["4"]}}'),
        ("huggingface", b'[{"paper": {"id": "2605.00001", "summary": "notes"}}]'),
        ("feed", b'{"version": "https://jsonfeed.org/version/1.1", "items": [{"content_text": "\\"objectID\\": 4"}]}'),
        ("feed", b'{"items": [{"title": "a \\"paperId\\": of no service"}]}'),
        ("file", b'{"title": "T", "paperId": "ab"}\n{"title": "U", "paperId": "ac"}\n'),
    ],
)
def test_the_answers_of_services_are_known_by_their_shape(kind, body):
    assert sniff("https://api.example/answer", body) == kind
    assert sniff("answer", b"\xef\xbb\xbf  " + body) == kind
