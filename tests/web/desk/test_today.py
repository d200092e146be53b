"""Today: what wants a word stands first, the buttons do what `digest deliveries` does, and looking changes nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from digest.services.ports import Work
from digest.storage import meta
from digest.storage.base import metadata
from digest.storage.deliveries import deliveries
from digest.storage.sources import sources
from digest.web.application import application
from digest.web.figures import Job, Pulse
from tests.apps import having
from tests.services.road import SLOT, paper
from tests.web.desk.seat import ORIGIN, log_in

HOSTILE = "<script>alert(1)</script>&\"'"


def rows(road):
    """The whole database but the log of deeds."""
    with road.app.store.reading() as tx:
        return {
            table.name: tx.execute(select(table)).all() for table in metadata.sorted_tables if table.name != "deeds"
        }


def change(road, table, **values):
    with road.app.store.transaction() as tx:
        tx.execute(update(table).values(values))


@pytest.fixture
def sent(road):
    """A slot of three readers: one mail accepted, one uncertain, one deferred."""
    road.bring(paper(1), paper(2))
    for name in ("ada", "bo", "cy"):
        road.reader(f"{name}@example.org")
    road.publish()
    for name, state in (("ada", "accepted"), ("bo", "uncertain")):
        road.settle(state, f"{name}@example.org")
    with road.app.store.transaction() as tx:
        waits = deliveries.c.address == "cy@example.org"
        tx.execute(update(deliveries).where(waits).values(state="deferred", code=451, remote=HOSTILE))
    return road


class TestLook:
    def test_an_empty_installation_goes_by_itself(self, desk):
        page = desk.get("/desk").text
        assert "Everything goes by itself." in page
        assert "Nobody." in page

    def test_it_tells_how_each_send_stands(self, sent, desk):
        page = desk.get("/desk").text
        assert re.search(r'<progress max="3" value="2"', page)
        assert "67 % done, since 05:31" in page
        assert "2026-05-04, 05:30 UTC" in page and "2026-05-05, 05:30 UTC" in page
        assert "1 mail may have arrived or not" in page

    def test_what_others_said_is_text(self, sent, desk):
        sent.app.sources.known()
        change(sent, sources, title=HOSTILE, detail=HOSTILE, state="broken", failures=3)
        sent.now += timedelta(minutes=2)
        for path in ("/desk", "/desk/deliveries?state=deferred", "/desk/sources"):
            page = desk.client.get(path).text
            assert "<script" not in page
            assert "&lt;script&gt;" in page

    def test_what_wants_a_word_is_named(self, road, desk):
        road.app.ledger.pause("weekly")
        with road.app.store.transaction() as tx:
            meta.put(tx, meta.RESTORED, "yes")
        road.app.sources.known()
        with road.app.store.transaction() as tx:
            tx.execute(
                update(sources).where(sources.c.id == "lab").values(state="broken", failures=4, detail="HTTP 500")
            )
        page = desk.get("/desk").text
        for said in ("restored backup", "Sending of weekly is paused", "lab is broken, 4 times in a row: HTTP 500"):
            assert said in page

    def test_the_daemon_is_told_where_it_is_known(self, road, anybody, desk):
        assert "It runs apart from these pages." in desk.get("/desk").text
        late = Job(name="look", ended_at=road.now - timedelta(minutes=40), failures=2)
        jobs = (late, Job(name="send"), Job(name="tidy"))
        pulse = Pulse(started_at=road.now - timedelta(days=1), jobs=jobs, refused_since=SLOT)
        client = TestClient(application(lambda: road.app, lambda: pulse), base_url=ORIGIN, follow_redirects=False)
        page = log_in(client, road).get("/desk").text
        assert "The job look has not come to an end since 2026-05-04 04:51 UTC." in page
        assert "The job tidy has not come to an end since the daemon started." in page
        assert "The job send" not in page
        assert "No mail server takes anything since 2026-05-04 05:30 UTC" in page

    def test_looking_changes_nothing(self, sent, desk):
        sent.app.sources.known()
        before = rows(sent)
        for path in (
            "/desk",
            "/desk/plots",
            "/desk/deliveries",
            "/desk/deliveries/1",
            "/desk/sources",
            "/desk/sources/hf",
            "/desk/new-source",
            "/desk/silence?digest=daily",
        ):
            assert desk.client.get(path).status_code == 200, path
        assert rows(sent) == before

    def test_nobody_else_sees_it(self, sent, anybody):
        for path in ("/desk", "/desk/plots", "/desk/deliveries", "/desk/sources", "/desk/silence?digest=daily"):
            assert anybody.get(path).status_code == 303
        for path in ("/desk/sending/pause", "/desk/deliveries/2/retry", "/desk/deliveries/2/resolve"):
            assert anybody.post(path, data={"digest": "daily", "as": "lost"}).status_code == 303
        assert not sent.app.ledger.still_paused()

    def test_what_was_counted_is_kept_for_some_seconds_but_not_beyond_a_deed(self, sent, desk):
        looks = []
        real = sent.app.overview

        class Counting:
            def look(self):
                looks.append(1)
                return real.look()

        sent.app = having(sent.app, overview=Counting())
        for _ in range(3):
            desk.get("/desk")
        assert len(looks) == 1
        desk.post("/desk/sending/pause", digest="daily")
        assert "Sending of daily is paused" in desk.get("/desk").text
        sent.now += timedelta(seconds=6)
        desk.get("/desk")  # answered by what is there, which is then made anew
        assert len(looks) == 3


class TestDeeds:
    def test_whatever_is_decided_at_the_desk_is_seen_at_once(self, sent, desk):
        assert "dora@example.org" not in desk.get("/desk").text
        desk.post("/desk/suppressions/add", address="dora@example.org", reason="operator")
        assert "dora@example.org" in desk.get("/desk").text

    def test_an_operator_says_what_became_of_an_uncertain_mail(self, sent, desk):
        page = desk.get("/desk").text
        path = re.search(r'action="(/desk/deliveries/\d+/resolve)"', page)[1]
        answer = desk.post(path, **{"as": "accepted", "to": "/desk"})
        assert answer.headers["location"].startswith("/desk?done=Delivery+2+counts+as+sent")
        assert ("bo@example.org", "daily", "accepted") in sent.rows()
        assert "resolve as accepted" in desk.get("/desk/log").text
        again = desk.post(path, **{"as": "lost"})
        assert again.status_code == 409 and "not uncertain" in again.text

    def test_a_deferred_mail_is_tried_again(self, sent, desk):
        answer = desk.post("/desk/deliveries/3/retry", to="/desk/deliveries?state=deferred&done=old")
        assert answer.headers["location"] == "/desk/deliveries?state=deferred&done=Delivery+3+is+due+now."
        assert ("cy@example.org", "daily", "queued") in sent.rows()

    def test_a_send_is_paused_and_resumed(self, sent, desk):
        assert (
            desk.post("/desk/sending/pause", digest="daily", to="https://evil.example/")
            .headers["location"]
            .startswith("/desk?")
        )
        assert sent.app.ledger.still_paused() == ("daily",)
        assert ">Resume<" in desk.get("/desk").text
        desk.post("/desk/sending/resume", digest="daily")
        assert sent.app.ledger.still_paused() == ()
        assert [one.deed for one in sent.app.operators.log(about="digest daily")] == ["resume sending", "pause sending"]

    @pytest.mark.parametrize(
        ("path", "fields", "status"),
        [
            ("/desk/deliveries/999/retry", {}, 404),
            ("/desk/deliveries/x/retry", {}, 404),
            ("/desk/deliveries/2/resolve", {"as": "burnt"}, 422),
            ("/desk/deliveries/1/retry", {}, 409),
            ("/desk/sending/pause", {"digest": "nothing"}, 422),
            ("/desk/sending/pause", {}, 422),
        ],
    )
    def test_what_cannot_be_done_is_said(self, sent, desk, path, fields, status):
        before = rows(sent)
        assert desk.post(path, **fields).status_code == status
        assert rows(sent) == before


class TestMails:
    def test_they_are_listed_by_state_page_by_page(self, sent, desk):
        assert "bo@example.org" in desk.get("/desk/deliveries").text
        page = desk.get("/desk/deliveries", state="deferred", digest="daily").text
        assert "cy@example.org" in page and "bo@example.org" not in page
        assert desk.get("/desk/deliveries", state="burnt").status_code == 422
        assert desk.get("/desk/deliveries", state="deferred", after="3").text.count("<tr>") == 0

    def test_all_that_is_known_of_one_is_shown(self, sent, desk):
        page = desk.get("/desk/deliveries/2").text
        assert "bo@example.org" in page and "Message-ID" in page and "It arrived" in page
        assert desk.get("/desk/deliveries/77").status_code == 404

    def test_a_silence_is_told_source_by_source(self, sent, desk):
        sent.app.sources.known()
        page = desk.get("/desk/silence", digest="daily", on="2026-05-04").text
        assert "Source by source" in page and "/desk/sources/hf" in page
        assert desk.get("/desk/silence", digest="daily", on="soon").status_code == 422


def test_what_is_wrong_with_a_fleet_stands_there_and_at_the_machines(road, desk):
    assert "One machine does all of it" in desk.get("/desk/machines").text
    replace(road.app.crew, holder=f"{HOSTILE}:1:1", ahead=lambda: 61.0).sign((Work.DELIVER,), road.now)
    today, machines = desk.get("/desk").text, desk.get("/desk/machines").text
    for page in (today, machines):
        assert "No worker does publish" in page
        assert "is 61 s ahead" in page
        assert HOSTILE not in page
    assert 'href="/desk/machines"' in today
