"""The pages behind a mail's links: a GET changes nothing, one click leaves, tokens open one door, forms are checked."""

from __future__ import annotations

import re
import socket
import threading
import time
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from digest.model.errors import DigestError, StorageError
from digest.model.people import SubscriptionState, SuppressionReason
from digest.services.stamping import CONFIRM, PREFERENCES, TASTE, scoped
from digest.storage.base import metadata
from digest.web.application import application
from digest.web.server import WebServer
from tests.services.road import SLOT, Road, paper

ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def road(url, tmp_path):
    """Two digests at the same hour; one with categories to choose from."""
    both = {"send_at": "07:30", "timezone": "Europe/Berlin"}
    daily = {"name": "daily", "title": "The <Daily> & more", "categories": {"cs.CL": 2, "cs.CV": 1}, **both}
    made = Road.open(tmp_path / "home", url, daily, {"name": "weekly", "title": "Weekly", **both})
    yield made
    made.app.close()


@pytest.fixture
def client(road):
    return TestClient(application(lambda: road.app), raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def ada(road):
    return road.reader(digest="daily")


def everything(road) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with road.app.store.reading() as tx:
        return {table.name: [tuple(row) for row in tx.execute(select(table))] for table in metadata.sorted_tables}


def state(road, subscription) -> SubscriptionState:
    return next(s.state for s in road.app.subscribe.show(subscription.address) if s.id == subscription.id)


def token(road, purpose, subscription, *, day=None) -> str:
    return scoped(purpose, subscription.id, (day or road.now.date()).isoformat(), road.app.keys.links)


def frozen(road) -> str:
    """The key of a mail that was published."""
    road.bring(paper(1))
    road.publish()
    with road.app.store.reading() as tx:
        return tx.execute(select(metadata.tables["messages"].c.key)).scalars().first()


@pytest.mark.parametrize("database", ["sqlite"])
def test_below_a_path_all_forms_and_links_have_that_path(road, client, ada):
    frozen(road)
    daily = {"name": "daily", "send_at": "07:30", "timezone": "Europe/Berlin"}
    road.use(daily, web={"enabled": False, "public_url": "https://x.example/papers"})
    asked, mine = token(road, CONFIRM, ada), token(road, PREFERENCES, ada)
    road.app.tastes.keep(ada.subscriber_id, ["2605.00001"], 1)
    paths = (
        f"/confirm/{asked}",
        f"/never/{asked}",
        f"/feedback/{token(road, TASTE, ada)}/1",
        f"/preferences/{mine}/said",
        f"/data/{mine}",
        "/preferences/dead",
    )
    for path in paths:
        found = re.findall(r'(?:action|href)="(/[^"]*)"', client.get(path).text)
        assert found and all(one.startswith("/papers/") for one in found), path


class TestLooking:
    def test_no_get_or_head_changes_anything_however_often(self, road, client, ada):
        pages = {
            "/health": 200,
            f"/read/{frozen(road)}": 200,
            f"/unsubscribe/{ada.secret}": 200,
            f"/preferences/{token(road, PREFERENCES, ada)}": 200,
            f"/preferences/{token(road, PREFERENCES, ada)}/said": 200,
            f"/preferences/{token(road, PREFERENCES, ada)}/said?forget=all": 200,
            f"/preferences/{token(road, PREFERENCES, ada)}/said.json": 200,
            f"/feedback/{token(road, TASTE, ada)}/1": 200,
            f"/feedback/{token(road, TASTE, ada)}/1?say=less": 200,
            f"/confirm/{token(road, CONFIRM, ada)}": 200,
            f"/never/{token(road, CONFIRM, ada)}": 200,
            f"/unsubscribe/{ada.secret}?digest=daily&List-Unsubscribe=One-Click": 200,
            "/nothing/here": 404,
            "/": 404,
        }
        road.app.tastes.keep(ada.subscriber_id, ["2605.00001"], 1)
        before = everything(road)
        for _ in range(2):
            for path, status in pages.items():
                got, head = client.get(path), client.head(path)
                assert (got.status_code, head.status_code, head.content) == (status, status, b""), path
        assert everything(road) == before

    def test_other_methods_are_refused_and_change_nothing(self, road, client, ada):
        before = everything(road)
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            answer = client.request(method, f"/unsubscribe/{ada.secret}")
            assert (answer.status_code, "<h1>" in answer.text) == (405, True)
        assert everything(road) == before

    def test_a_post_where_only_reading_is_offered_is_refused(self, road, client):
        key = frozen(road)
        assert client.post(f"/read/{key}").status_code == 405
        assert client.post("/health").status_code == 405

    def test_the_strict_headers_are_on_every_answer(self, road, client, ada, monkeypatch):
        def failing(token):
            raise RuntimeError("a fault of ours")

        answers = [
            client.get(f"/unsubscribe/{ada.secret}"),
            client.post(f"/unsubscribe/{ada.secret}", content=ONE_CLICK, headers=FORM),
            client.get("/nothing"),
            client.put("/health"),
            client.post(f"/unsubscribe/{ada.secret}", content=b"x" * 70_000, headers=FORM),
        ]
        monkeypatch.setattr(type(road.app.subscribe), "look_up", lambda self, token: failing(token))
        answers.append(client.get(f"/unsubscribe/{ada.secret}"))
        assert [answer.status_code for answer in answers] == [200, 200, 404, 405, 413, 503]
        for answer in answers:
            assert answer.headers["content-security-policy"].startswith("default-src 'none'"), answer.status_code
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["cache-control"] == "no-store"
            assert "set-cookie" not in answer.headers
            assert "Traceback" not in answer.text
            assert "<script" not in answer.text

    def test_a_database_that_cannot_be_used_is_told_kindly(self, road, client, ada, monkeypatch):
        def locked(self, token):
            raise StorageError("is locked by another program", where="/secret/path/digest.db")

        monkeypatch.setattr(type(road.app.subscribe), "look_up", locked)
        answer = client.get(f"/unsubscribe/{ada.secret}")
        assert (answer.status_code, "try again" in answer.text, "/secret" in answer.text) == (503, True, False)

    def test_the_web_copy_is_the_mailed_html_with_nobodys_tokens(self, road, client, ada):
        key = frozen(road)
        page = client.get(f"/read/{key}").text
        assert "Tidal gauges number 1" in page
        assert ada.secret not in page
        assert ada.address not in page
        assert client.get(f"/read/{'0' * 64}").status_code == 404

    def test_below_the_mail_its_web_copy_lists_the_papers_for_which_it_had_no_room(self, road, client, ada):
        road.narrow(1)
        road.bring(paper(1), paper(2, title="Tidal gauges number 2 and <b>the</b> people"), paper(3))
        road.publish()
        with road.app.store.reading() as tx:
            messages = tx.execute(select(metadata.tables["messages"].c.key)).scalars().all()
        page = client.get(f"/read/{messages[0]}").text
        at = [page.index(f"Tidal gauges number {number} and") for number in (1, 2, 3)]
        assert at == sorted(at)
        assert page.count("<html") == page.count("</html>") == 1
        assert "<b>the</b>" not in page
        assert "https://arxiv.org/abs/2605.00003" in page
        assert ada.secret not in page

    def test_titles_cannot_run(self, road, client, ada):
        page = client.get(f"/unsubscribe/{ada.secret}").text
        assert "The &lt;Daily&gt; &amp; more" in page
        assert "<Daily>" not in page


class TestTokens:
    @pytest.mark.parametrize("page", ["unsubscribe", "preferences", "confirm", "never"])
    def test_a_guess_is_a_dead_link_for_looking_and_for_pressing(self, road, client, ada, page):
        before = everything(road)
        guesses = (
            "x",
            "." * 300,
            "a" * 4000,
            "%00",
            "a%00b",
            "%ff%fe",
            "%F0%9F%98%80",
            "erased:1",
            "'%20OR%201=1--",
            "..%2f",
        )
        for guess in (*guesses, f"{ada.secret}/"):
            assert client.get(f"/{page}/{guess}").status_code == 404, guess
            assert client.post(f"/{page}/{guess}", content=ONE_CLICK, headers=FORM).status_code == 404, guess
        assert everything(road) == before

    def test_strange_keys_of_web_copies_are_dead_links(self, client):
        assert [client.get(f"/read/{key}").status_code for key in ("%00", "x" * 4000, "..%2f", "%ff")] == [404] * 4

    def test_each_token_opens_only_its_own_door(self, road, client, ada):
        change, agree = token(road, PREFERENCES, ada), token(road, CONFIRM, ada)
        for path in (f"/confirm/{change}", f"/never/{change}", f"/preferences/{agree}", f"/unsubscribe/{agree}"):
            assert client.get(path).status_code == 404
            assert client.post(path).status_code == 404
        assert state(road, ada) is SubscriptionState.CONFIRMED

    def test_a_forged_or_altered_token_opens_nothing(self, road, client, ada):
        good = token(road, PREFERENCES, ada)
        for place in range(0, len(good), 5):
            bad = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
            assert client.get(f"/preferences/{bad}").status_code == 404
        strange = scoped(PREFERENCES, ada.id, road.now.date().isoformat(), (b"other",))
        assert client.get(f"/preferences/{strange}").status_code == 404

    def test_a_token_ends_after_its_time(self, road, client, ada):
        change, agree = token(road, PREFERENCES, ada), token(road, CONFIRM, ada)
        road.now += timedelta(days=14)
        assert client.get(f"/confirm/{agree}").status_code == 200
        road.now += timedelta(days=1)
        assert client.get(f"/confirm/{agree}").status_code == client.post(f"/confirm/{agree}").status_code == 404
        road.now += timedelta(days=385)
        assert client.get(f"/preferences/{change}").status_code == 200
        road.now += timedelta(days=1)
        assert client.get(f"/preferences/{change}").status_code == 404

    def test_after_an_erasure_every_link_is_dead(self, road, client, ada):
        links = [
            f"/unsubscribe/{ada.secret}",
            f"/preferences/{token(road, PREFERENCES, ada)}",
            f"/preferences/{token(road, PREFERENCES, ada)}/said",
            f"/feedback/{token(road, TASTE, ada)}/{road.bring(paper(1))[0]}",
            f"/confirm/{token(road, CONFIRM, ada)}",
            f"/never/{token(road, CONFIRM, ada)}",
        ]
        road.app.subscribe.erase(ada.address)
        assert [client.get(link).status_code for link in links] == [404] * 6
        assert [client.post(link, data={"say": "more"}).status_code for link in links] == [404] * 6


class TestSaying:
    """More or less like this, by the link below a paper."""

    @pytest.fixture
    def link(self, road, ada):
        (row,) = road.bring(paper(1, title="Tides & <gauges> of the north"))
        return f"/feedback/{token(road, TASTE, ada)}/{row}"

    def said(self, road, ada):
        return [(one.work, one.value, one.day) for one in road.app.tastes.said_by(ada.subscriber_id)]

    def test_only_a_button_says_something_and_the_newest_word_counts(self, road, client, ada, link):
        asked = client.get(link)
        assert (asked.status_code, self.said(road, ada)) == (200, [])
        assert '<h1 dir="auto">Tides &amp; &lt;gauges&gt; of the north</h1>' in asked.text
        kept = client.post(link, data={"say": "more"})
        assert (kept.status_code, "Kept: <b>more papers like this</b>" in kept.text) == (200, True)
        assert self.said(road, ada) == [("arxiv:2605.00001", 1, SLOT.date())]
        assert "Kept: <b>fewer papers like this</b>" in client.post(link, data={"say": "less"}).text
        assert "You said: <b>fewer papers like this</b>" in client.get(link).text
        assert self.said(road, ada) == [("arxiv:2605.00001", -1, SLOT.date())]
        for _ in range(2):
            assert "Taken back" in client.post(link, data={"say": "nothing"}).text
        assert self.said(road, ada) == []

    def test_one_click_of_a_mail_program_or_a_button_that_is_not_ours_says_nothing(self, road, client, ada, link):
        for body in (ONE_CLICK, "", "say=", "say=1", "say=more%00", "more=say", "say=nothing&say=more"):
            assert client.post(link, content=body, headers=FORM).status_code == 200
        assert self.said(road, ada) == []

    def test_every_answer_has_the_strict_headers_and_no_cookie(self, client, link):
        for answer in (client.get(link), client.post(link, data={"say": "more"}), client.get("/feedback/x/1")):
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert answer.headers["cache-control"] == "no-store"
            assert not {"set-cookie", "location"} & set(answer.headers)

    def test_a_link_that_is_forged_too_old_or_of_another_purpose_is_answered_alike(self, road, client, ada, link):
        row = link.rpartition("/")[2]
        old = token(road, TASTE, ada, day=road.now.date() - timedelta(days=401))
        links = [
            f"/feedback/{token(road, PREFERENCES, ada)}/{row}",
            f"/feedback/{old}/{row}",
            f"/feedback/{ada.secret}/{row}",
            f"/feedback/preview/{row}",
            f"/feedback/{token(road, TASTE, ada)}/999999",
            f"/feedback/{token(road, TASTE, ada)}/x",
        ]
        answers = [client.get(one) for one in links] + [client.post(one, data={"say": "more"}) for one in links]
        assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
        assert "newest mail" in answers[0].text
        assert self.said(road, ada) == []

    def test_the_link_opens_neither_the_preferences_nor_what_was_said(self, road, client, ada, link):
        mine = link.split("/")[2]
        for path in (f"/preferences/{mine}", f"/preferences/{mine}/said", f"/preferences/{mine}/said.json"):
            assert client.get(path).status_code == 404
        assert client.post(f"/preferences/{mine}/said", data={"forget": "all"}).status_code == 404

    def test_what_was_said_is_listed_taken_back_carried_off_and_forgotten(self, road, client, ada, link):
        mine = f"/preferences/{token(road, PREFERENCES, ada)}"
        assert f'href="{mine}/said"' in client.get(mine).text
        assert "Nothing is kept." in client.get(f"{mine}/said").text
        road.bring(paper(2), paper(3))
        road.app.tastes.keep(ada.subscriber_id, ["2605.00001", "2605.00002", "2605.00003"], 1)
        page = client.get(f"{mine}/said").text
        assert "Bo Writer" in page and "come higher for you" in page
        assert "Tides &amp; &lt;gauges&gt; of the north" in page and "More like this, said on 2026-05-04" in page
        for _ in range(2):
            answer = client.post(f"{mine}/said", data={"undo": "arxiv:2605.00002"})
            assert (answer.status_code, "number 2" in answer.text, "number 3" in answer.text) == (200, False, True)
        carried = client.get(f"{mine}/said.json")
        assert carried.json() == road.app.tastes.export(ada.subscriber_id)
        assert [one["id"] for one in carried.json()["tastes"]] == ["arxiv:2605.00003", "arxiv:2605.00001"]
        assert carried.headers["cache-control"] == "no-store"
        assert client.post(f"{mine}/said", data={}).status_code == 200
        assert len(self.said(road, ada)) == 2
        assert "Nothing is kept." in client.post(f"{mine}/said", data={"forget": "all"}).text
        assert self.said(road, ada) == []


class TestConfirming:
    @pytest.fixture
    def pending(self, road):
        return road.app.subscribe.add("bo@example.org", "daily", state=SubscriptionState.PENDING)

    def test_only_the_button_confirms(self, road, client, pending):
        link = f"/confirm/{token(road, CONFIRM, pending)}"
        assert client.get(link).status_code == 200
        assert state(road, pending) is SubscriptionState.PENDING
        assert "You are subscribed" in client.post(link).text
        assert state(road, pending) is SubscriptionState.CONFIRMED

    def test_never_mail_me_suppresses_the_address(self, road, client, pending):
        link = token(road, CONFIRM, pending)
        assert client.get(f"/never/{link}").status_code == 200
        assert road.app.subscribe.suppressions() == ()
        assert client.post(f"/never/{link}").status_code == 200
        (listed,) = road.app.subscribe.suppressions()
        assert (listed.address, listed.reason) == ("bo@example.org", SuppressionReason.REQUEST)
        assert state(road, pending) is SubscriptionState.UNSUBSCRIBED

    def test_who_said_never_is_not_told_to_be_subscribed(self, road, client, pending):
        link = token(road, CONFIRM, pending)
        client.post(f"/never/{link}")
        assert client.post(f"/confirm/{link}").status_code == 404
        assert state(road, pending) is SubscriptionState.UNSUBSCRIBED


class TestTheServer:
    """Over a real socket, as the daemon runs it."""

    @pytest.fixture
    def database(self):
        return "sqlite"

    @pytest.fixture
    def base(self, road):
        server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="web.bind")
        yield f"http://127.0.0.1:{server.port}"
        server.close()

    def test_it_answers_and_leaves_and_says_nothing_of_itself(self, road, base, ada):
        with httpx2.Client(base_url=base, trust_env=False, transport=httpx2.HTTPTransport(retries=20)) as web:
            assert web.get("/health").text == "ok\n"
            answer = web.post(f"/unsubscribe/{ada.secret}", content=ONE_CLICK, headers=FORM)
        assert (answer.status_code, state(road, ada)) == (200, SubscriptionState.UNSUBSCRIBED)
        assert "server" not in answer.headers
        assert answer.headers["x-frame-options"] == "DENY"

    def test_a_request_that_is_no_http_and_one_that_never_ends_harm_nobody(self, base, ada):
        host, port = base.removeprefix("http://").split(":")
        wait_for(int(port))
        rude = [socket.create_connection((host, int(port))) for _ in range(2)]
        rude[0].sendall(b"\x16\x03\x01 not http\r\n\r\n")
        rude[1].sendall(b"POST /unsubscribe/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert httpx2.get(f"{base}/health", trust_env=False).status_code == 200
        for sock in rude:
            sock.close()

    def test_clicks_beside_a_running_send_are_answered_quickly(self, road, base):
        readers = [road.reader(f"r{n}@example.org", "daily") for n in range(60)]
        road.bring(paper(1))
        road.publish()
        wait_for(int(base.rsplit(":", 1)[1]))
        send = threading.Thread(target=road.deliver)
        slowest = 0.0
        with httpx2.Client(base_url=base, trust_env=False) as web:
            send.start()
            for reader in readers[-10:]:
                started = time.monotonic()
                assert web.post(f"/unsubscribe/{reader.secret}", content=ONE_CLICK, headers=FORM).status_code == 200
                slowest = max(slowest, time.monotonic() - started)
        send.join(30)
        assert slowest < 3
        assert {held for _, _, held in road.rows()} <= {"accepted", "suppressed"}

    def test_a_port_that_is_taken_is_told_at_the_start(self, road, base):
        port = int(base.rsplit(":", 1)[1])
        wait_for(port)
        with pytest.raises(DigestError, match="cannot listen there") as told:
            WebServer(application(lambda: road.app), f"127.0.0.1:{port}", option="web.bind")
        assert told.value.where == f"web.bind 127.0.0.1:{port}"


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
