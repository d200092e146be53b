"""arXiv's own daily mailing (info.arxiv.org/help/subscribe): plain text, one record a paper between double backslashes.

Takes the text of a mail, gives EntryData; a record that cannot be read is left out, the others are kept. Pure.
"""

from __future__ import annotations

import re

from digest.model.feeds import EntryData
from digest.sources.reading.dates import parse_date
from digest.sources.reading.ids import bare_arxiv_id, doi
from digest.sources.reading.names import with_affiliations

#: How a record begins; ``arXiv:2511.00001 (*cross-listing*)``.
_BEGIN = re.compile(r"(?m)^\\\\\s*\n(?:Paper|arXiv)\s*:\s*(?:arXiv:)?(\S{7,30})([^\n]{0,200})$")
#: ``Title: …`` and what of it stands on further, indented lines.
_FIELD = re.compile(r"(?m)^([A-Z][A-Za-z-]{2,20}):[ \t]+([^\n]*(?:\n[ \t]+[^\n]*)*)")
_REVISED = re.compile(r"(?m)^replaced with revised version\s+([^\n(]{5,60})", re.IGNORECASE)
_SIZE = re.compile(r"\s*\([\d.]+\s*kb\b.*$|\s*\(\d+kb.*$", re.IGNORECASE | re.DOTALL)


def is_one(text: str) -> bool:
    return _BEGIN.search(text) is not None


def entries_of(text: str) -> tuple[EntryData, ...]:
    """The mailing's papers: new ones, cross-listed ones and replaced ones."""
    text = text.replace("\r\n", "\n")
    begins = list(_BEGIN.finditer(text))
    ends = [found.start() for found in begins[1:]] + [len(text)]
    records = (_entry(found, text[found.end() : end]) for found, end in zip(begins, ends, strict=True))
    return tuple({entry.key: entry for entry in records if entry is not None}.values())


def _entry(begin: re.Match[str], record: str) -> EntryData | None:
    name = bare_arxiv_id(begin[1])
    head, _, rest = record.partition("\n\\\\")
    fields = {key.lower(): " ".join(value.split()) for key, value in _FIELD.findall(head)}
    if name is None or not fields.get("title"):
        return None
    revised = _REVISED.search(record)
    names, institutions = with_affiliations(re.sub(r"\s+and\s+", ", ", fields.get("authors", fields.get("author", ""))))
    # A replacement's record ends with its fields; below a new paper's stands the abstract, and the link ends it.
    abstract = "" if rest.lstrip().startswith("(") else rest.partition("\n\\\\")[0].lstrip("\\").strip()
    cross = "cross-listing" in begin[2].lower()
    return EntryData(
        key=f"oai:arXiv.org:{name[0]}",
        title=fields["title"],
        url=f"https://arxiv.org/abs/{name[0]}",
        abstract=" ".join(abstract.split()),
        authors=names,
        institutions=institutions,
        categories=tuple(fields.get("categories", fields.get("subj-class", "")).split()),
        published_at=None if revised else parse_date(_SIZE.sub("", fields.get("date", ""))),
        arxiv_id=name[0],
        version=name[1],
        doi=doi(fields.get("doi", "")),
        comment=fields.get("comments", ""),
        pdf_url=f"https://arxiv.org/pdf/{name[0]}",
        announce=("replace-cross" if cross else "replace") if revised else "cross" if cross else "new",
    )
