"""Fetching from servers and files that misbehave: one bad source or entry stops no other, nothing is half-written."""

from __future__ import annotations

import json
import random
import socket
import sqlite3
import string
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from digest.model.errors import Conflict, StorageError, UsageError
from digest.model.feeds import Alias, FetchRequest, FetchResponse, Source, SourceId, SourceState
from digest.services.fetching import claims
from digest.services.fetching.backfill import Backfill
from digest.services.fetching.ingest import Ingest
from digest.sources.asking.fetch import Fetcher
from digest.sources.kinds import KINDS
from digest.storage import entries, sources
from tests.sources.servers import ScriptedServer, answer

NOW = datetime(2026, 5, 4, 6, 0, tzinfo=UTC)


def item(number: int, **fields: str) -> str:
    link = f"https://papers.example.org/{number}"
    known = {
        "title": f"Harbour lights and how they dim, part {number}",
        "link": link,
        "guid": link,
        "pubDate": "Mon, 04 May 2026 03:00:00 GMT",
        **fields,
    }
    return "<item>" + "".join(f"<{name}>{value}</{name}>" for name, value in known.items() if value) + "</item>"


def rss(*items: str) -> bytes:
    return f"<rss version='2.0'><channel><title>Harbour papers</title>{''.join(items)}</channel></rss>".encode()


class Desk:
    """An ingest service over a real fetcher, a clock to turn, and counted parses."""

    def __init__(self, store, *configured: Source, **changes: object) -> None:
        self.store = store
        self.now = NOW
        self.parsed: Counter[str] = Counter()
        self.fetcher = Fetcher("ops@example.org", timeout=1.0, deadline=3.0, spacing={}, resolve=self.resolve)

        def counting(kind):
            def parse(source, response):
                self.parsed[source.id] += 1
                return kind.parse(source, response)

            return replace(kind, parse=parse)

        self.service = replace(
            Ingest(
                store=store,
                configured=configured,
                kinds={name: counting(kind) for name, kind in KINDS.items()},
                fetch=self.fetcher.fetch,
                clock=lambda: self.now,
                jitter=lambda: 0.0,
                queue=self.fetcher.queue,
                free_in=self.fetcher.free_in,
                hang_up=self.fetcher.hang_up,
            ),
            **changes,  # type: ignore[arg-type]
        )

    def backfill(self, since: date):
        """The same sources read from a day on."""
        service = Backfill(
            store=self.store,
            configured=self.service.configured,
            kinds=self.service.kinds,
            fetch=self.service.fetch,
            clock=self.service.clock,
        )
        return {row.id: row for row in service.run(since)}

    @staticmethod
    def resolve(host: str, port: int) -> tuple[str, ...]:
        if host in ("127.0.0.1", "busy.example"):
            return ("127.0.0.1",)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def fetch(self, **options: object):
        return {row.id: row for row in self.service.run(everything=True, **options)}

    def held(self):
        with self.store.reading() as tx:
            found = entries.recent(tx, before=datetime(2200, 1, 1, tzinfo=UTC), limit=1000)
            return entries.load(tx, [one.id for one in found])

    def titles(self) -> list[str]:
        return sorted(entry.title for entry in self.held())


def source(name: str, url: str | Path, **fields: object) -> Source:
    known: dict[str, object] = {"kind": "feed", "allow_private": True, **fields}
    return Source(id=SourceId(name), url=str(url), **known)  # type: ignore[arg-type]


@pytest.fixture
def serve():
    """``serve(pages)`` answers each path with bytes, or lets a function speak."""
    servers: list[ScriptedServer] = []

    def start(pages: dict[str, object]) -> ScriptedServer:
        def speak(connection, request):
            page = pages[request.split(b" ", 2)[1].decode()]
            if callable(page):
                page = page(connection, request)
            if page:
                connection.sendall(page)

        servers.append(ScriptedServer(speak))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


