"""Works page by page, the newest first, all of them or those that hold some words."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select

from digest.model.feeds import EntryId
from digest.storage.base import Tx
from digest.storage.entries import entries

#: A page looks at no more, whatever it finds: its time must not grow with the store.
LOOKED_AT = 20_000


def page(tx: Tx, words: Sequence[str], *, before: int, limit: int) -> tuple[tuple[EntryId, ...], int | None]:
    """(works with all words in title or abstract, those below a row id; the id to go on below, None at the end)."""
    some = select(entries.c.id).where(entries.c.id < before).order_by(entries.c.id.desc()).limit(LOOKED_AT)
    last = tx.execute(select(func.min(some.subquery().c.id))).scalar()
    if last is None:
        return (), None
    query = select(entries.c.id).where(
        entries.c.id < before,
        entries.c.id >= last,
        entries.c.merged_into.is_(None),
        *(
            or_(
                *(
                    text.icontains(spelt, autoescape=True)
                    for text in (entries.c.title, entries.c.abstract)
                    for spelt in _spellings(word)
                )
            )
            for word in words
        ),
    )
    found = tx.execute(query.order_by(entries.c.id.desc()).limit(limit + 1)).scalars().all()
    if len(found) > limit:
        return tuple(map(EntryId, found[:limit])), found[limit - 1]
    more = tx.execute(select(entries.c.id).where(entries.c.id < last).limit(1)).first() is not None
    return tuple(map(EntryId, found)), last if more else None


def _spellings(word: str) -> tuple[str, ...]:
    """SQLite takes a large letter for a small one in ASCII alone."""
    return (word,) if word.isascii() else tuple(dict.fromkeys((word, word.lower(), word.upper(), word.capitalize())))
