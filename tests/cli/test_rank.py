"""`digest rank FILE.jsonl`: no configuration and no database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

LINES = (
    {"id": "a", "title": "Graphs and their transformers", "categories": ["cs.LG"], "upvotes": 40, "source": "hf"},
    {"id": "b", "title": "A walk on almost every tree", "categories": ["math.PR"], "upvotes": None, "source": "arxiv"},
    {"id": "c", "title": "Proofs as typed programs", "categories": ["cs.LO"], "upvotes": 3, "source": "hf"},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "seen.jsonl"
    times = {"submitted_at": "2026-03-02T20:00:00Z", "observed_at": "2026-03-03T06:00:00Z"}
    path.write_text("".join(json.dumps(line | times) + "\n" for line in LINES))
    return path


def test_every_line_is_ranked_by_trend(call, file):
    done = call("rank", file, "--json")
    assert (done.code, done.json["at"]) == (0, "2026-03-03T06:00:00Z")
    assert (done.json["items"][0]["rank"], done.json["items"][0]["id"]) == (1, "a")
    assert {item["id"] for item in done.json["items"]} == {"a", "b", "c"}
    keys = {"rank", "id", "score", "probability", "parts", "category", "also"}
    assert all(set(item) == keys for item in done.json["items"])
    assert [item["id"] for item in done.json["items"] if item["probability"] is not None] == ["b"]
    assert not Path("digest.db").exists()


def test_several_profiles_are_told_by_their_files(call, file, tmp_path):
    (tmp_path / "one.toml").write_text('keywords = ["proofs"]\nmute = ["math.PR"]\n')
    (tmp_path / "two.toml").write_text("max_items = 1\n")
    done = call("rank", file, "--profile", "one.toml", "--profile", "two.toml", "--json")
    assert [(one["profile"], len(one["items"])) for one in done.json["profiles"]] == [("one.toml", 2), ("two.toml", 1)]
    assert [item["id"] for item in done.json["profiles"][0]["items"]].count("b") == 0
    assert call("rank", file, "--profile", "two.toml", "--json").json["items"][0]["id"] == "a"


def test_history_and_limit_are_taken(call, file):
    done = call("rank", file, "--history", file, "--limit", "2", "--json")
    assert (done.code, len(done.json["items"])) == (0, 2)
    assert call("rank", file).out.splitlines()[0].split() == ["rank", "score", "category", "id", "parts"]


@pytest.mark.parametrize(
    ("arguments", "code", "where"),
    [
        (("nofile.jsonl",), 1, "nofile.jsonl"),
        (("bad.jsonl",), 1, "bad.jsonl, line 2"),
        (("latin.jsonl",), 1, "latin.jsonl, line 1"),
        (("seen.jsonl", "--at", "soon"), 2, "--at"),
        (("seen.jsonl", "--profile", "none.toml"), 2, "none.toml"),
        (("seen.jsonl", "--profile", "typo.toml"), 2, "typo.toml"),
        (("seen.jsonl", "--limit", "0"), 2, "digest rank"),
        ((), 2, "digest rank"),
    ],
)
def test_what_cannot_be_read_is_named(call, file, tmp_path, arguments, code, where):
    (tmp_path / "bad.jsonl").write_text('{"id": "a", "observed_at": "2026-03-03T06:00:00Z"}\n{"id": 1}\n')
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "caf\xe9"}\n')
    (tmp_path / "typo.toml").write_text("keyword = []\n")
    done = call("rank", *arguments, "--json")
    assert (done.code, done.json["error"]["where"], done.err) == (code, where, "")
    assert "Traceback" not in done.out


def test_what_a_file_says_cannot_reach_the_terminal(call, tmp_path):
    line = {"id": "\x1b]0;owned\x07\u202ex", "title": "ok then this is a title", "observed_at": "2026-03-03T06:00:00Z"}
    (tmp_path / "evil.jsonl").write_text(json.dumps(line))
    assert "\x1b" not in call("rank", "evil.jsonl").out
    raw = call("rank", "evil.jsonl", "--json")
    assert ("\u202e" in raw.out, raw.json["items"][0]["id"]) == (False, line["id"])
