"""Which papers are nearly the same: those and only those whose cosine is high."""

from __future__ import annotations

import random

import numpy as np
import pytest

from digest.model.ranking import Evidence
from digest.ranking.alike import NEARLY_THE_SAME, twins
from digest.ranking.pool import Pool
from tests.ranking.samples import NOW, paper
from tests.ranking.test_novelty import matrix

WORDS = tuple(f"{first}{second}" for first in ("ka", "lo", "mi", "ren", "tor", "vel") for second in "abcdefghiklmnopr")


def edited(text, part, chance):
    """The same text with a part of its words replaced."""
    return " ".join(chance.choice(WORDS) if chance.random() < part else word for word in text.split())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("earlier", [0, 30])
def test_twins_are_those_of_a_plain_computation(seed, earlier):
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(WORDS, k=chance.choice((4, 20, 60)))) for _ in range(25)]
    copies = [edited(text, chance.random() * 0.5, chance) for text in texts for _ in range(2)]
    papers = [paper(n, title="", abstract=text) for n, text in enumerate((*texts, *copies))]
    history = tuple(paper(900 + n, title=f"Earlier {n}", abstract=chance.choice(texts)) for n in range(earlier))
    pool = Pool(papers, now=NOW, evidence=Evidence(history=history))
    ours = matrix(pool)[: len(papers)]
    cosines = ours @ ours.T
    np.fill_diagonal(cosines, 0.0)
    wanted = {
        row: tuple((int(other), round(float(cosines[row, other]), 3)) for other in np.flatnonzero(near))
        for row, near in enumerate(cosines >= NEARLY_THE_SAME)
        if near.any()
    }
    assert twins(pool) == wanted
    assert len(wanted) > 10


def test_papers_without_words_are_nobodys_twins():
    assert twins(Pool([paper(n, title="The", abstract="") for n in range(3)], now=NOW)) == {}
    assert twins(Pool([], now=NOW)) == {}
