"""Papers as the store holds them, page by page, for doors that list; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from digest.model.feeds import Entry
from digest.storage import entries, papers
from digest.storage.base import storable
from digest.storage.engine import Store

_MOST_WORDS = 8
#: No row has a larger number.
_LAST = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """Papers, the newest first; ``next`` is what to go on behind, None at the end. A page may be empty before it."""

    papers: tuple[Entry, ...]
    next: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Papers:
    """Looks for papers by their words."""

    store: Store

    def page(self, search: str = "", *, after: int | None = None, limit: int) -> Leaf:
        """Those that hold all words (capital or small) in title or abstract."""
        words = tuple(dict.fromkeys(storable(search).split()))[:_MOST_WORDS]
        with self.store.reading() as tx:
            found, following = papers.page(tx, words, before=_LAST if after is None else after, limit=limit)
            held = {entry.id: entry for entry in entries.load(tx, found, texts_only=True)}
        return Leaf(papers=tuple(held[one] for one in found), next=following)
