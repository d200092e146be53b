"""What the settings offer is what the program has: kinds of source, languages, inliners."""

from __future__ import annotations

import re
from typing import get_args

from digest.config.publication import DigestSettings, SourceSettings
from digest.config.settings import MailSettings
from digest.model import people
from digest.rendering import inline, language
from digest.sources.kinds import KINDS


def test_the_settings_know_every_key_that_a_kind_reads():
    for kind in KINDS.values():
        assert set(kind.options) <= set(SourceSettings.model_fields), kind.name


def test_the_languages_that_may_be_wished_are_those_that_mails_are_written_in():
    assert people.LANGUAGES == language.LANGUAGES
    said = DigestSettings.model_fields["language"].description or ""
    assert tuple(re.findall(r"\b[a-z]{2}\b(?=,| or ar)|(?<=or )ar", said)) == people.LANGUAGES


def test_the_settings_and_rendering_name_the_same_inliners():
    assert get_args(MailSettings.model_fields["inliner"].annotation) == inline.ENGINES
