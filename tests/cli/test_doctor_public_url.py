"""The doctor tells a public URL that leads readers nowhere, or to somebody else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from digest.app import build
from digest.config import load
from digest.web.application import application
from digest.web.server import WebServer


@pytest.fixture
def doctor(call, installed):
    """What it finds of a public URL: (state, detail) by name."""

    def doctor_(url: str, *options: str) -> dict[str, tuple[str, str]]:
        text = Path("config.toml").read_text().replace("https://digest.example.org", url)
        Path("now.toml").write_text(text)
        findings = call("doctor", "--config", "now.toml", "--json", *options).json["findings"]
        found = [one for one in findings if one["what"].startswith("public URL")]
        assert all(bool(one["try"]) == (one["state"] != "ok") for one in found)
        return {one["what"]: (one["state"], one["detail"]) for one in found}

    return doctor_


@pytest.fixture
def at_home(installed) -> Iterator[str]:
    """The URL of this installation's own server."""
    with ExitStack() as end:
        yield serving(Path("config.toml"), end)


def serving(config: Path, end: ExitStack) -> str:
    app = build(load(config, {}))
    end.callback(app.close)
    server = WebServer(application(lambda: app), "127.0.0.1:0", option="web.bind")
    end.callback(server.close)
    return f"http://127.0.0.1:{server.port}"


def test_our_own_pages_are_known_by_what_only_we_can_sign(doctor, at_home):
    assert doctor(at_home, "--live")["public URL now"] == (
        "ok",
        f"{at_home}/link is answered by this installation",
    )
    assert "public URL now" not in doctor(at_home), "nobody is asked unless it is said"


def test_another_installation_at_our_address_is_told(doctor, tmp_path, built_sqlite):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copyfile(built_sqlite, other / "digest.db")
    shutil.copyfile("config.toml", other / "config.toml")
    with ExitStack() as end:
        state, detail = doctor(serving(other / "config.toml", end), "--live")["public URL now"]
    assert (state, "not this installation" in detail) == ("fail", True)


def test_a_path_that_is_not_ours_and_a_place_where_nobody_is_are_told(doctor, at_home):
    state, detail = doctor(f"{at_home}/papers", "--live")["public URL now"]
    assert (state, "404" in detail) == ("fail", True)
    state, _ = doctor("http://127.0.0.1:9", "--live")["public URL now"]
    assert state == "warn"


@pytest.mark.parametrize(
    ("url", "is_reached"),
    [
        ("https://digest.example.org", True),
        ("https://192.168.1.7", False),
        ("https://papers.local/digest", False),
    ],
)
def test_what_only_the_own_network_knows_is_told_without_asking(doctor, url, is_reached):
    state, detail = doctor(url)["public URL"]
    assert (state == "ok", "no reader can follow" in detail) == (is_reached, not is_reached)
