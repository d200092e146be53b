"""fetch, preview, send, explain, status, entries: the daily road, over two days."""

from __future__ import annotations

import email
import email.policy
import re
from pathlib import Path

from tests.cli.conftest import SECOND

COUNTS = ("planned", "accepted", "rejected", "suppressed", "expired", "deferred", "uncertain", "open")


def counts(**some: int) -> dict[str, int]:
    return dict.fromkeys(COUNTS, 0) | some


def test_fetch_gives_a_row_a_source(call, installed):
    done = call("fetch", "--json")
    rows = {row["id"]: row for row in done.json["sources"]}
    assert (done.code, list(rows)) == (0, ["arxiv", "hf-daily"])
    assert {"id", "state", "new", "revised", "unchanged", "http_status", "detail", "next_at"} <= set(rows["arxiv"])
    assert sum(row["new"] for row in rows.values()) == 18
    assert rows["hf-daily"]["state"] == "ok"
    assert rows["hf-daily"]["next_at"].endswith("Z")


def test_fetching_what_is_not_due_is_done_and_says_so(call, read):
    assert (call("fetch", "--json").json, call("fetch").code) == ({"sources": []}, 0)


def test_some_sources_failed_is_3_and_all_failed_is_1(call, installed):
    Path("feeds/arxiv.atom").unlink()
    assert call("fetch", "--all").code == 3
    Path("feeds/hf-daily.json").write_text("<html>")
    done = call("fetch", "--all", "--json")
    assert (done.code, {row["state"] for row in done.json["sources"]}) == (1, {"broken"})


def test_preview_has_the_contracts_shape_and_writes_three_files(call, read):
    done = call("preview", "--json", "--out", "shown", "--for", "reader@example.org", "--at", "2026-03-03")
    shown = done.json
    assert (done.code, shown["digest"], shown["slot"]) == (0, "papers", "2026-03-03@2026-03-03T07:00:00Z")
    assert shown["for"] == "reader@example.org"
    assert shown["counts"] == {"candidates": 18, "already_sent": 0, "muted": 0, "printed": 18}
    items = [item for section in shown["sections"] for item in section["items"]]
    assert {section["title"] for section in shown["sections"] if section["category"] == "cs.CL"} == {
        "Computation and Language"
    }
    assert len(items) == 18
    wanted = "id title url authors institutions categories published_at score parts code_url also"
    assert set(items[0]) == set(wanted.split())
    ids = re.compile(r"(arxiv:\d{4}\.\d{4,5}|doi:10\.\S+|work:\w+)")
    assert all(ids.fullmatch(one) for item in items for one in (item["id"], *item["also"]))
    assert all(item["code_url"] is None or item["code_url"].startswith("https://") for item in items)
    assert all(sum(part["points"] for part in item["parts"]) == item["score"] for item in items)
    assert all(set(part) == {"key", "points", "why"} for item in items for part in item["parts"])
    assert {name: Path(path).name for name, path in shown["files"].items()} == {
        "html": "edition.html", "text": "edition.txt", "eml": "edition.eml",
    }  # fmt: skip
    mail = email.message_from_bytes(Path(shown["files"]["eml"]).read_bytes(), policy=email.policy.default)
    assert (mail["To"], mail["Subject"]) == ("reader@example.org", shown["subject"])


def test_preview_records_nothing(call, read):
    before = call("status", "--json").json
    call("preview", "--at", "2026-03-03")
    assert call("status", "--json").json == before


def test_a_slot_without_a_mail_has_a_reason_and_no_files(call, installed):
    done = call("preview", "--json")
    assert (done.code, done.json["files"], done.json["sections"]) == (0, None, [])
    assert done.json["reason"]


def test_send_publishes_and_delivers_and_is_done_when_nothing_is_due(call, read):
    done = call("send", "--json")
    assert (done.code, done.json["slot"]) == (0, "2026-03-03@2026-03-03T07:00:00Z")
    assert done.json["deliveries"] == counts(planned=1, accepted=1)
    assert (done.json["editions"], done.json["seconds"] >= 0) == (1, True)
    again = call("send", "--json")
    assert (again.code, again.json["deliveries"]) == (0, counts(planned=1, accepted=1))
    assert again.json["reason"] == "Nothing was due; the next slot is 2026-03-04 07:00 UTC."
    assert len(list(Path("outbox").glob("*.eml"))) == 1


def test_the_second_day_sends_only_what_is_new(call, read, feeds, at):
    call("send")
    (first,) = Path("outbox").glob("*.eml")
    feeds(2)
    at(SECOND)
    call("fetch")
    done = call("send", "--json")
    assert done.json["deliveries"] == counts(planned=1, accepted=1)
    (second,) = set(Path("outbox").glob("*.eml")) - {first}
    printed = "Slow Tokens, Fast Answers"
    texts = [email.message_from_bytes(one.read_bytes(), policy=email.policy.default) for one in (first, second)]
    assert [printed in text.get_body(("plain",)).get_content() for text in texts] == [True, False]


