"""What the settings offer is what the program has: kinds of source, languages, inliners."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from digest.config.publication import DigestSettings, SourceSettings
from digest.config.settings import MailSettings
from digest.model import people
from digest.rendering import inline, language
from digest.sources.kinds import KINDS

DOCS = Path(__file__).parents[2] / "docs" / "sources"


def test_every_key_that_a_kind_reads_can_be_written():
    """As a key of its own, or, where only one kind knows it, below [source.options] as its page shows."""
    for kind in KINDS.values():
        others = set(kind.options) - set(SourceSettings.model_fields)
        page = DOCS / f"{kind.name}.md"
        shown = page.read_text("utf-8").partition("[source.options]")[2] if others else ""
        assert [key for key in others if not re.search(rf"^{key} = ", shown, re.MULTILINE)] == [], kind.name


def test_the_languages_that_may_be_wished_are_those_that_mails_are_written_in():
    assert people.LANGUAGES == language.LANGUAGES
    said = DigestSettings.model_fields["language"].description or ""
    assert tuple(re.findall(r"\b[a-z]{2}\b(?=,| or ar)|(?<=or )ar", said)) == people.LANGUAGES


def test_the_settings_and_rendering_name_the_same_inliners():
    assert get_args(MailSettings.model_fields["inliner"].annotation) == inline.ENGINES
