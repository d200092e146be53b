"""Novelty: the neighbour that is named is the nearest, and the share says how crowded the place is."""

from __future__ import annotations

import numpy as np

from digest.model.people import Profile
from digest.model.ranking import Evidence
from digest.ranking.pool import Pool
from digest.ranking.shelf import shelf_of
from digest.ranking.signals.novelty import NEUTRAL, measure, neighbourhood
from tests.ranking.samples import NOW, paper
from tests.ranking.test_query import sentence


def pool(candidates, history):
    return Pool(candidates, now=NOW, evidence=Evidence(history=tuple(history)))


def matrix(of_pool):
    """Every paper as a dense row: what the sparse products must agree with, while no stem is left out."""
    shelf = of_pool.once(shelf_of)
    dense = np.zeros((len(shelf.stem_numbers), shelf.papers))
    for stem in range(len(dense)):
        span = slice(shelf.unit.starts[stem], shelf.unit.starts[stem + 1])
        dense[stem, shelf.unit.papers[span]] = shelf.unit.values[span]
    return dense.T


def test_shares_and_neighbours_are_those_of_a_plain_computation():
    papers = [paper(n, title=f"Title {n}", abstract=sentence(n + 3, 5 + n % 9)) for n in range(8)]
    history = [paper(500 + n, title=f"Earlier {n}", abstract=sentence(n, 4 + n % 7)) for n in range(40)]
    given = pool(papers, history)
    dense = matrix(given)
    ours, theirs = dense[:8], dense[8:]
    among = theirs @ theirs.T
    np.fill_diagonal(among, -1)
    crowding = np.sort(among, axis=1)[:, -10:].mean(axis=1)
    found = neighbourhood(given)
    for row, cosines in enumerate(ours @ theirs.T):
        nearest = np.argsort(cosines)[-10:]
        assert found.similarity[row] == np.round(cosines.max(), 9)
        assert cosines[found.nearest[row]] == np.max(cosines)
        assert abs(found.share[row] - (crowding[nearest] > cosines[nearest].mean()).mean()) <= 0.1


def test_a_candidate_that_is_held_already_is_not_its_own_neighbour():
    history = [paper(500 + n, title=f"Earlier {n}", abstract=sentence(n)) for n in range(30)]
    found = neighbourhood(pool([history[4]], history))
    assert found.nearest[0] != Pool(history, now=NOW).rows[history[4].work]
    assert found.similarity[0] < 0.999


def test_a_copy_is_less_novel_than_a_paper_of_its_own():
    history = [paper(500 + n, title="Bees and hives", abstract=f"Bees in hives make honey, {n}.") for n in range(30)]
    history += [paper(600 + n, title=f"Earlier {n}", abstract=sentence(n * 10 + 1)) for n in range(30)]
    copy = paper(1, title="Bees and hives", abstract="Bees in hives make honey.")
    own = paper(2, title="Bees at night", abstract="Owls, moths and bats fly; bees do not.")
    given = pool([copy, own], history)
    column = measure(given, Profile())
    rows = {entry.work: row for row, entry in enumerate(given.entries)}
    assert column.share[rows[copy.work]] < column.share[rows[own.work]]
    assert column.figures(rows[copy.work])["neighbour"] == "Bees and hives"


def test_without_history_everybody_has_half_and_no_neighbour():
    column = measure(pool([paper(1), paper(2)], [paper(n) for n in range(50, 60)]), Profile())
    assert column.share.tolist() == [NEUTRAL, NEUTRAL]
    assert column.figures(0) == {}


def test_a_paper_like_nothing_before_names_no_neighbour():
    history = [paper(500 + n, title=f"Earlier {n}", abstract=sentence(n)) for n in range(30)]
    given = pool([paper(1, title="Quokka", abstract="Mandolin zither"), paper(2, title="", abstract="")], history)
    assert all("neighbour" not in measure(given, Profile()).figures(row) for row in range(2))
    assert np.isfinite(measure(given, Profile()).share).all()
