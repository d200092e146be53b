"""Sources at the desk: what is known of each, a dry test, a fetch, and adding one from the web only."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from digest.model.errors import FetchError
from digest.model.feeds import FetchResponse, SourceId, SourceState
from digest.storage import rounds
from digest.storage.rounds import Round
from digest.web.desk import errands
from tests.apps import having
from tests.services.road import SLOT, paper
from tests.web.desk.test_today import HOSTILE, rows

FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Tidal &lt;b&gt;notes</title>
<link>https://tides.example.org/</link>
<item><title>Gauges &lt;script&gt;alert(1)&lt;/script&gt; at dawn</title><link>https://tides.example.org/1</link>
<pubDate>Sun, 03 May 2026 06:00:00 GMT</pubDate></item>
<item><title>Gauges at dusk</title><link>https://tides.example.org/2</link>
<pubDate>Fri, 01 May 2026 06:00:00 GMT</pubDate></item></channel></rss>"""
PLACE = "https://tides.example.org/feed.xml"


class World:
    """What the network answers; ``asked`` are the requests."""

    def __init__(self):
        self.asked = []
        self.answer = FEED
        self.hold = threading.Event()
        self.hold.set()

    def fetch(self, request):
        self.asked.append(request)
        self.hold.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return FetchResponse(url=request.url, status=200, body=self.answer.encode())


@pytest.fixture
def world(road):
    made = World()
    road.app = having(
        road.app,
        discover=replace(road.app.discover, fetch=made.fetch),
        ingest=replace(road.app.ingest, fetch=made.fetch),
    )
    yield made
    made.hold.set()


def held(road):
    return {str(one.source.id): one for one in road.app.sources.known()}


class TestLook:
    def test_the_list_tells_of_sources_that_nobody_fetched_yet(self, desk):
        page = desk.get("/desk/sources").text
        for name in ("hf", "lab", "zoo"):
            assert f'<a href="/desk/sources/{name}">' in page
        assert page.count('class="state new"') == 3

    def test_one_source_shows_its_log_and_its_papers(self, road, desk):
        road.bring(paper(1), paper(2, title=HOSTILE))
        road.app.sources.known()
        with road.app.store.transaction() as tx:
            for place, (state, new) in enumerate([(SourceState.OK, 2), (SourceState.BROKEN, 0)]):
                at = SLOT.replace(minute=place)
                rounds.note(
                    tx, [Round(source_id=SourceId("hf"), at=at, state=state, new=new, fresh=new, detail=HOSTILE)]
                )
        page = desk.get("/desk/sources/hf").text
        assert page.index("05-04 05:01:00") < page.index("05-04 05:00:00")
        assert "Tidal gauges number 1" in page
        assert "<script" not in page
        assert "Remove</button>" not in page  # it stands in the configuration
        assert desk.get("/desk/sources/nothing").status_code == 404
        assert desk.get("/desk/sources/%3Cscript%3E").status_code == 404


class TestTest:
    def test_a_test_shows_what_it_brings_and_stores_nothing(self, road, desk, world):
        road.app.sources.known()
        before = rows(road)
        answer = desk.post("/desk/sources/hf/test")
        assert answer.headers["location"] == "/desk/sources/hf"
        page = desk.get("/desk/sources/hf").text
        assert "2 papers" in page and "Gauges at dusk" in page and "<script" not in page
        assert rows(road) == before
        assert world.asked[0].url == "https://hf.example.org/feed"

    def test_why_it_fails_is_said(self, road, desk, world):
        world.answer = FetchError(f"the server answers {HOSTILE}", where="hf.example.org", try_="ask its keeper")
        desk.post("/desk/sources/lab/test")
        page = desk.get("/desk/sources/lab").text
        assert "hf.example.org: the server answers &lt;script&gt;" in page
        assert "ask its keeper" in page
        assert "ask its keeper" not in desk.get("/desk/sources/zoo").text

    def test_a_fault_of_ours_is_said_and_logged(self, road, desk, world):
        world.answer = RuntimeError("a slip")
        with capture_logs() as logged:
            desk.post("/desk/sources/lab/test")
        assert "it failed unexpectedly (RuntimeError: a slip)" in desk.get("/desk/sources/lab").text
        assert [(one["errand"], one["exc_info"]) for one in logged] == [("test", True)]

    def test_a_session_has_one_look_at_a_time_and_waits_for_a_moment_only(self, road, desk, world, monkeypatch):
        monkeypatch.setattr(errands, "_MOMENT_SECONDS", 0.05)
        world.hold.clear()
        assert "It+takes+a+while" in desk.post("/desk/sources/hf/test").headers["location"]
        assert "on its way" in desk.get("/desk/sources/hf").text
        assert desk.post("/desk/sources/lab/test").status_code == 409
        world.hold.set()
        for _ in range(200):
            if "2 papers" in desk.get("/desk/sources/hf").text:
                break
            time.sleep(0.02)
        assert "2 papers" in desk.get("/desk/sources/hf").text
        assert desk.post("/desk/sources/lab/test").status_code == 303


