"""backfill: the past is read document by document, kept as it comes, and gone on with after whatever broke it off."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from digest.model.errors import FetchError, ParseError, UsageError
from digest.model.feeds import FetchResponse, ParsedFeed, Source, SourceId, SourceState
from digest.services.fetching.backfill import MOST_PAUSES, Backfill
from digest.sources.kinds import KINDS
from digest.storage import backfills, entries

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SINCE = date(2026, 4, 25)
DAYS = 10

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom"><id>q</id>
<title>arXiv Query</title>{}</feed>"""
ATOM_ENTRY = """<entry><id>http://arxiv.org/abs/{}v1</id><title>{}</title><summary>We read it.</summary>
<published>2026-04-20T10:00:00Z</published><author><name>Ada Reader</name></author>
<arxiv:primary_category term="cs.CL"/><category term="cs.CL"/></entry>"""


class Archive:
    """A list of papers by day, two a day, at a seam; ``fails`` says what is answered instead, by its turn."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: dict[int, Exception] = {}

    def fetch(self, request):
        self.asked.append(request.url)
        failure = self.fails.pop(len(self.asked), None)
        if failure is not None:
            raise failure
        day = request.url.rpartition("=")[2]
        papers = [paper(day, number) for number in (1, 2)]
        return FetchResponse(url=request.url, status=200, body=json.dumps(papers).encode())


def paper(day: str, number: int) -> dict[str, object]:
    name = f"26{day[5:7]}.{int(day[8:]):02}{number:03}"
    return {
        "paper": {"id": name, "title": f"Harbour lights of {day}, part {number}", "publishedAt": f"{day}T03:00:00Z",
                  "submittedOnDailyAt": f"{day}T06:00:00Z", "upvotes": number, "authors": []},
    }  # fmt: skip


class Desk:
    def __init__(self, store, fetch, *configured: Source) -> None:
        self.store = store
        self.waited: list[float] = []
        self.service = Backfill(
            store=store,
            configured=configured,
            kinds=KINDS,
            fetch=fetch,
            clock=lambda: NOW,
            wait=lambda stop, seconds: self.waited.append(seconds),
        )

    def run(self, since=SINCE, ids=None, **how):
        return {row.id: row for row in self.service.run(since, ids, **how)}

    def held(self):
        with self.store.reading() as tx:
            found = entries.recent(tx, before=datetime(2200, 1, 1, tzinfo=UTC), limit=1000)
            return entries.load(tx, [one.id for one in found])


LIST = Source(id=SourceId("list"), kind="huggingface", url="https://list.example/?date={date}")


@pytest.fixture
def archive():
    return Archive()


@pytest.fixture
def desk(store, archive):
    return Desk(store, archive.fetch, LIST)


def test_every_day_since_then_is_read_and_papers_keep_their_own_dates(desk, archive):
    told = []
    row = desk.run(progress=told.append)["list"]
    assert (row.state, row.new, row.http_status) == (SourceState.OK, 2 * DAYS, 200)
    assert row.detail == "10 documents with 20 entries since 2026-04-25."
    assert [url.rpartition("=")[2] for url in archive.asked] == [
        (NOW.date() - timedelta(days=back)).isoformat() for back in range(DAYS)
    ]
    assert {entry.first_seen_at for entry in desk.held()} == {
        datetime(2026, 5, 4, 6, tzinfo=UTC) - timedelta(days=back) for back in range(DAYS)
    }
    assert [(one.documents, one.left, one.entries) for one in told] == [
        (n, DAYS - n, 2 * n) for n in range(1, DAYS + 1)
    ]


def test_once_more_it_is_read_again_and_nothing_is_new(desk, archive):
    desk.run()
    row = desk.run()["list"]
    assert (row.state, row.new, row.unchanged, len(archive.asked)) == (SourceState.QUIET, 0, 2 * DAYS, 2 * DAYS)


@pytest.mark.parametrize(
    "failure",
    [
        FetchError("the server is in trouble (HTTP 500)", where="x", http_status=500),
        RuntimeError("the machine is on fire"),
    ],
)
def test_what_breaks_it_off_costs_one_document_and_it_goes_on_there(desk, archive, failure):
    archive.fails[4] = failure
    row = desk.run()["list"]
    assert (row.state, row.new) == (SourceState.BROKEN, 6)
    assert "Traceback" not in row.detail
    assert len(desk.held()) == 6
    row = desk.run()["list"]
    assert (row.state, row.new, len(archive.asked)) == (SourceState.OK, 2 * DAYS - 6, DAYS + 1)
    assert archive.asked[3] == archive.asked[4]
    assert len(desk.held()) == 2 * DAYS


def test_it_stops_when_told_and_says_what_is_left(desk):
    stop = threading.Event()
    row = desk.run(stop=stop, progress=lambda one: stop.set() if one.documents == 3 else None)["list"]
    assert (row.new, row.detail) == (
        6, "3 documents with 6 entries since 2026-04-25. 7 are left; the same command goes on.",
    )  # fmt: skip
    assert desk.run()["list"].detail == "10 documents with 20 entries since 2026-04-25."


def test_a_server_that_asks_for_a_pause_gets_it(desk, archive):
    archive.fails[2] = FetchError("slow down", where="x", http_status=429, throttled=True, retry_after=7.0)
    archive.fails[5] = FetchError("slow down", where="x", http_status=503, throttled=True)
    row = desk.run()["list"]
    assert (row.state, row.new, desk.waited) == (SourceState.OK, 2 * DAYS, [7.0, 30.0])


def test_a_server_that_wants_hours_or_asks_again_and_again_is_left_until_the_next_time(desk, archive):
    archive.fails[2] = FetchError("slow down", where="x", http_status=429, throttled=True, retry_after=3600.0)
    row = desk.run()["list"]
    assert (row.state, row.http_status, row.new, desk.waited) == (SourceState.THROTTLED, 429, 2, [])
    for turn in range(len(archive.asked) + 1, len(archive.asked) + 20):
        archive.fails[turn] = FetchError("slow down", where="x", http_status=429, throttled=True, retry_after=1.0)
    assert desk.run()["list"].state is SourceState.THROTTLED
    assert len(desk.waited) == MOST_PAUSES
    archive.fails.clear()
    assert desk.run()["list"].state is SourceState.OK
    assert len(desk.held()) == 2 * DAYS


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_document_that_never_comes_is_named_and_the_others_are_read(desk, archive, status):
    plain = desk.service.fetch

    def fetch(request):
        if request.url.endswith("2026-05-01"):
            raise FetchError(f"refused (HTTP {status})", where=request.url, http_status=status)
        return plain(request)

    object.__setattr__(desk.service, "fetch", fetch)
    row = desk.run()["list"]
    assert (row.state, row.new, row.http_status) == (SourceState.OK, 2 * DAYS - 2, 200)
    assert row.detail == (
        "9 documents with 18 entries since 2026-04-25. "
        f"1 document could not be read: https://list.example/?date=2026-05-01: refused (HTTP {status})."
    )
    assert [(one.where, one.what) for one in row.problems] == [
        ("https://list.example/?date=2026-05-01", f"refused (HTTP {status})")
    ]
    assert desk.run()["list"].state is SourceState.QUIET
    with desk.store.reading() as tx:
        assert backfills.unfinished(tx, LIST.id, SINCE) is None


@pytest.mark.parametrize("status", [401, 403, 409])
def test_who_is_not_let_in_today_goes_on_another_day(desk, archive, status):
    archive.fails[3] = FetchError("the key is refused", where="x", http_status=status)
    row = desk.run()["list"]
    assert (row.state, row.new, len(archive.asked)) == (SourceState.BROKEN, 4, 3)
    assert (desk.run()["list"].new, len(archive.asked)) == (2 * DAYS - 4, DAYS + 1)


def test_where_no_document_comes_the_source_is_broken_and_the_next_try_begins_anew(desk, archive):
    archive.fails |= {turn: ParseError("it is a page", where="x") for turn in range(1, DAYS + 1)}
    row = desk.run()["list"]
    assert (row.state, row.new, len(row.problems)) == (SourceState.BROKEN, 0, DAYS)
    assert (
        "10 documents could not be read, the first: https://list.example/?date=2026-05-04: it is a page." in row.detail
    )
    row = desk.run()["list"]
    assert (row.state, row.new) == (SourceState.OK, 2 * DAYS)


class Paged:
    """A list of three pages; the address of a page is good for as long as its ``edition``."""

    def __init__(self) -> None:
        self.edition = 1
        self.asked: list[str] = []
        self.away = ""
        self.closed = ""

    def fetch(self, request):
        page = request.url.rpartition("/")[2]
        self.asked.append(page)
        if page == self.away:
            raise FetchError("the server is in trouble", where=request.url, http_status=500)
        if page == self.closed or page.partition("-")[2] not in ("", str(self.edition)):
            raise FetchError("this cursor is unknown", where=request.url, http_status=400)
        number = int(page[1])
        following = f"https://list.example/p{number + 1}-{self.edition}" if number < 3 else ""
        papers = [paper(f"2026-05-0{number}", 1)]
        return FetchResponse(url=following, status=200, body=json.dumps(papers).encode())


def paged(**fields):
    """Kind huggingface, a page after the other."""
    plain = KINDS["huggingface"]

    def parse(source, response) -> ParsedFeed:
        return replace(plain.parse(source, response), cursor=response.url)

    def follow(request, parsed):
        return replace(request, url=parsed.cursor) if parsed.cursor else None

    def plan(source, now, since):
        return (replace(plain.plan(source, now, since)[0], url="https://list.example/p1"),)

    return {"huggingface": replace(plain, **{"parse": parse, "follow": follow, "plan": plan, **fields})}


def test_a_cursor_that_has_died_meanwhile_is_asked_for_anew(desk):
    pages = Paged()
    object.__setattr__(desk.service, "fetch", pages.fetch)
    object.__setattr__(desk.service, "kinds", paged())
    pages.away = "p2-1"
    assert (desk.run()["list"].state, pages.asked) == (SourceState.BROKEN, ["p1", "p2-1"])
    pages.away, pages.edition = "", 2
    row = desk.run()["list"]
    assert (row.state, row.new, row.problems) == (SourceState.OK, 2, ())
    assert pages.asked[2:] == ["p2-1", "p1", "p2-2", "p3-2"]
    assert row.detail == "3 documents with 3 entries since 2026-04-25."


def test_a_page_that_is_refused_even_then_is_left_out(desk):
    pages = Paged()
    object.__setattr__(desk.service, "fetch", pages.fetch)
    object.__setattr__(desk.service, "kinds", paged())
    pages.away = "p2-1"
    desk.run()
    pages.away, pages.closed = "", "p2-1"
    row = desk.run()["list"]
    assert (row.state, pages.asked[2:]) == (SourceState.QUIET, ["p2-1", "p1", "p2-1"])
    assert [one.where for one in row.problems] == ["https://list.example/p2-1"]


def test_arguments_are_not_stored_and_what_needs_them_is_planned_anew(desk):
    pages = Paged()
    seen = []

    def fetch(request):
        seen.append(request.arguments)
        return pages.fetch(request)

    planned = paged()["huggingface"].plan
    secret = paged(
        plan=lambda source, now, since: tuple(
            replace(one, arguments=("read", "--token=s3cret")) for one in planned(source, now, since)
        )
    )
    object.__setattr__(desk.service, "fetch", fetch)
    object.__setattr__(desk.service, "kinds", secret)
    pages.away = "p2-1"
    desk.run()
    with desk.store.reading() as tx:
        held = tx.execute(select(backfills.backfills.c.waiting)).scalar_one()
    assert "p2-1" in held
    assert "s3cret" not in held
    pages.away = ""
    assert desk.run()["list"].state is SourceState.OK
    assert pages.asked[2:] == ["p1", "p2-1", "p3-1"]
    assert set(seen) == {("read", "--token=s3cret")}


def test_one_source_that_fails_never_stops_the_others(store, archive):
    desk = Desk(store, archive.fetch, LIST, Source(id=SourceId("gone"), kind="feed", url="gopher://x.example"))
    broken = FetchError("gopher: addresses are not supported", where="x")
    plain = desk.service.fetch

    def fetch(request):
        if "gopher" in request.url:
            raise broken
        return plain(request)

    object.__setattr__(desk.service, "fetch", fetch)
    rows = desk.run()
    assert (rows["gone"].state, rows["list"].state) == (SourceState.BROKEN, SourceState.OK)
    assert desk.run(ids=["list"]).keys() == {"list"}
    with pytest.raises(UsageError, match='no source "lst"'):
        desk.run(ids=["lst"])


def test_arxiv_is_asked_for_what_was_submitted_since(store):
    asked = []

    def fetch(request):
        asked.append(request.url)
        body = ATOM.format(ATOM_ENTRY.format("2604.00001", "An old paper about harbours"))
        return FetchResponse(url=request.url, status=200, body=body.encode())

    desk = Desk(store, fetch, Source(id=SourceId("ax"), kind="arxiv", category="cs.CL"))
    row = desk.run(date(2026, 4, 1))["ax"]
    assert (row.state, row.new) == (SourceState.OK, 1)
    assert "202604010000" in asked[0]
    assert [entry.first_seen_at for entry in desk.held()] == [datetime(2026, 4, 20, 10, tzinfo=UTC)]


def test_a_feed_without_an_archive_is_read_as_it_is_and_says_so(store, tmp_path):
    from digest.sources.asking.fetch import Fetcher

    feed = tmp_path / "feed.xml"
    feed.write_text(
        "<rss version='2.0'><channel><title>Lab</title><item><title>Harbour lights and how they dim</title>"
        "<link>https://papers.example.org/1</link><pubDate>Fri, 01 May 2026 12:00:00 GMT</pubDate></item>"
        "</channel></rss>"
    )
    fetcher = Fetcher("ops@example.org", spacing={})
    desk = Desk(store, fetcher.fetch, Source(id=SourceId("lab"), kind="feed", url=str(feed)))
    row = desk.run()["lab"]
    assert (row.state, row.new) == (SourceState.OK, 1)
    assert "shows its newest only" in row.detail
    assert [entry.first_seen_at for entry in desk.held()] == [datetime(2026, 5, 1, 12, tzinfo=UTC)]
    fetcher.close()