def test_a_dry_run_tells_who_would_get_what_and_records_nothing(call, read):
    done = call("send", "--dry-run", "--json")
    assert (done.code, done.json["readers"]) == (
        0,
        [{"address": "reader@example.org", "slot": "2026-03-03@2026-03-03T07:00:00Z"}],
    )
    assert (done.json["printed"], done.json["dry_run"], Path("outbox").exists()) == (18, True, False)
    assert call("deliveries", "list", "--all", "--json").json["deliveries"] == []


def test_a_test_copy_goes_out_and_is_not_recorded(call, read):
    done = call("send", "--to", "me@example.net", "--json")
    assert (done.code, done.json["outcome"], done.json["to"]) == (0, "accepted", "me@example.net")
    (copy,) = Path("outbox").glob("*.eml")
    mail = email.message_from_bytes(copy.read_bytes(), policy=email.policy.default)
    assert (mail["To"], mail["Subject"]) == ("me@example.net", call("preview", "--json").json["subject"])
    assert call("deliveries", "list", "--all", "--json").json["deliveries"] == []


def test_a_relay_that_is_not_there_leaves_everything_open_and_is_1(call, read):
    text = Path("config.toml").read_text()
    server = 'host = "127.0.0.1"\nport = 1\nsecurity = "none"'
    Path("config.toml").write_text(text.replace('transport = "folder"\npath = "outbox"', server))
    done = call("send", "--json")
    assert (done.code, done.json["deliveries"]) == (1, counts(planned=1, open=1))
    assert set(done.json["error"]) == {"what", "where", "try"}
    told = call("send")
    assert (told.code, told.err.startswith("error: ")) == (1, True)
    Path("config.toml").write_text(text)
    assert call("send", "--json").json["deliveries"] == counts(planned=1, accepted=1)


def test_the_future_is_not_sent(call, read):
    done = call("send", "--at", "2026-03-05", "--json")
    assert (done.code, done.json["error"]["where"]) == (2, "--at 2026-03-05")


def test_a_day_without_a_slot_is_done_and_says_so(call, read):
    text = Path("config.toml").read_text().replace('send_at = "07:00"', 'send_at = "07:00"\ndays = ["tue"]')
    Path("config.toml").write_text(text)
    for words in ((), ("--dry-run",)):
        done = call("send", "--at", "2026-03-02", *words, "--json")
        assert (done.code, "is not published on Mondays" in done.json["reason"]) == (0, True)
    shown = call("preview", "--at", "2026-03-02", "--json")
    assert (shown.code, shown.json["files"], bool(shown.json["reason"])) == (0, None, True)


def test_several_digests_are_told_one_by_one(call, read):
    with Path("config.toml").open("a") as file:
        file.write('[[digest]]\nname = "second"\nsend_at = "07:00"\n')
    done = call("send", "--json")
    assert [(one["digest"], one["deliveries"]["planned"]) for one in done.json["digests"]] == [
        ("papers", 1), ("second", 0),
    ]  # fmt: skip
    assert call("send", "--digest", "papers", "--json").json["digest"] == "papers"
    refused = call("preview", "--json")
    assert (refused.code, refused.json["error"]["try"]) == (2, "name one with --digest: papers, second")


def test_explain_says_why_by_any_name_of_the_paper(call, read):
    found = [
        call("explain", name, "--at", "2026-03-03", "--json").json
        for name in (
            "arxiv:2603.90101",
            "2603.90101v3",
            "https://arxiv.org/pdf/2603.90101",
            "10.48550/arXiv.2603.90101",
        )
    ]
    assert [one["id"] for one in found] == ["arxiv:2603.90101"] * 4
    assert found[0]["verdict"] == "printed"
    assert sum(part["points"] for part in found[0]["parts"]) == found[0]["score"]
    assert call("explain", "2601.00001").code == 1


def test_status_shows_sources_before_their_first_fetch(call, installed):
    found = call("status", "--json").json
    assert [(one["id"], one["state"]) for one in found["sources"]] == [("arxiv", None), ("hf-daily", None)]
    assert call("status").code == 0


def test_entries_show_tells_sources_votes_and_printings(call, read):
    call("send")
    found = call("entries", "show", "2603.90101", "--json").json
    assert {one["source_id"] for one in found["sources"]} == {"arxiv", "hf-daily"}
    assert [vote["upvotes"] for vote in found["votes"]] == [64]
    assert found["printed"] == [{"digest": "papers", "slot": "2026-03-03@2026-03-03T07:00:00Z"}]
    assert "Slow Tokens" in call("entries", "show", "2603.90101").out
