"""Words of a text and where they stand: the quick ways give what the plain ones give."""

from __future__ import annotations

import string
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.ranking.text import TextIndex, grouped, plain, written


@given(st.text(alphabet=string.printable + "é", max_size=60))
def test_a_text_of_plain_ascii_is_cut_as_any_other(text):
    # A word in Chinese behind it takes the text off the quick road.
    assert [*written(text), "王"] == written(f"{text} 王")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("C++ and C#, a+b, x_1", ["c++", "and", "c#", "a", "b", "x", "1"]),
        ("C+ and A_B", ["c", "and", "a", "b"]),
        ("Self-Supervised\tGPT-4\x1fO(n)", ["self", "supervised", "gpt", "4", "o", "n"]),
        ("don't", ["don", "t"]),
        ("Erdős–Rényi", ["erdos", "renyi"]),
    ],
)
def test_words_as_they_are_written(text, words):
    assert written(text) == words


@given(st.text(max_size=40))
def test_what_is_plain_has_no_accents(text):
    folded = unicodedata.normalize("NFKD", text.casefold())
    assert plain(text) == "".join(char for char in folded if not unicodedata.combining(char))


@pytest.mark.parametrize("count", [0, 1, 7, 65_535, 65_536, 200_000])
def test_places_are_grouped_by_number_and_ascend_within(count):
    numbers = np.random.default_rng(count).integers(-1, max(count, 0), 5_000).astype(np.int32)
    order, starts = grouped(numbers, count)
    assert (order == np.argsort(numbers, kind="stable")).all()
    assert (starts == np.searchsorted(numbers[order], np.arange(count + 1))).all()


def test_holders_count_a_document_once():
    index = TextIndex([("Bees and bees", "A bee."), ("Honey", "of a bee"), ("", "")])
    assert index.holders() == {"bee": 2, "and": 1, "a": 2, "honey": 1, "of": 1}
    assert TextIndex([]).holders() == {}
