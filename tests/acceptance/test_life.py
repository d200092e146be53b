"""The whole life of a subscriber in a real browser, from the form to being forgotten; every mail comes over SMTP.

On a phone without scripts, all of it by the keyboard; on a desktop by the mouse.
"""

from __future__ import annotations

import email
import email.policy
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from email.message import EmailMessage

import pytest

from digest.delivery.catchall import CatchAll
from digest.model.errors import NotFound
from digest.model.people import SubscriptionState
from digest.web.application import application
from digest.web.server import WebServer
from tests.acceptance.browser import Browser, chromium
from tests.services.road import DAY, SLOT, Road, in_mail, paper
from tests.web.test_pages import everything

pytestmark = [pytest.mark.needs_chromium, pytest.mark.xdist_group("life")]

ADA = "ada@example.org"
DAILY = {"name": "daily", "title": "The Daily", "join": True, "categories": {"cs.CL": 1, "cs.CV": 1}}
_MOST_TABS = 90


class Life:
    """A reader before a browser, beside an installation with a relay."""

    def __init__(self, road: Road, base: str, relay: CatchAll, page: Browser, *, by_keyboard: bool) -> None:
        self.road, self.base, self.relay, self.page, self.by_keyboard = road, base, relay, page, by_keyboard

    def mail(self, number: int) -> EmailMessage:
        """The mail of this number that Ada gets, once all that is planned has gone."""
        end = time.monotonic() + 20
        while True:  # what a form asks for is done behind its answer
            self.road.deliver()
            mine = [one for one in self.relay.messages if one.recipient == ADA]
            if len(mine) >= number:
                return email.message_from_bytes(mine[number - 1].content, policy=email.policy.default)
            assert time.monotonic() < end, f"only {len(mine)} mails came"
            time.sleep(0.05)

    def follow(self, mail: EmailMessage, place: str) -> None:
        """Opens a link of a mail, and looks: nothing is changed by that."""
        text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        link = re.search(rf"{re.escape(self.base)}/{place}/[^\s>)]+", text)
        assert link, text
        self.open(link[0])

    def open(self, url: str) -> None:
        before = everything(self.road)
        self.page.ask("document.documentElement.dataset.old = 'yes'")
        self.page.open(url)
        self.page.wait("document.readyState == 'complete' && !document.documentElement.dataset.old")
        assert everything(self.road) == before
        self.is_whole()

    def is_whole(self) -> None:
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not self.page.ask(too_wide), self.page.ask("document.title")

    def go_to(self, wanted: str) -> None:
        """The focus to the first element for which ``wanted``, an expression of ``it``, is true."""
        find = f"[...document.querySelectorAll('a,button,input,textarea,select,summary')].find(it => {wanted})"
        assert self.page.ask(f"!!{find}"), f"{wanted} in {self.page.ask('document.body.innerText')}"
        if not self.by_keyboard:
            self.page.click(f"{find}")
            return
        self.page.ask("document.activeElement.blur()")
        for _ in range(_MOST_TABS):
            self.page.press("Tab")
            if self.page.ask(f"document.activeElement === {find}"):
                shown = "getComputedStyle(document.activeElement).outlineStyle"
                assert self.page.ask(shown) != "none", f"{wanted} does not show that it has the focus"
                return
        raise AssertionError(f"the keyboard does not reach {wanted}")

    def write(self, name: str, text: str) -> None:
        self.go_to(f"it.name == {json.dumps(name)}")
        self.page.ask("document.activeElement.select?.()")
        self.page.type(text)

    def press(self, text: str, heading: str) -> None:
        """A button or a link, and the page that answers."""
        self.page.ask("document.documentElement.dataset.old = 'yes'")
        self.go_to(f"it.innerText.trim() == {json.dumps(text)}")
        if self.by_keyboard:
            self.page.press("Enter")
        self.arrives(heading)

    def arrives(self, heading: str) -> None:
        said = f"document.querySelector('h1').innerText == {json.dumps(heading)}"
        self.page.wait(f"document.readyState == 'complete' && !document.documentElement.dataset.old && {said}")
        self.is_whole()


@pytest.fixture(params=["phone, keyboard, no scripts", "desktop, mouse"])
def life(request, tmp_path) -> Iterator[Life]:
    with ExitStack() as end:
        relay = end.enter_context(CatchAll())
        road = Road.open(tmp_path / "home", f"sqlite:///{tmp_path}/digest.db", DAILY)
        end.callback(lambda: road.app.close())
        server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="web.bind")
        end.callback(server.close)
        base = f"http://127.0.0.1:{server.port}"
        road.use(
            DAILY,
            web={"enabled": False, "public_url": base},
            smtp={"host": relay.host, "port": relay.port, "security": "none"},
        )
        road.bring(paper(1), paper(2))
        road.publish()
        page = end.enter_context(chromium())
        on_phone = str(request.param).startswith("phone")
        page.scripts(on=not on_phone)
        page.size(*((375, 700) if on_phone else (1200, 900)), dark=on_phone)
        yield Life(road, base, relay, page, by_keyboard=on_phone)


