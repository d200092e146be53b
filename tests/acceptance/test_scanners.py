"""Scanners follow every link of every mail, many at once, again and again, and some run scripts: nothing may change.

Real mails over SMTP, a real server on a socket, a real browser. `python benchmarks/web.py scan` does the same with a
thousand mails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import httpx2
import pytest

from digest.delivery.catchall import CatchAll
from digest.web.application import application
from digest.web.server import WebServer
from tests.acceptance.browser import chromium
from tests.acceptance.scanning import changed, crawled, fetch, kind_of, links_of, mail_of, press, rows
from tests.services.road import Road, paper
from tests.web.sockets import talk

DAILY = {"name": "daily", "title": "Daily", "join": True, "archive": True, "categories": {"cs.CL": 1}}
WEEKLY = {"name": "weekly", "title": "Weekly", "archive": True, "categories": {"cs.CV": 1}}
READERS = 6
#: The kinds of links that our mails have.
KINDS = {"confirm", "feedback", "never", "preferences", "read", "unsubscribe"}


class Place:
    """An installation whose mails have gone out: by address, the links of each."""

    def __init__(self, road: Road, port: int, relay: CatchAll) -> None:
        self.road, self.port, self.relay = road, port, relay
        self.base = f"http://127.0.0.1:{port}"

    @property
    def links(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for one in self.relay.messages:
            said = (*found.get(one.recipient, ()), *links_of(mail_of(one.content), self.base))
            found[one.recipient] = tuple(dict.fromkeys(said))
        return found

    def link(self, address: str, kind: str) -> str:
        return next(path for path in self.links[address] if kind_of(path) == kind)


@pytest.fixture
def place(url, tmp_path) -> Iterator[Place]:
    """Readers of one digest and of two in one mail, strangers who were asked, one who was welcomed, one who lost his
    link."""
    with ExitStack() as end:
        relay = end.enter_context(CatchAll())
        road = Road.open(tmp_path / "home", url, DAILY, WEEKLY)
        server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="web.bind")
        end.callback(lambda: road.app.close())
        end.callback(server.close)
        place = Place(road, server.port, relay)
        road.use(
            DAILY,
            WEEKLY,
            web={"enabled": False, "public_url": place.base},
            smtp={"host": relay.host, "port": relay.port, "security": "none"},
        )
        for number in range(READERS):
            road.reader(f"r{number}@example.org", "daily")
        for name in ("daily", "weekly"):
            road.reader("both@example.org", name, joined=True)
        road.bring(paper(1), paper(2), paper(3), paper(4, categories=("cs.CV",)))
        road.publish()
        end.enter_context(httpx2.Client(base_url=place.base)).get("/health")
        form = {"form": re.search(rb'name="form" value="([^"]+)"', _page(place, "/join/daily"))[1].decode()}
        road.now += timedelta(minutes=1)
        for name in ("asked", "shy", "new"):
            assert press(server.port, "/join/daily", f"email={name}@example.org&form={form['form']}") == 200
        assert press(server.port, "/link", f"email=r0@example.org&form={form['form']}") == 200
        while len(relay.messages) < READERS + 5:  # what the forms ask for is done behind their answers
            road.deliver()
        assert press(server.port, place.link("new@example.org", "confirm"), "") == 200
        road.deliver()
        yield place


def _page(place: Place, path: str) -> bytes:
    return talk(place.port, f"GET {path} HTTP/1.0\r\n\r\n".encode()).body


def test_nothing_changes_whatever_is_followed_and_one_button_changes_exactly_that(place):
    store, links = place.road.app.store, place.links
    every = [path for paths in links.values() for path in paths]
    assert {kind_of(path) for path in every} == KINDS
    assert len(every) > 5 * READERS
    before = rows(store)
    came = fetch(place.port, every)
    assert came.total() == 4 * len(every)
    assert {status for _, _, status in came} == {200}, came
    behind = crawled(place.port, [*links["both@example.org"], *links["asked@example.org"], "/archive", "/join"])
    assert {"archive", "join", "link", "preferences", "unsubscribe"} <= {kind_of(path) for path in behind}
    # Some of them are what a form posts to, and nothing else.
    assert {status for _, _, status in fetch(place.port, behind)} <= {200, 405}
    assert changed(before, rows(store)) == {}
    ours = {
        ("r1@example.org", "unsubscribe"): ("List-Unsubscribe=One-Click", {"subscriptions": (1, 1)}),
        ("both@example.org", "unsubscribe"): ("List-Unsubscribe=One-Click", {"subscriptions": (2, 2)}),
        ("r2@example.org", "feedback"): ("say=less", {"tastes": (0, 1)}),
        ("r3@example.org", "preferences"): (
            "send_at=09:00&timezone=UTC&days=0&layout=titles",
            {"subscriptions": (1, 1)},
        ),
        ("asked@example.org", "confirm"): (
            "",  # the welcome is a row more; what was wished for is done, and its row goes
            {"subscriptions": (1, 1), "wishes": (1, 0), "deliveries": (0, 1)},
        ),
        ("shy@example.org", "never"): ("", {"subscriptions": (1, 1), "suppressions": (0, 1), "wishes": (1, 0)}),
        ("r4@example.org", "read"): ("", {}),
    }
    for (address, kind), (body, expected) in ours.items():
        before = rows(store)
        status = press(place.port, place.link(address, kind), body)
        assert status == (405 if kind == "read" else 200), kind
        assert changed(before, rows(store)) == expected, kind
        if kind in ("unsubscribe", "feedback"):  # the same once more is no more
            before = rows(store)
            assert press(place.port, place.link(address, kind), body) == 200
            assert changed(before, rows(store)) == {}, kind


@pytest.mark.needs_chromium
@pytest.mark.xdist_group("workbench")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_changes_when_a_browser_opens_every_link_and_runs_what_it_finds(place):
    store = place.road.app.store
    people = ("r0@example.org", "both@example.org", "asked@example.org", "new@example.org")
    paths = sorted({path for person in people for path in place.links[person]})
    assert {kind_of(path) for path in paths} == KINDS
    before = rows(store)
    with chromium() as page:
        for path in paths * 2:
            page.open(f"{place.base}{path}")
            page.wait(f"document.readyState == 'complete' && location.pathname == {path.partition('?')[0]!r}")
            assert page.ask("document.querySelector('h1, h2, table') !== null"), path
        assert page.complaints == []
    assert changed(before, rows(store)) == {}
