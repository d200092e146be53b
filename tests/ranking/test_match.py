"""Words, names and categories: what counts as the same."""

from __future__ import annotations

import pytest

from digest.ranking.categories import NAMES, title_of
from digest.ranking.match import same_person
from digest.ranking.text import TextIndex, holds, words

SAME = [
    ("Yann LeCun", "Y. LeCun"),
    ("LeCun, Yann", "Yann LeCun"),
    ("lecun", "Yann LeCun"),
    ("Geoffrey Hinton", "Geoffrey E. Hinton"),
    ("José Ñandú", "Jose Nandu"),
    ("Wei Li", "Li Wei"),
]
DIFFERENT = [
    ("Yann LeCun", "Yves LeCun"),
    ("Geoffrey F. Hinton", "Geoffrey E. Hinton"),
    ("Yann LeCun", "Yann Lecunet"),
    ("", "Yann LeCun"),
    ("Yann", "Yann LeCun"),
]


@pytest.mark.parametrize(("wanted", "name"), SAME)
def test_ways_of_writing_one_name_agree(wanted, name):
    assert same_person(wanted, name)


@pytest.mark.parametrize(("wanted", "name"), DIFFERENT)
def test_other_people_are_not_taken_for_them(wanted, name):
    assert not same_person(wanted, name)


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("Text-to-Image with LLMs", "text to image", True),
        ("Text-to-Image with LLMs", "LLM", True),
        ("Worlds of difference", "RL", False),
        ("A new method", "news", False),
        ("用大模型推理", "大模型", True),
        ("Bindings for C++", "C", False),
        ("Bindings for C++", "c++", True),
        ("Anything", "", False),
        ("Anything", "...", False),
    ],
)
def test_phrases_are_found_as_whole_words(text, phrase, found):
    assert holds(text, phrase) is found
    assert bool(TextIndex([("", text)]).present(words(phrase))[0]) is found


def test_a_phrase_does_not_run_over_from_title_to_abstract_nor_to_the_next_document():
    index = TextIndex([("deep blue", "sea"), ("foam", "")])
    assert not index.present(words("blue sea")).any()
    assert not index.present(words("sea foam")).any()
    assert index.counts(words("deep blue")).tolist() == [1.0, 0.0]


def test_categories_have_the_names_of_the_taxonomy():
    assert len(NAMES) == 155
    assert title_of("cs.CL") == "Computation and Language"
    assert title_of("Cell Biology") == "Cell Biology"
    assert title_of("other") == "Other"
