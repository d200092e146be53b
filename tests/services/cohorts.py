"""A crowd for the tests of publishing by many: readers of many profiles, and what must hold of them in the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select

from digest.model.editions import Digest, Slot
from digest.storage import deliveries, editions, people, slots
from digest.storage.engine import Store
from tests.services.world import World
from tests.storage.papers import SLOT_AT

SLOT = Slot(digest="daily", local_date=SLOT_AT.date(), at=SLOT_AT)


def crowd(world: World, number: int, profiles: int = 1, digests: Sequence[Digest] | None = None) -> None:
    """So many confirmed readers of each digest, who take so many profiles in turn; profile 0 is the digest's own."""
    since = SLOT_AT - timedelta(days=14)
    plain: dict[str, object] = {"state": "confirmed", "created_at": since, "confirmed_at": since, "days": []}
    plain |= {"language": "", "timezone": "", "send_at": "", "last_slot_date": ""}
    with world.store.transaction() as tx:
        rows = [{"address": f"r{n:04d}@example.org", "created_at": since, "joined": False} for n in range(number)]
        ids = tx.execute(people.subscribers.insert().returning(people.subscribers.c.id), rows).scalars().all()
        for digest in digests or world.digests:
            links = [
                plain
                | {"subscriber_id": one, "digest": digest.name, "secret": f"{digest.name[:3]}{one:019d}"}
                | {"preferences": {"keywords": [f"word {n % profiles}"]} if n % profiles else {}}
                for n, one in enumerate(ids)
            ]
            tx.execute(people.subscriptions.insert(), links)


def told(store: Store, slot: Slot = SLOT) -> dict[str, int] | None:
    """What came of a slot; None while it is open."""
    with store.reading() as tx:
        found = slots.told_of(tx, slot)
    return dict(found) if found is not None else None


def check(store: Store, readers: int) -> None:
    """Each reader has one delivery, nobody a work twice, and the slot counts what there is."""
    with store.reading() as tx:
        rows = tx.execute(select(deliveries.deliveries.c.subscriber_id, deliveries.deliveries.c.edition_id)).all()
        printed = editions.entry_ids(tx, {row.edition_id for row in rows})
        each = tx.execute(select(func.count()).select_from(people.subscribers)).scalar_one()
    works: dict[int, Counter[int]] = defaultdict(Counter)
    for row in rows:
        works[row.subscriber_id].update(printed[row.edition_id])
    assert each == len(works) == readers
    assert {number for sent in works.values() for number in sent.values()} == {1}
    counted = told(store)
    assert counted is not None
    assert counted["readers"] == sum(counted.values()) - counted["readers"]
