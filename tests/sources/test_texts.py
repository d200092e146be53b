"""names, ids, dates: the small readers of what publishers write."""

from __future__ import annotations

import pytest

from digest.sources.reading.dates import parse_date
from digest.sources.reading.ids import arxiv_id, bare_arxiv_id, doi
from digest.sources.reading.names import names_of, split_names, turn, with_affiliations


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("Ada One, Bo Two, Cy van der Three", ("Ada One", "Bo Two", "Cy van der Three")),
        ("Ada One and Bo Two", ("Ada One", "Bo Two")),
        ("Ada One, Bo Two, and Cy Three", ("Ada One", "Bo Two", "Cy Three")),
        ("One, Ada; Two, Bo", ("Ada One", "Bo Two")),
        ("One, A., Two, B.-C.", ("A. One", "B.-C. Two")),
        ("Liu, Chunhua", ("Chunhua Liu",)),
        ("Ada One, Bo Two, et al.", ("Ada One", "Bo Two")),
        ("Madonna", ("Madonna",)),
        ("ada@example.org", ()),
        ("Ada One <ada@example.org>", ("Ada One",)),
        ("  ", ()),
        ("Sandy Anderson & Andy Sand", ("Sandy Anderson", "Andy Sand")),
    ],
)
def test_author_lines_are_taken_apart(line, names):
    assert split_names(line) == names


def test_several_author_elements_are_one_name_each():
    assert names_of(["One, Ada", "Two, Bo", " ", "One, Ada"]) == ("Ada One", "Bo Two")
    assert (turn("One, Ada, Jr."), turn("Ada One, PhD")) == ("Ada One Jr.", "Ada One, PhD")


@pytest.mark.parametrize(
    ("line", "names", "places"),
    [
        ("A B (MIT), C D (ETH, Zurich)", ("A B", "C D"), ("MIT", "ETH, Zurich")),
        ("A B (1), C D (2) ((1) X, (2) Y, Town)", ("A B", "C D"), ("X", "Y, Town")),
        ("Xiao (Tony) Wang", ("Xiao (Tony) Wang",), ()),
        ("P\\'al Erd{\\H o}s, A{\\\"i, o} B", ("P\\'al Erd{\\H o}s", 'A{\\"i, o} B'), ()),
        ("broken (paren, C D", ("broken (paren, C D",), ()),
        ("", (), ()),
    ],
)
def test_arxivs_affiliations_become_institutions(line, names, places):
    assert with_affiliations(line) == (names, places)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://arxiv.org/abs/2511.01234v3", ("2511.01234", 3)),
        ("http://www.arxiv.org/pdf/2511.01234.pdf", ("2511.01234", None)),
        ("oai:arXiv.org:hep-th/9901001v2", ("hep-th/9901001", 2)),
        ("https://arxiv.org/abs/math.AG/0601001", ("math.ag/0601001", None)),
        ("https://doi.org/10.48550/arXiv.2511.01234", ("2511.01234", None)),
        ("https://huggingface.co/papers/2511.01234", ("2511.01234", None)),
        ("arXiv:0704.0001", ("0704.0001", None)),
        ("https://example.org/2511.01234", None),
        ("https://arxiv.org/list/cs.CL/new", None),
        ("https://arxiv.org/abs/2511.0123456", None),
        ("", None),
    ],
)
def test_arxiv_ids_are_found_in_links_and_guids_only(text, found):
    assert arxiv_id(text) == found


def test_a_bare_id_counts_where_an_id_is_meant():
    assert bare_arxiv_id("2511.01234v2") == ("2511.01234", 2)
    assert bare_arxiv_id("2511.01234 or so") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("doi:10.1101/2023.12.16.571984", "10.1101/2023.12.16.571984"),
        ("https://www.biorxiv.org/content/10.1101/2023.12.16.571984v1.full", "10.1101/2023.12.16.571984"),
        ("https://doi.org/10.1002/TAX.12650?af=R", "10.1002/tax.12650"),
        ("https://pub.example/doi/full/10.1080/00222933.2021.1974594#top", "10.1080/00222933.2021.1974594"),
        ("https://doi.org/10.1016%2Fj.cell.2025.01.001.", "10.1016/j.cell.2025.01.001"),
        ("10.48550/arXiv.2511.01234", None),
        ("https://pub.example/10.5/x", None),
        ("", None),
    ],
)
def test_dois_are_found_without_resolver_version_and_decoration(text, found):
    assert doi(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2025-11-21T10:00:00.123456Z", "2025-11-21T10:00:00+00:00"),
        ("2025-11-21T10:00:00+0530", "2025-11-21T04:30:00+00:00"),
        ("2025-11-21 10:00", "2025-11-21T10:00:00+00:00"),
        ("2025-1-3", "2025-01-03T00:00:00+00:00"),
        ("2025-11", "2025-11-01T00:00:00+00:00"),
        ("21 Nov 2025 10:00:00 +0100", "2025-11-21T09:00:00+00:00"),
        ("Fri, 21 Nov 2025", "2025-11-21T00:00:00+00:00"),
        ("2025-13-40", None),
        ("2025-11-21T10:00:00+99:99", "2025-11-17T05:21:00+00:00"),
        ("x" * 1000, None),
        (5, None),
        (None, None),
    ],
)
def test_dates_are_read_as_they_are_written(text, found):
    at = parse_date(text)
    assert (at.isoformat() if at else None) == found
