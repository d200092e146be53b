"""What readers said of papers: more like this, or less. A subscriber, a work, +1 or -1 and a date; nothing else.

A work is named by its row, which stays the same whatever is learnt of the work later: what was said of one that is
merged counts for the survivor, and for itself again when the merge is taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Column, Date, ForeignKey, Select, SmallInteger, Table, delete, func, select

from digest.model.feeds import EntryId, WorkId
from digest.model.people import SubscriberId, Subscription, Taste
from digest.storage.base import Tx, among, insert, metadata
from digest.storage.entries import Id, entries, rows_of

#: The newest of one reader's words that a ranking hears.
HEARD = 200

tastes = Table(
    "tastes",
    metadata,
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), primary_key=True),
    Column("entry_id", Id, ForeignKey("entries.id"), primary_key=True),
    Column("value", SmallInteger, nullable=False),
    Column("day", Date, nullable=False),
)

#: Of one day, what was said of the survivor itself comes before what was said of a work that was merged into it.
_NEWEST_FIRST = (tastes.c.day.desc(), entries.c.merged_into.is_not(None), tastes.c.entry_id.desc())


def put(tx: Tx, subscriber_id: SubscriberId, entry_id: EntryId, value: int, day: date) -> None:
    """The newest word replaces what this reader said of the work, under whatever row; ``entry_id`` is the survivor."""
    said = {"value": value, "day": day}
    statement = insert(tx, tastes).values(subscriber_id=subscriber_id, entry_id=entry_id, **said)
    tx.execute(statement.on_conflict_do_update(index_elements=["subscriber_id", "entry_id"], set_=said))
    merged = [row for row in rows_of(tx, entry_id) if row != entry_id]
    if merged:
        tx.execute(delete(tastes).where(tastes.c.subscriber_id == subscriber_id, tastes.c.entry_id.in_(merged)))


def undo(tx: Tx, subscriber_id: SubscriberId, entry_id: EntryId) -> bool:
    """Takes back what this reader said of the work; False when it was nothing."""
    theirs = tastes.c.subscriber_id == subscriber_id, tastes.c.entry_id.in_(rows_of(tx, entry_id))
    return bool(tx.execute(delete(tastes).where(*theirs)).rowcount)


def erase(tx: Tx, subscriber_id: SubscriberId) -> int:
    """Takes back all that this reader said; gives how much it was."""
    return tx.execute(delete(tastes).where(tastes.c.subscriber_id == subscriber_id)).rowcount


def said_by(tx: Tx, subscriber_id: SubscriberId) -> tuple[Taste, ...]:
    """What this reader said, the newest first; one word a work."""
    return _newest(tx.execute(_named().where(tastes.c.subscriber_id == subscriber_id)).all())


def spoken_of(tx: Tx, *, limit: int) -> tuple[EntryId, ...]:
    """The works that readers spoke of last."""
    row = func.coalesce(entries.c.merged_into, entries.c.id)
    query = select(row).join(tastes, tastes.c.entry_id == entries.c.id).group_by(row)
    return tuple(map(EntryId, tx.execute(query.order_by(func.max(tastes.c.day).desc(), row).limit(limit)).scalars()))


def added(tx: Tx, readers: Sequence[Subscription]) -> tuple[Subscription, ...]:
    """The subscriptions with their readers' likes and dislikes, for as many readers as there are in two questions."""
    if tx.execute(select(tastes.c.day).limit(1)).first() is None:
        return tuple(readers)
    said = _heard(tx, [one.subscriber_id for one in readers])
    works = _works(tx, {row for words in said.values() for row, _ in words})
    found: list[Subscription] = []
    for one in readers:
        words = said.get(one.subscriber_id, ())
        newest: dict[str, int] = {}
        for row, value in words:
            newest.setdefault(works[row], value)
        likes = tuple(sorted(work for work, value in newest.items() if value > 0))
        dislikes = tuple(sorted(work for work, value in newest.items() if value < 0))
        found.append(replace(one, likes=likes, dislikes=dislikes) if words else one)
    return tuple(found)


def _heard(tx: Tx, subscriber_ids: Sequence[SubscriberId]) -> Mapping[SubscriberId, Sequence[tuple[int, int]]]:
    """(row of the work, word) of each reader who said something, in the order of ``_named``, as many as are heard."""
    query = (
        select(tastes.c.subscriber_id, tastes.c.entry_id, tastes.c.value)
        .join(entries, entries.c.id == tastes.c.entry_id)
        .where(among(tx, tastes.c.subscriber_id, subscriber_ids))
    )
    said: dict[SubscriberId, list[tuple[int, int]]] = defaultdict(list)
    for reader, row, value in tx.execute(query.order_by(*_NEWEST_FIRST)):
        if len(said[reader]) < HEARD:
            said[reader].append((row, value))
    return said


def _works(tx: Tx, rows: Collection[int]) -> Mapping[int, str]:
    """What the works of these rows are called now."""
    own, work = entries.alias("own"), entries.alias("work")
    query = select(own.c.id, work.c.work).join(work, work.c.id == func.coalesce(own.c.merged_into, own.c.id))
    return {found.id: found.work for found in tx.execute(query.where(among(tx, own.c.id, sorted(rows))))}


def _named() -> Select[Any]:
    """Words with the works they are about now, the newest first."""
    work = entries.alias("work")
    about = (one for one in work.c if one.name in ("id", "work", "title", "url"))
    return (
        select(*about, *(tastes.c.value, tastes.c.day))
        .select_from(tastes)
        .join(entries, entries.c.id == tastes.c.entry_id)
        .join(work, work.c.id == func.coalesce(entries.c.merged_into, entries.c.id))
        .order_by(*_NEWEST_FIRST)
    )


def _newest(rows: Sequence[Any]) -> tuple[Taste, ...]:
    """One word a work: works that turned out to be one may each have theirs."""
    found: dict[int, Taste] = {}
    for row in rows:
        word = Taste(
            entry_id=EntryId(row.id),
            work=WorkId(row.work),
            title=row.title,
            url=row.url,
            value=row.value,
            day=row.day,
        )
        found.setdefault(row.id, word)
    return tuple(found.values())
