"""The architecture page shows the house as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from tests.rooms import drawing
from tests.test_layers import MAY_IMPORT, PACKAGE

ROOT = PACKAGE.parent


def test_the_page_shows_the_imports_as_they_are():
    page = Path(ROOT, "docs/architecture.md").read_text(encoding="utf-8")
    assert drawing() in page, f"python -m tests.rooms prints what belongs there:\n{drawing()}"


def test_no_arrow_of_the_drawing_runs_upwards():
    order = list(MAY_IMPORT)
    backwards = [
        f"{name} -> {other}"
        for row in drawing().splitlines()
        for name, _, others in [row.partition("->")]
        for other in others.split()
        if order.index(other) <= order.index(name.strip())
    ]
    assert backwards == []


def test_every_page_that_a_page_links_to_exists():
    missing = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md"))
        for target in _links(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert missing == []


def _links(text: str) -> list[str]:
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    return [target for target in found if "://" not in target and not target.startswith("mailto:")]
