"""items: what one item of a feed says, where a publisher's habit has to be known."""

from __future__ import annotations

import pytest

from digest.sources.reading.items import entry_of


def test_names_before_the_abstract_are_its_authors_and_not_in_capitals():
    described = "Ada LOVELACE;Li O'BRIEN;Xi;</br>Frogs differ between valleys."
    entry = entry_of({"title": "Frogs", "id": "1", "summary": described}, "https://journal.example/")
    assert entry.authors == ("Ada Lovelace", "Li O'Brien", "Xi")
    assert entry.abstract.strip() == "Frogs differ between valleys."


@pytest.mark.parametrize(
    ("summary", "abstract"),
    [
        ("On the Growth of Frogs", ""),
        ("<p>On the growth\nof frogs</p>", ""),
        ("On the growth of frogs, and of newts", "On the growth of frogs, and of newts"),
    ],
)
def test_a_title_said_again_is_no_abstract(summary, abstract):
    item = {"title": "On the Growth of Frogs", "id": "1", "summary": summary}
    assert entry_of(item, "https://journal.example/").abstract == abstract


def test_a_post_without_a_title_keeps_its_text():
    entry = entry_of({"id": "1", "summary": "Only a text"}, "https://journal.example/")
    assert (entry.title, entry.abstract) == ("Only a text", "Only a text")
