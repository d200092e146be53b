"""Is a link one of a paper? Takes a URL, gives what names the paper, or None. Pure.

A paper is told by its arXiv id or DOI (ids.py), else by the address of a place that shows nothing but papers. News
pages of publishers, home pages and lists are no papers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from digest.sources.reading import ids


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperLink:
    """``url`` is the paper's own page as far as the link tells it: without a version, not its PDF."""

    url: str
    arxiv_id: str | None = None
    doi: str | None = None


#: Hosts (``www.`` aside) and the paths under which they show papers.
_PLACES = tuple(
    (host, re.compile(path))
    for host, path in (
        ("aclanthology.org", r"/[A-Z0-9][\w.-]+\d(?:\.pdf)?/?$"),
        ("biorxiv.org", r"/content/"),
        ("medrxiv.org", r"/content/"),
        ("cell.com", r"/[\w-]+/(?:fulltext|pdf|abstract)/"),
        ("eprint.iacr.org", r"/\d{4}/\d+"),
        ("hal.science", r"/\w+-\d+"),
        ("ieeexplore.ieee.org", r"/(?:abstract/)?document/\d+"),
        ("jmlr.org", r"/papers/v?\d*/?\w"),
        ("nature.com", r"/articles/(?!d\d)[\w.-]+"),
        ("ncbi.nlm.nih.gov", r"/(?:pmc/articles/PMC|pubmed/)\d+"),
        ("academic.oup.com", r"/[\w-]+/(?:advance-)?article"),
        ("linkinghub.elsevier.com", r"/retrieve/pii/"),
        ("mdpi.com", r"/\d{4}-\d{3}[\dXx]/\d+/\d+/\d+"),
        ("openaccess.thecvf.com", r"/content"),
        ("osf.io", r"/preprints/\w+/\w+"),
        ("papers.nips.cc", r"/paper"),
        ("papers.ssrn.com", r"/sol3/papers\.cfm"),
        ("pmc.ncbi.nlm.nih.gov", r"/articles/PMC\d+"),
        ("proceedings.mlr.press", r"/v\d+/\w"),
        ("proceedings.neurips.cc", r"/paper"),
        ("pubmed.ncbi.nlm.nih.gov", r"/\d+"),
        ("sciencedirect.com", r"/science/article/"),
        ("thelancet.com", r"/journals/\w+/(?:article|fulltext)"),
        ("semanticscholar.org", r"/paper/"),
        ("usenix.org", r"/(?:conference/\w+/presentation|system/files)/"),
        ("vldb.org", r"/(?:pvldb|cidrdb)/"),
    )
)
_NATURE = re.compile(r"/articles/(s\d{5}-\d{3}-\d{4,5}-\w|nature\d{5}|n[a-z]+\.\d{4}\.\d+|nature\.\d{4}\.\d+)", re.I)
_LONGEST = 2_000


def paper_of(url: str) -> PaperLink | None:
    """What the link says of its paper, or None where it is not known to lead to one."""
    if not re.match(r"https?://", url, re.IGNORECASE) or len(url) > _LONGEST:
        return None
    if found := ids.arxiv_id(url):
        return PaperLink(url=f"https://arxiv.org/abs/{found[0]}", arxiv_id=found[0])
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    if host == "openreview.net":
        name = parse_qs(parts.query).get("id", [""])[0]
        read = parts.path in ("/forum", "/pdf") and name
        return PaperLink(url=f"https://openreview.net/forum?id={name}") if read else None
    if doi := ids.doi(url):
        return PaperLink(url=url, doi=doi)
    if host == "nature.com" and (article := _NATURE.match(parts.path)):
        return PaperLink(url=url, doi=f"10.1038/{article[1].lower()}")
    if any(host == place and path.match(parts.path) for place, path in _PLACES):
        page = re.sub(r"\.pdf$", "", url) if host in ("aclanthology.org", "eprint.iacr.org") else url
        return PaperLink(url=page)
    return None
