"""What a parser read, put right: plain safe text, names, ids, links, instants (stage 2, first half).

Takes EntryData with the raw strings of the document, gives EntryData as the model promises it; InputError if there is
no title. Which records are one work is identity.py's and diff.py's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlsplit

from digest.entries import identity, names, plain
from digest.entries.mathtext import to_unicode
from digest.model.errors import InputError
from digest.model.feeds import EntryData

MAX_TITLE = 500
MAX_ABSTRACT = 20_000
MAX_LINE = 2_000
#: Nothing longer is looked at; a paper's abstract has some 1,500 characters.
_MAX_RAW = 200_000

_ABSTRACT_LABEL = re.compile(
    r"^(?:arXiv:\S+\s+)?(?:Announce Type:\s*\S+\s+)?(?:(?:Abstract|Summary)\s*[:.]\s*)?", re.IGNORECASE
)
_TITLE_PREFIX = re.compile(
    r"^\[(?:arXiv:)?(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?\]\s*", re.IGNORECASE
)
_TITLE_SUFFIX = re.compile(
    r"\s*\(arXiv:[^\s()]+(?:\s+\[[^\[\]]*\])?(?:\s+(?:UPDATED|CROSS LISTED))*\)\s*$", re.IGNORECASE
)
_WITHDRAWN = re.compile(
    r"\b(?:this|the)\s+(?:paper|article|manuscript|submission|preprint|work|version)\s+(?:has\s+been|was|is)\s+"
    r"(?:\w+\s+)?withdrawn\b"
    r"|^\s*(?:(?:the|this)\s+)?(?:(?:paper|article|submission)\s+)?withdrawn\b"
    r"(?:\s*$|\s+(?:by|due|because|as|for|from|pending)\b|[.,;:])"
    r"|\barXiv\s+admin(?:istrator)?s?\b.{0,80}\bwithdrawn\b",
    re.IGNORECASE,
)


def clean(data: EntryData) -> EntryData:
    """``data`` normalised. Raises InputError where no title can be made of it."""
    title = clean_title(data.title)
    if not any(c.isalnum() for c in title):
        raise InputError(
            "the item has no title", where=plain.one_line(data.key or data.url)[:200], try_="the item is left out"
        )
    abstract = clean_abstract(data.abstract)
    comment = _line(data.comment)
    url, key = safe_url(data.url), plain.one_line(data.key[:MAX_LINE])
    arxiv_id, version = _paper(data, url, key)
    longest = 200_000 if len(data.authors) == 1 else MAX_LINE
    authors = names.put_right(data.authors, lambda name: _line(name, longest))
    return EntryData(
        key=key or url or title,
        title=title,
        url=url,
        abstract=abstract,
        authors=authors,
        # Where names were taken apart or left out, nobody knows any more whose an id is.
        author_ids=data.author_ids if len(data.author_ids) == len(data.authors) == len(authors) else (),
        institutions=_unique(_line(n, names.MAX_NAME) for n in data.institutions[:500]),
        categories=_unique(_category(c) if len(c) <= 100 else _line(c, 100) for c in data.categories[:100]),
        published_at=_utc(data.published_at),
        submitted_at=_utc(data.submitted_at),
        arxiv_id=arxiv_id,
        version=version,
        doi=next((d for text in (data.doi or "", url, key) if (d := identity.find_doi(text))), None),
        upvotes=_count(data.upvotes),
        comments=_count(data.comments),
        stars=_count(data.stars),
        comment=comment,
        code_url=safe_url(data.code_url),
        pdf_url=safe_url(data.pdf_url),
        project_url=safe_url(data.project_url),
        announce=_line(data.announce, 40).lower(),
        withdrawn=data.withdrawn or _says_withdrawn(comment) or _says_withdrawn(abstract[:400]),
        language=_language(data.language),
    )


def clean_title(raw: str) -> str:
    """A title on one line, without the ids that some feeds put around it."""
    text = _prose(plain.strip_tags(raw[:_MAX_RAW]))
    if text.startswith("[") or text.endswith(")"):
        text = _TITLE_SUFFIX.sub("", _TITLE_PREFIX.sub("", text))
    return plain.clamp(text, MAX_TITLE)


def clean_abstract(raw: str) -> str:
    """An abstract as text, without its label."""
    text = _prose(plain.from_html(raw[:_MAX_RAW]))
    return plain.clamp(_ABSTRACT_LABEL.sub("", text, count=1), MAX_ABSTRACT)


def safe_url(url: str) -> str:
    """The link if it is plain http or https, without credentials; else ''."""
    if not url:
        return ""
    url = plain.decode(url[:4_000]).strip()
    if not url or len(url) > MAX_LINE or "\\" in url or not url.isprintable():
        return ""
    url = url.replace(" ", "%20").replace('"', "%22").replace("<", "%3C").replace(">", "%3E")
    try:
        parts = urlsplit(url)
        # .port raises for what is no number
        usable = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return ""
    if not usable or "@" in parts.netloc or "%" in parts.netloc:
        return ""
    return url


def _paper(data: EntryData, url: str, key: str) -> tuple[str | None, int | None]:
    """arXiv id and version from wherever the item names them; free text is not searched."""
    found = [f for text in (data.arxiv_id or "", key, url, data.doi or "") if (f := identity.find_arxiv_id(text))]
    if not found:
        return None, None
    paper = found[0][0]
    said = data.version if data.version and data.version > 0 else None
    return paper, said or next((version for other, version in found if other == paper and version), None)


def _line(text: str, length: int = MAX_LINE) -> str:
    return plain.clamp(_prose(plain.strip_tags(text[:_MAX_RAW])), length) if text else ""


@lru_cache(maxsize=2_000)
def _category(text: str) -> str:
    """Remembered: a feed's papers share them."""
    return _line(text, 100)


def _prose(text: str) -> str:
    """One line of text without markup, its TeX read."""
    line = plain.one_line(text)
    read = to_unicode(line)
    # What TeX leaves may hold new spaces and signs; a line of ASCII that had none is one already.
    return line if read == line and line.isascii() else plain.one_line(read)


def _says_withdrawn(text: str) -> bool:
    # The letters that have no other forms in any alphabet: most texts are done here, at a tenth of the search.
    return "thdrawn" in text.lower() and _WITHDRAWN.search(text) is not None


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(t for t in texts if t))


def _count(number: int | None) -> int | None:
    return None if number is None else min(max(number, 0), 2**31 - 1)


def _utc(instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _language(tag: str) -> str:
    """A BCP 47 tag, or ''."""
    tag = tag.strip().replace("_", "-")
    return tag if re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", tag) else ""
