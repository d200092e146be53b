"""What a page about sources asks: the newest rounds of one, and the papers that it showed last. Nothing is changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from digest.model.feeds import SourceId
from digest.storage import rounds
from digest.storage.base import Tx
from digest.storage.entries import entries, sightings
from digest.storage.rounds import Round

#: Among so many of the newest papers those of a source are looked for: no index tells whose a paper is.
AMONG = 3_000


def newest_rounds(tx: Tx, source_id: SourceId, *, limit: int) -> tuple[Round, ...]:
    """How the last rounds of a source ended, the newest first."""
    r = rounds.rounds.c
    query = select(rounds.rounds).where(r.source_id == source_id).order_by(r.at.desc(), r.id.desc()).limit(limit)
    return tuple(map(rounds.round_of, tx.execute(query)))


def newest_papers(tx: Tx, source_id: SourceId, *, limit: int) -> tuple[Any, ...]:
    """The papers of a source among the newest of all: (work, title, url, published_at, at), the newest first.

    ``at`` is when the source was first seen to have it.
    """
    e, s = entries.c, sightings.c
    newest = select(e.id).order_by(e.first_seen_at.desc()).limit(AMONG).subquery()
    query = (
        select(e.work, e.title, s.url, e.published_at, s.first_seen_at.label("at"))
        .join(newest, newest.c.id == e.id)
        .join(sightings, s.entry_id == e.id)
        .where(s.source_id == source_id, e.merged_into.is_(None))
        .order_by(s.first_seen_at.desc(), e.id.desc())
        .limit(limit)
    )
    return tuple(tx.execute(query))
