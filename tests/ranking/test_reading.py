"""The terms of a prior read off an index of words: those that ``terms`` cuts, whatever the text."""

from __future__ import annotations

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from digest.ranking.prior.features import terms
from digest.ranking.prior.reading import held
from digest.ranking.text import TextIndex
from tests.ranking.samples import paper

WORDS = (
    "bees",
    "bee",
    "hive",
    "Hives",
    "glass",
    "C++",
    "a+b",
    "a",
    "b",
    "#1",
    "naïve",
    "β-decay",
    "x_1",
    "王伟",
    "—",
    "",
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


def cut(vocabulary, papers):
    index = TextIndex([(one.title, one.abstract) for one in papers])
    return [[vocabulary[number] for number in numbers] for numbers in held(vocabulary, papers, index)]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5), st.integers(1, 3))
def test_every_entry_holds_what_is_cut_of_it_alone(texts, step):
    papers = [paper(number, title=title, abstract=abstract) for number, (title, abstract) in enumerate(texts)]
    everything = sorted(set(chain.from_iterable(map(terms, papers))))
    vocabulary = tuple(everything[::step])
    wanted = [sorted(terms(one) & set(vocabulary)) for one in papers]
    assert cut(vocabulary, papers) == wanted


def test_a_pair_of_words_does_not_reach_from_the_title_into_the_abstract_nor_into_the_next_paper():
    papers = [paper(1, title="honey bees", abstract="hives of glass"), paper(2, title="wax", abstract="")]
    vocabulary = ("bee hive", "glass wax", "hive of", "honey bee", "t:bee", "t:hive", "wax")
    assert cut(vocabulary, papers) == [["hive of", "honey bee", "t:bee"], ["wax"]]


def test_without_a_vocabulary_or_entries_nothing_is_held():
    assert cut((), [paper(1, title="bees", abstract="")]) == [[]]
    assert cut(("bee",), []) == []
