"""The life of a reader from the form to the next edition: real sockets, a real relay, and a real browser without
scripts."""

from __future__ import annotations

import email
import email.policy
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage

import httpx2
import pytest

from digest.delivery.catchall import CatchAll
from digest.model.people import SubscriptionState
from digest.services.readers.admission import MOST_OF_A_NETWORK
from digest.web.application import application
from digest.web.server import WebServer
from tests.acceptance.browser import chromium
from tests.apps import having
from tests.services.road import DAY, SLOT, Road, in_mail, paper
from tests.web.test_pages import everything

ADA = "ada@example.org"
OPEN = {"name": "daily", "title": "The Daily", "join": True, "categories": {"cs.CL": 1, "cs.CV": 1}}


class Place:
    """An installation that listens on a socket and sends to a relay beside it."""

    def __init__(self, road: Road, base: str, relay: CatchAll) -> None:
        self.road, self.base, self.relay = road, base, relay

    def mail(self, number: int) -> EmailMessage:
        """The mail of this number that Ada gets, once all that is planned has gone."""
        end = time.monotonic() + 20
        while True:  # what the form asks for is done behind its answer
            self.road.deliver()
            mine = [one for one in self.relay.messages if one.recipient == ADA]
            if len(mine) >= number:
                return email.message_from_bytes(mine[number - 1].content, policy=email.policy.default)
            assert time.monotonic() < end, "no mail came"
            time.sleep(0.05)

    def link(self, mail: EmailMessage, page: str) -> str:
        return re.search(rf"{self.base}/{page}/\S+", mail.get_body(("plain",)).get_content())[0]


@pytest.fixture
def place(url, tmp_path) -> Iterator[Place]:
    with ExitStack() as end:
        relay = end.enter_context(CatchAll())
        road = Road.open(tmp_path / "home", url, OPEN)
        server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="web.bind")
        end.callback(lambda: road.app.close())
        end.callback(server.close)
        base = f"http://127.0.0.1:{server.port}"
        road.use(
            OPEN,
            web={"enabled": False, "public_url": base},
            smtp={"host": relay.host, "port": relay.port, "security": "none"},
        )
        road.bring(paper(1), paper(2))
        road.publish()
        yield Place(road, base, relay)


def test_from_the_form_to_the_next_edition(place):
    road = place.road
    with httpx2.Client(base_url=place.base) as reader:
        page = reader.get("/join/daily").text
        assert "Tidal gauges number 1" in page
        token = re.search(r'name="form" value="([^"]+)"', page)[1]
        road.now += timedelta(minutes=5)
        answer = reader.post("/join/daily", data={"email": ADA, "form": token})
        assert (answer.status_code, "Please look into your inbox" in answer.text) == (200, True)
        question = place.mail(1)
        link = place.link(question, "confirm")
        before = everything(road)
        assert [reader.get(link).status_code for _ in range(3)] == [200] * 3
        assert reader.head(link).status_code == 200
        assert everything(road) == before, "a scanner that follows the link says no yes"
        assert [reader.post(link).status_code for _ in range(2)] == [200, 200]
        welcome = place.mail(2)
        assert (str(welcome["Subject"]), in_mail(welcome)) == ("Welcome to The Daily", [1, 2])
        assert "every day at 07:30 (Europe/Berlin)" in " ".join(welcome.get_body(("plain",)).get_content().split())
        assert reader.get(place.link(welcome, "unsubscribe")).status_code == 200
        road.bring(paper(3), at=SLOT + timedelta(hours=5))
        road.now = SLOT + DAY + timedelta(minutes=1)
        road.publish()
        assert in_mail(place.mail(3)) == [3]
        road.deliver()
        assert len(place.relay.messages) == 3


def test_a_bomber_at_one_socket_gets_a_few_mails_out_and_leaves_the_page_usable(place):
    """Everybody behind one proxy that names no one is one network, too."""
    road = place.road
    with httpx2.Client(base_url=place.base, timeout=60) as bomber, ThreadPoolExecutor(8) as hands:
        token = re.search(r'name="form" value="([^"]+)"', bomber.get("/join/daily").text)[1]
        road.now += timedelta(minutes=5)

        def throw(number: int) -> int:
            said = {"email": f"victim{number}@example.org", "form": token}
            return bomber.post("/join/daily", data=said).status_code

        answers = [hands.submit(throw, number) for number in range(150)]
        assert bomber.get("/join/daily").status_code == 200
        statuses = [answer.result() for answer in answers]
    assert set(statuses) == {200, 429}
    end = time.monotonic() + 20
    while len(road.rows()) < MOST_OF_A_NETWORK and time.monotonic() < end:
        time.sleep(0.05)
    assert len(road.rows()) == MOST_OF_A_NETWORK


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_server_that_ends_keeps_what_it_promised(place, monkeypatch):
    """Who was told to look into the inbox gets the mail, however short the time that answers are given."""
    monkeypatch.setattr("digest.web.server._GRACE", 0.1)
    road, goes_on = place.road, threading.Event()
    admission = road.app.admission

    def slow(*given):
        goes_on.wait(10)
        return admission.print_letter(*given)

    road.app = having(road.app, admission=replace(admission, print_letter=slow))
    server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="web.bind")
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}") as reader:
        token = re.search(r'name="form" value="([^"]+)"', reader.get("/join/daily").text)[1]
        road.now += timedelta(minutes=5)
        for name in ("one", "two", "three"):
            assert reader.post("/join/daily", data={"email": f"{name}@example.org", "form": token}).status_code == 200
        threading.Timer(0.5, goes_on.set).start()
        server.close()
    assert sorted(address for address, _, _ in road.rows()) == [
        "one@example.org",
        "three@example.org",
        "two@example.org",
    ]


@pytest.mark.needs_chromium
@pytest.mark.xdist_group("workbench")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_form_in_a_browser_without_scripts_on_a_phone_by_the_keyboard(place):
    road = place.road
    with chromium() as page:
        page.scripts(on=False)
        page.size(320, 640)
        page.open(f"{place.base}/join/daily")
        page.wait("document.querySelector('summary') !== null && document.readyState == 'complete'")
        assert page.ask("document.documentElement.scrollWidth") == 320
        page.ask("document.querySelector('#email').focus()")
        page.type("ada@example")
        road.now += timedelta(minutes=1)
        page.press("Enter")
        page.wait("document.querySelector('#wrong-email') !== null")
        assert page.ask("document.querySelector('#email').value") == "ada@example"
        assert page.ask("document.querySelector('#email').getAttribute('aria-describedby')") == "wrong-email"
        page.ask("document.querySelector('summary').focus()")
        page.press("Enter")
        page.wait("document.querySelector('details').open")
        assert page.ask("document.documentElement.scrollWidth") == 320
        page.ask("document.querySelector('#topics').focus()")
        page.type("tidal gauges")
        page.ask("document.querySelector('#email').select()")
        page.type(ADA)
        road.now += timedelta(minutes=1)
        page.press("Enter")
        page.wait("document.querySelector('h1').innerText == 'Please look into your inbox'")
        page.open(place.link(place.mail(1), "confirm"))
        page.wait("document.querySelector('h1').innerText == 'Please confirm'")
        page.ask("document.querySelector('button').focus()")
        page.press("Enter")
        page.wait("document.querySelector('h1').innerText == 'You are subscribed'")
        assert page.complaints == [
            "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"
        ]
    (held,) = road.app.subscribe.show(ADA)
    assert (held.state, held.preferences) == (SubscriptionState.CONFIRMED, {"topics": ["tidal gauges"]})
    assert str(place.mail(2)["Subject"]) == "Welcome to The Daily"
