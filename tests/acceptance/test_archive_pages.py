"""The archive in a real browser: nothing overflows on a phone, dark is dark, the keyboard gets everywhere and is seen.

Papers of unpleasant shapes, one browser for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from digest.model.editions import Part
from digest.web.application import application
from digest.web.server import WebServer
from tests.acceptance.browser import Browser, chromium
from tests.services.road import Road, paper
from tests.services.shelf import item, put

pytestmark = pytest.mark.needs_chromium
MONDAY = date(2026, 5, 4)
WIDTHS = (320, 375, 1200)
SHAPES: tuple[dict[str, object], ...] = (
    {"title": "Deoxyribonucleic" * 18, "authors": tuple(f"Author With Many Names {n}" for n in range(40))},
    {"title": "深度学习与大型语言模型的研究进展" * 4, "abstract": "本文研究了长文本。" * 60, "category": "cs.CV"},
    {"title": "التعلم العميق للغة العربية: مراجعة شاملة", "authors": ("سعاد حسن",), "category": "math.AG"},
    {"title": "Short", "abstract": "https://example.org/" + "a" * 900, "institutions": ("Institution" * 9,) * 5},
    {"title": "", "url": "", "categories": ("a category of a name that is long",) * 2, "category": "other"},
)
LINKS = "[...document.querySelectorAll('a[href], button, input')].length"
#: What a page's texts measure; a colour is light above the middle of its brightness.
MEASURED = """(() => {
  const root = document.documentElement;
  const texts = [...document.querySelectorAll('body *:not(button, .unseen)')].filter(node =>
    node.getClientRects().length && [...node.childNodes].some(one => one.nodeType === 3 && one.textContent.trim()));
  const light = texts.filter(node => {
    const [r, g, b] = getComputedStyle(node).color.match(/\\d+/g).map(Number);
    return (r * 299 + g * 587 + b * 114) / 1000 > 128;
  });
  return {
    overflow: root.scrollWidth - root.clientWidth,
    smallest: Math.min(...texts.map(node => parseFloat(getComputedStyle(node).fontSize))),
    light: light.length / texts.length,
    headings: [...document.querySelectorAll('h1, h2, h3, h4')].map(node => Number(node.tagName[1])),
    unnamed: [...document.querySelectorAll('a, button')].filter(node => !node.innerText.trim()).length,
    unlabelled: [...document.querySelectorAll('input:not([type=hidden])')].filter(node => !node.labels.length).length,
  };
})()"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("archive")
    road = Road.open(
        folder,
        f"sqlite:///{folder / 'digest.db'}",
        {"name": "daily", "title": "The Morning Papers " * 4, "archive": True, "accent": "#b3261e", "logo": "LABS"},
    )
    ids = road.bring(*map(paper, range(60)))
    known: dict[str, object] = {
        "parts": (Part(key="trend", points=50, figures={"votes": 128, "hours": 21.2, "expected": 190.3}),),
        "published_at": datetime(2025, 12, 24, 12, tzinfo=UTC),
        "upvotes": 123_456,
        "comments": 99,
        "code_url": "https://code.example/salt",
        "stars": 1912,
        "also": ("doi:10.5555/salt", "https://papers.example/salt"),
    }
    shaped = [item(n + 1, ids[n], **{**known, **SHAPES[n % len(SHAPES)]}) for n in range(60)]
    for number in range(25):
        put(road, "daily", MONDAY + timedelta(days=number), shaped if number == 24 else shaped[:5])
    server = WebServer(application(lambda: road.app), "127.0.0.1:0", option="test")
    yield f"http://127.0.0.1:{server.port}"
    server.close()
    road.app.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def opened(browser: Browser, address: str) -> None:
    browser.open("about:blank")
    browser.wait("location.href === 'about:blank'")
    browser.told.clear()
    browser.open(address)
    browser.wait("location.href !== 'about:blank' && document.readyState === 'complete'")


PAGES = (
    "/archive",
    "/archive/daily",
    "/archive/daily?before=2026-05-09",
    "/archive/daily/2026-05-28",
    "/archive/daily/2026-05-28?after=40",
    "/archive/daily/paper/1",
    "/archive/daily/paper/2",
    "/archive/daily/paper/3",
    "/archive/daily/paper/4",
    "/archive/daily/paper/5",
    "/archive/daily/search?q=deoxy",
    "/archive/daily/search?q=" + "zz" * 90,
)


def test_every_page_fits_every_width_turns_dark_and_is_in_order(site, browser):
    for path in PAGES:
        for width in WIDTHS:
            for dark in (False, True):
                browser.size(width, 900, dark=dark)
                if (width, dark) == (WIDTHS[0], False):
                    opened(browser, site + path)
                found = browser.ask(MEASURED)
                where = (path, width, dark)
                assert found["overflow"] == 0, where
                assert found["smallest"] >= 13, where
                assert found["light"] > 0.9 if dark else found["light"] < 0.1, (where, found["light"])
                steps = list(zip([0, *found["headings"]], found["headings"], strict=False))
                assert found["headings"].count(1) == 1 and all(b - a <= 1 for a, b in steps), (where, steps)
                assert (found["unnamed"], found["unlabelled"]) == (0, 0), where
        assert browser.complaints == [], path
        assert [one for one in browser.asked_for if not one.startswith(site)] == [], path


def test_the_keyboard_reaches_everything_and_shows_where_it_is(site, browser):
    browser.size(375, 900)
    opened(browser, site + "/archive/daily/2026-05-28?after=40")
    count = browser.ask(LINKS)
    seen = set()
    for _ in range(count):
        browser.press("Tab")
        number, outline = browser.ask(
            "[[...document.querySelectorAll('a[href], button, input')].indexOf(document.activeElement),"
            " getComputedStyle(document.activeElement).outlineWidth]"
        )
        assert float(re.match(r"[\d.]+", outline)[0]) >= 2
        seen.add(number)
    assert seen == set(range(count))


def test_a_search_needs_no_script(site, browser):
    browser.scripts(on=False)
    try:
        opened(browser, site + "/archive/daily")
        browser.ask("document.querySelector('#q').focus()")
        browser.type("DEOXY")
        browser.press("Enter")
        browser.wait("location.pathname === '/archive/daily/search'")
        assert browser.wait("document.querySelectorAll('.paper').length") == 20
    finally:
        browser.scripts(on=True)
