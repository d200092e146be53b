"""Searching what was printed: words that begin a word of title, authors, abstract or ids, the newest papers first.

The database leaves out what surely lacks a word; what it gives is folded and compared here, alike on both databases. A
search looks at so many papers and then says how far it came.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from digest.services.archive.views import PaperView, paper_view
from digest.storage import archive
from digest.storage.base import Tx

MOST = 20
"""Hits of one search."""
#: Papers looked at, and editions read at once.
_SCAN, _BATCH = 10_000, 40
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_BETWEEN = re.compile(r"[\W_]+")


def folded(text: str) -> str:
    """Small letters without accents and ligatures, words one space apart: ``Müller's LoRA`` is ``muller s lora``."""
    return _BETWEEN.sub(" ", _FOREIGN.sub(_parted, text).lower()).strip()


def _parted(found: re.Match[str]) -> str:
    parts = unicodedata.normalize("NFKD", found[0]).casefold()
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def searched(
    tx: Tx, name: str, words: tuple[str, ...], after: tuple[date, int] | None
) -> tuple[tuple[PaperView, ...], tuple[date, int] | None]:
    """(hits, where a further search begins or None), newest first; ``words`` are folded."""
    hits: list[PaperView] = []
    looked_at = 0
    before = date.fromordinal(after[0].toordinal() + 1) if after is not None and after[0] < date.max else None
    while heads := archive.newest(tx, name, before=before, limit=_BATCH):
        by_day = {one.day: one for one in heads}
        for one in archive.candidates(tx, heads, words, after=after):
            if not _holds(one.text, words):
                continue
            hits.append(paper_view(one.printing(), by_day[one.day]))
            if len(hits) == MOST:
                return tuple(hits), (one.day, one.position)
        before = heads[-1].day
        looked_at += sum(one.printed for one in heads)
        if looked_at >= _SCAN:
            return tuple(hits), (before, heads[-1].printed)
    return tuple(hits), None


def _holds(text: str, words: tuple[str, ...]) -> bool:
    text = f" {folded(text)}"
    # Chinese and Japanese put no space between words, so theirs may stand anywhere.
    return all((f" {word}" if word.isascii() else word) in text for word in words)