class TestFetch:
    def test_what_is_new_is_stored(self, road, desk, world):
        answer = desk.post("/desk/sources/hf/fetch")
        assert "hf+is+ok%3A+2+new" in answer.headers["location"]
        assert held(road)["hf"].state is SourceState.OK
        assert "fetch source" in desk.get("/desk/log", about="source hf").text
        assert desk.post("/desk/sources/nothing/fetch").status_code == 404


class TestAdd:
    def look(self, desk, address=PLACE):
        answer = desk.post("/desk/new-source/look", address=address)
        assert answer.status_code == 303, answer.text
        return desk.get("/desk/new-source").text

    def test_a_look_shows_what_it_found_and_a_second_button_stores_it(self, road, desk, world):
        before = rows(road)
        page = self.look(desk)
        assert "2 papers now, the newest of 2026-05-03" in page
        assert "Tidal" in page and "Gauges at dusk" in page and "<script" not in page
        assert rows(road) == before
        answer = desk.post("/desk/new-source", address=PLACE, pick="0", id="tides", every="3h")
        assert answer.headers["location"].startswith("/desk/sources/tides?done=")
        added = held(road)["tides"]
        assert (added.origin, added.source.url, added.source.every.total_seconds()) == ("added", PLACE, 10_800)
        assert (added.source.from_operator, added.source.allow_private) == (False, False)
        assert "Remove</button>" in desk.get("/desk/sources/tides").text
        assert desk.post("/desk/new-source", address=PLACE, pick="0", id="other").status_code == 409

    @pytest.mark.parametrize(
        "address",
        ["file:///etc/passwd", "/etc/passwd", "command:cat /etc/passwd", "imap://mail.example.org/", "maildir:///home"],
    )
    def test_no_file_mailbox_or_program_is_looked_at(self, road, desk, address):
        """With the real ways of asking: what would be opened cannot be."""
        page = self.look(desk, address)
        assert "Nothing to poll was found" in page and "allowed here" in page
        assert "root:" not in page and "Add<span" not in page

    @pytest.mark.parametrize("address", ["http://127.0.0.1:1/feed", "http://[::1]/", "http://169.254.169.254/latest"])
    def test_no_machine_of_the_own_network_is_asked(self, desk, address):
        page = self.look(desk, address)
        assert "Nothing to poll was found" in page and "Add<span" not in page

    def test_what_is_asked_may_name_no_file_and_no_private_address(self, desk, world):
        self.look(desk)
        assert world.asked
        assert all(not one.allow_files and not one.allow_private for one in world.asked)

    def test_what_is_stored_comes_from_the_look_and_not_from_the_form(self, road, desk, world):
        self.look(desk)
        before = set(held(road))
        for fields in (
            {"address": PLACE, "pick": "7"},
            {"address": PLACE, "pick": ""},
            {"address": "https://evil.example/feed", "pick": "0"},
        ):
            answer = desk.post("/desk/new-source", url="file:///etc/passwd", kind="command", **fields)
            assert answer.status_code == 409
            assert f'value="{fields["address"]}"' in answer.text
        assert set(held(road)) == before

    def test_another_session_stores_nothing_of_it(self, road, anybody, desk, world):
        self.look(desk)
        from starlette.testclient import TestClient

        from tests.web.desk.seat import ORIGIN, log_in

        other = log_in(TestClient(anybody.app, base_url=ORIGIN, follow_redirects=False), road)
        assert other.post("/desk/new-source", address=PLACE, pick="0").status_code == 409

    @pytest.mark.parametrize(
        ("fields", "status"), [({"id": "a b"}, 422), ({"every": "often"}, 422), ({"id": "hf"}, 409)]
    )
    def test_a_wrong_name_or_pause_is_said(self, road, desk, world, fields, status):
        self.look(desk)
        answer = desk.post("/desk/new-source", address=PLACE, pick="0", **fields)
        assert answer.status_code == status
        assert set(held(road)) == {"hf", "lab", "zoo"}

    def test_nothing_typed_is_said(self, desk):
        assert desk.post("/desk/new-source/look", address="  ").status_code == 422


class TestRemove:
    def test_an_added_one_is_no_longer_polled(self, road, desk, world):
        TestAdd().look(desk)
        desk.post("/desk/new-source", address=PLACE, pick="0", id="tides")
        answer = desk.post("/desk/sources/tides/remove")
        assert answer.headers["location"].startswith("/desk/sources?done=tides")
        assert "tides" not in held(road)
        assert [one.deed for one in road.app.operators.log(about="source tides")] == ["remove source", "add source"]

    def test_one_of_the_configuration_stays(self, road, desk):
        answer = desk.post("/desk/sources/hf/remove")
        assert answer.status_code == 404
        assert re.search("it stands in the configuration", answer.text)
        assert "hf" in held(road)
        assert desk.post("/desk/sources/%00/remove").status_code == 404
