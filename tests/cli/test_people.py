"""`digest subscribers` and `digest suppressions`."""

from __future__ import annotations

from pathlib import Path


def listed(call) -> list[tuple[str, str]]:
    found = call("subscribers", "list", "--json").json["subscriptions"]
    return [(one["address"], one["state"]) for one in found]


def test_added_shown_removed_and_added_again(call, installed):
    added = call("subscribers", "add", "a@example.org", "b@EXAMPLE.org", "--json")
    assert (added.code, [one["address"] for one in added.json["subscriptions"]]) == (
        0, ["a@example.org", "b@example.org"],
    )  # fmt: skip
    assert call("subscribers", "remove", "a@example.org", "--json").json["removed"] == [
        {"address": "a@example.org", "ended": 1}
    ]
    assert listed(call) == [("a@example.org", "unsubscribed"), ("b@example.org", "confirmed")]
    call("subscribers", "add", "a@example.org")
    assert listed(call) == [("a@example.org", "confirmed"), ("b@example.org", "confirmed")]


def test_no_secret_is_ever_printed(call, read):
    from digest.app import build
    from digest.config import load

    app = build(load(Path("config.toml"), {}))
    (secret,) = (one.secret for one in app.subscribe.everybody())
    app.close()
    for command in ("list", "export", ("show", "reader@example.org")):
        words = command if isinstance(command, tuple) else (command,)
        for json in ((), ("--json",)):
            assert secret not in call("subscribers", *words, *json).out


def test_what_a_reader_chooses_is_checked_and_kept(call, installed):
    Path("wishes.toml").write_text('keywords = ["proofs"]\nmax_items = 3\n')
    Path("library.bib").write_text("@article{a, author = {Lovelace, Ada}, title = {Notes on the engine}}")
    done = call(
        "subscribers", "add", "a@example.org", "--profile", "wishes.toml", "--seed", "library.bib", "--language", "de",
        "--timezone", "Europe/Berlin", "--send-at", "06:15", "--days", "mon,Fri", "--joined", "--json",
    )  # fmt: skip
    (one,) = done.json["subscriptions"]
    assert (one["language"], one["timezone"], one["send_at"], one["days"], one["joined"]) == (
        "de", "Europe/Berlin", "06:15", [0, 4], True,
    )  # fmt: skip
    assert one["preferences"]["authors"] == ["Ada Lovelace"]
    assert (one["preferences"]["keywords"], one["preferences"]["max_items"]) == (["proofs"], 3)


def test_wrong_wishes_are_named(call, installed):
    Path("typo.toml").write_text("max_item = 3\n")
    for words, code in (
        (("--profile", "typo.toml"), 2),
        (("--profile", "none.toml"), 2),
        (("--seed", "none.bib"), 1),
        (("--timezone", "Mars"), 1),
        (("--language", "pt"), 1),
        (("--days", "someday"), 2),
        (("--send-at", "25:00"), 1),
        (("--digest", "nope"), 2),
    ):
        done = call("subscribers", "add", "a@example.org", *words, "--json")
        assert (words, done.code, set(done.json["error"])) == (words, code, {"what", "where", "try"})
    assert listed(call) == []


def test_some_bad_addresses_are_3_and_only_bad_ones_are_1(call, installed):
    some = call("subscribers", "add", "a@example.org", "nobody", "--json")
    assert (some.code, [one["where"] for one in some.json["problems"]]) == (3, ["nobody"])
    assert call("subscribers", "add", "nobody").code == 1


def test_an_export_imports_again_and_bad_rows_are_named(call, installed):
    call("subscribers", "add", "a@example.org", "b@example.org")
    call("subscribers", "export", "--out", "people.csv")
    assert call("subscribers", "import", "people.csv", "--json").json == {"imported": 2, "problems": []}
    Path("bad.csv").write_text("address,digest\nc@example.org,papers\nd@example.org,other\n")
    done = call("subscribers", "import", "bad.csv", "--json")
    assert (done.code, done.json["imported"], [one["row"] for one in done.json["problems"]]) == (3, 1, [3])
    assert len(listed(call)) == 3
    Path("latin.csv").write_bytes(b"address,digest\ncaf\xe9@example.org,papers\n")
    assert call("subscribers", "import", "latin.csv").code == 1


