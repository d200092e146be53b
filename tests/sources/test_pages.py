"""The pages about kinds of sources: what they show can be configured, and each kind's own keys are explained."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from digest.config.publication import SourceSettings
from digest.model.feeds import Source, SourceId
from digest.sources.kinds import KINDS, check

#: your-own.md shows a kind of another package, which tests/acceptance/test_third_party_kind.py installs.
FOLDER = Path(__file__).parents[2] / "docs" / "sources"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.stem != "your-own")


def shown(page: Path) -> list[dict]:
    """The [[source]] tables of a page's samples."""
    blocks = re.findall(r"(?ms)^```toml\n(.*?)^```", page.read_text(encoding="utf-8"))
    return [one for block in blocks for one in tomllib.loads(block).get("source", [])]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_sample_of_a_source_is_one_that_its_kind_takes(page):
    samples = shown(page)
    assert samples
    for sample in samples:
        said = SourceSettings(**sample)
        source = Source(
            id=SourceId(said.id),
            kind=said.kind,
            url=said.url,
            category=said.category,
            options=tuple(said.given().items()),
        )
        check(source, where=page.name)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in KINDS], ids=lambda page: page.stem)
def test_a_page_explains_each_key_that_its_kind_reads(page):
    text = page.read_text(encoding="utf-8")
    assert [key for key in KINDS[page.stem].options if not re.search(rf"`{key}\b|^{key} =", text, re.MULTILINE)] == []
