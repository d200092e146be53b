"""The desk's door: nobody comes in without a password or a link, a form of another site does nothing."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import replace
from datetime import timedelta
from unittest.mock import Mock

import pytest
from starlette.testclient import TestClient

from digest.model.errors import StorageError
from digest.web.application import application
from digest.web.desk.door import place_of
from tests.apps import having
from tests.services.road import paper
from tests.web.desk.seat import ORIGIN, PASSWORD, log_in, password_hash


def enter(client, password=PASSWORD, name="ada", **fields):
    return client.post("/desk/login", data={"name": name, "password": password, **fields})


PLACES_BELOW = (
    "/plots",
    "/digests",
    "/sources",
    "/new-source",
    "/subscribers",
    "/subscribers/import",
    "/suppressions",
    "/papers",
    "/log",
    "/deliveries",
    "/deliveries/1",
    "/silence?digest=daily",
)


async def ask(app, method: str, path: str, body: str = "", peer: str = "198.51.100.1") -> int:
    """The status of an answer, in the loop of the caller."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"digest.example.org"), (b"content-type", b"application/x-www-form-urlencoded")]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode()}
    scope |= {"query_string": b"", "root_path": "", "scheme": "https", "headers": headers, "client": (peer, 1)}
    await app({**scope, "server": ("digest.example.org", 443)}, receive, send)
    return sent[0]["status"]


class TestLoggingIn:
    def test_the_password_opens_the_desk(self, anybody):
        asked = anybody.get("/desk/log?who=ada")
        assert asked.status_code == 303
        assert asked.headers["location"] == "/desk/login?to=/desk/log%3Fwho%3Dada"
        answer = enter(anybody, to="/desk/log?who=ada")
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/log?who=ada")
        cookie = answer.headers["set-cookie"]
        for wanted in ("__Host-desk=", "HttpOnly", "Secure", "SameSite=lax", "Path=/"):
            assert wanted in cookie
        assert "log in" in anybody.get("/desk/log").text

    @pytest.mark.parametrize(
        ("name", "password"),
        [("ada", "wrong"), ("ada", ""), ("bo", ""), ("bo", "AAAA"), ("nobody", PASSWORD), ("", "")],
    )
    def test_nothing_else_does(self, anybody, name, password):
        answer = enter(anybody, password, name)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert anybody.get("/desk/log").status_code == 303

    def test_a_network_may_try_ten_times_and_locks_nobody_out(self, road, anybody, monkeypatch):
        quick = lambda password, line: (password, line) == (PASSWORD, password_hash())  # noqa: E731
        monkeypatch.setattr("digest.services.access.passwords.fits", quick)
        for _ in range(10):
            enter(anybody, "wrong")
        assert enter(anybody).status_code == 403
        elsewhere = TestClient(
            application(lambda: road.app), base_url=ORIGIN, follow_redirects=False, client=("198.51.100.7", 1)
        )
        assert enter(elsewhere).status_code == 303
        road.now += timedelta(minutes=16)
        assert enter(anybody).status_code == 303

    def test_a_link_opens_it_once_and_not_for_who_only_looks(self, road, anybody):
        link = road.app.operators.new_link("bo").removeprefix(ORIGIN)
        for _ in range(3):
            assert anybody.get(link).status_code == 200
            assert anybody.head(link).status_code == 200
        assert anybody.post(link).status_code == 303
        assert anybody.get(link).status_code == 404
        assert anybody.post(link).status_code == 404

    def test_a_link_is_too_old_after_a_quarter_of_an_hour(self, road, anybody):
        link = road.app.operators.new_link("bo").removeprefix(ORIGIN)
        road.now += timedelta(minutes=16)
        assert anybody.get(link).status_code == 404
        assert anybody.post(link).status_code == 404

    @pytest.mark.parametrize(
        "to",
        ["https://evil.example", "//evil.example", "/desk//evil", "/desk\\evil", "/deskx", "/", "/desk/\n", "x" * 999],
    )
    def test_it_leads_nowhere_but_to_the_desk(self, to):
        assert place_of(to) == "/desk"

    def test_without_operators_there_is_no_desk(self, road, anybody):
        road.use({"name": "daily"})
        for path in ("/desk", "/desk/login", "/desk/log", "/desk/enter/x"):
            assert anybody.get(path).status_code == 404
            assert anybody.post(path).status_code in (404, 405)

    def test_a_link_stays_good_where_no_session_could_be_made(self, road, anybody, monkeypatch):
        link = road.app.operators.new_link("bo").removeprefix(ORIGIN)
        with monkeypatch.context() as broken:
            broken.setattr("digest.storage.desk.add_session", Mock(side_effect=StorageError("the disk is full")))
            assert anybody.post(link).status_code == 503
        assert anybody.post(link).status_code == 303

    def test_tries_of_passwords_leave_the_other_pages_their_threads(self, road, anybody, monkeypatch):
        go = threading.Event()
        monkeypatch.setattr("digest.services.access.passwords.fits", lambda password, line: go.wait(60) and False)

        async def enter_and_look() -> list[int]:
            tries = [
                asyncio.create_task(ask(anybody.app, "POST", "/desk/login", f"name=n{n}&password=x", f"10.0.{n}.1"))
                for n in range(45)
            ]
            try:
                await asyncio.sleep(0.1)
                found = await asyncio.wait_for(ask(anybody.app, "GET", "/desk/login"), 15)
            finally:
                go.set()
            return [found, *await asyncio.gather(*tries)]

        assert asyncio.run(enter_and_look()) == [200] + [403] * 45


