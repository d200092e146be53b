"""`digest entries`: show, likely, join, split, as a person and as a script read them."""

from __future__ import annotations

import pytest

RSS = """<rss version="2.0"><channel><title>A lab</title><item>
<title>{title}</title><link>https://lab.example.org/post</link><guid>https://lab.example.org/post</guid>
<author>Ada Reader</author><description>{text}</description></item></channel></rss>"""
TEXT = (
    "Nine tidal gauges were read at dawn for a whole year by the same three people and compared with the level of the "
    "sea as the harbour master wrote it down in his own book, which nobody had looked at since."
)
CONFIG = """
[mail]
from = "Digest <digest@example.org>"
[smtp]
transport = "folder"
path = "outbox"
[fetch]
arxiv_api = ""
[[source]]
id = "lab"
kind = "feed"
url = "lab.xml"
[[source]]
id = "zoo"
kind = "feed"
url = "zoo.xml"
[[digest]]
name = "papers"
title = "Papers"
"""


@pytest.fixture
def two(call, tmp_path):
    """Two feeds with one text under two titles, fetched."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "lab.xml").write_text(RSS.format(title="Gauges read at dawn by three people", text=TEXT))
    elsewhere = RSS.replace("https://lab.example.org/post", "https://zoo.example.org/post")
    (tmp_path / "zoo.xml").write_text(elsewhere.format(title="What the harbour master wrote down", text=TEXT))
    assert call("fetch").code == 0
    return "https://lab.example.org/post", "https://zoo.example.org/post"


def test_likely_names_pairs_and_how_to_join_them(call, two):
    (pair,) = call("entries", "likely", "--json").json["pairs"]
    assert {pair["one"]["url"], pair["other"]["url"]} == set(two) and pair["overlap"] == 1.0
    said = call("entries", "likely").out
    assert f"digest entries join {pair['one']['id']} {pair['other']['id']}" in " ".join(said.split())
    assert "100% of the abstracts in common" in " ".join(said.split())


def test_show_says_what_a_paper_is_possibly_the_same_as(call, two):
    shown = call("entries", "show", two[0], "--json").json
    (like,) = shown["possibly"]
    assert like["title"] == "What the harbour master wrote down" and shown["joined"] == []
    said = " ".join(call("entries", "show", two[0]).out.split())
    assert f'Possibly the same as {like["id"]} "What the harbour master wrote down"' in said


def test_joined_and_split_again(call, two):
    joined = call("entries", "join", *two, "--json")
    assert joined.code == 0 and set(joined.json["aliases"]) == {f"url:{link}" for link in two}
    shown = call("entries", "show", two[1], "--json").json
    assert {seen["source_id"] for seen in shown["sources"]} == {"lab", "zoo"} and len(shown["joined"]) == 1
    assert "the operator joined them" in call("entries", "show", two[0]).out
    assert call("entries", "likely").out.strip() == "No two papers are possibly one."
    parted = call("entries", "split", two[1], "--json").json
    assert {parted["kept"]["url"], parted["out"]["url"]} == set(two)
    assert call("entries", "show", two[0], "--json").json["sources"][0]["source_id"] == "lab"
    assert call("entries", "likely").out.strip() == "No two papers are possibly one."
    again = call("fetch", "--all", "--json").json["sources"]
    assert {row["new"] for row in again} == {0}


def test_what_cannot_be_joined_or_split_is_told_with_a_way_out(call, two):
    told = call("entries", "split", two[0], "--json")
    assert (told.code, told.json["error"]["what"]) == (2, "the name does not say what to take out of the work")
    assert call("entries", "join", two[0], two[0]).code == 2
    assert call("entries", "join", two[0], "2605.00009").code == 1
