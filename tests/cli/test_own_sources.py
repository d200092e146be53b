"""Sources that only the operator can name, from configuration to the store: mails, a file of lines, a program."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from digest.delivery.mailbox import Maildir

MAILS = Path(__file__).parents[1] / "sources" / "mails"
PROGRAM = """
import json, os, sys
assert "DIGEST_X" not in os.environ
items = [{"id": "1", "title": "A paper of the house", "url": "https://arxiv.org/abs/2511.40001"}]
print(json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "House", "items": items}))
"""


@pytest.fixture
def configured(tmp_path, monkeypatch) -> Path:
    """An installation whose mails have lain there for a while when they are looked at."""
    monkeypatch.setattr("digest.app.documents.Maildir", partial(Maildir, clock=lambda: time.time_ns() + 3_000_000_000))
    for name in ("new", "cur", "tmp"):
        (tmp_path / "alerts" / name).mkdir(parents=True)
    for name in ("google_scholar", "no_alert"):
        (tmp_path / "alerts" / "new" / f"{name}.host").write_bytes((MAILS / f"{name}.eml").read_bytes())
    lines = [{"id": "2511.40002", "title": "A paper of the file", "upvotes": 3}, {"id": "x"}]
    (tmp_path / "papers.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    (tmp_path / "house.py").write_text(PROGRAM, "utf-8")
    (tmp_path / "config.toml").write_text(
        f"""
[mail]
from = "digest@example.org"
[smtp]
transport = "folder"
path = "outbox"
[fetch]
arxiv_api = ""
[[source]]
id = "alerts"
kind = "maildir"
url = "alerts"
[[source]]
id = "house"
kind = "command"
command = [{json.dumps(sys.executable)}, "house.py"]
[[source]]
id = "lines"
kind = "file"
url = "papers.jsonl"
[[digest]]
name = "papers"
""",
        "utf-8",
    )
    return tmp_path


def rows(done) -> dict[str, dict]:
    return {row["id"]: row for row in done.json["sources"]}


def test_mails_lines_and_a_program_are_fetched_and_then_nothing_is_new(call, configured):
    first = rows(call("fetch", "--all", "--json"))
    assert {name: (row["state"], row["new"]) for name, row in first.items()} == {
        "alerts": ("ok", 3),
        "house": ("ok", 1),
        "lines": ("ok", 1),
    }
    assert "Lunch on Friday?" in first["alerts"]["detail"]
    assert "line 2: x has no title" in first["lines"]["detail"]
    again = rows(call("fetch", "--all", "--json"))
    assert {row["state"] for row in again.values()} == {"unchanged"}
    assert again["alerts"]["http_status"] == 304
    (configured / "alerts" / "new" / "later.host").write_bytes((MAILS / "pubmed_text.eml").read_bytes())
    assert rows(call("fetch", "--all", "--json"))["alerts"]["new"] == 2
    assert len(list((configured / "alerts" / "new").iterdir())) == 3


def test_a_program_that_fails_is_broken_with_its_last_word_and_the_others_go_on(call, configured):
    (configured / "house.py").write_text("import sys; sys.exit('no database today')", "utf-8")
    done = call("fetch", "--all", "--json")
    assert done.code == 3
    assert rows(done)["house"]["state"] == "broken"
    assert "ended with status 1: no database today" in rows(done)["house"]["detail"]
    assert rows(done)["alerts"]["state"] == "ok"


def test_a_document_of_each_can_be_looked_at_without_storing_it(call, configured):
    looked = call("sources", "check", "papers.jsonl", f"maildir:{configured}/alerts", "--json").json["inputs"]
    assert [(one["kind"], len(one["entries"])) for one in looked] == [("file", 1), ("maildir", 3)]


def test_doctor_says_who_else_may_read_a_mailboxs_password(call, configured):
    (configured / "secret").write_text("geheim\n")
    (configured / "secret").chmod(0o644)
    with (configured / "config.toml").open("a") as file:
        file.write('[[source]]\nid = "imap"\nkind = "imap"\nurl = "imaps://a@mail.example"\npassword_file = "secret"\n')
    findings = call("doctor", "--json").json["findings"]
    assert any("a mailbox's password" in one["detail"] and "everybody" in one["detail"] for one in findings)