class TestAnswersThatAreNoFeed:
    def test_each_is_named_and_none_stops_the_others(self, store, serve, tmp_path):
        def silent(connection, request):
            time.sleep(1.5)

        pages = {
            "/good": answer("200 OK", body=rss(item(1))),
            "/html": answer("200 OK", body=b"<!doctype html><html><body>Sign in</body></html>"),
            "/empty": answer("200 OK"),
            "/cut": answer("200 OK", body=rss(item(2), item(3))[:-60]),
            "/cut-off": answer("200 OK", {"Content-Length": "9000"}, rss(item(2))),
            "/encoding": answer(
                "200 OK",
                body=b"<?xml version='1.0' encoding='utf-8'?>"
                + rss(item(4, title="Caf\xe9 %")).replace(b"\xc3\xa9", b"\xe9"),
            ),
            "/moved": answer("301 Moved Permanently", {"Location": "/good"}),
            "/silent": silent,
            **{f"/{code}": answer(f"{code} Nope") for code in (304, 400, 403, 404, 410, 429, 500)},
        }
        server = serve(pages)
        names = [path.strip("/") for path in pages]
        desk = Desk(
            store,
            *(source(name, server.url(f"/{name}", "busy.example" if name == "429" else "127.0.0.1")) for name in names),
            source("unknown-host", "http://nowhere.invalid/feed"),
            source("no-file", tmp_path / "absent.xml"),
            source("forbidden", "http://127.0.0.1:1/feed", allow_private=False),
        )
        told = {name: (row.state.value, row.http_status, row.detail) for name, row in desk.fetch().items()}
        assert {name for name, (state, _, _) in told.items() if state == "ok"} - {"moved", "good"} == {
            "cut",
            "encoding",
        }
        assert {told[name][0] for name in ("good", "moved")} == {"ok", "quiet"}  # one paper, whoever comes first
        assert told["429"][0] == "throttled"
        assert {
            state for name, (state, _, _) in told.items() if name not in ("good", "cut", "encoding", "moved", "429")
        } == {"broken"}
        for name, words in {
            "html": "HTML page, not a feed",
            "empty": "the document is empty",
            "cut-off": "ended before the whole document",
            "silent": "no whole answer came within",
            "304": "(HTTP 304)",
            "400": "cannot understand",
            "403": "refuses us",
            "404": "nothing at this address",
            "410": "taken down for good",
            "500": "in trouble",
            "unknown-host": "cannot be resolved",
            "no-file": "no such file",
            "forbidden": "not a public address",
        }.items():
            assert words.lower() in told[name][2].lower(), (name, told[name])
        assert [told[str(code)][1] for code in (400, 403, 404, 410, 429, 500)] == [400, 403, 404, 410, 429, 500]
        assert "Harbour lights and how they dim, part 1" in desk.titles()

    def test_what_fails_waits_longer_and_longer_and_recovers(self, store, serve):
        pages: dict[str, object] = {"/feed": answer("500 Oops")}
        desk = Desk(store, source("lab", serve(pages).url("/feed")))
        waits = []
        for _ in range(4):
            waits.append(desk.fetch()["lab"].next_at - desk.now)
            desk.now += timedelta(hours=1)
        assert waits == [timedelta(hours=n) for n in (1, 2, 4, 8)]
        pages["/feed"] = answer("200 OK", body=rss(item(1)))
        row = desk.fetch()["lab"]
        assert (row.state, row.next_at - desk.now) == (SourceState.OK, timedelta(hours=1))
        with store.reading() as tx:
            assert [held.failures for held in sources.all_held(tx)] == [0]

    def test_a_fault_of_ours_in_one_source_does_not_stop_the_others(self, store, tmp_path):
        for name in ("bad", "good"):
            (tmp_path / name).write_bytes(rss(item(1)))

        def parse(source, response):
            if source.id == "bad":
                raise RuntimeError("a parser's own fault")
            return KINDS["feed"].parse(source, response)

        kinds = {"feed": replace(KINDS["feed"], parse=parse)}
        told = Desk(store, source("bad", tmp_path / "bad"), source("good", tmp_path / "good"), kinds=kinds).fetch()
        assert (told["good"].state, told["good"].new) == (SourceState.OK, 1)
        assert told["bad"].state is SourceState.BROKEN
        assert "unexpectedly" in told["bad"].detail


