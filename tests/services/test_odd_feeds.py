"""Feeds that change under our hands: nothing is printed as new twice, nothing is lost, and each is told why."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from digest.model.feeds import Source, SourceId, SourceState
from digest.storage import entries
from tests.services.recorded import START, Desk, Web, answer, feed, rss

DAY = timedelta(days=1)


@pytest.fixture
def web():
    web = Web()
    yield web
    web.stop()


def seen(desk):
    """title -> when it was first seen."""
    with desk.store.reading() as tx:
        found = entries.recent(tx, before=desk.web.now + 400 * DAY, limit=1000)
    return {one.title: one.first_seen_at for one in found}


def after(desk, page, days=1):
    """The rows of the feed ``lab`` after its page changed overnight."""
    desk.web.now += days * DAY
    desk.web.pages["lab.example"] = lambda asked: page if isinstance(page, bytes) else page(asked)
    return desk.run("lab")["lab"]


@pytest.fixture
def desk(store, web):
    """A feed with three papers, fetched once."""
    web.pages["lab.example"] = lambda asked: answer(body=rss(1, 2, 3))
    desk = Desk(store, web, feed("lab"))
    assert desk.run("lab")["lab"].new == 3
    return desk


def test_a_feed_that_changes_its_ids_overnight_brings_nothing_new(desk):
    before = seen(desk)
    other_ids = re.sub(rb"<guid>.*?/(\d+)</guid>", rb"<guid>tag:new-system,2026:\1</guid>", rss(1, 2, 3))
    row = after(desk, answer(body=other_ids))
    assert (row.new, row.unchanged, seen(desk)) == (0, 3, before)


def test_a_feed_that_changes_its_ids_and_all_its_links_is_known_by_its_words(store, web):
    def body(site: str, ids: str) -> bytes:
        text = (
            "The harbour lights of {0} dimmed over the years because of {0} and {0}, as the logs of its keepers tell "
        )
        items = "".join(
            f"<item><title>Why the harbour lights of {town} dimmed</title><link>https://{site}/{number}</link>"
            f"<guid>{ids}{number}</guid><author>Ada Reader, Bo Writer</author>"
            f"<description>{text.format(town) * 3}</description></item>"
            for number, town in enumerate(("Oslo", "Bergen", "Stavanger"))
        )
        return f"<rss version='2.0'><channel><title>Harbour</title>{items}</channel></rss>".encode()

    web.pages["lab.example"] = lambda asked: answer(body=body("old.example.org/paper", "a"))
    desk = Desk(store, web, feed("lab"))
    assert desk.run("lab")["lab"].new == 3
    before = seen(desk)
    row = after(desk, answer(body=body("new.example.org/article", "urn:x:")))
    assert (row.new, seen(desk)) == (0, before)


def test_a_feed_that_moves_all_dates_to_today_brings_nothing_new(desk):
    before = seen(desk)
    row = after(desk, answer(body=rss(1, 2, 3, at=START + DAY)))
    assert (row.new, seen(desk)) == (0, before)


def test_a_feed_that_turns_into_a_page_is_broken_with_a_sentence_and_its_papers_stay(desk):
    before = seen(desk)
    row = after(desk, answer(body=b"<!doctype html><html><body>We have moved!</body></html>"))
    assert row.state is SourceState.BROKEN
    assert row.detail.startswith("This is an HTML page, not a feed.")
    assert seen(desk) == before
    row = after(desk, answer(body=rss(1, 2, 3, 4)))
    assert (row.state, row.new) == (SourceState.OK, 1)


@pytest.mark.parametrize("page", [b"", b"   \n", b"\x00" * 50, b"\xff\xfe", b"{", b"[]", b"null", b"<rss"])
def test_a_feed_that_turns_into_nothing_keeps_its_papers(desk, page):
    before = seen(desk)
    row = after(desk, answer(body=page))
    assert row.state is SourceState.BROKEN and row.detail.endswith(".")
    assert seen(desk) == before


def test_an_api_that_changes_its_schema_is_named_by_the_field_and_its_papers_stay(store, web):
    paper = {"id": "2605.00001", "title": "Harbour lights and how they dim over a century", "upvotes": 3}
    web.pages["lab.example"] = lambda asked: answer(body=json.dumps([{"paper": paper}]).encode())
    desk = Desk(store, web, Source(id=SourceId("lab"), kind="huggingface", url="http://lab.example/api"))
    assert desk.run("lab")["lab"].new == 1
    before = seen(desk)
    row = after(desk, answer(body=json.dumps([{"article": paper}]).encode()))
    assert (row.state, "`paper`" in row.detail) == (SourceState.BROKEN, True)
    row = after(desk, answer(body=json.dumps([{"paper": {**paper, "id": None, "arxivId": "2605.00001"}}]).encode()))
    assert (row.state, "`paper.id`" in row.detail) == (SourceState.BROKEN, True)
    assert seen(desk) == before


def test_two_feeds_of_the_same_content_bring_each_paper_once(store, web):
    for host in ("lab.example", "mirror.example"):
        web.pages[host] = lambda asked: answer(body=rss(*range(1, 31)))
    desk = Desk(store, web, feed("lab"), feed("mirror"))
    told = desk.run()
    assert sum(row.new for row in told.values()) == 30
    assert sum(row.unchanged for row in told.values()) == 30
    web.now += DAY
    for host in ("lab.example", "mirror.example"):
        web.pages[host] = lambda asked: answer(body=rss(*range(2, 33)))
    told = desk.run("lab", "mirror")
    assert sum(row.new for row in told.values()) == 2
    with store.reading() as tx:
        assert entries.count(tx) == 32


def test_one_feed_configured_twice_is_asked_twice_and_printed_once(store, web):
    web.pages["lab.example"] = lambda asked: answer(body=rss(1, 2))
    desk = Desk(store, web, feed("lab"), feed("again", url="http://lab.example/feed"))
    assert sorted(row.new for row in desk.run().values()) == [0, 2]
    assert len(web.log) == 2
