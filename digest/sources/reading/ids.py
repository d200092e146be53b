"""Finds arXiv ids and DOIs in links and identifiers. Pure.

Takes strings that are meant as an identity (a link, a guid, dc:identifier), never running text, where an id may be
another paper's. arXiv's schemes of 2007 and before; DOIs as in ISO 26324, lower case, without a resolver.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

_NEW = r"\d{4}\.\d{4,5}"
_OLD = r"[a-z][a-z-]*(?:\.[a-z]{2})?/\d{7}"
_ID = rf"({_NEW}|{_OLD})(?:v(\d{{1,3}}))?"
_ARXIV = re.compile(
    rf"(?:arxiv\.org/(?:abs|pdf|html|format|e-print|ps|src)/|oai:arxiv\.org:|10\.48550/arxiv\.|huggingface\.co/papers/"
    rf"|alphaxiv\.org/(?:abs|pdf|overview)/|ar5iv\.(?:labs\.arxiv\.)?org/(?:abs|html)/|\barxiv:\s?){_ID}(?![\d.]*\d)",
    re.IGNORECASE,
)
_BARE = re.compile(rf"\s*{_ID}\s*", re.IGNORECASE)
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"<>?#&|]+")


def arxiv_id(text: str) -> tuple[str, int | None] | None:
    """(id without version, version or None), if the link or guid names a paper of arXiv."""
    found = _ARXIV.search(unquote(text)) if text else None
    return (found[1].lower() if "/" in found[1] else found[1], int(found[2]) if found[2] else None) if found else None


def bare_arxiv_id(text: str) -> tuple[str, int | None] | None:
    """The same where the text is nothing but an id."""
    found = _BARE.fullmatch(text)
    return (found[1], int(found[2]) if found[2] else None) if found else arxiv_id(text)


def doi(text: str) -> str | None:
    """The DOI in a link or identifier; None for arXiv's own DOIs, which are arXiv ids."""
    found = _DOI.search(unquote(text)) if text else None
    if found is None:
        return None
    name = found[0].lower().rstrip(".,;:)]}'/")
    name = re.sub(r"/(?:full|abstract|pdf|epdf|meta|fulltext)$|\.(?:full|abstract|full-text)?\.?pdf$", "", name)
    if name.startswith(("10.1101/", "10.64898/")):  # bioRxiv and medRxiv add the version to the DOI in their links
        name = re.sub(r"v\d+(?:[.-]\w+)*$", "", name)
    return None if name.startswith("10.48550/arxiv.") else name


def first_arxiv_id(texts: Iterable[str]) -> tuple[str | None, int | None]:
    """The first id that any of the texts names; the version from whichever of them tells it for that id."""
    known: str | None = None
    for text in texts:
        found = arxiv_id(text)
        if found and known in (None, found[0]):
            known = found[0]
            if found[1] is not None:
                return known, found[1]
    return known, None


def first_doi(texts: Iterable[str]) -> str | None:
    return next((name for name in map(doi, texts) if name), None)
