"""What readers said of papers: more like this, or less. A subscriber, a work, +1 or -1 and a date; nothing else.

A work is named by its row, which stays the same whatever is learnt of the work later: what was said of one that is
merged counts for the survivor, and for itself again when the merge is taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
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
    said = _said_by_each(tx, sorted({one.subscriber_id for one in readers}))
    if not said:
        return tuple(readers)
    found: list[Subscription] = []
    for one in readers:
        mine = said.get(one.subscriber_id, ())
        likes = tuple(sorted(taste.work for taste in mine if taste.value > 0))
        dislikes = tuple(sorted(taste.work for taste in mine if taste.value < 0))
        found.append(replace(one, likes=likes, dislikes=dislikes) if mine else one)
    return tuple(found)


def _said_by_each(tx: Tx, subscriber_ids: Sequence[SubscriberId]) -> Mapping[SubscriberId, tuple[Taste, ...]]:
    """The newest words of each reader who said something."""
    if tx.execute(select(tastes.c.day).limit(1)).first() is None:
        return {}
    order = tastes.c.day.desc(), tastes.c.entry_id.desc()
    nth = func.row_number().over(partition_by=tastes.c.subscriber_id, order_by=order).label("nth")
    theirs = among(tx, tastes.c.subscriber_id, subscriber_ids)
    numbered = select(tastes.c.subscriber_id, tastes.c.entry_id, nth).where(theirs).subquery()
    heard = (
        (tastes.c.subscriber_id == numbered.c.subscriber_id)
        & (tastes.c.entry_id == numbered.c.entry_id)
        & (numbered.c.nth <= HEARD)
    )
    rows: dict[SubscriberId, list[Any]] = defaultdict(list)
    for row in tx.execute(_named().add_columns(tastes.c.subscriber_id).join(numbered, heard)):
        rows[SubscriberId(row.subscriber_id)].append(row)
    return {reader: _newest(some) for reader, some in rows.items()}


def _named() -> Select[Any]:
    """Words with the works they are about now, the newest first; of one day, those about the survivor itself first."""
    own, work = entries.alias("own"), entries.alias("work")
    about = (one for one in work.c if one.name in ("id", "work", "title", "url"))
    return (
        select(*about, *(tastes.c.value, tastes.c.day))
        .select_from(tastes)
        .join(own, own.c.id == tastes.c.entry_id)
        .join(work, work.c.id == func.coalesce(own.c.merged_into, own.c.id))
        .order_by(tastes.c.day.desc(), own.c.merged_into.is_not(None), work.c.id.desc(), own.c.id.desc())
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
