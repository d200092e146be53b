"""github: which feeds and questions a source becomes, what a release and a repository say, and bad answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from digest.model.errors import ParseError
from digest.model.feeds import EntryData, FetchRequest, FetchResponse, ParsedFeed, Source, SourceId
from digest.sources.kinds.github import FEED, GITHUB
from digest.sources.reading.records import ACCEPT

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
RELEASES = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/" xml:lang="en-US">
  <id>tag:github.com,2008:https://github.com/harbour/lamp/releases</id>
  <link type="text/html" rel="alternate" href="https://github.com/harbour/lamp/releases"/>
  <title>Release notes from lamp</title>
  <updated>2026-11-20T10:00:00Z</updated>
  <entry>
    <id>tag:github.com,2008:Repository/77/v2.1.0</id>
    <updated>2026-11-20T10:00:00Z</updated>
    <link rel="alternate" type="text/html" href="https://github.com/harbour/lamp/releases/tag/v2.1.0"/>
    <title>Lamp 2.1.0</title>
    <content type="html">&lt;p&gt;Moths are counted twice no more, see arXiv:2511.00001.&lt;/p&gt;</content>
    <author><name>keeper-bot</name></author>
  </entry>
  <entry>
    <id>tag:github.com,2008:Repository/77/nightly</id>
    <updated>2026-11-19T10:00:00Z</updated>
    <link rel="alternate" type="text/html" href="https://github.com/harbour/lamp/releases/tag/nightly"/>
    <title>Tonight's</title>
    <content>No content.</content>
  </entry>
  <entry>
    <id>tag:github.com,2008:Repository/77/odd</id>
    <link rel="alternate" type="text/html" href="https://github.com/harbour"/>
    <title>Odd</title>
  </entry>
</feed>"""


def source(url: str = "", **options: tuple[str, ...]) -> Source:
    return Source(id=SourceId("gh"), kind="github", url=url, options=tuple(sorted(options.items())))


def parse(body: str) -> ParsedFeed:
    return GITHUB.parse(source(), FetchResponse(url="https://github.com/x", status=200, body=body.encode()))


def repository(**fields: object) -> dict[str, object]:
    known: dict[str, object] = {
        "id": 77,
        "full_name": "harbour/lamp",
        "html_url": "https://github.com/harbour/lamp",
        "description": "Counts moths.",
        "created_at": "2026-11-02T08:00:00Z",
        "stargazers_count": 512,
        "topics": ["moths", "lamps"],
        "homepage": "https://lamp.example",
    }
    return {key: value for key, value in (known | fields).items() if value != "gone"}


def test_a_repository_is_its_feed_and_a_topic_a_question_with_a_key():
    planned = GITHUB.plan(source(repositories=("harbour/lamp", "harbour/lamp"), topics=("moths",)), NOW, None)
    assert planned == (
        FetchRequest(url="https://github.com/harbour/lamp/releases.atom", accept=FEED, allow_files=True),
        FetchRequest(
            url="https://api.github.com/search/repositories?q=topic:moths%20created:%3E%3D2026-10-22%20archived:false"
            "&sort=stars&order=desc&per_page=100",
            accept=ACCEPT,
            allow_files=True,
            credential="github",
        ),
    )


def test_a_github_of_ones_own_has_its_api_below_its_site():
    planned = GITHUB.plan(source("https://git.example/", repositories=("a/b",), topics=("c",)), NOW, None)
    assert [request.url.partition("?")[0] for request in planned] == [
        "https://git.example/a/b/releases.atom",
        "https://git.example/api/v3/search/repositories",
    ]


def test_a_release_is_named_by_its_repository_and_its_text_is_no_paper():
    parsed = parse(RELEASES)
    assert parsed.title == "Release notes from lamp"
    assert parsed.entries == (
        EntryData(
            key="tag:github.com,2008:Repository/77/v2.1.0",
            title="harbour/lamp Lamp 2.1.0",
            url="https://github.com/harbour/lamp/releases/tag/v2.1.0",
            abstract="<p>Moths are counted twice no more, see arXiv:2511.00001.</p>",
            published_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
            code_url="https://github.com/harbour/lamp",
            language="en-US",
        ),
        EntryData(
            key="tag:github.com,2008:Repository/77/nightly",
            title="harbour/lamp nightly: Tonight's",
            url="https://github.com/harbour/lamp/releases/tag/nightly",
            abstract="No content.",
            published_at=datetime(2026, 11, 19, 10, tzinfo=UTC),
            code_url="https://github.com/harbour/lamp",
            language="en-US",
        ),
    )
    assert [f"{one.where}: {one.what}" for one in parsed.problems] == [
        "entry 3: its link is not one of a release: https://github.com/harbour"
    ]


def test_a_repository_of_a_topic_brings_its_stars():
    parsed = parse(json.dumps({"total_count": 1, "incomplete_results": False, "items": [repository()]}))
    assert parsed.entries == (
        EntryData(
            key="github:77",
            title="harbour/lamp",
            url="https://github.com/harbour/lamp",
            abstract="Counts moths.",
            categories=("moths", "lamps"),
            published_at=datetime(2026, 11, 2, 8, tzinfo=UTC),
            code_url="https://github.com/harbour/lamp",
            stars=512,
            project_url="https://lamp.example",
        ),
    )


def test_a_bad_repository_is_a_problem_and_stops_no_other():
    odd = repository(description=None, topics=None, stargazers_count="many", homepage="lamp", id=None)
    parsed = parse(json.dumps({"items": [odd, repository(full_name="gone"), repository(html_url=3), None]}))
    assert [(e.key, e.abstract, e.categories, e.stars, e.project_url) for e in parsed.entries] == [
        ("github:harbour/lamp", "", (), None, "")
    ]
    assert [problem.what for problem in parsed.problems] == [
        "the field `full_name` is missing or not owner/name",
        "the field `html_url` of harbour/lamp is missing or not a link",
        "it is not an object",
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"message": "Validation Failed"}', "GitHub's search answers with an error: Validation Failed"),
        ('{"repositories": []}', "the field `items` is missing"),
        ('{"items": [{"name": "x"}]}', "not one of its 1 records has the field `full_name`"),
        (RELEASES.replace("/releases/tag/", "/tags/"), "not one of its 3 items is a release; entry 1: its link"),
        ("<!doctype html><html><title>Sign in</title></html>", "this is an HTML page"),
    ],
)
def test_an_answer_of_another_schema_names_what_is_missing(body, words):
    with pytest.raises(ParseError) as caught:
        parse(body)
    assert words in caught.value.what
    assert caught.value.try_


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (source(), "needs repositories"),
        (source(repositories=("pytorch",)), 'has the repository "pytorch"'),
        (source(repositories=("../../x",)), "which is not owner/name"),
        (source(topics=("Large Models",)), 'has the topic "Large Models"'),
        (source("git.example", topics=("moths",)), "should have the http or https address"),
        (source(repositories=("a/b",), topics=("moths",)), ""),
    ],
)
def test_what_is_wrong_in_its_configuration_is_said(given, words):
    assert words in GITHUB.wants(given)
    assert bool(words) == bool(GITHUB.wants(given))