class TestEntriesThatAreOdd:
    def test_each_is_taken_put_right_or_named(self, store, tmp_path):
        feed = tmp_path / "feed.xml"
        feed.write_bytes(
            rss(
                item(1),
                item(2, title=""),
                item(3, link="", guid="tag:only-a-guid"),
                item(4, pubDate=""),
                item(5, pubDate="Thu, 01 Jan 1970 00:00:00 GMT"),
                item(6, pubDate="Thu, 01 Jan 2099 00:00:00 GMT"),
                item(7, title="Long " * 200_000),
                item(
                    8,
                    title="&lt;script&gt;alert(1)&lt;/script&gt;Harbour bells in fog",
                    link="javascript:alert(1)",
                    guid="bells",
                ),
                item(9, title="Harbour\r\nBcc: everybody@example.org"),
                item(10, title="Harbour \u202eslleb\u202c and \u200fmarks"),
            ).replace(b"part 1<", b"part 1\x00<", 1)
        )
        desk = Desk(store, source("odd", feed))
        row = desk.fetch()["odd"]
        by_key = {entry.sightings[0].key: entry for entry in desk.held()}
        assert row.new == len(by_key) == 9
        assert [problem.what for problem in row.problems] == ["it has neither a title nor a text"]
        assert "1 could not be taken" in row.detail
        keyed = lambda number: by_key[f"https://papers.example.org/{number}"]  # noqa: E731
        assert keyed(4).published_at is None
        assert keyed(4).first_seen_at == NOW
        assert keyed(6).first_seen_at == NOW
        assert len(keyed(7).title) <= 500
        assert "script" not in by_key["bells"].title and by_key["bells"].url == ""
        assert keyed(9).title == "Harbour Bcc: everybody@example.org"
        for entry in by_key.values():
            assert entry.title.isprintable(), entry.title

    def test_links_of_every_length_fit_into_the_database(self, store, tmp_path):
        feed = tmp_path / "feed.xml"
        noise = random.Random(1)
        letters = string.ascii_letters + string.digits
        path = "".join(noise.choice(letters) for _ in range(1900))
        wide = "".join(chr(noise.randint(0x4E00, 0x9FFF)) for _ in range(1900))
        feed.write_bytes(
            rss(*(item(n, link=f"https://x.example/{p}", guid=p) for n, p in enumerate((path, wide, "a"))))
        )
        row = Desk(store, source("long", feed)).fetch()["long"]
        assert (row.state, row.new) == (SourceState.OK, 3)

    def test_titles_that_grow_when_they_are_folded_fit_too(self, store, tmp_path):
        feed = tmp_path / "feed.xml"
        noise = random.Random(2)
        wide = " ".join(chr(noise.choice((0xFDFA, 0xFDFB, noise.randint(0x4E00, 0x9FFF)))) for _ in range(240))
        feed.write_bytes(rss(item(1, title=wide), item(2)))
        assert Desk(store, source("wide", feed)).fetch()["wide"].new == 2

    def test_halves_of_characters_are_put_right(self, store, tmp_path):
        feed = tmp_path / "feed.json"
        feed.write_text(
            '{"version": "https://jsonfeed.org/version/1.1", "title": "half \\ud800", "items": ['
            '{"id": "half \\udc00", "title": "Harbour \\ud83d lights", "url": "https://x.example/\\ud800",'
            ' "authors": [{"name": "Ada \\ud800 Reader"}], "tags": ["\\ud800"], "content_text": "A \\udfff text"}]}'
        )
        assert Desk(store, source("half", feed)).fetch()["half"].new == 1


