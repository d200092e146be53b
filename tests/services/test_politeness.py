"""Accelerated days of fetching, proved from the log of a server that stands for every host: who was asked, and when."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest

from digest.model.errors import StorageError
from digest.model.feeds import FetchResponse, Source, SourceId, SourceState
from digest.services.fetching.reading import read
from digest.sources.asking.fetch import Fetcher
from digest.sources.kinds import KINDS
from digest.storage import rounds
from tests.services.recorded import START, Desk, Web, answer, feed, rss

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def web():
    web = Web()
    yield web
    web.stop()


@pytest.fixture
def database():
    """What is asked does not depend on the database."""
    return "sqlite"


def versioned(body, **headers):
    """A page that answers 304 to whoever has it: ``body(asked)`` gives its bytes."""

    def page(asked):
        content = body(asked)
        tag = f'"{hash(content) % 10**9}"'
        if asked.headers.get("if-none-match") == tag:
            return answer("304 Not Modified", ETag=tag, **headers)
        return answer(body=content, ETag=tag, **headers)

    return page


def papers_since(start, every):
    """A feed that gets a paper at each of these intervals."""
    return lambda asked: rss(*range(1 + (asked.at - start) // every))


class TestHowOften:
    def test_a_daily_feed_is_asked_every_hour_and_always_with_what_we_have(self, store, web):
        web.pages["daily.example"] = versioned(papers_since(START, DAY))
        desk = Desk(store, web, feed("daily"))
        rows = desk.live(days=9)
        assert set(web.gaps("daily.example")) == {HOUR}
        assert sum(row.new for row in rows) == 9
        asked = web.asked("daily.example")
        assert {one.headers["user-agent"] for one in asked} == {"Digest/0 (+ops@example.org)"}
        assert "if-none-match" not in asked[0].headers
        assert all("if-none-match" in one.headers for one in asked[1:])

    def test_a_weekly_feed_rests_most_of_the_week_and_is_looked_at_when_it_is_due(self, store, web):
        week = 7 * DAY
        web.pages["weekly.example"] = versioned(papers_since(START - DAY, week))
        desk = Desk(store, web, feed("weekly"))
        desk.live(days=35)
        web.log.clear()
        begun = web.now
        rows = desk.live(days=35)
        assert sum(row.new for row in rows) == 5
        assert 50 < len(web.log) < 110  # hourly would be 840
        assert max(web.gaps("weekly.example")) <= DAY
        with store.reading() as tx:
            found = [one.at for one in rounds.of(tx, SourceId("weekly"), since=begun, until=web.now) if one.fresh]
        late = [(at - (START - DAY)) % week for at in found]
        assert max(late) <= timedelta(hours=2, minutes=20)

    def test_a_feed_never_comes_more_often_than_the_operator_said(self, store, web):
        web.pages["slow.example"] = versioned(papers_since(START, HOUR))
        Desk(store, web, feed("slow", every=6 * HOUR)).live(days=3)
        assert set(web.gaps("slow.example")) == {6 * HOUR}

    def test_what_another_source_had_first_is_news_of_this_one_too(self, store, web):
        for host in ("first.example", "second.example"):
            web.pages[host] = versioned(papers_since(START, DAY))
        desk = Desk(store, web, feed("first"), feed("second"))
        desk.live(days=9)  # a source without news is left alone for longer after a week
        assert set(web.gaps("second.example")) == {HOUR}

    def test_ttl_is_kept_though_the_document_is_unchanged(self, store, web):
        web.pages["ttl.example"] = versioned(lambda asked: rss(1, head="<ttl>240</ttl>"))
        Desk(store, web, feed("ttl")).live(days=3)
        assert set(web.gaps("ttl.example")) == {4 * HOUR}

    def test_cache_control_is_kept_on_a_304_too_and_age_counts(self, store, web):
        web.pages["cache.example"] = versioned(lambda asked: rss(1), Cache_Control="public, max-age=10800", Age="3600")
        Desk(store, web, feed("cache")).live(days=2)
        assert set(web.gaps("cache.example")) == {2 * HOUR}

    def test_skipped_hours_and_days_pass_without_a_request(self, store, web):
        hours = "".join(f"<hour>{hour}</hour>" for hour in range(6))
        head = f"<skipHours>{hours}</skipHours><skipDays><day>Saturday</day><day>Sunday</day></skipDays>"
        web.pages["skips.example"] = versioned(lambda asked: rss(1, head=head))
        Desk(store, web, feed("skips")).live(days=14)
        asked = [one.at for one in web.asked("skips.example")]
        assert {at.weekday() for at in asked} == {0, 1, 2, 3, 4}
        assert {at.hour for at in asked} == set(range(6, 24))
        assert min(at.hour for at in asked if at.date() == date(2026, 5, 11)) == 6


class TestHostsThatAskForRest:
    def test_a_429_lets_its_host_rest_and_every_other_source_goes_on(self, store, web):
        web.pages["rss.arxiv.org"] = lambda asked: answer("429 Too Many Requests", Retry_After="1800")
        web.pages["good.example"] = lambda asked: answer(body=rss(1))
        listing = [
            Source(id=SourceId(f"ax-{n}"), kind="arxiv", url=f"http://rss.arxiv.org/atom/cs.{n}") for n in ("AI", "CL")
        ]
        desk = Desk(store, web, *listing, feed("good"))
        told = desk.run()
        assert len(web.asked("rss.arxiv.org")) == 1
        assert told["good"].new == 1
        assert [told[name].state for name in ("ax-AI", "ax-CL")] == [SourceState.THROTTLED] * 2
        assert "asked to be left alone for another 1800 seconds" in told["ax-CL"].detail
        assert told["ax-CL"].next_at == START + timedelta(seconds=1800)
        assert [desk.held()[name].failures for name in ("ax-AI", "ax-CL")] == [1, 0]
        web.now += timedelta(minutes=20)
        desk.run("ax-CL")
        assert len(web.asked("rss.arxiv.org")) == 1
        web.now += timedelta(minutes=11)
        desk.run("ax-CL")
        assert len(web.asked("rss.arxiv.org")) == 2

    def test_a_429_without_a_time_rests_a_minute_then_twice_as_long(self, store, web):
        web.pages["busy.example"] = lambda asked: answer("429 Too Many Requests")
        desk = Desk(store, web, feed("busy"))
        rests = []
        for _ in range(6):
            desk.run("busy")
            rests.append(int(desk.run("busy")["busy"].detail.split("another ")[1].split()[0]))
            web.now += HOUR
        assert rests == [60, 120, 240, 480, 900, 900]
        assert len(web.log) == 6

    @pytest.mark.parametrize(
        "headers",
        [
            {"RateLimit": '"api";r=0;t=1200'},
            {"RateLimit": '"api";r=0', "RateLimit_Policy": '"api";q=500;w=1200'},
            {"RateLimit": "limit=100, remaining=0, reset=1200"},
            {"RateLimit_Remaining": "0", "RateLimit_Reset": "1200"},
            {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1200"},
            {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(int(START.timestamp()) + 1200)},
            {"Retry_After": "1200"},
        ],
    )
    def test_a_budget_that_an_answer_used_up_is_waited_for(self, store, web, headers):
        web.pages["api.example"] = lambda asked: answer(body=rss(1), **headers)
        sources = [feed("a", url="http://api.example/a"), feed("b", url="http://api.example/b")]
        desk = Desk(store, web, *sources)
        told = desk.run()
        assert [one.path for one in web.log] == ["/a"]
        assert (told["a"].state, told["b"].state) == (SourceState.OK, SourceState.THROTTLED)
        assert told["b"].next_at == START + timedelta(seconds=1200)

    def test_a_budget_that_is_left_stops_nobody(self, store, web):
        web.pages["api.example"] = lambda asked: answer(body=rss(1), RateLimit='"api";r=499;t=300')
        desk = Desk(store, web, feed("a", url="http://api.example/a"), feed("b", url="http://api.example/b"))
        desk.run()
        assert [one.path for one in web.log] == ["/a", "/b"]

    def test_arxiv_is_asked_every_three_seconds_on_one_connection_over_all_its_hosts(self, store, web):
        listing = lambda asked: answer(  # noqa: E731
            body=b"<feed xmlns='http://www.w3.org/2005/Atom'><title>t</title></feed>"
        )
        web.pages |= {"rss.arxiv.org": listing, "export.arxiv.org": listing, "hf.example": papers}
        names = ("AI", "CL", "CV", "LG", "RO")
        desk = Desk(
            store,
            web,
            *(Source(id=SourceId(n), kind="arxiv", url=f"http://rss.arxiv.org/atom/cs.{n}") for n in names),
            *(
                Source(id=SourceId(f"api-{n}"), kind="arxiv", url=f"http://export.arxiv.org/api/query?q={n}")
                for n in names
            ),
            Source(id=SourceId("hf"), kind="huggingface", url="http://hf.example/api"),
            arxiv_api="http://export.arxiv.org/api/query",
        )
        told = desk.run()
        assert {row.state for row in told.values()} == {SourceState.OK, SourceState.QUIET}
        asked = [one for one in web.log if one.host.endswith("arxiv.org")]
        assert len(asked) == 11  # five listings, five searches, and the categories of Hugging Face's paper
        times = [one.at for one in asked]
        assert [after - before for before, after in pairwise(times)] == [timedelta(seconds=3)] * 10
        for host in ("rss.arxiv.org", "export.arxiv.org"):
            assert len({one.connection for one in web.asked(host)}) == 1


def papers(asked):
    title = "Harbour lights and how they dim over a century"
    return answer(body=b'[{"paper": {"id": "2605.00001", "title": "%s"}}]' % title.encode())


class TestAddressesThatChange:
    def test_what_is_gone_is_not_asked_again_until_somebody_names_it(self, store, web):
        web.pages["gone.example"] = lambda asked: answer("410 Gone")
        desk = Desk(store, web, feed("gone"))
        desk.live(days=30)
        assert len(web.log) == 1
        held = desk.held()["gone"]
        assert (held.state, held.next_at, held.stopped_at) == (SourceState.BROKEN, None, START)
        assert "taken down for good (HTTP 410)" in held.detail and "digest fetch gone" in held.detail
        web.pages["gone.example"] = lambda asked: answer(body=rss(1))
        assert desk.run("gone")["gone"].state is SourceState.OK
        assert len(desk.live(days=1)) == 23

    def test_a_permanent_redirect_is_believed_after_a_week(self, store, web):
        web.pages["old.example"] = lambda asked: answer("301 Moved Permanently", Location="http://new.example/feed")
        web.pages["new.example"] = versioned(papers_since(START, DAY))
        desk = Desk(store, web, feed("old", every=3 * HOUR))
        desk.live(days=10)
        assert {one.at < START + 7 * DAY + 3 * HOUR for one in web.asked("old.example")} == {True}
        assert len(web.asked("old.example")) == 7 * 8
        assert set(web.gaps("new.example")) == {3 * HOUR}
        held = desk.held()["old"]
        assert (held.moved_to, held.moved_at) == ("http://new.example/feed", START)
        assert "is asked at http://new.example/feed; put that address into the configuration" in held.detail
        desk.service.run()
        assert all("if-none-match" in one.headers for one in web.asked("new.example")[1:])

    def test_a_redirect_that_did_not_hold_is_forgotten(self, store, web):
        moved = lambda asked: answer("308 Permanent Redirect", Location="http://new.example/feed")  # noqa: E731
        web.pages |= {"old.example": moved, "new.example": lambda asked: answer(body=rss(1))}
        desk = Desk(store, web, feed("old", every=3 * HOUR))
        desk.live(days=6)
        web.pages["old.example"] = lambda asked: answer(body=rss(1))
        desk.live(days=1)
        assert desk.held()["old"].moved_to == ""
        web.pages["old.example"] = moved
        web.log.clear()
        desk.live(days=6)
        assert len(web.asked("old.example")) == len(web.asked("new.example")) > 40

    def test_a_new_address_that_stops_working_gives_way_to_the_one_of_the_configuration(self, store, web):
        web.pages["old.example"] = lambda asked: answer("301 Moved", Location="http://new.example/feed")
        web.pages["new.example"] = lambda asked: answer(body=rss(1))
        desk = Desk(store, web, feed("old", every=3 * HOUR))
        desk.live(days=8)
        web.pages["new.example"] = lambda asked: answer("404 Not Found")
        web.pages["old.example"] = lambda asked: answer(body=rss(1))
        web.log.clear()
        desk.live(days=1)
        assert [one.host for one in web.log[:2]] == ["new.example", "old.example"]
        assert {one.host for one in web.log[1:]} == {"old.example"}
        assert desk.held()["old"].state is SourceState.UNCHANGED

    @pytest.mark.parametrize("status", ["410 Gone", "404 Not Found"])
    def test_a_new_address_that_is_gone_does_not_stop_the_old_one(self, store, web, status):
        web.pages["old.example"] = lambda asked: answer("301 Moved", Location="http://new.example/feed")
        web.pages["new.example"] = lambda asked: answer(body=rss(1))
        desk = Desk(store, web, feed("old", every=3 * HOUR))
        desk.live(days=8)
        web.pages |= {
            "new.example": lambda asked: answer(status),
            "old.example": lambda asked: answer(body=rss(1, 2)),
        }
        row = desk.run("old")["old"]
        held = desk.held()["old"]
        assert (row.state, held.stopped_at, held.moved_to) == (SourceState.BROKEN, None, "")
        assert row.next_at == web.now + 3 * HOUR
        assert "moved to http://new.example/feed" in row.detail and "configured address is asked again" in row.detail
        web.log.clear()
        assert [one.new for one in desk.live(days=0.3)] == [1, 0]
        assert {one.host for one in web.log} == {"old.example"}

    def test_a_redirect_away_from_encryption_is_followed_but_never_remembered(self):
        for url, to, remembered in (
            ("https://a.example/", "http://b.example/", ""),
            ("http://a.example/", "https://b.example/", "https://b.example/"),
        ):
            response = FetchResponse(url=to, status=200, body=rss(1), moved_to=to)
            source = replace(feed("a"), url=url)
            got = read(KINDS["feed"], source, lambda request, gives=response: gives, known={}, now=START)
            assert (len(got.entries), got.moved_to) == (1, remembered)


def test_every_round_is_kept_with_how_it_ended(store, web):
    web.pages["lab.example"] = versioned(lambda asked: rss(1, 2) if asked.at == START else rss(1, 2, 3))
    desk = Desk(store, web, feed("lab"))
    desk.live(days=0.1)
    with store.reading() as tx:
        found = rounds.of(tx, SourceId("lab"), since=START - DAY, until=web.now)
    assert [(one.at - START, one.state.value, one.new, one.fresh, one.http_status) for one in found] == [
        (0 * HOUR, "ok", 2, 2, 200),
        (1 * HOUR, "ok", 1, 1, 200),
        (2 * HOUR, "unchanged", 0, 0, 304),
    ]
    assert found[0].detail == "2 entries: 2 new, 0 revised." and found[0].documents == 1


class TestSlowHosts:
    def test_what_stands_behind_a_host_that_does_not_answer_is_put_off_not_tried(self, store, web):
        release = threading.Event()

        def silent(asked):
            release.wait(4)
            return answer(body=rss(1))

        web.pages["mute.example"] = silent
        fetcher = Fetcher(
            "", timeout=0.3, resolve=web.resolve, dial=web.dial, clock=web.seconds, sleep=web.sleep, now=lambda: web.now
        )
        named = [feed(f"{n}", url=f"http://mute.example/{n}") for n in range(5)]
        desk = Desk(store, web, *named, fetch=fetcher.fetch, queue=fetcher.queue, free_in=fetcher.free_in)
        told = desk.run()
        assert len(web.log) == 1
        assert [told[f"{n}"].state for n in range(5)] == [SourceState.BROKEN] + [SourceState.THROTTLED] * 4
        assert "Mute.example did not answer in time and is left alone for another 60 seconds" in told["1"].detail
        web.now += timedelta(seconds=61)
        assert desk.run("1")["1"].state is SourceState.BROKEN
        assert "another 120 seconds" in desk.run("2")["2"].detail
        release.set()
        web.now += timedelta(seconds=121)
        assert desk.run("2")["2"].state is SourceState.OK
        assert desk.run("3")["3"].state is SourceState.QUIET

    def test_connections_are_closed_when_a_run_ends_in_trouble_too(self, store, web, monkeypatch):
        def refuse(tx, ended):
            raise StorageError("the disk is full")

        web.pages["lab.example"] = lambda asked: answer(body=rss(1))
        closed = []
        monkeypatch.setattr(rounds, "note", refuse)
        with pytest.raises(StorageError):
            Desk(store, web, feed("lab"), hang_up=lambda: closed.append(True)).run()
        assert closed == [True]

    def test_forty_slow_hosts_do_not_hold_up_quick_ones(self, store, web):
        release = threading.Event()

        def slow(asked):
            release.wait(4)
            return answer(body=rss(1))

        quick = [f"quick-{n}" for n in range(20)]
        slow_ones = [f"a-slow-{n}" for n in range(40)]
        web.pages |= {f"{name}.example": slow for name in slow_ones}
        web.pages |= {f"{name}.example": lambda asked: answer(body=rss(2)) for name in quick}
        desk = Desk(store, web, *(feed(name) for name in (*slow_ones, *quick)))
        ended: list[str] = []

        def progress(row):
            ended.append(row.id)
            if len(ended) == 20:
                release.set()

        desk.service.run(progress=progress)
        assert sorted(ended[:20]) == sorted(quick)
        assert len(ended) == 60
