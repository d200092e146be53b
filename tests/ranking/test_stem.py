"""Stems of scientific English: endings go, meanings stay apart."""

from __future__ import annotations

import pytest

from digest.ranking.stem import stem
from digest.ranking.text import fold, holds

ALIKE = [
    "optimize optimizing optimized optimization optimise optimising optimised optimisation",
    "model modelling modeling modelled",
    "predict predicting predicted prediction predictive",
    "generate generating generated generation generative",
    "compress compressed compressing compression compressive",
    "conductive conduction conductivity",
    "stable stability",
    "experiment experimental experimentally",
    "theoretical theoretically",
    "structure structured structural",
    "rapid rapidly",
    "measure measured measuring measurement",
    "robust robustness",
]
APART = [
    ("generative", "general"),
    ("transformer", "transform"),
    ("universe", "university"),
    ("analysis", "analog"),
    ("string", "strong"),
    ("being", "bee"),
    ("organization", "organ"),
    ("policy", "police"),
]


@pytest.mark.parametrize("family", ALIKE)
def test_forms_of_one_word_have_one_stem(family):
    assert len({stem(word) for word in family.split()}) == 1


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_words_stay_apart(one, other):
    assert stem(one) != stem(other)


@pytest.mark.parametrize("word", ["llm", "gpt4", "c++", "é", "推", "", "bees", "being", "thing", "string", "speed"])
def test_short_and_foreign_words_stay_whole(word):
    assert stem(word) == word


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("studies", "study"),
        ("classes", "class"),
        ("approaches", "approach"),
        ("caches", "cache"),
        ("boxes", "box"),
        ("matrices", "matrix"),
        ("analyses", "analysis"),
        ("biases", "bias"),
        ("corpora", "corpus"),
        ("llms", "llm"),
        ("movies", "movie"),
    ],
)
def test_plurals_fold_to_what_their_singular_folds_to(many, one):
    assert fold(many) == fold(one)


@pytest.mark.parametrize("word", ["news", "series", "bias", "gas", "analysis", "bus", "class", "data", "pandas", "ies"])
def test_words_that_are_no_plural_stay(word):
    assert fold(word) == word


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("LLMs that reason", "LLM", True),
        ("Case studies", "case study", True),
        ("Case study", "case studies", True),
        ("The university", "universe", False),
        ("The universe", "university", False),
        ("Optimizing networks", "optimization", False),
        ("General relativity", "generative", False),
        ("Graph neural networks", "graph neural network", True),
    ],
)
def test_keywords_and_mutes_are_compared_by_words_not_stems(text, phrase, found):
    assert holds(text, phrase) is found