class TestWhatIsKnown:
    def test_unchanged_bytes_are_not_parsed_and_a_304_is_asked_for(self, store, serve):
        body = rss(item(1))
        conditional = lambda connection, request: (  # noqa: E731
            answer("304 Not Modified")
            if b"if-none-match: " in request.lower()
            else answer("200 OK", {"ETag": '"1"'}, body)
        )
        pages: dict[str, object] = {"/etag": conditional, "/plain": answer("200 OK", body=body)}
        server = serve(pages)
        desk = Desk(store, source("etag", server.url("/etag")), source("plain", server.url("/plain")))
        desk.fetch()
        desk.now += timedelta(hours=1)
        told = desk.fetch()
        assert desk.parsed == {"etag": 1, "plain": 1}
        assert {name: (row.state.value, row.http_status) for name, row in told.items()} == {
            "etag": ("unchanged", 304),
            "plain": ("unchanged", 200),
        }
        pages["/plain"] = answer("200 OK", body=rss(item(1), item(2)))
        desk.now += timedelta(hours=1)
        assert desk.fetch()["plain"].new == 1
        assert desk.parsed == {"etag": 1, "plain": 2}

    def test_a_vote_or_a_second_version_is_never_new(self, store, tmp_path):
        papers = tmp_path / "hf.json"

        def daily(votes: int, version: str = "") -> None:
            paper = {
                "id": f"2605.00001{version}",
                "title": "Harbour lights and how they dim over a century",
                "summary": "We watched.",
                "authors": [{"name": "Ada Reader"}],
                "publishedAt": "2026-05-03T10:00:00Z",
                "submittedOnDailyAt": "2026-05-04T02:00:00Z",
                "upvotes": votes,
            }
            papers.write_text(json.dumps([{"paper": paper, "title": paper["title"]}]))

        daily(3)
        desk = Desk(store, source("hf", papers, kind="huggingface"))
        assert desk.fetch()["hf"].new == 1
        for votes, version in ((4, ""), (9, "v2"), (8, "v3")):
            daily(votes, version)
            desk.now += timedelta(hours=1)
            assert desk.fetch()["hf"].new == 0
        (entry,) = desk.held()
        assert (entry.first_seen_at, entry.upvotes) == (datetime(2026, 5, 4, 2, 0, tzinfo=UTC), 8)
        with store.reading() as tx:
            assert [seen.upvotes for seen in entries.vote_history(tx, entry.id)] == [3, 4, 9, 8]

    def test_on_the_first_fetch_a_paper_has_its_own_date_later_the_fetchs(self, store, tmp_path):
        feed = tmp_path / "feed.xml"
        feed.write_bytes(rss(item(1, pubDate="Fri, 01 May 2026 12:00:00 GMT")))
        desk = Desk(store, source("lab", feed))
        desk.fetch()
        feed.write_bytes(rss(item(1), item(2, pubDate="Fri, 01 May 2026 12:00:00 GMT")))
        desk.now += timedelta(hours=1)
        desk.fetch()
        seen = {entry.title[-1]: entry.first_seen_at for entry in desk.held()}
        assert seen == {"1": datetime(2026, 5, 1, 12, tzinfo=UTC), "2": NOW + timedelta(hours=1)}

    def test_a_source_whose_first_fetches_failed_still_has_its_first_one_before_it(self, store, tmp_path):
        feed = tmp_path / "feed.xml"
        feed.write_bytes(b"<html>")
        desk = Desk(store, source("lab", feed))
        desk.fetch()
        feed.write_bytes(rss(item(1, pubDate="Fri, 01 May 2026 12:00:00 GMT")))
        desk.now += timedelta(hours=1)
        desk.fetch()
        assert [entry.first_seen_at for entry in desk.held()] == [datetime(2026, 5, 1, 12, tzinfo=UTC)]


ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom"><id>q</id>
<title>arXiv Query</title>{}</feed>"""
ATOM_ENTRY = """<entry><id>http://arxiv.org/abs/{}v1</id><title>{}</title><summary>We read it.</summary>
<published>2026-04-20T10:00:00Z</published><author><name>Ada Reader</name></author>
<arxiv:primary_category term="cs.CL"/><category term="cs.CL"/><category term="cs.AI"/></entry>"""


class TestCategories:
    def test_an_unknown_source_is_named(self, store, tmp_path):
        desk = Desk(store, source("lab", tmp_path / "x"))
        with pytest.raises(UsageError, match='no source "lap"'):
            desk.service.run(["lap"])

    def test_categories_are_joined_once_and_kept(self, store, tmp_path, serve):
        pages: dict[str, object] = {}
        asked: list[bytes] = []

        class Api(dict):
            def __getitem__(self, path):
                asked.append(path)
                return pages["api"]

        server = serve(Api())
        papers = tmp_path / "hf.json"
        papers.write_text(
            json.dumps(
                [
                    {
                        "paper": {
                            "id": i,
                            "title": f"Harbour lights and how they dim {i}",
                            "publishedAt": "2026-05-04T01:00:00Z",
                            "authors": [{"name": "Ada Reader"}],
                        }
                    }
                    for i in ("2605.00001", "2605.00002")
                ]
            )
        )
        desk = Desk(store, source("hf", papers, kind="huggingface"))
        own = lambda request: desk.fetcher.fetch(replace(request, allow_private=True))  # noqa: E731
        service = replace(
            desk.service,
            arxiv_api=server.url("/api/query"),
            fetch=lambda r: own(r) if r.url.startswith("http") else desk.fetcher.fetch(r),
        )
        for page in (
            answer("500 Oops"),
            answer("200 OK", body=b"<html>"),
            answer("200 OK", {"Content-Length": "99"}, b"<feed"),
        ):
            pages["api"] = page
            (row,) = service.run(everything=True)
            assert row.state in (SourceState.OK, SourceState.UNCHANGED)
            assert {entry.categories for entry in desk.held()} == {()}
        pages["api"] = answer("200 OK", body=ATOM.format(ATOM_ENTRY.format("2605.00001", "Other words")).encode())
        service.run(everything=True)
        assert {e.arxiv_id: e.categories for e in desk.held()} == {"2605.00001": ("cs.CL", "cs.AI"), "2605.00002": ()}
        assert {e.title for e in desk.held()} == {f"Harbour lights and how they dim 2605.0000{n}" for n in (1, 2)}
        before = len(asked)
        service.run(everything=True)
        assert len(asked) == before  # what arXiv did not know is asked about again hours later
        papers.write_text(papers.read_text().replace("2026-05-04T01", "2026-05-04T02"))
        desk.now += timedelta(hours=7)
        service.run(everything=True)
        assert len(asked) == before + 1
        assert {e.arxiv_id: e.categories for e in desk.held()} == {"2605.00001": ("cs.CL", "cs.AI"), "2605.00002": ()}


def document(url, body):
    return FetchResponse(url=url, status=200, body=body)


class TestTwoProcesses:
    def test_both_bring_the_same_works_and_each_is_held_once(self, store, url, open_database, tmp_path):
        feed = tmp_path / "feed.xml"
        feed.write_bytes(rss(*(item(n) for n in range(40))))
        desks = [Desk(open_database(url), *(source(f"s{n}-{m}", feed) for m in range(3))) for n in range(2)]
        with store.transaction() as tx:
            sources.sync(tx, [one for desk in desks for one in desk.service.configured])
        told, faults = [], []

        def run(desk, mine):
            try:
                told.extend(desk.service.run([one.id for one in mine]))
            except BaseException as error:
                faults.append(error)

        everything = tuple(one for desk in desks for one in desk.service.configured)
        runs = []
        for desk in desks:
            mine = desk.service.configured
            desk.service = replace(desk.service, configured=everything)
            runs.append(threading.Thread(target=run, args=(desk, mine)))
        for thread in runs:
            thread.start()
        for thread in runs:
            thread.join(30)
        assert faults == []
        assert sum(row.new for row in told) == 40
        assert sum(row.unchanged for row in told) == 200
        assert len(desks[0].held()) == 40

    def test_a_conflict_is_diffed_once_more(self, store, tmp_path, monkeypatch):
        feed = tmp_path / "feed.xml"
        feed.write_bytes(rss(item(1)))
        desk = Desk(store, source("lab", feed))
        plain, calls = entries.apply, []

        def apply(tx, changes, **options):
            calls.append(len(changes))
            if len(calls) < 3:
                raise Conflict("refused by an index")
            return plain(tx, changes, **options)

        monkeypatch.setattr(entries, "apply", apply)
        assert desk.fetch()["lab"].new == 1
        assert calls == [1, 1, 1]

    def test_a_claimed_source_is_left_to_its_claimer(self, store, tmp_path):
        feed = tmp_path / "feed.xml"
        feed.write_bytes(rss(item(1)))
        desk = Desk(store, source("lab", feed))
        inner = []
        service = replace(
            desk.service, fetch=lambda request: (inner.append(desk.service.run()), desk.fetcher.fetch(request))[1]
        )
        assert [row.new for row in service.run()] == [1]
        assert inner == [()]

    def test_what_a_killed_process_had_claimed_is_fetched_again_after_minutes(self, store, tmp_path):
        feed = tmp_path / "feed.xml"
        feed.write_bytes(rss(item(1)))
        desk = Desk(store, source("lab", feed))

        def killed(request):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            replace(desk.service, fetch=killed).run()
        desk.now += timedelta(minutes=2)
        assert desk.service.run() == ()
        desk.now += timedelta(minutes=1)
        assert [row.new for row in desk.service.run()] == [1]

    def test_a_source_that_takes_long_stays_claimed_while_somebody_works_on_it(self, store, tmp_path, monkeypatch):
        feed = tmp_path / "feed.xml"
        feed.write_bytes(rss(item(1)))
        desk = Desk(store, source("lab", feed), source("other", feed), threads=1)
        monkeypatch.setattr(claims, "_EVERY", 0.005)
        others = []

        def slow(request):
            for _ in range(5):
                desk.now += timedelta(minutes=2)
                wanted = desk.now + timedelta(minutes=2)
                for _ in range(2000):
                    with store.reading() as tx:
                        if {one.source.id: one.next_at for one in sources.all_held(tx)}["other"] >= wanted:
                            break
                    time.sleep(0.005)
                others.append(desk.service.run())
            return desk.fetcher.fetch(request)

        rows = replace(desk.service, fetch=slow).run()
        assert others == [()] * 10
        assert [(row.id, row.next_at > desk.now) for row in rows] == [("lab", True), ("other", True)]

    def test_stopped_in_the_middle_the_rest_is_due_again(self, store, tmp_path):
        feed = tmp_path / "feed.xml"
        feed.write_bytes(rss(item(1)))
        stop = threading.Event()
        desk = Desk(store, *(source(f"s{n}", feed) for n in range(4)), threads=1)

        def fetch(request: FetchRequest) -> FetchResponse:
            if desk.parsed:  # the first is read, and is told when it is written
                assert stop.wait(30)
            return desk.fetcher.fetch(request)

        told = replace(desk.service, fetch=fetch).run(stop=stop, progress=lambda row: stop.set())
        assert [row.id for row in told] == ["s0", "s1"]  # what had begun is kept
        assert sorted(row.id for row in desk.service.run()) == ["s2", "s3"]


class TestADatabaseThatFails:
    """SQLite only: another program's lock, a full disk, a file that may not be written."""

    @pytest.fixture
    def database(self):
        return "sqlite"

    def feed(self, tmp_path, count=300):
        path = tmp_path / "feed.xml"
        path.write_bytes(rss(*(item(n, description="word " * 200) for n in range(count))))
        return path

    def test_a_lock_held_by_another_program_is_told_and_the_next_run_goes_on(self, url, open_database, tmp_path):
        store = open_database(url, busy_ms=100)
        desk = Desk(store, source("lab", self.feed(tmp_path)))
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
        fetched = desk.service.fetch

        def locking(request):
            other.execute("BEGIN IMMEDIATE")
            return fetched(request)

        with pytest.raises(StorageError, match="locked by another program"):
            replace(desk.service, fetch=locking).run(everything=True)
        other.execute("ROLLBACK")
        other.close()
        assert desk.held() == ()
        assert desk.fetch()["lab"].new == 300

    def test_a_full_disk_is_told_nothing_is_half_written_and_the_next_run_goes_on(self, url, open_database, tmp_path):
        store = open_database(url)
        desk = Desk(store, source("lab", self.feed(tmp_path)))
        limit = [str(Path(url.removeprefix("sqlite:///")).stat().st_size // 4096 + 8)]

        @event.listens_for(store.engine, "begin")
        def small(connection):
            connection.connection.driver_connection.execute(f"PRAGMA max_page_count={limit[0]}")

        with pytest.raises(StorageError, match="disk is full"):
            desk.fetch()
        assert desk.held() == ()
        with store.reading() as tx:
            assert sources.validators(tx, SourceId("lab")) == {}
        limit[0] = "1000000"
        assert desk.fetch()["lab"].new == 300

    def test_a_read_only_file_is_told(self, url, open_database, tmp_path):
        store = open_database(url)

        @event.listens_for(store.engine, "begin")
        def read_only(connection):
            connection.connection.driver_connection.execute("PRAGMA query_only=1")

        desk = Desk(store, source("lab", self.feed(tmp_path, 3)))
        with pytest.raises(StorageError, match="read-only"):
            desk.fetch()


def test_a_work_keeps_its_identity_over_sources_and_spellings(store, tmp_path):
    one, other = tmp_path / "one.xml", tmp_path / "other.xml"
    one.write_bytes(rss(item(1, link="https://arxiv.org/abs/2605.00001v1", guid="a")))
    other.write_bytes(rss(item(1, link="https://doi.org/10.48550/arXiv.2605.00001", guid="b", title="HARBOUR lights")))
    desk = Desk(store, source("one", one), source("other", other), threads=1)
    told = desk.fetch()
    assert (told["one"].new, told["other"].new) == (1, 0)
    with store.reading() as tx:
        entry = entries.by_alias(tx, Alias("arxiv:2605.00001"))
    assert {seen.source_id for seen in entry.sightings} == {"one", "other"}