def test_a_dry_run_tells_what_an_import_would_do_and_does_not(call, installed):
    call("subscribers", "add", "a@example.org")
    rows = "a@example.org,papers\nb@example.org,papers\nB@example.org,papers\nc@example.org,other\n"
    Path("people.csv").write_text(f"address,digest\n{rows}")
    would = call("subscribers", "import", "people.csv", "--dry-run", "--json")
    counts = {name: would.json[name] for name in ("added", "changed", "same", "repeated", "refused")}
    assert (would.code, counts) == (3, {"added": 1, "changed": 0, "same": 1, "repeated": 1, "refused": 1})
    told = call("subscribers", "import", "people.csv", "--dry-run").out
    assert "1 would be added" in told and "Nothing was changed." in told and "row 5, digest:" in told
    Path("list.csv").write_text("address\nx@example.org\n")
    assert call("suppressions", "import", "list.csv", "--dry-run", "--json").json["added"] == 1
    assert len(listed(call)) == 1
    assert call("suppressions", "list", "--json").json == {"suppressions": []}


def test_erasing_needs_a_yes_and_suppresses(call, installed):
    call("subscribers", "add", "a@example.org")
    assert call("subscribers", "erase", "a@example.org").code == 2
    assert call("subscribers", "erase", "a@example.org", "--yes").code == 0
    assert call("subscribers", "show", "a@example.org").code == 1
    assert call("subscribers", "add", "a@example.org").code == 1
    assert "a@example.org" not in call("suppressions", "list").out


def test_a_suppressed_address_is_refused_until_it_is_lifted(call, installed):
    added = call("suppressions", "add", "a@example.org", "--reason", "complaint", "--json")
    assert added.json == {"added": ["a@example.org"]}
    assert call("subscribers", "add", "a@example.org").code == 1
    call("suppressions", "export", "--out", "list.csv")
    assert call("suppressions", "remove", "a@example.org").code == 0
    assert call("suppressions", "remove", "a@example.org").code == 1
    assert call("suppressions", "import", "list.csv", "--json").json == {"imported": 1, "problems": []}
    (one,) = call("suppressions", "list", "--json").json["suppressions"]
    assert (one["address"], one["reason"]) == ("a@example.org", "complaint")
    assert call("suppressions", "add", "a@example.org", "--reason", "spite").code == 2


def test_show_and_list_tell_that_an_address_is_suppressed(call, installed):
    call("subscribers", "add", "a@example.org", "b@example.org")
    assert call("subscribers", "show", "a@example.org", "--json").json["suppressed"] is None
    assert "Suppressed" not in call("subscribers", "show", "a@example.org").out
    call("suppressions", "add", "a@example.org", "--reason", "hard-bounce", "--detail", "no such user")
    entry = {"reason": "hard-bounce", "since_at": "2026-03-03T07:05:00Z", "detail": "no such user"}
    assert call("subscribers", "show", "A@Example.org", "--json").json["suppressed"] == entry
    told = call("subscribers", "show", "a@example.org").out
    assert "nothing is sent: hard-bounce since 2026-03-03 07:05 UTC (no such user)." in told
    rows = call("subscribers", "list", "--json").json["subscriptions"]
    assert [(one["address"], one["suppressed"]) for one in rows] == [("a@example.org", entry), ("b@example.org", None)]
    first, second = call("subscribers", "list").out.splitlines()[1:]
    assert first.endswith("hard-bounce since 2026-03-03 07:05 UTC") and second.endswith(" -")


def test_show_tells_when_and_how_a_digest_comes(call, installed):
    call("subscribers", "add", "a@example.org", "--send-at", "06:15", "--days", "mon,fri", "--joined")
    told = call("subscribers", "show", "a@example.org").out
    row = next(line for line in told.splitlines() if line.startswith("papers"))
    assert row.split()[:6] == ["papers", "confirmed", "(en)", "06:15", "(UTC)", "mon,fri"]
    assert "Digests of one instant come in one mail." in told and "In brackets: as the digest has it." in told


def test_added_to_the_list_and_there_already_are_told_apart(call, installed):
    assert call("suppressions", "add", "a@example.org").out == "1 added.\n"
    assert call("suppressions", "add", "a@example.org", "b@example.org").out == "1 added, 1 on the list already.\n"


def test_no_address_is_2(call, installed):
    for words in (
        ("suppressions", "add"),
        ("suppressions", "remove"),
        ("subscribers", "show"),
        ("subscribers", "erase"),
    ):
        assert (words, call(*words, "nonsense").code) == (words, 2)
    assert call("subscribers", "export", "--digest", "nope").code == 2
