"""The markup of publishers' abstracts (JATS, jats.nlm.nih.gov) as text that normalising understands. Pure.

Takes the abstract that Crossref passes on, gives it with its sections' headings as labels and each formula once, in
LaTeX. Other tags and entities stay: cleaning them is entries.normalize's work.
"""

from __future__ import annotations

import re

#: Abstracts have some 2,000 characters, with formulas in two forms ten times as many.
_LONGEST = 60_000

_TITLE = re.compile(r"<(?:jats:)?title(?:\s[^<>]{0,200})?>(.{0,300}?)</(?:jats:)?title>", re.DOTALL | re.IGNORECASE)
_SELF = re.compile(r"\W*(?:abstract|summary)\W*", re.IGNORECASE)
_FORMULA = re.compile(
    r"<(?:jats:)?alternatives\b[^<>]{0,200}>(.{0,8000}?)</(?:jats:)?alternatives>", re.DOTALL | re.IGNORECASE
)
_TEX = re.compile(r"<(?:jats:)?tex-math\b[^<>]{0,200}>(.{0,8000}?)</(?:jats:)?tex-math>", re.DOTALL | re.IGNORECASE)
_BODY = re.compile(r"\\begin\{document\}(.*?)\\end\{document\}", re.DOTALL)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)


def readable(abstract: str) -> str:
    """The abstract without "Abstract" before it, with "Methods: " where a section was headed so."""
    if "<" not in abstract:
        return abstract
    text = _FORMULA.sub(_formula, abstract[:_LONGEST])
    return _TITLE.sub(_label, _TEX.sub(lambda found: _latex(found[1]), text))


def _label(found: re.Match[str]) -> str:
    heading = found[1].strip()
    if not heading or _SELF.fullmatch(heading):
        return ""
    return f"<p>{heading if heading[-1] in '.:!?' else heading + ':'} </p>"


def _formula(found: re.Match[str]) -> str:
    """Of the forms in which a formula is given, LaTeX; else all, where only one is readable."""
    tex = _TEX.search(found[1])
    return _latex(tex[1]) if tex else found[1]


def _latex(written: str) -> str:
    """The formula of a LaTeX document, as Springer sends them, between single dollar signs."""
    plain = _CDATA.sub(r"\1", written)
    body = _BODY.search(plain)
    formula = (body[1] if body else plain).strip().strip("$").strip()
    return f"${formula}$" if formula else ""
