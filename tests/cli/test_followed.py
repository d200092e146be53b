"""`digest people`: whom readers follow, what the store knows of them, and asking catalogues."""

from __future__ import annotations

from pathlib import Path

import pytest

AUTHORS = '\nauthors = ["Nobody Atall", "{name}"]\n'


@pytest.fixture
def follows(read: Path, call) -> str:
    """Somebody who wrote a fetched paper is followed, and somebody who wrote none."""
    sections = call("preview", "--json").json["sections"]
    name = sections[0]["items"][0]["authors"][0]
    with (read / "config.toml").open("a", encoding="utf-8") as file:
        file.write(AUTHORS.format(name=name))
    return name


def test_everybody_who_is_followed_is_listed_with_what_is_known(call, follows):
    listed = call("people", "list", "--json")
    assert listed.code == 0
    people = {one["person"]: one for one in listed.json["people"]}
    assert set(people) == {"Nobody Atall", follows}
    assert (people[follows]["papers_here"] > 0, people["Nobody Atall"]["papers_here"]) == (True, 0)
    assert people[follows]["facts"] is None
    table = call("people", "list").out.splitlines()
    assert table[0].split()[:2] == ["person", "h-index"]
    assert "not asked for" in table[1]


def test_one_person_is_shown_followed_or_not(call, follows):
    shown = call("people", "show", follows)
    assert shown.out.splitlines()[0] == follows
    assert "theirs beyond doubt" in shown.out and "Too few papers for an AI score." in shown.out
    nobody = call("people", "show", "Nobody Atall")
    assert (nobody.code, "nobody of that name" in nobody.err, "try:" in nobody.err) == (1, True, True)


def test_without_a_catalogue_nobody_is_asked_and_it_is_said_how_to_change_that(call, follows):
    asked = call("people", "refresh")
    assert (asked.code, "[keys]" in asked.out) == (0, True)
    said = call("people", "refresh", "--json").json
    assert (said["answers"], said["left"], said["why"]) == ([], 0, [asked.out.strip()])


def test_without_anybody_followed_the_list_says_so(call, read):
    assert "Nobody is followed" in call("people", "list").out