class TestBehindAPath:
    @pytest.fixture
    def below(self, road):
        """The desk behind a proxy that answers below a path, and takes it away before it asks us."""
        web = {"enabled": False, "public_url": f"{ORIGIN}/mail"}
        road.use({"name": "daily"}, operator=[{"name": "ada", "password_hash": password_hash()}], web=web)
        return TestClient(application(lambda: road.app), base_url=ORIGIN, follow_redirects=False)

    def test_every_link_form_and_redirect_stays_below_it(self, road, below):
        assert below.get("/desk").headers["location"] == "/mail/desk/login?to=/desk"
        assert 'action="/mail/desk/login"' in below.get("/desk/login").text
        assert enter(below, to="/desk/plots").headers["location"] == "/mail/desk/plots"
        link = road.app.operators.new_link("ada").removeprefix(f"{ORIGIN}/mail")
        assert f'action="/mail{link}"' in below.get(link).text
        assert below.post(link).headers["location"] == "/mail/desk"
        assert 'href="/mail/desk/login"' in below.get(link).text
        road.bring(paper(1), paper(2))
        who = road.reader().subscriber_id
        road.publish()
        road.settle("uncertain")
        road.app.sources.known()
        csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', below.get("/desk").text)[1]
        rooms = ("", *PLACES_BELOW, f"/subscribers/{who}", "/digests/daily", "/papers?paper=2605.00001", "/sources/hf")
        for room in rooms:
            page = below.get(f"/desk{room}")
            assert page.status_code == 200, room
            paths = re.findall(r'(?:href|action)="(/[^"]*)"', page.text)
            assert len(paths) > 5 and all(one.startswith("/mail/desk") for one in paths), room
        kept = below.post("/desk/deliveries/1/resolve", data={"csrf": csrf, "as": "lost", "to": "/desk/deliveries"})
        assert kept.headers["location"].startswith("/mail/desk/deliveries?done=")
        assert below.post("/desk/logout", data={"csrf": csrf}).headers["location"] == "/mail/desk/login"


class TestStaying:
    def test_a_session_ends_at_logout(self, road, desk):
        stolen = dict(desk.client.cookies)
        assert desk.post("/desk/logout").status_code == 303
        desk.client.cookies.update(stolen)
        assert desk.get("/desk/log").status_code == 303

    def test_a_session_ends_after_a_week(self, road, desk):
        road.now += timedelta(days=6)
        assert desk.get("/desk/log").status_code == 200
        road.now += timedelta(days=1, minutes=1)
        assert desk.get("/desk/log").status_code == 303

    def test_a_new_password_ends_the_sessions_of_the_old_one(self, road, desk):
        known = tuple(replace(one, password_hash="") for one in road.app.operators.known)
        road.app = having(road.app, operators=replace(road.app.operators, known=known))
        assert desk.get("/desk/log").status_code == 303

    def test_the_command_line_ends_sessions_and_links(self, road, anybody, desk):
        link = road.app.operators.new_link("ada").removeprefix(ORIGIN)
        assert road.app.operators.log_out_everywhere("ada", who="command line") == 1
        assert desk.get("/desk/log").status_code == 303
        assert anybody.post(link).status_code == 404

    def test_no_secret_is_in_the_database(self, road, desk):
        secret = desk.client.cookies["__Host-desk"]
        with road.app.store.reading() as tx:
            from sqlalchemy import select

            from digest.storage.base import metadata

            rows = str([tuple(row) for table in metadata.sorted_tables for row in tx.execute(select(table))])
        assert secret not in rows
        assert password_hash() not in rows


class TestForms:
    def test_a_form_without_the_hidden_field_does_nothing(self, desk):
        for fields in ({}, {"csrf": ""}, {"csrf": "0" * 32}, {"csrf": "ü"}):
            assert desk.client.post("/desk/logout", data=fields).status_code == 403
        assert desk.get("/desk/log").status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}],
    )
    def test_another_sites_form_does_nothing(self, road, anybody, desk, headers):
        answer = desk.client.post("/desk/logout", data={"csrf": desk.csrf}, headers=headers)
        assert answer.status_code == 403
        assert desk.get("/desk/log").status_code == 200
        link = road.app.operators.new_link("bo").removeprefix(ORIGIN)
        assert anybody.post(link, headers=headers).status_code == 404

    def test_one_sessions_field_is_not_anothers(self, road, desk):
        other = TestClient(application(lambda: road.app), base_url=ORIGIN, follow_redirects=False)
        log_in(other, road)
        assert other.post("/desk/logout", data={"csrf": desk.csrf}).status_code == 403


class TestLog:
    def test_it_says_who_did_what_and_can_be_narrowed(self, road, desk):
        for number in range(120):
            road.app.operators.note("ada", "pause source", f"source s{number}", "<b>&")
        first = desk.get("/desk/log").text
        assert "source s119" in first and "source s19<" not in first
        assert "&lt;b&gt;&amp;" in first
        older = desk.get("/desk/log", before=str(road.app.operators.log(limit=100)[-1].id)).text
        assert "source s19<" in older and "source s119" not in older
        assert "source s118" not in desk.get("/desk/log", about="source s119").text
        assert desk.get("/desk/log", who="bo").text.count("<tr>") == 0
        for nonsense in ("x", "-1", "9" * 40, "²"):
            assert desk.get("/desk/log", before=nonsense).status_code == 200
