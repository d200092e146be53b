"""Words, names and categories: what counts as the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.ranking.categories import NAMES, title_of
from digest.ranking.match import Agreement, fit, look_up_keys, person, same_house, wanted_keys
from digest.ranking.text import TextIndex, holds, words

FULL = [
    ("LeCun, Yann", "Yann LeCun"),
    ("lecun", "Yann LeCun"),
    ("Geoffrey Hinton", "Geoffrey E. Hinton"),
    ("José Ñandú", "Jose Nandu"),
    ("Bjørn Ommer", "Bjorn Ommer"),
    ("Łukasz Kaiser", "Lukasz Kaiser"),
    ("Müller, Klaus", "Klaus Mueller"),
    ("Klaus Muller", "Klaus Müller"),
    ("Cathy O'Neil", "Cathy O’Neil"),
    ("Wei Li", "Li Wei"),
    ("Fei-Fei Li", "Li Fei-Fei"),
    ("Feifei Li", "Fei-Fei Li"),
    ("Jun-Yan Zhu", "Junyan Zhu"),
    ("王 伟", "王伟"),
    ("van den Berg, Rianne", "Rianne van den Berg"),
    ("Rianne Vandenberg", "Rianne van den Berg"),
    ("van den Berg", "Rianne van den Berg"),
    ("Rianne Berg", "Rianne van den Berg"),
    ("Jean Serre", "Jean-Pierre Serre"),
    ("John Smith Jr.", "John Smith"),
    ("Smith, John, Jr.", "John Smith Jr."),
    ("Plato", "Plato"),
]
INITIAL = [
    ("Yann LeCun", "Y. LeCun"),
    ("Y. LeCun", "Yann LeCun"),
    ("Rianne van den Berg", "R. van den Berg"),
    ("Jean-Pierre Serre", "J.-P. Serre"),
    ("JY Zhu", "Jun-Yan Zhu"),
    ("Hector Garcia-Molina", "H. Garcia Molina"),
    ("Wei Wang", "W. Wang"),
]
DIFFERENT = [
    ("Yann LeCun", "Yves LeCun"),
    ("Yann LeCun", "LeCun"),
    ("Geoffrey F. Hinton", "Geoffrey E. Hinton"),
    ("Yann LeCun", "Yann Lecunet"),
    ("", "Yann LeCun"),
    ("Yann", "Yann LeCun"),
    ("Anna von Berg", "Anna van den Berg"),
    ("John Smith, Jr.", "John Smith III"),
    ("Hector Garcia", "Hector Garcia-Molina"),
    ("王伟", "Wei Wang"),
]


@pytest.mark.parametrize(
    ("wanted", "name", "how"),
    [(*pair, how) for how, pairs in zip(Agreement, (DIFFERENT, INITIAL, FULL), strict=True) for pair in pairs],
)
def test_ways_of_writing_one_name_agree_and_other_people_do_not(wanted, name, how):
    assert fit(person(wanted), name) is how


@pytest.mark.parametrize(
    ("wanted", "written", "ids"),
    [
        ("Yann LeCun (orcid:0000-0002-1825-0097)", "Yann LeCun", {"orcid:0000-0002-1825-0097"}),
        ("orcid:0000-0002-1825-009x", "orcid:0000-0002-1825-009X", {"orcid:0000-0002-1825-009X"}),
        ("https://orcid.org/0000-0002-1825-0097", "orcid:0000-0002-1825-0097", {"orcid:0000-0002-1825-0097"}),
        ("LeCun, Yann https://openalex.org/A5023888391", "LeCun, Yann", {"openalex:A5023888391"}),
        ("Yann LeCun", "Yann LeCun", set()),
    ],
)
def test_a_followed_author_may_be_written_with_an_id_or_as_one(wanted, written, ids):
    meant = person(wanted)
    assert (meant.written, meant.ids) == (written, ids)


def test_an_id_settles_who_it_is_whatever_the_name():
    meant = person("Wei Wang (orcid:0000-0002-1825-0097)")
    assert fit(meant, "W. W. Wang", "orcid:0000-0002-1825-0097") is Agreement.FULL
    assert fit(meant, "Wei Wang", "orcid:0000-0001-0000-0009") is Agreement.NONE
    assert fit(meant, "Wei Wang", "openalex:A5023888391") is Agreement.FULL  # the other kind says nothing
    assert fit(person("orcid:0000-0002-1825-0097"), "Wei Wang") is Agreement.NONE


@given(st.sampled_from([name for pair in (*FULL, *INITIAL, *DIFFERENT) for name in pair if name]), st.data())
def test_names_that_agree_are_found_under_a_common_key(wanted, data):
    name = data.draw(st.sampled_from([name for pair in (*FULL, *INITIAL, *DIFFERENT) for name in pair if name]))
    if fit(person(wanted), name) is not Agreement.NONE:
        keys = {key for form in person(wanted).forms for key in wanted_keys(form)}
        assert keys & set(look_up_keys(name))


@pytest.mark.parametrize(
    ("wanted", "name", "same"),
    [
        ("Google", "Google DeepMind", True),
        ("MIT", "Massachusetts Institute of Technology (MIT)", True),
        ("Massachusetts Institute of Technology", "MIT CSAIL", True),
        ("UC Berkeley", "University of California, Berkeley", True),
        ("Peking Univ.", "Peking University", True),
        ("AT&T Labs", "AT and T Labs", True),
        ("MIT", "RMIT University", False),
        ("Washington University", "University of Washington", False),
        ("...", "MIT", False),
    ],
)
def test_institutions_are_compared_by_whole_words_and_safe_short_names(wanted, name, same):
    assert same_house(wanted, name) is same


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
