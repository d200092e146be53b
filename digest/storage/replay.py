"""The past as the store holds it: when each work was met, and every vote count that was seen of it.

A work that was filled in later than a day after its own date was not there to be ranked on its morning: it has no
``Seen``, but it can still teach.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from digest.model.feeds import SourceId, VoteObservation
from digest.model.past import FINAL_AGE, Seen
from digest.storage.base import Tx, batched
from digest.storage.entries import entries, sightings, votes

#: Between a work's date and its arrival here.
_IN_TIME = timedelta(days=1)


def seen(tx: Tx, sources: Collection[str] = ()) -> tuple[Seen, ...]:
    """Every work that one of these sources carried (all sources when none is named), in the order of time."""
    columns = ("id", "first_seen_at", "stored_at", "submitted_at", "published_at")
    held = tx.execute(select(*(entries.c[name] for name in columns)).where(entries.c.merged_into.is_(None))).all()
    carried: dict[int, dict[str, datetime]] = defaultdict(dict)
    for row in tx.execute(select(sightings.c.entry_id, sightings.c.source_id, sightings.c.first_seen_at)):
        if not sources or row.source_id in sources:
            carried[row.entry_id][row.source_id] = row.first_seen_at
    counting: dict[int, set[str]] = defaultdict(set)
    first_vote: dict[int, datetime] = {}
    newest: dict[int, tuple[datetime, int]] = {}
    for row in tx.execute(select(votes)):
        counting[row.entry_id].add(row.source_id)
        first_vote[row.entry_id] = min(row.at, first_vote.get(row.entry_id, row.at))
        newest[row.entry_id] = max((row.seen_until, row.upvotes), newest.get(row.entry_id, (row.seen_until, 0)))
    found: list[Seen] = []
    for row in held:
        if row.id not in carried or row.stored_at - row.first_seen_at > _IN_TIME:
            continue
        voteless = [at for source, at in carried[row.id].items() if source not in counting[row.id]]
        at, upvotes = newest.get(row.id, (None, 0))
        since = row.submitted_at or row.published_at or row.first_seen_at
        found.append(
            Seen(
                number=row.id,
                first_at=max(min(carried[row.id].values()), row.stored_at),
                listed_at=max(min(voteless), row.stored_at) if voteless else None,
                voted_at=first_vote.get(row.id),
                final=max(0, upvotes) if at is not None and at - since >= FINAL_AGE else None,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.first_at, one.number)))


def numbers(tx: Tx, *, since: datetime | None, until: datetime, limit: int) -> tuple[int, ...]:
    """The newest works first seen in this time, at most ``limit``."""
    query = select(entries.c.id).where(entries.c.merged_into.is_(None), entries.c.first_seen_at <= until)
    if since is not None:
        query = query.where(entries.c.first_seen_at >= since)
    newest = query.order_by(entries.c.first_seen_at.desc(), entries.c.id.desc()).limit(limit)
    return tuple(tx.execute(newest).scalars())


def counts(tx: Tx, ids: Sequence[int]) -> Mapping[int, tuple[VoteObservation, ...]]:
    """Every vote count of these works, at the first and the last instant at which it stood."""
    found: dict[int, list[VoteObservation]] = defaultdict(list)
    for some in batched(ids, 500):
        for row in tx.execute(select(votes).where(votes.c.entry_id.in_(some)).order_by(votes.c.at)):
            for at in dict.fromkeys((row.at, row.seen_until)):
                found[row.entry_id].append(
                    VoteObservation(source_id=SourceId(row.source_id), at=at, upvotes=row.upvotes)
                )
    return {key: tuple(value) for key, value in found.items()}


def last_at(tx: Tx) -> datetime | None:
    """When anything was seen for the last time."""
    last = [
        *tx.execute(select(entries.c.stored_at).order_by(entries.c.stored_at.desc()).limit(1)).scalars(),
        *tx.execute(select(votes.c.seen_until).order_by(votes.c.seen_until.desc()).limit(1)).scalars(),
    ]
    return max(last, default=None)
