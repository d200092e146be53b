"""[[smtp]] that nothing tells apart are refused; they would be paused, slowed and counted as one."""

from __future__ import annotations

import pytest

from digest.config import from_table
from digest.model.errors import ConfigError

HOST = {"host": "smtp.example.org"}
ONE, TWO = ({"username": f"{name}@example.org", "password_file": "password"} for name in ("one", "two"))
FOLDER = {"transport": "folder", "path": "out"}


def relays(folder, *smtp):
    return from_table({"mail": {"from": "digest@example.org"}, "smtp": list(smtp)}, folder=folder).relays


@pytest.mark.parametrize(
    "smtp",
    [
        (HOST | ONE, HOST | TWO),
        (HOST | ONE, HOST | ONE | {"port": 2525}),
        (FOLDER, FOLDER | {"path": "other"}),
    ],
)
def test_two_accounts_two_ports_and_two_folders_are_two_relays(tmp_path, smtp):
    assert len(relays(tmp_path, *smtp)) == 2


@pytest.mark.parametrize(
    ("smtp", "told"),
    [
        (
            (HOST | ONE, FOLDER, {"host": "SMTP.example.org", "port": 587} | ONE),
            "3 leads to smtp.example.org:587 as one@",
        ),
        ((HOST, HOST | {"weight": 2}), "2 leads to smtp.example.org:587, as [[smtp]] 1 does"),
        ((FOLDER, FOLDER | {"path": "./out"}), "out, as [[smtp]] 1 does"),
    ],
)
def test_one_that_is_there_already_is_refused_with_what_to_do(tmp_path, smtp, told):
    with pytest.raises(ConfigError) as refused:
        relays(tmp_path, *smtp)
    assert told in str(refused.value)
    assert "leave one out" in refused.value.try_
