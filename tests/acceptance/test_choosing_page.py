"""The page for choosing in a real browser: it fits, turns dark, needs no script, and its frame shows the next mail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.services.stamping import PREFERENCES, scoped
from digest.web.application import application
from digest.web.server import WebServer
from tests.acceptance.browser import Browser, chromium
from tests.acceptance.test_archive_pages import MEASURED, WIDTHS, opened
from tests.services.road import Road, paper

pytestmark = [pytest.mark.needs_chromium, pytest.mark.xdist_group("workbench")]
WISHES = {
    "categories": {"cs.CL": 0.3, "a category of a name that is long": 2},
    "keywords": ["Deoxyribonucleic" * 6, "潮汐"],
    "mute": ["survey"],
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str, Road]]:
    """(a browser, the address of a reader's page, the installation)."""
    folder: Path = tmp_path_factory.mktemp("choosing")
    daily = {"name": "daily", "title": "The Morning Papers " * 4, "categories": ["cs.CL", "cs.CV", "cs.LG"]}
    road = Road.open(folder, f"sqlite:///{folder / 'digest.db'}", daily, {"name": "weekly"})
    ada = road.reader(digest="daily", preferences=WISHES)
    road.reader(digest="weekly")
    road.bring(paper(1), paper(2))
    server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="test")
    token = scoped(PREFERENCES, ada.id, road.now.date().isoformat(), road.app.keys.links)
    with chromium() as browser:
        yield browser, f"http://127.0.0.1:{server.port}/preferences/{token}", road
    server.close()
    road.app.close()


def fits(browser: Browser, where: str) -> None:
    for width in WIDTHS:
        for dark in (False, True):
            browser.size(width, 900, dark=dark)
            found = browser.ask(MEASURED)
            said = (where, width, dark, found)
            assert found["overflow"] == 0, said
            assert found["smallest"] >= 13, said
            assert found["light"] > 0.9 if dark else found["light"] < 0.1, said
            steps = list(zip([0, *found["headings"]], found["headings"], strict=False))
            assert found["headings"].count(1) == 1 and all(b - a <= 1 for a, b in steps), said
            assert (found["unnamed"], found["unlabelled"]) == (0, 0), said


def settled(browser: Browser, file: Path, other: bytes = b"") -> bytes:
    """A photograph of what no longer changes, and is other than ``other``: frames are painted after the page."""
    last = other
    for _ in range(100):
        browser.photograph(file)
        if file.read_bytes() == last != other:
            break
        last = file.read_bytes()
        time.sleep(0.1)
    return last


def test_the_next_mail_is_shown_by_the_keyboard_without_a_script(page, tmp_path):
    browser, address, road = page
    before = road.app.subscribe.show("ada@example.org")
    browser.scripts(on=False)
    browser.size(375, 800)
    opened(browser, address)
    browser.ask("document.querySelector('[name=show]').focus()")
    browser.press("Enter")
    browser.wait("document.querySelector('iframe') !== null && document.readyState === 'complete'")
    assert browser.ask("[location.hash, Math.round(document.querySelector('#next').getBoundingClientRect().top)]") == [
        "#next",
        0,
    ]
    assert browser.complaints == []
    assert all(one.startswith((address, "about:", "data:")) for one in browser.asked_for), browser.asked_for
    shown = settled(browser, tmp_path / "shown.png")
    browser.ask("document.querySelector('iframe').setAttribute('srcdoc', '<p>')")
    blank = settled(browser, tmp_path / "blank.png", other=shown)
    assert len(shown) > len(blank) * 1.5, "the frame holds a mail, whatever the page's policy says"
    fits(browser, "the next mail")
    assert road.app.subscribe.show("ada@example.org") == before


def test_a_refused_form_comes_back_and_can_be_put_right(page):
    browser, address, road = page
    browser.scripts(on=False)
    browser.size(375, 800)
    opened(browser, address)
    fits(browser, "the form")
    browser.size(375, 800)
    browser.ask("document.querySelector('#timezone').select()")
    browser.type("Mars/Base")
    browser.ask("document.querySelector('#topics').focus()")
    browser.type("tidal gauges")
    browser.ask("document.querySelector('form button').focus()")
    browser.press("Enter")
    browser.wait("document.querySelector('#wrong-timezone') !== null && document.readyState === 'complete'")
    fits(browser, "what is wrong")
    browser.size(375, 800)
    browser.ask("document.querySelector('[role=alert] a').focus()")
    browser.press("Enter")
    browser.wait("location.hash === '#timezone'")
    browser.ask("document.querySelector('#timezone').select()")
    browser.type("Asia/Tokyo")
    browser.press("Enter")  # in a field: the first button, which saves
    browser.wait("document.querySelector('h1').innerText === 'Saved'")
    fits(browser, "what was saved")
    (mine,) = (one for one in road.app.subscribe.show("ada@example.org") if one.digest == "daily")
    assert (mine.timezone, mine.preferences) == ("Asia/Tokyo", {**WISHES, "topics": ["tidal gauges"]})
