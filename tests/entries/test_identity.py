"""One work has one name, however it is linked."""

from __future__ import annotations

import pytest

from digest.entries import identity
from digest.entries.normalize import clean
from digest.model.feeds import EntryData


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2510.01459", ("2510.01459", None)),
        ("arXiv:2510.01459v3", ("2510.01459", 3)),
        ("oai:arXiv.org:2510.01459v1", ("2510.01459", 1)),
        ("https://arxiv.org/abs/2510.01459v12", ("2510.01459", 12)),
        ("http://www.arxiv.org/pdf/2510.01459v2.pdf", ("2510.01459", 2)),
        ("https://arxiv.org/html/2510.01459v1#S3", ("2510.01459", 1)),
        ("https://export.arxiv.org/abs/0704.0001", ("0704.0001", None)),
        ("https://huggingface.co/papers/2510.01459", ("2510.01459", None)),
        ("https://www.alphaxiv.org/abs/2510.01459v1", ("2510.01459", 1)),
        ("https://doi.org/10.48550/arXiv.2510.01459", ("2510.01459", None)),
        ("10.48550/arxiv.hep-th/9901001", ("hep-th/9901001", None)),
        ("hep-th/9901001v2", ("hep-th/9901001", 2)),
        ("https://arxiv.org/abs/math.GT/0309136", ("math/0309136", None)),
        ("oai:arXiv.org:cs/0501001", ("cs/0501001", None)),
        ("2513.01459", None),
        ("2510.0145", None),
        ("0703.0001", None),
        ("1412.12345", None),
        ("https://example.org/2510.01459", None),
        ("https://huggingface.co/datasets/2510.01459", None),
        ("10.1000/2510.01459", None),
        ("see 2510.01459 there", None),
        ("https://arxiv.org/list/cs.CL/recent", None),
    ],
)
def test_arxiv_ids_are_found_where_a_format_says_so(text: str, found: tuple[str, int | None] | None) -> None:
    assert identity.find_arxiv_id(text) == found


@pytest.mark.parametrize(
    ("text", "doi"),
    [
        ("10.1000/ABC.1", "10.1000/abc.1"),
        ("doi: 10.1000/x.", "10.1000/x"),
        ("https://dx.doi.org/10.1016/S0140-6736(20)30183-5", "10.1016/s0140-6736(20)30183-5"),
        ("https://doi.org/10.1002%2Fabc", "10.1002/abc"),
        ("https://dl.acm.org/doi/abs/10.1145/1.2?af=R", "10.1145/1.2"),
        ("https://onlinelibrary.wiley.com/doi/full/10.1002/x.y", "10.1002/x.y"),
        ("https://www.biorxiv.org/content/10.1101/2020.01.01.123456v2.full.pdf", "10.1101/2020.01.01.123456"),
        ("http://biorxiv.org/cgi/content/short/2020.01.01.123456v1", None),
        ("https://journals.plos.org/plosone/article?id=10.1371/journal.pone.1", "10.1371/journal.pone.1"),
        ("https://www.frontiersin.org/articles/10.3389/f.2020.1/full", "10.3389/f.2020.1"),
        ("https://doi.org/10.48550/arXiv.2510.01459", None),
        ("no doi", None),
    ],
)
def test_dois_are_found_with_or_without_resolver(text: str, doi: str | None) -> None:
    assert identity.find_doi(text) == doi


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("http://WWW.Example.org:80/A/?utm_source=x&b=2&a=1&fbclid=z#top", "https://example.org/A?a=1&b=2"),
        ("https://example.org/", "https://example.org"),
        ("https://example.org:8443/x/", "https://example.org:8443/x"),
        ("https://example.org/%c3%a9?q=", "https://example.org/%C3%A9?q="),
        ("ftp://example.org/x", ""),
        ("https://[bad", ""),
    ],
)
def test_a_link_has_one_spelling(url: str, canonical: str) -> None:
    assert identity.canonical_url(url) == canonical


def test_every_way_to_name_a_paper_gives_the_same_alias() -> None:
    typed = [
        "arxiv:2510.01459", "arXiv:2510.01459v2", "2510.01459", "https://arxiv.org/pdf/2510.01459v1",
        "arxiv.org/abs/2510.01459", "huggingface.co/papers/2510.01459", "10.48550/arXiv.2510.01459",
        "doi:10.48550/arxiv.2510.01459", "oai:arXiv.org:2510.01459v1",
    ]  # fmt: skip
    assert {identity.alias_of(t) for t in typed} == {"arxiv:2510.01459"}
    assert identity.alias_of("https://doi.org/10.1000/X") == identity.alias_of("doi:10.1000/x") == "doi:10.1000/x"
    assert identity.alias_of("http://www.example.org/a/") == identity.alias_of("url:https://example.org/a")
    assert identity.alias_of("a title, say") is None
    assert identity.alias_of("https://example.org/") is None


def test_an_entrys_aliases_are_its_ids_and_its_own_link() -> None:
    def of(**said: str) -> tuple[str, ...]:
        return identity.aliases(clean(EntryData(**{"key": "k", "title": "T", **said})))

    assert of(url="https://arxiv.org/abs/2510.01459v1", doi="10.1000/X") == ("arxiv:2510.01459", "doi:10.1000/x")
    assert of(url="https://doi.org/10.1000/x") == ("doi:10.1000/x",)
    assert of(url="https://blog.example.org/p?utm_medium=rss") == ("url:https://blog.example.org/p",)
    assert of(url="https://example.org/", key="https://example.org/?p=3") == ("url:https://example.org?p=3",)


def test_an_entry_without_id_or_link_is_named_by_its_key() -> None:
    one = identity.aliases(EntryData(key="tag:example.org,2025:1", title="Editorial"))
    same = identity.aliases(EntryData(key="tag:example.org,2025:1", title="Editorial, corrected"))
    other = identity.aliases(EntryData(key="tag:example.org,2025:2", title="Editorial"))
    assert one == same != other
    assert one[0].startswith("key:")


def test_works_are_named_by_arxiv_id_then_doi_then_a_hash() -> None:
    arxiv, doi, url = (identity.Alias(a) for a in ("arxiv:2510.01459", "doi:10.1/x", "url:https://example.org/a"))
    assert identity.work_id((url, doi, arxiv)) == "arxiv:2510.01459"
    assert identity.work_id((url, doi)) == "doi:10.1/x"
    assert identity.work_id((url,)) == identity.work_id((url,), "any title")
    assert len(identity.work_id((url,))) == len("work:") + 16
    assert identity.work_id((), "A title", "A B") != identity.work_id((), "A title", "C D")


def test_title_keys_fold_case_accents_and_punctuation_and_need_four_words() -> None:
    assert identity.title_key("Über-Fast: “Naïve” Søren ﬁne!") == "uber fast naive soren fine"
    assert identity.title_key("Editorial Board, Volume") == ""


def test_names_are_compared_by_last_name_and_first_initial() -> None:
    assert identity.share_author(["J. Müller", "A B"], ["Jörg Muller"])
    assert not identity.share_author(["Jane Muller"], ["Karl Muller"])
    assert not identity.share_author([], [])
