"""`digest desk`: the hash for the configuration, a link that works once, who is logged in, the log."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.app import build
from digest.config import load
from digest.services.access.passwords import fits
from digest.web.application import application

ORIGIN = "https://digest.example.org"


@pytest.fixture
def operator(installed):
    """[[operator]] ada, who has no password."""
    with Path("config.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[operator]]\nname = "ada"\n')


def open_(link: str) -> int:
    app = build(load(Path("config.toml"), {}))
    try:
        client = TestClient(application(lambda: app), base_url=ORIGIN, follow_redirects=False)
        return client.post(link.removeprefix(ORIGIN)).status_code
    finally:
        app.close()


def test_the_hash_of_a_line_of_standard_input(call, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("seven tides a fortnight\n"))
    made = call("desk", "password")
    assert made.code == 0
    line = made.out.removeprefix('password_hash = "').removesuffix('"\n')
    assert fits("seven tides a fortnight", line)


def test_a_short_password_is_refused(call, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("tide\n"))
    refused = call("desk", "password", "--json")
    assert (refused.code, refused.json["error"]["what"]) == (2, "it has 4 characters; at least 12 are needed")


def test_a_link_logs_in_and_the_command_line_logs_out(call, operator, monkeypatch):
    monkeypatch.delenv("DIGEST_NOW", raising=False)
    assert call("desk", "sessions").out == "Nobody is logged in.\n"
    link = call("desk", "link", "ada", "--json").json["url"]
    assert link.startswith(f"{ORIGIN}/desk/enter/")
    assert open_(link) == 303
    assert [one["operator"] for one in call("desk", "sessions", "--json").json["sessions"]] == ["ada"]
    assert call("desk", "logout", "ada", "--json").json == {"operator": "ada", "ended": 1}
    assert call("desk", "sessions", "--json").json == {"sessions": []}
    deeds = call("desk", "log", "--json").json["deeds"]
    assert [(one["who"], one["deed"]) for one in deeds] == [
        ("command line", "end sessions"),
        ("ada", "log in"),
        ("ada", "make link"),
    ]
    assert "end sessions" in call("desk", "log", "--who", "command line").out


def test_a_link_for_nobody_names_who_there_is(call, operator):
    refused = call("desk", "link", "bo", "--json")
    assert (refused.code, refused.json["error"]["try"]) == (1, "known are ada")


def test_the_configuration_refuses_what_is_no_hash_and_two_of_a_name(call, operator):
    text = Path("config.toml").read_text(encoding="utf-8")
    Path("config.toml").write_text(text + 'password_hash = "seven tides a fortnight"\n', encoding="utf-8")
    refused = call("status")
    assert refused.code == 2 and "password_hash" in refused.err
    assert "seven tides" not in refused.err
    Path("config.toml").write_text(text + '[[operator]]\nname = "ada"\n', encoding="utf-8")
    assert "already the name of [[operator]] 1" in call("status").err


def test_a_hash_that_is_never_tried_is_told_where_it_stands(call, installed):
    line = f"scrypt:19:8:3:{'A' * 22}:{'A' * 43}"
    with Path("config.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[[operator]]\nname = "ada"\npassword_hash = "{line}"\n')
    refused = call("desk", "sessions", "--json")
    assert refused.code == 2
    assert '"ada"' in refused.json["error"]["what"] and "digest desk password" in refused.json["error"]["try"]
