"""Feeds that change under our hands: nothing is printed as new twice, nothing is lost, and each is told why."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from digest.model.feeds import FetchRequest, Source, SourceId, SourceKind, SourceState
from digest.services.fetching import reading
from digest.sources.kinds import KINDS
from digest.storage import entries, sources
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


# What cannot be stored, and documents of which some fail


def lines(name, body):
    return Source(id=SourceId(name), kind="file", url=f"http://{name}.example/papers.jsonl"), answer(body=body)


@pytest.mark.parametrize(
    "body",
    [b'{"id":"\\ud800a"}\n', b'{"id":"\\u0000a"}\n', b'{"id":"a","title":"Harbour bells"}\n{"id":"\\ud800\\u0000b"}'],
)
def test_a_text_that_no_database_takes_is_told_and_stops_nobody(store, web, body):
    bad, page = lines("bad", body)
    web.pages |= {"bad.example": lambda asked: page, "good.example": lambda asked: answer(body=rss(1))}
    web.pages["calm.example"] = lambda asked: answer(body=rss())
    told = Desk(store, web, bad, feed("calm"), feed("good")).run()
    assert (told["good"].new, told["calm"].state) == (1, SourceState.QUIET)
    assert "has no title" in told["bad"].detail
    told["bad"].detail.encode()


def test_a_long_reason_is_cut(store, web):
    def parse(source, response):
        raise RuntimeError("first " + "long " * 5_000 + "\nsecond")

    web.pages["lab.example"] = lambda asked: answer(body=rss(1))
    row = Desk(store, web, feed("lab"), kinds={"feed": replace(KINDS["feed"], parse=parse)}).run()["lab"]
    assert "unexpectedly (RuntimeError: first long" in row.detail and "second" not in row.detail
    assert len(row.detail) <= 2_000


@pytest.mark.parametrize("body", [rss(1), rss()])
def test_a_round_that_cannot_be_stored_breaks_its_own_source_only(store, web, monkeypatch, body):
    plain = sources.remember

    def remember(tx, source_id, url, held, now):
        if source_id == "bad":
            raise RuntimeError("no such thing can be held")
        plain(tx, source_id, url, held, now)

    monkeypatch.setattr(sources, "remember", remember)
    for name in ("bad", "calm", "good"):
        web.pages[f"{name}.example"] = lambda asked: answer(body=rss() if asked.host == "calm.example" else rss(2))
    web.pages["bad.example"] = lambda asked: answer(body=body)
    desk = Desk(store, web, *(feed(name) for name in ("bad", "calm", "good")))
    told = desk.run()
    assert (told["calm"].state, told["good"].new) == (SourceState.QUIET, 1)
    assert told["bad"].state is SourceState.BROKEN and "no such thing can be held" in told["bad"].detail
    held = desk.held()["bad"]
    assert (held.state, held.failures, held.first_fetched_at) == (SourceState.BROKEN, 1, None)
    assert len(seen(desk)) == 1


def test_a_kind_that_is_no_longer_here_breaks_its_own_source_only(store, web):
    web.pages["good.example"] = lambda asked: answer(body=rss(1))
    desk = Desk(store, web, feed("good"), replace(feed("old"), kind="elsewhere"))
    told = desk.run()
    assert (told["good"].new, told["old"].state) == (1, SourceState.BROKEN)
    assert 'There is no kind "elsewhere"' in told["old"].detail


def lists(*addresses: str, **pages: str) -> dict[str, SourceKind]:
    """A kind ``feed`` that plans these addresses; ``pages`` gives the next page of a path."""
    plan = lambda source, now, since: tuple(FetchRequest(url=url) for url in addresses)  # noqa: E731

    def follow(request, parsed):
        path = request.url.rpartition("/")[2]
        return FetchRequest(url=f"http://lab.example/{pages[path]}") if path in pages else None

    return {"feed": replace(KINDS["feed"], plan=plan, follow=follow)}


def paths(web, answers):
    def page(asked):
        given = answers[asked.path]
        return given(asked) if callable(given) else given

    return page


def tagged(body):
    """A page that is 304 for whoever has it."""
    return lambda asked: (
        answer("304 Not Modified", ETag='"1"') if "if-none-match" in asked.headers else answer(body=body, ETag='"1"')
    )


@pytest.mark.parametrize("page", ["500 Oops", "410 Gone"])
def test_a_later_page_that_failed_is_read_in_the_next_round(store, web, page):
    answers = {"/one": tagged(rss(1)), "/two": answer(page)}
    web.pages["lab.example"] = paths(web, answers)
    desk = Desk(store, web, feed("lab"), kinds=lists("http://lab.example/one", one="two"))
    row = desk.run("lab")["lab"]
    assert (row.state, row.new, desk.held()["lab"].first_fetched_at) == (SourceState.BROKEN, 1, None)
    answers["/two"] = answer(body=rss(2))
    web.now += DAY
    row = desk.run("lab")["lab"]
    assert (row.state, row.new) == (SourceState.OK, 1)
    assert [at < START + DAY for at in seen(desk).values()] == [True, True]  # both of the first fetch


def test_a_later_page_that_was_not_asked_for_is_read_in_the_next_round(store, web):
    def hang_up(asked):
        raise OSError

    answers = {"/one": tagged(rss(1)), "/two": answer(body=rss(2)), "/other": hang_up}
    web.pages["lab.example"] = paths(web, answers)
    kinds = lists("http://lab.example/one", "http://lab.example/other", one="two")
    desk = Desk(store, web, feed("lab"), kinds=kinds)
    assert desk.run("lab")["lab"].new == 1
    assert "/two" not in [one.path for one in web.log]
    assert desk.held()["lab"].first_fetched_at is None
    answers["/other"] = answer(body=rss(3))
    assert desk.run("lab")["lab"].new == 2


def test_an_address_that_is_none_is_told_and_stops_no_other(store, web):
    web.pages["lab.example"] = lambda asked: answer(body=rss(1))
    kinds = lists("http://lab.example:port/", "http://lab.example/one")
    row = Desk(store, web, feed("lab"), kinds=kinds).run("lab")["lab"]
    assert (row.state, row.new, len(row.problems)) == (SourceState.OK, 1, 1)


def test_pages_beyond_the_most_are_told_and_read_when_there_is_room(store, web, monkeypatch):
    monkeypatch.setattr(reading, "MOST_PAGES", 1)
    web.pages["lab.example"] = paths(web, {"/one": tagged(rss(1)), "/two": answer(body=rss(2))})
    desk = Desk(store, web, feed("lab"), kinds=lists("http://lab.example/one", one="two"))
    row = desk.run("lab")["lab"]
    assert row.state is SourceState.OK and "http://lab.example/two: left out, with all after it: 1 were" in row.detail
    monkeypatch.undo()
    assert desk.run("lab")["lab"].new == 1


@pytest.mark.parametrize("dead", ["404 Not Found", "410 Gone", "500 Oops", "200 OK"])
def test_a_dead_list_is_named_and_those_behind_it_are_read(store, web, dead):
    answers = {"/dead": answer(dead, body=b"<html></html>"), "/a": tagged(rss(1)), "/b": tagged(rss(2))}
    web.pages["lab.example"] = paths(web, answers)
    kinds = lists(*(f"http://lab.example/{name}" for name in ("a", "dead", "b")))
    desk = Desk(store, web, feed("lab"), kinds=kinds)
    row = desk.run("lab")["lab"]
    assert (row.state, row.new, row.http_status) == (SourceState.OK, 2, 200)
    assert "http://lab.example/dead" in row.detail and len(row.problems) == 1
    held = desk.held()["lab"]
    assert held.first_fetched_at is not None and held.next_at is not None
    web.now += DAY
    row = desk.run("lab")["lab"]
    assert (row.state, row.http_status) == (SourceState.UNCHANGED if dead[:1] != "2" else SourceState.QUIET, 304)


def test_lists_that_are_all_dead_are_broken_and_asked_again(store, web):
    web.pages["lab.example"] = paths(web, {"/a": answer("410 Gone"), "/b": answer("404 Not Found")})
    desk = Desk(store, web, feed("lab"), kinds=lists("http://lab.example/a", "http://lab.example/b"))
    row = desk.run("lab")["lab"]
    assert (row.state, row.http_status, len(web.log)) == (SourceState.BROKEN, 410, 2)
    assert row.next_at == START + timedelta(hours=1)


def test_a_server_that_throttles_is_asked_no_further_and_other_hosts_are(store, web):
    web.pages["lab.example"] = paths(web, {"/a": answer("429 Slow down", Retry_After="600"), "/b": answer(body=rss(1))})
    web.pages["other.example"] = lambda asked: answer(body=rss(2))
    kinds = lists("http://lab.example/a", "http://lab.example/b", "http://other.example/c")
    row = Desk(store, web, feed("lab"), kinds=kinds).run("lab")["lab"]
    assert [one.path for one in web.log] == ["/a", "/c"]
    assert (row.state, row.new, row.next_at) == (SourceState.THROTTLED, 1, START + timedelta(minutes=10))