def test_from_the_form_to_being_forgotten(life):
    road = life.road
    joins(life)
    chooses_and_looks(life)
    road.bring(
        paper(3, title="Tidal gauges number 3 and their tea", categories=("cs.CL",)), at=SLOT + timedelta(hours=5)
    )
    road.bring(paper(4), at=SLOT + timedelta(hours=5))
    road.now = SLOT + DAY + timedelta(minutes=1)
    road.publish()
    edition = life.mail(3)
    assert in_mail(edition) == [4], "what was muted does not come"
    says_a_word_and_takes_it_back(life, edition)
    pauses_leaves_and_returns(life, edition)
    sees_and_erases(life, edition)
    complaints = [one for one in life.page.complaints if "favicon" not in one]
    assert complaints == []


def joins(life: Life) -> None:
    life.open(f"{life.base}/join/daily")
    life.road.now += timedelta(minutes=1)
    life.write("email", ADA)
    life.press(life.page.ask("document.querySelector('form button').innerText.trim()"), "Please look into your inbox")
    life.follow(life.mail(1), "confirm")
    life.press(life.page.ask("document.querySelector('form button').innerText.trim()"), "You are subscribed")
    assert in_mail(life.mail(2)) == [1, 2]


def chooses_and_looks(life: Life) -> None:
    life.follow(life.mail(2), "preferences")
    life.road.bring(paper(5, title="Tidal gauges number 5 and their tea"))
    summary = "What you never want to see"
    life.go_to(f"it.innerText.trim() == {json.dumps(summary)}")
    if life.by_keyboard:
        life.page.press("Enter")
    life.page.wait("document.querySelector('[name=mute-keywords]').closest('details').open")
    life.write("mute-keywords", "their tea")
    before = everything(life.road)
    life.press("Show my next mail", "The Daily")
    life.page.wait("!!document.querySelector('iframe.mail, #next .note')")
    assert everything(life.road) == before, "looking saves nothing"
    assert life.page.ask("document.querySelector('[name=mute-keywords]').value") == "their tea"
    life.press("Save", "Saved")
    (held,) = life.road.app.subscribe.show(ADA)
    assert held.preferences["mute"] == {"keywords": ["their tea"]}


def says_a_word_and_takes_it_back(life: Life, edition: EmailMessage) -> None:
    (held,) = life.road.app.subscribe.show(ADA)
    said = life.road.app.tastes.said_by
    life.follow(edition, "feedback")
    heading = life.page.ask("document.querySelector('h1').innerText")
    life.press("More like this", heading)
    assert [one.value for one in said(held.subscriber_id)] == [1]
    life.press("Undo", heading)
    assert said(held.subscriber_id) == ()


def pauses_leaves_and_returns(life: Life, edition: EmailMessage) -> None:
    def now() -> tuple[SubscriptionState, bool]:
        (held,) = life.road.app.subscribe.show(ADA)
        return held.state, held.is_paused(life.road.now.date())

    life.follow(edition, "unsubscribe")
    life.press("For a week", "Paused")
    assert now() == (SubscriptionState.CONFIRMED, True)
    life.press("Resume now", "It comes again")
    assert now() == (SubscriptionState.CONFIRMED, False)
    life.follow(edition, "unsubscribe")
    life.press("Unsubscribe", "You are unsubscribed")
    assert now()[0] is SubscriptionState.UNSUBSCRIBED
    life.press("Subscribe again", "You are subscribed again")
    assert now()[0] is SubscriptionState.CONFIRMED


def sees_and_erases(life: Life, edition: EmailMessage) -> None:
    life.follow(edition, "preferences")
    life.press("Your data", "Your data")
    life.press("Mail me a link to my data", "Please look into your inbox")
    life.follow(life.mail(4), "mydata")
    assert ADA in life.page.ask("document.body.innerText")
    life.press("Erase it …", "Erase everything?")
    life.page.ask("document.documentElement.dataset.old = 'yes'")
    life.go_to("it.innerText.trim() == 'Erase it all'")
    if life.by_keyboard:
        life.page.press("Enter")
    life.page.wait("document.readyState == 'complete' && !document.documentElement.dataset.old")
    with pytest.raises(NotFound):
        life.road.app.subscribe.show(ADA)
    assert ADA not in str(everything(life.road))
