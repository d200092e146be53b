"""Joining: the categories of works that came without any (Hugging Face names none) are asked of arXiv.

Works that only a link named (a story of Hacker News) get their words and names from the same answer.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from digest.entries.identity import title_key
from digest.model.errors import FetchError, ParseError
from digest.model.feeds import ChangeKind, Entry, EntryChange, EntryData
from digest.services.fetching.keeping import keep
from digest.services.fetching.understanding import cleaned
from digest.services.ports import Clock, Fetch
from digest.sources.kinds.arxiv import category_requests, parse_api
from digest.storage import entries
from digest.storage.engine import Store

#: A work whose category arXiv did not know is asked about again after this time.
_ASK_AGAIN = timedelta(hours=6)
_AT_ONCE = 1000


def join_categories(store: Store, fetch: Fetch, clock: Clock, *, arxiv_api: str) -> int:
    """Gives how many works got categories; where arXiv does not answer, they wait for the next round."""
    now = clock()
    with store.reading() as tx:
        lacking = entries.without_categories(tx, limit=_AT_ONCE, asked_before=now - _ASK_AGAIN)
    by_id = {entry.arxiv_id: entry for entry in lacking if entry.arxiv_id}
    joined = 0
    for request in category_requests(tuple(by_id), arxiv_api):
        try:
            parsed = parse_api(fetch(request))
        except (FetchError, ParseError):
            return joined  # they stay `other` until the next round
        found = {data.arxiv_id: data for data in cleaned(parsed).entries if data.arxiv_id and data.categories}
        with store.transaction() as tx:
            entries.lock(tx)
            rows = {by_id[arxiv_id].id: data for arxiv_id, data in found.items() if arxiv_id in by_id}
            for row, data in rows.items():
                entries.set_categories(tx, row, data.categories)
            held = entries.load(tx, rows)  # as they are now, after the time that arXiv took
            bare = [one for one in held if not (one.abstract or one.authors)]
            keep(tx, [_worded(one, rows[one.id]) for one in bare], now=now)
            joined += len(rows)
    with store.transaction() as tx:
        entries.mark_asked(tx, [entry.id for entry in lacking], now)
    return joined


def _worded(held: Entry, data: EntryData) -> EntryChange:
    """A work that had nothing but a title, with what arXiv says of it; who shows it where stays as it is."""
    after = replace(
        held,
        title=data.title,
        title_key=title_key(data.title),
        abstract=data.abstract,
        authors=data.authors,
        institutions=data.institutions,
        comment=data.comment,
        published_at=held.published_at or data.published_at,
        withdrawn=held.withdrawn or data.withdrawn,
    )
    return EntryChange(
        kind=ChangeKind.REVISED,
        before=held,
        after=after,
        sighting=held.sightings[0],
        fields=("title", "abstract", "authors"),
    )
