"""`digest preview --serve` in a real browser: the frames show the mail as programs would, and follow what is edited."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import digest
from digest.cli.workbench.clients import FRAMES
from digest.rendering.render import default_template_folder
from tests.acceptance.browser import Browser, chromium
from tests.cli.conftest import CONFIG as INSTALLED

pytestmark = [pytest.mark.needs_chromium, pytest.mark.xdist_group("workbench")]

CONFIG = (
    INSTALLED.replace("[smtp]", 'templates = "own"\n[smtp]', 1)
    + """
[[digest]]
name = "theory"
title = "Theory"
categories = ["math.CO"]
send_at = "08:00"
"""
)
#: What stands in a frame, as far as the page may look into it.
DOCUMENT = "document.querySelector('#{name} iframe').contentDocument"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path, dict[str, str]]:
    """(how `digest` is called, a folder with papers and a reader, the environment)."""
    folder = tmp_path_factory.mktemp("workbench")
    shutil.copytree(Path(digest.__file__).parent / "samples/day-1", folder / "feeds")
    (folder / "own").mkdir()
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    call = [sys.executable, "-c", "from digest.cli import main; main()"]
    environment = os.environ | {"DIGEST_NOW": "2026-03-03T07:05:00Z", "HOME": str(folder)}
    for arguments in (["fetch"], ["subscribers", "add", "reader@example.org", "--digest", "papers"]):
        subprocess.run([*call, *arguments], cwd=folder, env=environment, check=True, capture_output=True, timeout=120)
    return call, folder, environment


@pytest.fixture(scope="module")
def served(command: tuple[list[str], Path, dict[str, str]]) -> Iterator[tuple[str, Path]]:
    """(the page's address, the folder)."""
    call, folder, environment = command
    process = subprocess.Popen(
        [*call, "preview", "--serve", "--json", "--digest", "papers"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = ""
    while not told.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, "the server ended"
        told += line
    yield json.loads(told)["url"], folder
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(chrome: Browser, served: tuple[str, Path]) -> Browser:
    """The page, wide, with every frame loaded."""
    chrome.size(1280, 1000)
    chrome.open("about:blank")
    chrome.told.clear()
    chrome.open(served[0])
    chrome.wait(f"document.querySelectorAll('iframe').length === {len(FRAMES)}")
    for frame in FRAMES:
        wait_for(chrome, frame.name, "body.innerText.includes('Slow Tokens')")
    return chrome


def edited(more: str) -> str:
    """Our template of an edition with something more between its papers and its foot."""
    head, include, foot = (
        (default_template_folder() / "edition.html.j2")
        .read_text("utf-8")
        .partition('{% include "parts/papers.html.j2" %}\n')
    )
    assert include
    return head + include + more + "\n" + foot


def wait_for(page: Browser, frame: str, expression: str) -> None:
    """Waits until something is true of a frame's document."""
    page.wait(f"{DOCUMENT.format(name=frame)}.{expression}")


def style(page: Browser, frame: str, selector: str, property_: str) -> str:
    document = DOCUMENT.format(name=frame)
    return page.ask(f"getComputedStyle({document}.querySelector('{selector}')).{property_}")


def lightness(colour: str) -> float:
    """0 black … 1 white."""
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return (red * 299 + green * 587 + blue * 114) / 255_000


def test_the_frames_show_the_mail_as_programs_would(page):
    for frame in FRAMES:
        assert page.ask(f"{DOCUMENT.format(name=frame.name)}.documentElement.clientWidth") == frame.width
        if frame.part == "html":
            assert page.ask(f"{DOCUMENT.format(name=frame.name)}.documentElement.scrollWidth") == frame.width
    heading = {name: lightness(style(page, name, "h1", "color")) for name in ("phone", "desktop", "dark", "forced")}
    assert max(heading["phone"], heading["desktop"]) < 0.3
    assert min(heading["dark"], heading["forced"]) > 0.7
    # Styles that may be lost are there on a phone, and gone where they are dropped.
    assert page.ask(f"{DOCUMENT.format(name='phone')}.styleSheets.length") > 1
    assert page.ask(f"{DOCUMENT.format(name='plain')}.styleSheets.length") == 1
    assert "72ch" in page.ask(f"{DOCUMENT.format(name='text')}.querySelector('style').textContent")


def test_the_light_frames_stay_light_and_the_dark_ones_dark_on_a_dark_machine(page):
    page.size(1280, 1000, dark=True)
    assert lightness(page.ask("getComputedStyle(document.body).backgroundColor")) < 0.2
    for name in ("phone", "desktop", "plain", "outlook", "images"):
        assert lightness(style(page, name, "h1", "color")) < 0.3, name
    assert lightness(style(page, "dark", "h1", "color")) > 0.7


def test_the_page_asks_nobody_but_its_own_server_and_nothing_complains(page, served):
    assert page.complaints == []
    own = served[0].partition("?")[0]
    assert {url for url in page.asked_for if not url.startswith((own, "data:"))} == set()


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_its_window(page, width, height, dark):
    page.size(width, height, dark=dark)
    page.wait(f"document.documentElement.scrollWidth === {width}")
    # A frame that does not fit is drawn smaller, and keeps its own width.
    page.wait(f"document.querySelector('#desktop .window').getBoundingClientRect().width <= {width}")
    wait_for(page, "desktop", "documentElement.clientWidth === 720")


def test_nothing_in_a_frame_can_run(page, served):
    own = served[1] / "own/edition.html.j2"
    bad = "<script>top.document.title = 'run'</script><img src=x onerror=\"top.document.title = 'run'\">"
    own.write_text(edited(bad), "utf-8")
    try:
        wait_for(page, "phone", "querySelector('img') !== null")
        page.ask("new Promise(done => setTimeout(done, 500))")
        assert page.ask("document.title") == "Trending papers – workbench"
        assert any("script" in text.lower() for text in page.complaints)
    finally:
        own.unlink()
    wait_for(page, "phone", "querySelector('img') === null")


def choose(page: Browser, name: str, value: str) -> None:
    """As somebody does who picks it from the list."""
    page.wait(f"[...document.forms.wish.elements.{name}.options].some(one => one.value === '{value}')")
    page.ask(
        f"(() => {{ const field = document.forms.wish.elements.{name}; field.value = '{value}';"
        " field.dispatchEvent(new Event('change', { bubbles: true })) })()"
    )


def test_switching_the_language_changes_the_mail_and_a_reload_keeps_it(page):
    choose(page, "language", "de")
    wait_for(page, "desktop", "documentElement.lang === 'de'")
    choose(page, "layout", "titles")
    page.wait("location.search.includes('language=de') && location.search.includes('layout=titles')")
    page.ask("location.reload()")
    page.wait("document.forms.wish.elements.layout.value === 'titles'")
    wait_for(page, "desktop", "documentElement.lang === 'de'")
    choose(page, "language", "ar")
    wait_for(page, "phone", "documentElement.dir === 'rtl'")


def test_another_digest_reader_and_day_can_be_chosen_and_gone_back_from(page):
    choose(page, "reader", "for:reader@example.org")
    page.wait("location.search.includes('for=reader%40example.org')")
    choose(page, "date", "2026-03-03")
    page.wait("document.forms.wish.elements.at.value === '2026-03-03'")
    choose(page, "digest", "theory")
    page.wait("document.getElementById('title').textContent === 'Theory'")
    assert page.ask("document.forms.wish.elements.reader.value") == ""
    page.ask("history.back()")
    page.wait("document.getElementById('title').textContent === 'Trending papers'")
    page.wait("document.forms.wish.elements.reader.value === 'for:reader@example.org'")


def test_a_nonsense_instant_is_told_and_mended(page):
    page.ask("document.forms.wish.elements.at.value = 'yesterday', document.forms.wish.requestSubmit()")
    page.wait("document.querySelector('.error').innerText.includes('is not an instant')")
    page.ask("document.forms.wish.elements.at.value = '', document.forms.wish.requestSubmit()")
    page.wait("!document.querySelector('.error')")
    wait_for(page, "phone", "body.innerText.includes('Slow Tokens')")


def test_frames_can_be_left_out(page):
    page.ask("document.querySelector('#shown input[name=outlook]').click()")
    page.wait("document.getElementById('outlook').hidden && location.search.includes('hide=outlook')")
    page.ask("location.reload()")
    page.wait("document.getElementById('outlook').hidden && !document.getElementById('text').hidden")


def test_an_edited_template_reloads_where_it_was_scrolled_to(page, served):
    own = served[1] / "own/edition.html.j2"
    page.ask(f"{DOCUMENT.format(name='phone')}.defaultView.scrollTo(0, 700)")
    try:
        own.write_text(edited("<p>Edited.</p>"), "utf-8")
        wait_for(page, "phone", "body.innerText.includes('Edited.')")
        page.wait(f"{DOCUMENT.format(name='phone')}.defaultView.scrollY === 700")
        wrong = edited("{{ view.nothing }}")
        own.write_text(wrong, "utf-8")
        page.wait("document.querySelector('.error') !== null")
        told = page.ask("document.querySelector('.error').innerText")
        line = wrong.splitlines().index("{{ view.nothing }}") + 1
        assert f"{own}:{line}" in told
        assert page.ask("document.querySelector('.error .meant').innerText") == f"{line}{{{{ view.nothing }}}}"
        assert page.ask("document.body.classList.contains('stale')")
        own.write_text(edited("<p>Healed.</p>"), "utf-8")
        wait_for(page, "phone", "body.innerText.includes('Healed.')")
        page.wait("!document.querySelector('.error') && !document.body.classList.contains('stale')")
    finally:
        own.unlink(missing_ok=True)


def test_a_wrong_configuration_is_told_and_the_old_one_stays(page, served):
    config = served[1] / "config.toml"
    try:
        config.write_text(CONFIG + 'titel = "x"\n', "utf-8")
        page.wait("document.querySelector('.error').innerText.includes('did you mean')")
        assert 'titel = "x"' in page.ask("document.querySelector('.error .meant').innerText")
        wait_for(page, "phone", "body.innerText.includes('Slow Tokens')")
        config.write_text(CONFIG.replace("Trending papers", "Papers of the day"), "utf-8")
        page.wait("document.getElementById('title').textContent === 'Papers of the day'")
        wait_for(page, "phone", "body.innerText.includes('Papers of the day')")
        assert not page.ask("document.querySelector('.error')")
    finally:
        config.write_text(CONFIG, "utf-8")
    page.wait("document.getElementById('title').textContent === 'Trending papers'")
