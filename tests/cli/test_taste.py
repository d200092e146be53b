"""`digest taste`: a reader's words by command, and what `digest subscribers show` tells of them."""

from __future__ import annotations

import json
from pathlib import Path

READER = "reader@example.org"


def works(call) -> list[str]:
    """The ids of two papers that were fetched."""
    sections = call("preview", "--json").json["sections"]
    return [item["id"] for section in sections for item in section["items"]][:2]


def test_said_listed_taken_back_and_forgotten(call, read):
    one, other = works(call)
    said = call("taste", "more", "Reader@example.org", one, other, "--json")
    assert (said.code, [(taste["id"], taste["value"], taste["day"]) for taste in said.json["tastes"]]) == (
        0, [(one, 1, "2026-03-03"), (other, 1, "2026-03-03")],
    )  # fmt: skip
    assert call("taste", "less", READER, other).out.startswith("Less like this: ")
    listed = call("taste", "list", READER, "--json").json["tastes"]
    assert {taste["id"]: taste["value"] for taste in listed} == {one: 1, other: -1}
    table = call("taste", "list", READER).out.splitlines()
    assert (table[0].split(), {line.split()[0] for line in table[1:]}) == (
        ["said", "on", "id", "title"],
        {"more", "less"},
    )
    assert call("taste", "undo", READER, one, "--json").json == {"undone": [one]}
    assert call("taste", "undo", READER, one).code == 1
    assert call("taste", "forget", READER, "--json").json == {"forgotten": 1}
    assert call("taste", "list", READER).out == "Nothing was said yet.\n"


def test_the_export_is_json_on_standard_output_and_in_a_file(call, read):
    one, _ = works(call)
    call("taste", "more", READER, one)
    printed = json.loads(call("taste", "export", READER).out)
    assert call("taste", "export", READER, "--out", "tastes.json").out == "Written to tastes.json.\n"
    assert json.loads(Path("tastes.json").read_text("utf-8")) == printed
    assert [(taste["id"], taste["value"]) for taste in printed["tastes"]] == [(one, 1)]


def test_an_unknown_reader_or_paper_is_named_with_what_to_do(call, read):
    one, _ = works(call)
    for words, code, where in (
        (("more", "nobody@example.org", one), 1, "nobody@example.org"),
        (("more", READER, "2699.00001"), 1, "2699.00001"),
        (("less", "no address", one), 2, "ADDRESS"),
        (("undo", READER, one), 1, one),
        (("list", "nobody@example.org"), 1, "nobody@example.org"),
    ):
        done = call("taste", *words, "--json")
        assert (words, done.code, done.json["error"]["where"]) == (words, code, where)
        assert done.json["error"]["try"]


def test_show_tells_how_much_was_said_and_has_all_of_it_as_json(call, read):
    one, other = works(call)
    assert call("subscribers", "show", READER, "--json").json["tastes"] == []
    assert "like this" not in call("subscribers", "show", READER).out
    call("taste", "more", READER, one)
    call("taste", "less", READER, other)
    assert "Said more like this of 1 paper, less of 1." in call("subscribers", "show", READER).out
    assert "Leans on words: " in call("subscribers", "show", READER).out
    shown = call("subscribers", "show", READER, "--json").json
    assert {taste["id"]: taste["value"] for taste in shown["tastes"]} == {one: 1, other: -1}
    assert 0 < len(shown["leans_on"]["words"]) <= 10 and 0 < len(shown["leans_on"]["people"]) <= 10
