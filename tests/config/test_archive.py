"""A digest is on the web only where its operator says so, and only with an address."""

from __future__ import annotations

import pytest

from digest.config import from_table
from digest.model.errors import ConfigError

HEAD = {"mail": {"from": "digest@example.org"}}


def test_no_archive_is_public_by_itself(tmp_path):
    config = from_table({**HEAD, "digest": [{"name": "daily"}]}, folder=tmp_path)
    assert config.digests[0].archive is False


def test_an_archive_needs_an_address(tmp_path):
    table = {**HEAD, "digest": [{"name": "daily"}, {"name": "weekly", "archive": True}]}
    with pytest.raises(ConfigError) as caught:
        from_table(table, folder=tmp_path)
    assert "archive" in caught.value.what and "public_url" in (caught.value.try_ or "")
    config = from_table({**table, "web": {"public_url": "https://digest.example.org"}}, folder=tmp_path)
    assert [digest.archive for digest in config.digests] == [False, True]
