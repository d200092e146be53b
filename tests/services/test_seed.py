"""A library becomes a profile: the authors and the words that recur in it."""

from __future__ import annotations

import json

import pytest

from digest.config import parse_profile
from digest.model.errors import InputError
from digest.services.learning.seed import seed

BIBTEX = r"""
@comment{ignored, title = {Nothing}}
@string{coast = "Journal of Coastal Reading"}
@article{halden20,
  author = {Halden, Mira and G{\"o}del, Kurt and others},
  title  = {{Lighthouse} Ledgers and the Tides of {\'E}ire},
  journal = coast # " B",
  keywords = {lighthouse keeping; archives},
  year = 2020
}
@inproceedings(vega21, author = "Tom{\'a}s Vega and Mira Halden", title = "Lighthouse ledgers, again",)
@misc{broken, title = {An unclosed brace
"""


def test_bibtex_gives_names_as_people_write_them_and_terms_that_recur():
    found = seed(BIBTEX, "library.bib")
    assert found["authors"] == ["Mira Halden", "Kurt Gödel", "Tomás Vega"]
    assert found["keywords"][:3] == ["lighthouse keeping", "archives", "lighthouse ledgers"]


def test_csl_json_and_ris_of_one_library_give_the_same_profile():
    items = [
        {"title": "Reading rooms by the sea", "author": [{"family": "Halden", "given": "Mira"}]},
        {"title": "More reading rooms", "author": [{"family": "Halden", "given": "Mira"}, {"literal": "Wren Hall"}]},
        {"title": 7, "author": "odd"},
        "odd",
    ]
    ris = (
        "TY  - JOUR\r\nAU  - Halden, Mira\r\nTI  - Reading rooms by the sea\r\nER  - \r\n"
        "TY  - JOUR\r\nA1  - Halden, Mira\r\nA1  - Wren Hall\r\nT1  - More reading rooms\r\nER  - \r\n"
    )
    expected = {"authors": ["Mira Halden", "Wren Hall"], "keywords": ["reading rooms"]}
    assert seed(json.dumps(items)) == seed(json.dumps({"items": items})) == seed("\ufeff" + ris) == expected


def test_in_a_large_library_a_single_author_says_nothing():
    items = [{"title": f"Paper {n}", "author": [{"family": f"Only{n}"}, {"family": "Often"}]} for n in range(8)]
    assert seed(json.dumps(items))["authors"] == ["Often"]


def test_the_result_is_a_valid_profile():
    profile = parse_profile(seed(BIBTEX), where="seed")
    assert "Mira Halden" in profile.authors and "lighthouse ledgers" in profile.keywords


@pytest.mark.parametrize("text", ["", "{", "[]", "[1, 2]", "<html>", "@", "@article{", "@a{b,", "TY  - X", "\x00\xff"])
def test_nonsense_is_refused_with_what_to_give_instead(text):
    with pytest.raises(InputError) as caught:
        seed(text, "notes.txt")
    assert (caught.value.where, caught.value.what) == ("notes.txt", "it holds no references")
    assert "BibTeX" in caught.value.try_


def test_hostile_input_ends_quickly():
    for text in (
        "@article{" * 20_000,
        "@a{b, x={" * 20_000,
        "a, " * 50_000,
        "@a{b, title=" + "{" * 100_000,
        "[" * 100_000,
        "@a{b, c = d # " * 5_000,
        "\\'" * 50_000,
    ):
        with pytest.raises(InputError):
            seed(text)
