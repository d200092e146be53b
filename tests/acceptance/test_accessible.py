"""Every page through axe's rules, in Chromium: wide and light, narrow and dark."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from digest.rendering.render import Renderer, default_template_folder
from tests.acceptance.browser import Browser, chromium
from tests.acceptance.gallery import VIEWS, Gallery, gallery

pytestmark = [pytest.mark.needs_chromium, pytest.mark.needs_axe, pytest.mark.xdist_group("accessible")]

#: All but the experimental rules. A mail inside a page is judged where mails are: frames are not looked into.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
RUN = f"axe.run(document, {{resultTypes: ['violations'], iframes: false, runOnly: {list(TAGS)}}})"


#: What pages are made of, and one that a command writes into a file.
NO_PAGES = {"base", "archive_base", "desk/base", "desk/picture", "desk/words", "backtest"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    home = tmp_path_factory.mktemp("gallery")
    with gallery(f"sqlite:///{home}/digest.db", home / "home") as made:
        yield made


@pytest.fixture(scope="module")
def browser(shown: Gallery) -> Iterator[Browser]:
    with chromium() as one:
        shown.log_in(one)
        yield one


@pytest.fixture(scope="module")
def rules() -> str:
    spec = find_spec("axe_playwright_python")
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(browser: Browser, rules: str) -> list[str]:
    if not browser.ask("'axe' in window"):  # half a megabyte is read once a page, not once a view
        browser.ask(rules + "; true")
    found: dict[str, Any] = json.loads(browser.ask(f"{RUN}.then(JSON.stringify)"))
    return [f"{one['id']}: {node['html'][:150]}" for one in found["violations"] for node in one["nodes"]]


def test_every_page_is_shown(shown):
    assert shown.unseen() == []


def test_no_page_breaks_a_rule_and_every_template_was_shown(shown, browser, rules, monkeypatch):
    found: dict[str, list[str]] = {}
    rendered: set[str] = set()
    real = Renderer.page

    def page(self: Renderer, name: str, context: Mapping[str, object]) -> str:
        rendered.add(name)
        return real(self, name, context)

    monkeypatch.setattr(Renderer, "page", page)
    for name in shown.names:
        shown.open(browser, name)
        for width, dark in VIEWS:
            browser.size(width, 900, dark=dark)
            told = violations(browser, rules)
            wide = browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                told.append(f"{wide} pixels wider than the window")
            if told:
                found[f"{name}, {width} pixels"] = told
    assert found == {}
    pages = default_template_folder() / "pages"
    templates = {str(path.relative_to(pages)).removesuffix(".html.j2") for path in pages.rglob("*.html.j2")}
    assert templates - NO_PAGES - rendered == set()


def test_a_page_that_breaks_rules_is_found(shown, browser, rules):
    browser.open(f"{shown.base}/join")
    browser.wait("document.readyState == 'complete'")
    browser.ask("document.querySelector('h1').outerHTML = '<input><img src=x>'")
    assert any("label" in one for one in violations(browser, rules))
