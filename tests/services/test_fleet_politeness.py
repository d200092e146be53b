"""Several processes ask as one: turns, pauses and rests of a host hold among all that share a PostgreSQL.

Each "process" is a Fetcher or a service with a store of its own; one is a real one, to be killed. The log is that of
the server that is asked.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise

import psycopg
import pytest

from digest.app.documents import ways
from digest.model.errors import FetchError, StorageError
from digest.model.feeds import FetchRequest, SourceState
from digest.services.fetching import ingest
from digest.sources.asking.fetch import Fetcher
from digest.storage import sources
from digest.storage.hosts import Hosts
from tests.conftest import name_of
from tests.services.recorded import Desk, Web, answer, feed, rss
from tests.sources.servers import ScriptedServer

PAUSE = 0.1


@pytest.fixture
def database():
    """One machine, so SQLite, needs none of it."""
    return "postgresql"


@pytest.fixture
def web():
    web = Web()
    yield web
    web.stop()


@pytest.fixture
def process(url, open_database, web):
    """Another process: what it asks with."""
    made: list[Fetcher] = []

    def start(**options) -> Fetcher:
        given = {
            "spacing": {"paused.example": PAUSE},
            "resolve": web.resolve,
            "dial": web.dial,
            "timeout": 5,
            **options,
        }
        made.append(Fetcher("ops@example.org", fleet=Hosts(open_database(url)), **given))
        return made[-1]

    yield start
    for one in made:
        one.close()


class Visits:
    """A page that notes when each request came and was answered."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def __call__(self, asked) -> bytes:
        came = time.monotonic()
        time.sleep(0.02)
        self.spans.append((came, time.monotonic()))
        return answer(body=b"page")

    def gaps(self) -> list[float]:
        spans = sorted(self.spans)
        return [after[0] - before[1] for before, after in pairwise(spans)]


def ask_at_once(fetchers, *urls: str) -> None:
    """Each of them asks for all of these, everything at once."""
    asked = [(one, FetchRequest(url=url)) for one in fetchers for url in urls]
    threads = [threading.Thread(target=one.fetch, args=(request,), daemon=True) for one, request in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def test_a_host_is_asked_by_one_process_at_a_time_and_those_of_one_organisation_share_the_pause(web, process):
    paused, plain = Visits(), Visits()
    web.pages |= {"a.paused.example": paused, "b.paused.example": paused, "plain.example": plain}
    urls = ("http://a.paused.example/", "http://b.paused.example/", "http://plain.example/1", "http://plain.example/2")
    ask_at_once([process(), process(), process()], *urls)
    assert (len(paused.spans), len(plain.spans)) == (6, 6)
    assert min(paused.gaps()) >= PAUSE * 0.95  # the server reads one clock, the database another
    assert min(plain.gaps()) >= 0


def test_hosts_do_not_wait_for_each_other(web, process):
    """The first is not answered before the second has been asked."""
    asked = threading.Event()
    web.pages["quick.example"] = lambda _: (asked.set(), answer(body=b"page"))[1]
    web.pages["slow.example"] = lambda _: answer(body=b"page" if asked.wait(5) else b"alone")
    first, second = process(), process()
    got: list[bytes] = []
    slow = threading.Thread(target=lambda: got.append(first.fetch(FetchRequest(url="http://slow.example/")).body))
    slow.start()
    second.fetch(FetchRequest(url="http://quick.example/"))
    slow.join(10)
    assert got == [b"page"]


def test_a_rest_that_one_was_asked_for_is_kept_by_all(web, process):
    web.pages["busy.example"] = lambda _: answer("429 Too Many Requests", Retry_After="1800")
    first, second = process(), process()
    for one, told in ((first, "asks us to slow down"), (second, "asked to be left alone for another 1800 seconds")):
        with pytest.raises(FetchError) as raised:
            one.fetch(FetchRequest(url="http://busy.example/"))
        assert told in raised.value.what and raised.value.throttled
        assert 1790 < (raised.value.retry_after or 0) <= 1800
    assert len(web.log) == 1


def test_a_host_that_did_not_answer_in_time_is_left_alone_by_all(web, process):
    release = threading.Event()
    web.pages["mute.example"] = lambda _: answer(body=b"late" if release.wait(5) else b"")
    first, second = process(timeout=0.2), process()
    for one, told in ((first, "no whole answer"), (second, "did not answer in time and is left alone for another 60")):
        with pytest.raises(FetchError, match=told):
            one.fetch(FetchRequest(url="http://mute.example/"))
    release.set()
    assert len(web.log) == 1


def test_whoever_never_gets_a_turn_comes_again_later(url, open_database):
    """Two minutes of trying, by a clock that only sleeping moves."""
    first, second = (Hosts(open_database(url)) for _ in range(2))
    slept: list[float] = []
    fetcher = Fetcher("ops@example.org", fleet=second, clock=lambda: sum(slept), sleep=slept.append)
    assert first.take("popular.example") is not None
    with pytest.raises(FetchError) as raised:
        fetcher.fetch(FetchRequest(url="http://popular.example/"))
    assert raised.value.what.startswith("popular.example is asked by others of the fleet, one after the other")
    assert raised.value.throttled and raised.value.retry_after == 10
    assert 120 <= sum(slept) < 121 and max(slept) < 1


def test_who_waits_for_another_process_stops_when_we_do(web, process, url, open_database):
    other, fetcher = Hosts(open_database(url)), process()
    assert other.take("popular.example") is not None
    failed: list[FetchError] = []

    def ask() -> None:
        try:
            fetcher.fetch(FetchRequest(url="http://popular.example/"))
        except FetchError as error:
            failed.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    fetcher.close()
    waiting.join(5)
    assert len(failed) == 1 and web.log == []


def test_the_turn_of_a_killed_process_is_free_at_once_and_its_pause_is_kept(url, open_database):
    program = (
        "import sys; from digest.sources.asking.politeness import Turns; from digest.storage.hosts import Hosts;"
        "from digest.storage.engine import open_store\n"
        "with Turns({'paused.example': 60.0}, fleet=Hosts(open_store(sys.argv[1]))).turn('paused.example'):\n"
        "    print('in', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None and other.stdout is not None
    ours = Hosts(open_database(url))
    try:
        assert other.stdout.readline() == "in\n"
        assert ours.take("paused.example") is None
    finally:
        other.kill()
        other.communicate()
    until = time.monotonic() + 5
    while (found := ours.take("paused.example")) is None and time.monotonic() < until:
        time.sleep(0.01)
    assert found is not None and 50 < found.pause <= 60


def test_turns_lost_with_their_connection_are_free_and_harm_nobody(url, open_database):
    ours, other = (Hosts(open_database(url)) for _ in range(2))
    assert ours.take("a.example") is not None
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        )
    assert other.take("a.example") is not None
    ours.leave("a.example")
    assert ours.take("a.example") is None
    assert ours.take("b.example") is not None


def test_many_turns_are_one_connection_and_none_is_kept_without_a_turn(url, open_database):
    ours = Hosts(store := open_database(url))
    for number in range(20):
        ours.take(f"h{number}.example")
    assert store.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
    for number in range(20):
        ours.leave(f"h{number}.example")
    assert store.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    with psycopg.connect(url) as admin:
        assert admin.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)


