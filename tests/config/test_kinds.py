"""The kinds a [[source]] may have are the kinds the program can read."""

from __future__ import annotations

from typing import get_args

from digest.config.publication import SourceSettings
from digest.sources.kinds import KINDS


def test_the_settings_and_the_readers_name_the_same_kinds():
    assert set(get_args(SourceSettings.model_fields["kind"].annotation)) == set(KINDS)
