"""In how many works each term stands, kept as they come in: the term statistics of all that was ever seen.

Terms are what the ranking makes of a text (``digest.ranking.text.words``); here they are only counted. A term that did
not come twice while ``EVERY`` works came in is forgotten again (the idea of lossy counting, Manku and Motwani 2002):
most words ever seen are numbers and slips of the pen, and none of them says anything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import ARRAY, Column, Integer, Select, String, Table, cast, delete, func, select, true

from digest.storage.base import Tx, insert, metadata

terms = Table(
    "terms",
    metadata,
    Column("term", String(100), primary_key=True),
    Column("documents", Integer, nullable=False),
)

#: The row that counts the works themselves: no term is empty.
ALL = ""
#: Longer words are rubbish or links.
LONGEST = 40
#: Rare terms are forgotten whenever so many more works were counted.
EVERY = 20_000
#: Terms in fewer than one of so many works are not read: to be that rare is all there is to know of them.
RAREST = 10_000


def note(tx: Tx, works: Sequence[Collection[str]]) -> None:
    """Counts new works, once each: the terms of every one of them."""
    if not works:
        return
    before = _documents(tx)
    counted = Counter(chain.from_iterable(map(frozenset, works)))
    given = {term: number for term, number in counted.items() if 0 < len(term) <= LONGEST}
    given[ALL] = len(works)
    new = insert(tx, terms).from_select(["term", "documents"], _rows(tx, given))
    more = terms.c.documents + new.excluded.documents
    tx.execute(new.on_conflict_do_update(index_elements=[terms.c.term], set_={"documents": more}))
    if before // EVERY != (before + len(works)) // EVERY:
        tx.execute(delete(terms).where(terms.c.documents <= 1))


def read(tx: Tx) -> tuple[Mapping[str, int], int]:
    """The works each term stands in, of the terms that are not too rare, and how many works were counted."""
    documents = _documents(tx)
    found = select(terms.c.term, terms.c.documents).where(
        terms.c.documents >= max(2, documents // RAREST), terms.c.term != ALL
    )
    return {row.term: row.documents for row in tx.execute(found)}, documents


def _documents(tx: Tx) -> int:
    return tx.execute(select(terms.c.documents).where(terms.c.term == ALL)).scalar() or 0


def _rows(tx: Tx, counts: Mapping[str, int]) -> Select[Any, Any]:
    """The counts as rows, in one parameter or two; in one order always, so that two who count do not lock each other
    for ever."""
    ordered = sorted(counts.items())
    if tx.dialect.name == "postgresql":
        names, numbers = zip(*ordered, strict=True)
        return select(func.unnest(cast(list(names), ARRAY(String))), func.unnest(cast(list(numbers), ARRAY(Integer))))
    each = func.json_each(json.dumps(dict(ordered))).table_valued("key", "value")
    # Without a WHERE, SQLite takes ON CONFLICT for the ON of a join.
    return select(each.c.key, each.c.value).where(true())