def test_a_database_that_goes_away_ends_the_run_with_its_name(url, store, open_database, web, postgres):
    """It goes while a first document is on its way; the run does not take that for the feeds' fault."""

    def vanish(asked) -> bytes:
        postgres.run(f"ALTER DATABASE {name_of(url)} ALLOW_CONNECTIONS false")
        postgres.run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name_of(url)}'")
        return answer(body=rss(1))

    web.pages["lab.example"] = vanish
    fetcher = Fetcher("", resolve=web.resolve, dial=web.dial, timeout=5, fleet=Hosts(store))
    some = [feed(f"f{n}", url=f"http://lab.example/{n}") for n in range(3)]
    desk = Desk(store, web, *some, fetch=fetcher.fetch, queue=fetcher.queue)
    try:
        with pytest.raises(StorageError, match="the database did not answer"):
            desk.service.run()
    finally:
        postgres.run(f"ALTER DATABASE {name_of(url)} ALLOW_CONNECTIONS true")
    web.pages["lab.example"] = lambda asked: answer(body=rss(1))
    desk.web.now += ingest.LASTS
    assert {row.state for row in desk.run().values()} <= {SourceState.OK, SourceState.QUIET}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_app_on_postgresql_asks_as_one_with_the_others(database, url, open_database, now):
    """A process on a SQLite file is alone, as a rule."""
    busy = answer("429 Too Many Requests", Retry_After="1800")
    server = ScriptedServer(lambda connection, request: connection.sendall(busy))
    for _ in range(2):
        asking = ways(None, lambda: now, open_database(url))
        with pytest.raises(FetchError):
            asking.fetch(FetchRequest(url=server.url(), allow_private=True))
        asking.close()
    server.stop()
    assert len(server.requests) == {"sqlite": 2, "postgresql": 1}[database]


def test_what_is_due_is_claimed_in_parts_and_each_source_once(url, store, open_database, web, monkeypatch):
    """The first has claimed a part and cannot go on; the second takes all else."""
    monkeypatch.setattr(ingest, "_PART", 3)
    names = [f"f{n:02}" for n in range(20)]
    web.pages |= {f"{name}.example": lambda asked: answer(body=rss(1)) for name in names}
    first = Desk(store, web, *map(feed, names), threads=4)
    begun, release = threading.Barrier(4), threading.Event()

    def held_up(request):
        begun.wait(10)
        release.wait(10)
        return first.fetcher.fetch(request)

    rows: list[str] = []
    service = replace(first.service, fetch=held_up)
    waiting = threading.Thread(target=lambda: rows.extend(row.id for row in service.run()))
    waiting.start()
    begun.wait(10)
    with store.reading() as tx:
        assert sum(one.next_at is None for one in sources.all_held(tx)) == 17
    others = Desk(open_database(url), web, *map(feed, names), threads=4).run()
    release.set()
    waiting.join(10)
    assert len(rows) == 3 and sorted([*rows, *others]) == names
    assert sorted(one.host for one in web.log) == [f"{name}.example" for name in names]
